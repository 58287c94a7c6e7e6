"""Run scripts when something happens, as keepalived does, and one after another."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Final, Self, assert_never

from attrs import Attribute, Factory, define, field

from vrrpkit.commands import Command, run
from vrrpkit.election import StateChanged
from vrrpkit.errors import ConfigError, InRange, Whole
from vrrpkit.notifications._backlog import Backlog
from vrrpkit.notifications._words import Word, arguments, state_word
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.runtime._router import see_through
from vrrpkit.sync import GroupChanged

__all__ = ["ScriptNotifier"]

log = logging.getLogger("vrrpkit.notify")

_SUBJECT: Final = "notification scripts"


def _check_command(_instance: object, attribute: Attribute[Command | None], value: Command | None) -> None:
    given: object = value
    if given is not None and not isinstance(given, Command):
        raise ConfigError(f"{attribute.name} must be a Command or None, got {value!r}")


@define(kw_only=True, eq=False)
class ScriptNotifier:
    """Runs a command for each piece of news, in keepalived's manner; a notifier for routers and sync groups.

        async with ScriptNotifier(notify_master=Command(["/etc/ha/taken.sh"])) as scripts:
            async with VirtualRouter(config, ..., notify=[scripts]):
                ...

    A change of state runs the command for that state with its own arguments alone, then `notify` with four more:
    `INSTANCE` or `GROUP`, the name, the word, and the effective priority; see `arguments()`. As in keepalived, DELETED
    is said only if there is a `notify_deleted`; otherwise `notify` is told FAULT when a router is removed, and
    `notify_fault` is not run.

    All commands run strictly one after another, in the order of the news, where keepalived starts them side by side.
    Nothing waits for them, and nothing depends on their success: one that fails is logged. One that hangs holds up
    those behind it for `timeout` seconds, so give routers that must not wait for each other's scripts a notifier each.

    News that come faster than the scripts run wait. If more than `backlog` do, those are dropped first that a later
    state of the same router or group makes obsolete, so that the newest state of each is told. Where keepalived runs
    `notify_master_rx_lower_pri` for every advertisement, one run per router waits at a time, and stands for all that
    were heard meanwhile.

    Leaving the block runs what has been told before, for `close_timeout` seconds at most. Then, or when the leaving is
    cancelled, the running command is ended, which may take it three seconds more, and the rest is dropped. Leave it
    after the routers.

    Attributes:
        notify_master: Runs when a router or group has become Active.
        notify_backup: Runs when it has become Backup.
        notify_fault: Runs when it is in fault.
        notify_stop: Runs when it was shut down.
        notify_deleted: Runs when it was removed while the program lives on.
        notify: Runs at each of these, with four arguments more.
        notify_master_rx_lower_pri: Runs while Active when an advertisement of lower priority was heard.
        timeout: Seconds, 0.01-86400, after which a command is ended.
        close_timeout: Seconds, 0-86400, that leaving the block may wait.
        backlog: How many notices may wait, 1-1000000.
        run: How many commands were run, or tried to.
        failed: How many of them could not be started, failed, or were ended.

    Raises:
        ConfigError: A value is out of its range.
    """

    notify_master: Command | None = field(default=None, validator=_check_command)
    notify_backup: Command | None = field(default=None, validator=_check_command)
    notify_fault: Command | None = field(default=None, validator=_check_command)
    notify_stop: Command | None = field(default=None, validator=_check_command)
    notify_deleted: Command | None = field(default=None, validator=_check_command)
    notify: Command | None = field(default=None, validator=_check_command)
    notify_master_rx_lower_pri: Command | None = field(default=None, validator=_check_command)
    timeout: float = field(default=30.0, validator=InRange(0.01, 86400, "seconds"))
    close_timeout: float = field(default=20.0, validator=InRange(0, 86400, "seconds"))
    backlog: int = field(default=1000, validator=Whole(1, 1_000_000))
    run: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    _waiting: Backlog = field(
        init=False, default=Factory(lambda self: Backlog(self.backlog, log, _SUBJECT), takes_self=True)
    )
    _open: bool = field(default=False, init=False)
    _worker: asyncio.Task[None] | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        """Begin to take news.

        Raises:
            RuntimeError: The block has been entered already.
        """
        if self._open:
            raise RuntimeError("a ScriptNotifier cannot be entered twice at a time")
        self._open = True
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Run what has been told before, within the time there is; leave no process behind."""
        self._open = False
        worker = self._worker
        if worker is None:
            return
        try:
            await asyncio.wait({worker}, timeout=self.close_timeout)
        finally:
            worker.cancel()
            self._waiting.clear()
            await see_through(_end_of(worker))

    @property
    def dropped(self) -> int:
        """How many notices were dropped: there was no room for them, or no time at the end."""
        return self._waiting.dropped

    def tell(self, notice: Notice) -> None:
        """Have the commands run for one notice, after those of all earlier ones.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if not self._open:
            raise RuntimeError(f"ScriptNotifier is not open, so no script runs for {notice.name}: {notice.news}")
        if isinstance(notice.news, PriorityMoved):
            return
        if isinstance(notice.news, LoserHeard) and self.notify_master_rx_lower_pri is None:
            return
        self._waiting.add(notice)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._run_all(self._waiting.pop())
        finally:
            self._worker = None

    async def _run_all(self, notice: Notice) -> None:
        subject = " ".join(arguments(notice)[:3])
        try:
            for command in self._commands(notice):
                await self._run(subject, command)
        except Exception:  # a defect must not keep what follows from being told
            self.failed += 1
            log.exception("%s: its commands could not be run", subject)

    async def _run(self, subject: str, command: Command) -> None:
        self.run += 1
        try:
            outcome = await run(command, timeout=self.timeout)
        except asyncio.CancelledError:
            self.failed += 1
            log.warning("%s: %s: ended, no time is left", subject, command)
            raise
        if outcome.ok:
            log.debug("%s: %s: %s", subject, command, outcome.detail)
        else:
            self.failed += 1
            log.warning("%s: %s: %s", subject, command, outcome.detail)

    def _commands(self, notice: Notice) -> tuple[Command, ...]:
        """What to run, in order."""
        match notice.news:
            case StateChanged() | GroupChanged():
                own = self._by_word(state_word(notice.news))
                words = arguments(notice, deleted=self.notify_deleted is not None)
                both = own, None if self.notify is None else self.notify.with_arguments(*words)
            case LoserHeard():
                both = self.notify_master_rx_lower_pri, None
            case PriorityMoved():
                both = None, None
            case unreachable:
                assert_never(unreachable)
        return tuple(command for command in both if command is not None)

    def _by_word(self, word: Word) -> Command | None:
        """The command for a state alone."""
        match word:
            case "MASTER":
                return self.notify_master
            case "BACKUP":
                return self.notify_backup
            case "FAULT":
                return self.notify_fault
            case "STOP":
                return self.notify_stop
            case "DELETED":
                return self.notify_deleted
            case _:
                return None


async def _end_of(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
