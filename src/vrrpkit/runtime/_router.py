"""Run one election against a link and a kernel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self, assert_never

from attrs import evolve

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Backup,
    Election,
    ElectionConfig,
    Event,
    Reconfigured,
    ReleaseAddresses,
    Resumed,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Reject
from vrrpkit.runtime._chores import Chores, Complaints
from vrrpkit.runtime._driver import Driver, Seat
from vrrpkit.runtime._gate import Gate
from vrrpkit.runtime._group import LEEWAY, Part, Place, RouterGroup
from vrrpkit.runtime._hooks import Hook, Hooks, Moment
from vrrpkit.runtime._notices import LoserHeard, News, Notice, Notifier, tell_all
from vrrpkit.runtime._operable import Operable
from vrrpkit.runtime._ports import AddressManager, Announcer, Transport
from vrrpkit.runtime._snapshot import RouterSnapshot, take_snapshot
from vrrpkit.runtime._tracker import Tracked, Tracker
from vrrpkit.runtime._tracking import as_tracked, consequences, details, moved, warn_of_traps, weigh
from vrrpkit.stats import RouterCounters
from vrrpkit.sync import freeing
from vrrpkit.tracking import Standing, Track

__all__ = ["VirtualRouter", "see_through", "shut_down"]

log = logging.getLogger("vrrpkit.router")

_SENDING: Final = "sending"


class VirtualRouter(Operable[StateChanged]):
    """One virtual router, from its election to the kernel.

        async with VirtualRouter(config, transport=t, addresses=a, announcer=n) as router:
            async for change in router.changes():
                ...

    Entering the block starts the election. Leaving it, by any path, cancellation included, resigns at once
    (priority 0) and returns when the addresses are released.

    Advertisements leave at the moment of the decision. What takes time (hooks, addresses, announcements, news) follows
    in order, in a task of the router's own, so none of it can delay an advertisement.

    Args:
        config: What this router knows about the virtual router.
        transport: Its link.
        addresses: Where its addresses are held.
        announcer: How the LAN learns of them.
        driver: The clock it shares with other routers of the process; its own when None.
        name: What logs, snapshots and notifiers call it; `VRID 51` when None.
        tracks: What its priority and its taking part depend on, from the start.
        notify: Whom to tell its news.
        group: The sync group that it belongs to from the start. It starts with the group, and shares its driver.

    Attributes:
        name: What it is called.
        counters: What it has counted; they go on counting, while a snapshot's stand still.

    Raises:
        ConfigError: The group cannot take it, or two trackers have the same name.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        config: ElectionConfig,
        *,
        transport: Transport,
        addresses: AddressManager,
        announcer: Announcer,
        driver: Driver | None = None,
        name: str | None = None,
        tracks: Iterable[Tracker | Tracked] = (),
        notify: Iterable[Notifier] = (),
        group: RouterGroup | None = None,
    ) -> None:
        super().__init__(f"VRID {config.vrid}" if name is None else name, log, notify)
        self.counters: Final = RouterCounters()
        self._transport = transport
        self._announcer = announcer
        self._own_driver = driver is None and group is None
        self._driver = group.driver if group is not None else driver or Driver()
        self._election = Election(config, transport.primary_address)
        self._gate = Gate(self._election, self.counters, self.name, self._loser_heard)
        self._complaints = Complaints(self.name)
        self._hooks = Hooks(self.name)
        self._chores = Chores(
            self.name,
            addresses=addresses,
            announcer=announcer,
            driver=self._driver,
            state=lambda: self.state,
            held=lambda: self.config.all_addresses,
            post=self.post,
            tell=self._tell,
            complaints=self._complaints,
            hooks=self._hooks,
        )
        self._loser_waits = False
        self._decided: StateChanged | None = None
        self._since: datetime | None = None
        self._standing = Standing(config.priority, config.priority)
        self._group: RouterGroup | None = None
        self._place: Place = self._place_of_its_own()
        try:
            for tracked in as_tracked(tracks):
                self.track(tracked)
            if group is not None:
                self.join(group)
        except ConfigError:
            self._abandon()
            raise

    async def __aenter__(self) -> Self:
        """Start the election; a member of a group starts with that."""
        self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Resign and release, also when cancelled meanwhile."""
        await see_through(self.aclose())

    def start(self) -> None:
        """Begin to listen, and start the election; a member of a group starts with that."""
        self._transport.open(self)
        if self._group is None:
            self.post(Startup())

    def shut_down(self, *, deleted: bool = False) -> None:
        """Resign now: priority 0 has left when this returns. `changes()` ends with the change that follows.

        A member leaves its sync group first, which goes on without it.

        Args:
            deleted: Whether to tell notifiers that this router is removed while the program lives on.
        """
        if self._group is not None and len(self._group.members) > 1:
            self._detach()
        self._place.post(Shutdown(deleted=deleted))  # of a group with its last member
        if self._group is not None:
            self._detach()

    async def aclose(self) -> None:
        """Resign, release the addresses, stop listening. Closing twice is a no-op.

        Returns when the addresses are released, or the kernel has refused that and been asked twice.
        """
        self.shut_down()
        await self._chores.finish()
        self._transport.close()
        self._abandon()
        self._feed.close()
        if self._own_driver:
            self._driver.close()

    @property
    def state(self) -> State:
        """The state right now; `changes()` may not have told it yet."""
        return self._election.state

    @property
    def config(self) -> ElectionConfig:
        """The settings in force."""
        return self._election.config

    @property
    def group(self) -> RouterGroup | None:
        """The sync group that it belongs to."""
        return self._group

    @property
    def standing(self) -> Standing:
        """What its tracks make of its priority, every contribution told; a group's tracks count for its members."""
        return self._standing if self._group is None else self._group.standing

    def snapshot(self) -> RouterSnapshot:
        """Everything a person would ask, at this moment."""
        return take_snapshot(
            self._election,
            name=self.name,
            now=self._driver.now(),
            last_change=self._decided,
            since=self._since,
            counters=self.counters,
            error=str(self._complaints) or None,
            standing=self.standing,
            details=details(self.tracks if self._group is None else self._group.all_tracks),
            group=None if self._group is None else self._group.name,
            stalls=self._driver.stalls.count,
        )

    def post(self, event: Event) -> None:
        """Feed an event: from a link watcher, an operator. Conditions of things are for `track()`.

        Raises:
            ConfigError: `Reconfigured` names another virtual router.
        """
        self._place.post(event)

    def reconfigure(self, config: ElectionConfig) -> None:
        """Go on with other settings, without losing state; see `Reconfigured`. Tracks keep their weights.

        Raises:
            ConfigError: The VRID or the family is another one, or the priority in a group.
        """
        weighed = self._weigh(config.priority) if self._group is None else self._group.standing
        before = self.config
        self.post(Reconfigured(config, None if config.is_owner else weighed.priority))
        self._review()
        if (config.preempt, config.is_owner) != (before.preempt, before.is_owner):
            for tracked in self.tracks.values():
                self._warn_of_traps(tracked.track)

    def set_priority(self, priority: int) -> None:
        """Go on with another configured priority, 1-255; in a group, of all members.

        Raises:
            ConfigError: It is out of its range.
        """
        if self._group is None:
            self.reconfigure(evolve(self.config, priority=priority))
        else:
            self._group.set_priority(priority)

    def hook(self, moment: Moment, hook: Hook, *, timeout: float = 5.0) -> Callable[[], None]:
        """Run `hook` at a moment of every change that brings or takes the addresses; returns how to stop.

        Hooks of one moment run one after another, as they were added. A hook that fails is logged. One that takes
        too long is cancelled, logged, and waited for no longer. No advertisement waits for a hook; the addresses,
        and the news that come after it, do. So a hook before the removal that hangs leaves the addresses here, while
        another takes over after one skew: keep its timeout below `snapshot().skew` (0.6 s at priority 100).

        Args:
            moment: When.
            hook: Is told the change.
            timeout: Seconds, 0.001-3600, that it may take.

        Raises:
            ConfigError: The timeout is out of its range.
        """
        return self._hooks.add(moment, hook, timeout)

    def join(self, group: RouterGroup) -> None:
        """Move together with others from now on; into an Active group as Active, at once.

        Raises:
            ConfigError: It is in a group already, has another driver, or does not fit the other members.
        """
        if self._group is not None:
            raise ConfigError(f"{self.name} must be in one sync group, and is in {self._group.name} already")
        if group.driver is not self._driver:
            raise ConfigError(f"driver of {self.name} must be the one of {group.name}")
        place = group.admit(
            Part(self.name, self._election, self._perform, lambda: self._tracking.tracked, self._chores.add)
        )
        self._place.leave()
        self._place, self._group = place, group
        group.review()

    def leave(self) -> None:
        """Leave the sync group, which goes on without it; the state stays.

        Raises:
            ConfigError: It is in none.
        """
        if self._group is None:
            raise ConfigError(f"{self.name} must be in a sync group to leave it")
        self._detach()
        for event in freeing(self._election):
            self.post(event)
        self._review()

    def heard(self, event: AdvertReceived) -> None:
        """From the transport: a well-formed advertisement came in."""
        if self._gate.admits(event):
            self._place.post(event)

    def rejected(self, reason: Reject, source: IPAddress, detail: str) -> None:
        """From the transport: octets came in that are no advertisement for us."""
        self._gate.reject(reason, source, detail)

    def _detach(self) -> None:
        self._place.leave()
        self._group = None
        self._place = self._place_of_its_own()

    def _abandon(self) -> None:
        self._tracking.close()
        self._place.leave()
        self._chores.close()

    def _place_of_its_own(self) -> Place:
        seat: Seat[Event, Action] = self._driver.seat(
            self._election, self._perform, tick=TimerFired(), leeway=self._leeway
        )
        return seat

    def _leeway(self) -> float | None:
        """A Backup judges by what it has not heard; an Active Router has the duty to advertise."""
        if isinstance(self._election.phase, Backup):
            return None
        return self._election.config.advert_interval * LEEWAY

    def _weigh(self, base: int) -> Standing:
        return weigh(base, self._tracking.tracked.values())

    def _operate(self, event: SteppedDown | Suspended | Resumed) -> None:
        self.post(event)

    def _warn_of_traps(self, track: Track) -> None:
        warn_of_traps(self.name, track, preempt=self.config.preempt, is_owner=self.config.is_owner)

    def _review(self) -> None:
        """Tell the election what has come of it, what is worse first."""
        if self._group is not None:
            self._group.review()
            return
        before, self._standing = self._standing, self._weigh(self.config.priority)
        for event in consequences(self._election, self._standing.priority, self._standing.causes):
            self.post(event)
        if before.priority != self._standing.priority:
            self._chores.add(moved(self.name, before, self._standing, self.state))

    def _loser_heard(self, event: AdvertReceived) -> None:
        """One such news waits at a time: a flood of losers must not become a flood of news."""
        if self._notifiers and not self._loser_waits:
            self._loser_waits = True
            self._chores.add(
                LoserHeard(source=event.source, heard=event.advert.priority, priority=self._election.priority)
            )

    def _perform(self, action: Action) -> None:
        """Send at once; leave what takes time to the chores, in order."""
        match action:
            case SendAdvertisement(advert):
                self._transmit(advert)
                return
            case ReleaseAddresses():
                self._announcer.cease()
            case StateChanged():
                self._decided, self._since = action, datetime.now(UTC)
                self.counters.master_transitions += action.new is State.ACTIVE
            case AcquireAddresses() | AnnounceAddresses():
                pass
            case unreachable:
                assert_never(unreachable)
        self._chores.add(action)

    def _transmit(self, advert: Advertisement) -> None:
        try:
            self._transport.send(advert)
        except OSError as error:
            self.counters.send_errors += 1
            self._complaints.make(_SENDING, f"cannot send an advertisement: {error}")
            return
        self._complaints.settle(_SENDING)
        self.counters.advertisement_sent += 1
        self.counters.priority_zero_pkts_sent += advert.priority == 0

    def _tell(self, news: News) -> None:
        match news:
            case StateChanged():
                log.info("%s: %s", self.name, news)
                self._gate.forget_complaints()
                self._feed.add(news)
            case LoserHeard():
                self._loser_waits = False
            case _:
                pass
        tell_all(self._notifiers, Notice(self.name, news))


async def see_through(coroutine: Coroutine[None, None, None]) -> None:
    """Await to the end, also when cancelled meanwhile; the cancellation comes out afterwards."""
    task = asyncio.ensure_future(coroutine)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


async def shut_down(*routers: VirtualRouter) -> None:
    """Close many routers: all of them resign before the first of them releases anything."""
    for router in routers:
        router.shut_down()
    await see_through(_close_all(routers))


async def _close_all(routers: tuple[VirtualRouter, ...]) -> None:
    await asyncio.gather(*(router.aclose() for router in routers))
