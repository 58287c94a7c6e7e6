"""What an operator can do with a pool."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Final

from attrs import define, field

from vrrpkit.checks import Schedule
from vrrpkit.errors import ConfigError
from vrrpkit.lvs._monitor import Checks, Monitor, check_known, to_probes
from vrrpkit.pool import (
    ChecksReplaced,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    Member,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    PoolConfig,
    PoolReconfigured,
    Restored,
    Withdrawn,
)
from vrrpkit.runtime import Driver

__all__ = ["Drain", "PoolControl"]

_OPERATOR: Final = "an operator wants it"


class PoolControl(ABC):
    """A pool as an operator sees it.

    Attributes:
        name: What it is called.
    """

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name: Final = name
        self._schedule = schedule
        self._members: dict[str, Member] = {}  # in the order in which they came
        self._monitors: dict[str, Monitor] = {}
        self._drains: dict[str, Drain] = {}
        self._withdrawn: dict[str, None] = {}
        self._suspended: dict[str, None] = {}
        self._paused: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, member: Member, checks: Checks | None = None, *, schedule: Schedule | None = None) -> None:
        """A new member, which is checked from now on, or from the start of the pool.

            pool.add(Member("10.1.0.1", 80), HTTPChecker(host="10.1.0.1", port=80))
            disk = ScriptChecker(command=Command(["/etc/ha/disk"]))
            pool.add(
                Member("10.1.0.2", 80),
                {"page": HTTPChecker(host="10.1.0.2", port=80), "disk": (disk, Schedule(interval=60))},
            )

        Args:
            member: The member; its name, and its address and port, are those of no other.
            checks: One check, or several by name; all must be well, unless `Member.needed`. Without any it is up.
            schedule: When they are done, but for those that come with one; the pool's when None.

        Raises:
            ConfigError: The member does not fit, or a check's name is not a word; nothing has changed then.
        """
        probes = to_probes(checks, schedule or self._schedule)
        name = member.name
        if name in self._members:
            raise ConfigError(f"name of a member must differ from all others, got {name!r} twice")
        self._members[name] = member
        try:
            self._post(MemberAdded(member, tuple(probes)))
        except ConfigError:
            del self._members[name]
            raise
        monitor = self._monitors[name] = Monitor(self.name, name, probes, self._post, held=self._is_held(name))
        if self._open_driver is not None:
            self._spawn(monitor.open(self._open_driver))

    def remove(self, name: str) -> None:
        """Take a member out now, with whatever connections it has; `drain()` lets them end.

        Raises:
            ConfigError: There is no such member.
        """
        self._post(MemberRemoved(name))

    def replace(self, member: Member) -> None:
        """Give the member of this name other settings, such as a weight; what is known of it stays.

        Raises:
            ConfigError: There is no such member, it has another address or port, or a setting does not fit.
        """
        self._post(MemberReplaced(member))
        self._members[member.name] = member

    def set_checks(self, name: str, checks: Checks | None, *, schedule: Schedule | None = None) -> None:
        """Check a member by other means; what checks of the same name have found holds until they find something else.

        Args:
            name: The member.
            checks: As for `add()`.
            schedule: The same.

        Raises:
            ConfigError: There is no such member, or a check's name is not a word.
        """
        probes = to_probes(checks, schedule or self._schedule)
        monitor = check_known(name, self._monitors)
        self._post(ChecksReplaced(name, tuple(probes)))
        if self._open_driver is not None:
            self._spawn(monitor.change(probes))
        else:
            monitor.probes = probes

    async def drain(self, name: str, *, limit: float | None = None, remove: bool = True) -> int:
        """Give a member no new connections, wait until those that it has have ended, and remove it then.

        Who waits may be cancelled; the draining goes on. `end_maintenance()` and `remove()` end it early.

        Args:
            name: The member.
            limit: Seconds, 0-2678400, that its connections may take; None for as long as they need.
            remove: Whether it leaves the pool then; otherwise it goes into maintenance.

        Returns:
            How many connections it had when they were counted last; 0, unless there was not time enough.

        Raises:
            ConfigError: There is no such member, or the limit is out of its range.
            RuntimeError: The pool is not open.
        """
        if self._open_driver is None:
            raise RuntimeError(f"{self.name} must be open to drain {name}")
        began = DrainBegan(name, limit, remove)
        check_known(name, self._monitors)
        drain = self._drains.setdefault(name, Drain())
        self._post(began)
        if self._is_draining(name):
            await drain.ended.wait()
        else:
            await self.settled()
        return drain.left

    def begin_maintenance(self, name: str) -> None:
        """Give a member no new connections, whatever its checks say; those that it has may go on.

        Raises:
            ConfigError: There is no such member.
        """
        self._post(MaintenanceBegan(name))

    def end_maintenance(self, name: str) -> None:
        """Let a member serve as its checks say; this ends a drain, too.

        Raises:
            ConfigError: There is no such member.
        """
        self._post(MaintenanceEnded(name))

    def reconfigure(self, config: PoolConfig) -> None:
        """Go on with other settings: only what differs is changed in the table, and what is known of members stays.

        Raises:
            ConfigError: The settings do not fit the members.
        """
        self._post(PoolReconfigured(config))

    def withdraw(self) -> None:
        """Take the services out of the table until `restore()`; checks go on."""
        self._withdraw(_OPERATOR)

    def restore(self) -> None:
        """End `withdraw()`. A pool that follows a router stays withdrawn while that is not Active."""
        self._restore(_OPERATOR)

    def check_now(self, name: str | None = None) -> None:
        """Check a member now, or all of them; nothing while checks are paused.

        Raises:
            ConfigError: There is no such member.
        """
        for monitor in self._monitors.values() if name is None else [check_known(name, self._monitors)]:
            monitor.check_now()

    def pause_checks(self, name: str | None = None) -> None:
        """Check a member no more, or all of them, until `resume_checks()`; what was found last holds.

        Raises:
            ConfigError: There is no such member.
        """
        if name is None:
            self._suspend(_OPERATOR)
        else:
            monitor = check_known(name, self._monitors)
            self._paused.add(name)
            monitor.hold(True)

    def resume_checks(self, name: str | None = None) -> None:
        """End `pause_checks()` of a member, or of all: each is checked at once.

        Raises:
            ConfigError: There is no such member.
        """
        if name is None:
            self._paused.clear()
            self._resume(_OPERATOR)
        else:
            monitor = check_known(name, self._monitors)
            self._paused.discard(name)
            monitor.hold(self._is_held(name))

    @abstractmethod
    async def settled(self) -> None:
        """Wait until the kernel has been asked for all that is decided by now, and the news have been told."""

    @abstractmethod
    def _is_draining(self, name: str) -> bool:
        """Whether there is such a member, and it is draining."""

    @property
    @abstractmethod
    def _open_driver(self) -> Driver | None:
        """The clock while the pool is open; otherwise None."""

    @abstractmethod
    def _post(self, event: Event) -> None:
        """Feed the machine one event.

        Raises:
            ConfigError: The machine refuses it; nothing has changed then.
        """

    def _forget(self, name: str) -> None:
        """A member has left."""
        self._members.pop(name, None)
        self._paused.discard(name)
        monitor = self._monitors.pop(name, None)
        if monitor is not None and self._open_driver is not None:
            self._spawn(monitor.close())

    def _withdraw(self, reason: str) -> None:
        first = not self._withdrawn
        self._withdrawn[reason] = None
        if first:
            self._post(Withdrawn())

    def _restore(self, reason: str) -> None:
        if reason in self._withdrawn:
            del self._withdrawn[reason]
            if not self._withdrawn:
                self._post(Restored())

    def _suspend(self, reason: str) -> None:
        self._suspended[reason] = None
        self._hold_all()

    def _resume(self, reason: str) -> None:
        self._suspended.pop(reason, None)
        self._hold_all()

    def _hold_all(self) -> None:
        for name, monitor in self._monitors.items():
            monitor.hold(self._is_held(name))

    def _is_held(self, name: str) -> bool:
        return bool(self._suspended) or name in self._paused

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@define(eq=False)
class Drain:
    """Somebody waits for a member to be drained."""

    ended: asyncio.Event = field(factory=asyncio.Event)
    left: int = 0
