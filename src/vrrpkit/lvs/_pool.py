"""Run a pool: its checks, its decisions, and the kernel's table."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Final, Self, assert_never

from attrs import frozen

from vrrpkit.checks import Schedule
from vrrpkit.errors import ConfigError, check_number
from vrrpkit.lvs._applier import Applier
from vrrpkit.lvs._control import PoolControl
from vrrpkit.lvs._following import Following
from vrrpkit.lvs._monitor import Monitor
from vrrpkit.lvs._notices import PoolNotice, PoolNotifier, tell_all
from vrrpkit.lvs._ports import ServiceTable
from vrrpkit.lvs._snapshot import CheckStatus, MemberSnapshot, PoolSnapshot
from vrrpkit.lvs._verdict import QuorumVerdict
from vrrpkit.pool import (
    Action,
    Apply,
    Condition,
    ConnectionsCounted,
    CountConnections,
    Event,
    MemberMoved,
    MemberStatus,
    Pool,
    PoolConfig,
    PoolNews,
    PoolStarted,
    PoolTick,
    QuorumMoved,
    Withdrawn,
)
from vrrpkit.runtime import Driver, RouterGroup, Seat, VirtualRouter
from vrrpkit.runtime._feed import Feed, enlist
from vrrpkit.runtime._router import see_through

__all__ = ["OnClose", "ServerPool"]

log = logging.getLogger("vrrpkit.pool")

_CLOSED: Final = "the pool was closed"
# So many members begin or cease to be checked before the event loop has a turn.
_AT_ONCE: Final = 50


class OnClose(enum.StrEnum):
    """What becomes of the services when their pool is closed."""

    REMOVE = "remove"
    """They are removed, and their connections end; as with keepalived."""
    LEAVE = "leave"
    """They stay as they are, for the next program to go on with."""


class ServerPool(PoolControl):
    """Runs a pool of real servers: checks them, and makes the kernel's table what comes of it.

        web = VirtualService(Endpoint("tcp", "192.0.2.10", 80))
        async with IPVSManager() as ipvs:
            pool = ServerPool("web", PoolConfig(services=web), ipvs, schedule=Schedule(interval=2, fall=3))
            for number in (1, 2, 3):
                host = f"10.1.0.{number}"
                pool.add(Member(host, 80, name=f"web{number}"), HTTPChecker(host=host, port=80))
            async with pool:
                async for news in pool.changes():
                    print(news)

    Entering the block reads the table and begins the checks: members that are found in the table stay there until
    their first verdict, so a program that is started again disturbs no connection. Verdicts never wait for the kernel;
    what it is asked for, and the news, follow in order in a task of the pool's own.

    A new member is in service with its first good verdict, unless `PoolConfig.trust_unchecked`. What a check's
    schedule assumes before the first result does not count here.

    Args:
        name: What logs and notifiers call it; a word.
        config: What it is made of.
        table: The kernel's table.
        driver: The clock that it shares with other pools and routers; its own when None.
        schedule: When its members are checked, unless they have schedules of their own.
        notify: Whom to tell its news.
        omega: Whether to tell, on closing, that every live member is gone and the quorum lost; keepalived's `omega`.
        on_close: What becomes of the services then.
        resync: Seconds, 1-86400, between two looks at the table for what others have changed, which is undone; None
            for none.

    Attributes:
        name: What it is called.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        name: str,
        config: PoolConfig,
        table: ServiceTable,
        *,
        driver: Driver | None = None,
        schedule: Schedule | None = None,
        notify: Iterable[PoolNotifier] = (),
        omega: bool = False,
        on_close: OnClose = OnClose.REMOVE,
        resync: float | None = 30.0,
    ) -> None:
        if not name or name.split() != [name]:
            raise ConfigError(f"name must be a word, got {name!r}")
        if resync is not None:
            check_number("resync", resync, 1, 86400, "seconds")
        super().__init__(name, schedule or Schedule())
        self._table = table
        self._driver = driver
        self._omega = omega
        self._on_close = OnClose(on_close)
        self._resync = resync
        self._machine = Pool(config)
        self._notifiers = list(notify)
        self._feed: Final[Feed[PoolNews]] = Feed(log, name)
        self._verdict = QuorumVerdict()
        self._followings: dict[str, Following] = {}
        self._count_error = ""
        self._early: list[Action] = []
        self._running: _Running | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Read the table, go on with what is there, and begin the checks.

        Raises:
            OSError: The kernel refuses to show its table: it has no IPVS, or CAP_NET_ADMIN is missing.
            RuntimeError: It has been opened before.
        """
        if self._running is not None or self._closed:
            raise RuntimeError(f"{self.name} has been opened already")
        found = await self._table.read(self.config.keys)
        self._running = self._run(self._driver or Driver())
        self._running.seat.post(PoolStarted(found))
        self._verdict.start(held=self.quorum_held)
        try:
            for number, monitor in enumerate(tuple(self._monitors.values()), start=1):
                if self._monitors.get(monitor.member) is monitor:
                    await monitor.open(self._running.driver)
                if not number % _AT_ONCE:
                    await asyncio.sleep(0)
        except BaseException:
            await see_through(self.aclose())
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Check no more, and remove the services or leave them; also when cancelled meanwhile."""
        await see_through(self.aclose())

    async def aclose(self) -> None:
        """End the checks, and remove the services or leave them. Closing twice is a no-op.

        Returns when the kernel has done it, or has refused it and been asked twice.
        """
        running, was_closed, self._closed = self._running, self._closed, True
        if running is None or was_closed:
            self._feed.close()
            return
        for following in self._followings.values():
            following.stop()
        monitors = tuple(self._monitors.values())
        farewell = [self._notice(news) for news in self._farewell()] if self._omega else []
        if self._on_close is OnClose.REMOVE:
            running.seat.post(Withdrawn())
        for notice in farewell:
            running.applier.tell(notice)
        try:
            await asyncio.gather(running.applier.finish(), self._close_all(monitors), *self._tasks)
        finally:
            self._stop(running)

    @property
    def config(self) -> PoolConfig:
        """The settings in force."""
        return self._machine.config

    @property
    def members(self) -> Mapping[str, MemberStatus]:
        """How each member stands, by name."""
        return self._machine.members

    @property
    def quorum_held(self) -> bool:
        """Whether the quorum is held right now; `changes()` may not have told it yet."""
        return self._machine.quorum_held

    @property
    def quorum(self) -> bool | None:
        """The same, and None until it is held or every member has had its first verdict."""
        return self._verdict.held

    @property
    def explanation(self) -> str:
        """Why the quorum is held or not, in words."""
        return self._machine.explanation

    @property
    def error(self) -> str | None:
        """What the kernel refuses now, in words."""
        return None if self._running is None else self._running.applier.error

    def snapshot(self) -> PoolSnapshot:
        """Everything a person would ask, at this moment."""
        machine = self._machine
        return PoolSnapshot(
            name=self.name,
            config=machine.config,
            quorum_held=machine.quorum_held,
            live_weight=machine.live_weight,
            explanation=machine.explanation,
            sorry_serves=machine.sorry_serves,
            members={name: self._snapshot_of(name, status) for name, status in machine.members.items()},
            desired=machine.desired,
            withdrawn=tuple(self._withdrawn),
            suspended=tuple(self._suspended),
            error=self.error,
        )

    async def changes(self) -> AsyncIterator[PoolNews]:
        """All news, in order, each once the kernel has been asked for what goes with it.

        Begins with the latest. A reader that falls more than 1,024 news behind misses the oldest, which is logged. Ends
        when the pool is closed.
        """
        async for news in self._feed.follow():
            yield news

    async def settled(self) -> None:
        """Wait until the kernel has been asked for all that is decided by now, and the news have been told."""
        if self._running is not None:
            await self._running.applier.idle()

    def notify(self, notifier: PoolNotifier) -> Callable[[], None]:
        """Tell a notifier all news from now on, in order; returns how to stop."""
        return enlist(self._notifiers, notifier)

    def watch_quorum(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` whenever `quorum` has changed, at once, whatever the kernel does; returns how to stop."""
        return self._verdict.watch(on_change)

    def follow(self, router: VirtualRouter | RouterGroup, *, suspend: bool = False) -> Callable[[], None]:
        """Be active only while a router or a sync group is Active; returns how to stop, which makes it active again.

        The services are put in before the router's addresses come, and are taken out after those have gone. The
        addresses of a sync group do not wait for them: follow one of its members instead.

        Args:
            router: The router or group. Several may be followed; all of them must be Active then.
            suspend: Whether to leave the table as it is and to pause the checks instead; keepalived's `ha_suspend`.

        Raises:
            ConfigError: It is followed already.
        """
        reason = f"{router.name} is not Active"
        if reason in self._followings:
            raise ConfigError(f"{self.name} must follow {router.name} once only")
        end, begin = (self._resume, self._suspend) if suspend else (self._restore, self._withdraw)

        def switch(active: bool) -> None:
            (end if active else begin)(reason)

        def stop() -> None:
            following = self._followings.pop(reason, None)
            if following is not None:
                following.stop()
                switch(True)

        self._followings[reason] = Following(router, switch, None if suspend else self.settled)
        return stop

    @property
    def _open_driver(self) -> Driver | None:
        return None if self._running is None or self._closed else self._running.driver

    def _is_draining(self, name: str) -> bool:
        status = self.members.get(name)
        return status is not None and status.condition is Condition.DRAINING

    def _run(self, driver: Driver) -> _Running:
        applier = Applier(
            self.name,
            self._table,
            driver,
            keys=lambda: self.config.keys,
            desired=lambda: self._machine.desired,
            resync=self._resync,
            tell=self._tell,
            count=self._count,
        )
        perform = partial(self._perform, applier)
        seat: Seat[Event, Action] = driver.seat(self._machine, perform, tick=PoolTick(), leeway=lambda: 0.0)
        early, self._early = self._early, []
        for action in early:
            perform(action)
        return _Running(driver, seat, applier)

    async def _close_all(self, monitors: Iterable[Monitor]) -> None:
        closing = []
        for number, monitor in enumerate(monitors, start=1):
            closing.append(asyncio.ensure_future(monitor.close()))
            if not number % _AT_ONCE:
                await asyncio.sleep(0)
        await asyncio.gather(*closing)

    def _stop(self, running: _Running) -> None:
        running.applier.close()
        running.seat.leave()
        for drain in self._drains.values():
            drain.ended.set()
        self._feed.close()
        if self._driver is None:
            running.driver.close()

    def _post(self, event: Event) -> None:
        if self._closed:
            return
        if self._running is not None:
            self._running.seat.post(event)
        else:
            self._early.extend(self._machine.handle(event, 0.0))  # performed when it opens

    def _perform(self, applier: Applier, action: Action) -> None:
        match action:
            case Apply(operations):
                applier.change(operations)
            case CountConnections(name):
                applier.count(name)
            case MemberMoved() | QuorumMoved():
                applier.tell(self._notice(action))
                self._verdict.note(action, held=self.quorum_held)
                if isinstance(action, MemberMoved) and action.new is None:
                    self._forget(action.member)
            case unreachable:
                assert_never(unreachable)

    def _notice(self, news: PoolNews) -> PoolNotice:
        config = self.config
        member = self._members.get(news.member) if isinstance(news, MemberMoved) else None
        return PoolNotice(name=self.name, news=news, keys=config.keys, member=member, trusted=config.trust_unchecked)

    def _tell(self, notice: PoolNotice) -> None:
        news = notice.news
        log.info("%s: %s", self.name, news)
        if isinstance(news, MemberMoved) and news.member in self._drains and not self._is_draining(news.member):
            self._drains.pop(news.member).ended.set()
        self._feed.add(news)
        tell_all(self._notifiers, notice)

    async def _count(self, names: Collection[str]) -> None:
        """Count what draining members still have, in all services."""
        try:
            counts = {key: await self._table.connections(key) for key in self.config.keys}
        except OSError as error:
            if str(error) != self._count_error:
                log.error("%s: connections cannot be counted: %s", self.name, error)  # noqa: TRY400 - it says it all
            self._count_error = str(error)
            return
        self._count_error = ""
        for name in names:
            member, drain = self._members.get(name), self._drains.get(name)
            if member is not None and self._is_draining(name):
                places = {key: member.to_server(key, 0).place for key in counts}
                total = sum(found.total for key, place in places.items() if (found := counts[key].get(place)))
                if drain is not None:
                    drain.left = total
                self._post(ConnectionsCounted(name, total))

    def _farewell(self) -> Iterable[PoolNews]:
        """What omega tells: as if all had gone."""
        for name, status in self.members.items():
            if status.condition is Condition.UP:
                yield MemberMoved(member=name, old=Condition.UP, new=None, why=_CLOSED)
        if self.quorum_held:
            quorum, hysteresis = self.config.quorum, self.config.hysteresis
            yield QuorumMoved(held=False, live_weight=0, quorum=quorum, hysteresis=hysteresis)

    def _snapshot_of(self, name: str, status: MemberStatus) -> MemberSnapshot:
        trackers = self._monitors[name].trackers
        checks = {check: CheckStatus.of(tracker) for check, tracker in trackers.items()}
        return MemberSnapshot(member=self._members[name], status=status, checks=checks)


@frozen(eq=False)
class _Running:
    """What there is while a pool is open."""

    driver: Driver
    seat: Seat[Event, Action]
    applier: Applier
