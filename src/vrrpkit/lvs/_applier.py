"""What a pool wants of the kernel, done in order by a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from attrs import define, field

from vrrpkit.ipvs import ApplyError, Operation, RemoveService, ServiceKey, Table, plan
from vrrpkit.lvs._lookout import ChangeRefused, Event, Look, LookDue, Looked, Lookout, LookoutOpened
from vrrpkit.lvs._notices import PoolNotice
from vrrpkit.lvs._ports import ServiceTable
from vrrpkit.runtime import Driver, Seat

__all__ = ["Applier"]

log = logging.getLogger("vrrpkit.pool")

_SHOWN: Final = 3
# So many news are told before the event loop has a turn.
_AT_ONCE: Final = 50


@define(eq=False)
class _Batch:
    """What has come together while the kernel was busy."""

    operations: list[Operation] = field(factory=list)
    news: list[PoolNotice] = field(factory=list)
    to_count: dict[str, None] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.operations or self.news or self.to_count)


class Applier:
    """One pool's changes, news and counts, in the order of its decisions.

    Changes that come while the kernel is busy are one batch. News follow the changes that came before them. When the
    kernel refuses something, the changes that come later are tried all the same; and after a pause the table is read
    and made what it should be, until that works.

    Args:
        name: What logs call the pool.
        table: The kernel's.
        driver: The clock of the looks.
        keys: What the pool's services are known by now.
        desired: What the table should be now.
        resync: Seconds between two looks for what others have changed; None for none.
        tell: Takes the news when their turn has come.
        count: Counts the connections of members.
    """

    def __init__(
        self,
        name: str,
        table: ServiceTable,
        driver: Driver,
        *,
        keys: Callable[[], Collection[ServiceKey]],
        desired: Callable[[], Table],
        resync: float | None,
        tell: Callable[[PoolNotice], None],
        count: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._table = table
        self._keys = keys
        self._desired = desired
        self._tell = tell
        self._count = count
        self._batch = _Batch()
        self._look_wanted = False
        self._behind = False
        self._error: str | None = None
        self._left_behind: set[ServiceKey] = set()
        self._worker: asyncio.Task[None] | None = None
        self._lookout: Seat[Event, Look] = driver.seat(
            Lookout(resync), self._begin_look, tick=LookDue(), leeway=lambda: 0.0
        )
        self._lookout.post(LookoutOpened())

    @property
    def error(self) -> str | None:
        """What the kernel refuses now, in words."""
        return self._error

    def change(self, operations: Sequence[Operation]) -> None:
        """Change the table after all that was added before."""
        self._batch.operations.extend(operations)
        self._start()

    def tell(self, notice: PoolNotice) -> None:
        """Tell this when the changes before it have been asked of the kernel."""
        self._batch.news.append(notice)
        self._start()

    def count(self, member: str) -> None:
        """Count a member's connections after the changes that came before."""
        self._batch.to_count[member] = None
        self._start()

    async def idle(self) -> None:
        """Wait until nothing is left to do but what was refused."""
        while self._worker is not None:
            await asyncio.wait({self._worker})

    async def finish(self) -> None:
        """Wait until all is done, what was refused having been tried once more."""
        await self.idle()
        if self._behind:
            self._begin_look(Look())
            await self.idle()

    def close(self) -> None:
        """Look no more."""
        self._lookout.leave()

    def _start(self) -> None:
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name=f"{self._name}: table")

    def _begin_look(self, _action: Look) -> None:
        self._look_wanted = True
        self._start()

    async def _work(self) -> None:
        while self._batch or self._look_wanted:
            try:
                await self._step()
            except Exception:  # a defect must not keep what follows from being done
                log.exception("%s: the table's task failed", self._name)
        self._worker = None

    async def _step(self) -> None:
        if self._look_wanted:
            self._look_wanted = False
            await self._look()
            return
        batch, self._batch = self._batch, _Batch()
        if batch.operations:
            await self._apply(batch.operations)
        for number, notice in enumerate(batch.news, start=1):
            self._tell(notice)
            if not number % _AT_ONCE:
                await asyncio.sleep(0)
        if batch.to_count:
            await self._count(tuple(batch.to_count))

    async def _apply(self, operations: Sequence[Operation]) -> None:
        try:
            await self._table.apply(operations)
        except Exception as error:  # noqa: BLE001 - the table is not what it should be, whatever the reason
            self._complain(error)
            self._lookout.post(ChangeRefused())

    async def _look(self) -> None:
        """Make the table what it should be, in one go with the changes that wait."""
        try:
            found = await self._table.read({*self._keys(), *self._left_behind})
            waiting, self._batch.operations = self._batch.operations, []
            steps = plan(found, self._desired())
            if steps and not waiting and not self._behind:
                log.warning("%s: others have changed the table, to be undone: %s", self._name, _shown(steps))
            if steps:
                await self._table.apply(steps)
        except Exception as error:  # noqa: BLE001 - the table is not what it should be, whatever the reason
            self._complain(error)
            self._lookout.post(Looked(ok=False))
        else:
            self._settle()
            self._lookout.post(Looked(ok=True))

    def _complain(self, error: Exception) -> None:
        self._behind = True
        if isinstance(error, ApplyError):
            refused = (one.operation for one in error.refused)
            self._left_behind |= {step.key for step in refused if isinstance(step, RemoveService)}
        text = str(error) or type(error).__name__
        if text != self._error:
            log.error("%s: %s", self._name, text)
        self._error = text

    def _settle(self) -> None:
        self._left_behind.clear()
        if self._behind:
            log.info("%s: the table is what it should be again", self._name)
        self._behind, self._error = False, None


def _shown(steps: Sequence[Operation]) -> str:
    more = len(steps) - _SHOWN
    return "; ".join([*map(str, steps[:_SHOWN]), *([f"{more} more"] if more > 0 else [])])
