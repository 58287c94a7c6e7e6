"""Virtual routers that move together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, Protocol, assert_never

from attrs import define, frozen

from vrrpkit.election import (
    Action,
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.runtime._driver import Driver, Seat
from vrrpkit.runtime._notices import News, Notice, Notifier, tell_all
from vrrpkit.runtime._operable import Operable
from vrrpkit.runtime._tracker import Tracked, Tracker
from vrrpkit.runtime._tracking import as_tracked, consequences, moved, warn_of_traps, weigh
from vrrpkit.sync import GroupChanged, GroupEvent, GroupReconfigured, MemberAction, MemberEvent, SyncGroup
from vrrpkit.tracking import Standing, Track

__all__ = ["LEEWAY", "Part", "Place", "RouterGroup"]

log = logging.getLogger("vrrpkit.group")

# The share of its interval that an advertisement may leave early, so that many routers share a wake-up.
LEEWAY: Final = 0.05


class Place(Protocol):
    """Where a router's election is driven: on its own, or within a group."""

    def post(self, event: Event) -> None:
        """Feed one event and perform what follows."""

    def leave(self) -> None:
        """Take no more part here; the state stays."""


@frozen(eq=False)
class Part:
    """What a group needs of a router.

    Attributes:
        name: The router's name.
        election: Its election.
        perform: Performs one action of that.
        tracked: What the router tracks itself.
        add_chore: Takes news to tell, and what to call, in order with the router's other chores.
    """

    name: str
    election: Election
    perform: Callable[[Action], None]
    tracked: Callable[[], Mapping[str, Tracked]]
    add_chore: Callable[[News | Callable[[], None]], None]


class RouterGroup(Operable[GroupChanged]):
    """Virtual routers that move together (keepalived's `vrrp_sync_group`): all Active, or none.

        group = RouterGroup("VG_1", driver=driver)
        inside = VirtualRouter(..., group=group)
        outside = VirtualRouter(..., group=group)
        group.start()

    The members have one priority: that of their configurations, which must be the same, and the weights of all that
    the group or any of its members tracks; what several of them track counts once, with the group's weight first.
    What keeps one member from taking part keeps all.

    Args:
        name: What logs and notifiers call it.
        driver: The clock that it shares with its members; its own when None.
        tracks: What all members depend on.
        notify: Whom to tell its news.

    Attributes:
        name: What it is called.
        driver: The clock.
    """

    def __init__(
        self,
        name: str,
        *,
        driver: Driver | None = None,
        tracks: Iterable[Tracker | Tracked] = (),
        notify: Iterable[Notifier] = (),
    ) -> None:
        super().__init__(name, log, notify)
        self.driver: Final = Driver() if driver is None else driver
        self._own_driver = driver is None
        self._machine = SyncGroup({})
        self._parts: dict[str, Part] = {}
        self._seat: Seat[MemberEvent | GroupEvent, MemberAction | GroupChanged] = self.driver.seat(
            self._machine, self._perform, tick=TimerFired(), leeway=self._leeway
        )
        self._standing = Standing(100, 100)
        self._common: frozenset[str] = frozenset()
        for tracked in as_tracked(tracks):
            self.track(tracked)

    @property
    def members(self) -> tuple[str, ...]:
        """The members' names, in the order in which they joined."""
        return tuple(self._parts)

    @property
    def state(self) -> State:
        """The state of every member right now; `changes()` may not have told it yet."""
        return self._machine.state

    @property
    def standing(self) -> Standing:
        """What all tracks together make of the priority, every contribution told."""
        return self._standing

    def start(self) -> None:
        """Start the election of all members at once; those that join later start as they join."""
        self._seat.post(Startup())

    def shut_down(self) -> None:
        """Resign on all links now: priority 0 has left everywhere when this returns."""
        self._seat.post(Shutdown())

    def close(self) -> None:
        """End `changes()`, watch no tracker any more; for after the members have been closed."""
        self._tracking.close()
        self._seat.leave()
        self._feed.close()
        if self._own_driver:
            self.driver.close()

    def post(self, event: GroupEvent) -> None:
        """Feed an event that concerns every member."""
        self._seat.post(event)

    def set_priority(self, priority: int) -> None:
        """Go on with another configured priority, 1-255, for all members.

        Raises:
            ConfigError: It is out of its range.
        """
        weighed = weigh(priority, self.all_tracks.values())
        self._seat.post(GroupReconfigured(priority, weighed.priority))
        self._review()

    def admit(self, part: Part) -> Place:
        """Take a member; `VirtualRouter.join()` is what calls this.

        Raises:
            ConfigError: The name is taken, or the member does not fit the others.
        """
        actions = self._machine.add(part.name, part.election, self.driver.now())
        self._parts[part.name] = part
        if len(self._parts) == 1:
            self._standing = weigh(self._base, self.all_tracks.values())  # of which nobody needs to be told
        for tracked in self._tracking.tracked.values():
            _warn(self.name, tracked.track, part.election.config)
        for action in actions:
            self._perform(action)
        self._seat.keep()
        return _MemberPlace(self, part.name)

    def dismiss(self, name: str) -> None:
        """Let a member go; `VirtualRouter.leave()` is what calls this."""
        actions = self._machine.remove(name, self.driver.now())
        del self._parts[name]
        for action in actions:
            self._perform(action)
        self._seat.keep()
        self._review()

    def post_of(self, member: str, event: Event) -> None:
        """Feed an event of one member; `VirtualRouter.post()` is what calls this."""
        self._seat.post(MemberEvent(member, event))

    def review(self) -> None:
        """What a member tracks may be another; the member is what calls this."""
        self._review()

    def _operate(self, event: SteppedDown | Suspended | Resumed) -> None:
        self._seat.post(event)

    def _warn_of_traps(self, track: Track) -> None:
        for part in self._parts.values():
            _warn(self.name, track, part.election.config)

    def _review(self) -> None:
        """Tell every election what has come of it, what is worse first."""
        if not self._parts:
            return
        base = self._base
        before, self._standing = self._standing, weigh(base, self.all_tracks.values())
        common = weigh(base, self._tracking.tracked.values()).causes
        gone, new = self._common - common, common - self._common
        self._common |= new
        for cause in sorted(new):
            self._seat.post(FaultRaised(cause))
        self._review_members(base)
        self._common = common
        for cause in sorted(gone):
            self._seat.post(FaultCleared(cause))
        if gone:
            self._review_members(base)
        if before.priority != self._standing.priority:
            for part in self._parts.values():
                part.add_chore(moved(part.name, before, self._standing, self.state))

    @property
    def _base(self) -> int:
        """The configured priority of every member."""
        return next(part.election.config.priority for part in self._parts.values())

    def _review_members(self, base: int) -> None:
        """What each member tracks itself, but for what all of them are in fault for anyhow."""
        priority = self._standing.priority
        events = [
            MemberEvent(name, event)
            for name, part in self._parts.items()
            for event in consequences(
                part.election, priority, weigh(base, part.tracked().values()).causes, besides=self._common
            )
        ]
        for event in sorted(events, key=_severity):
            self._seat.post(event)

    @property
    def all_tracks(self) -> Mapping[str, Tracked]:
        """What it or any of its members tracks, by name, its own first; one name counts once."""
        tracked = dict(self._tracking.tracked)
        for part in self._parts.values():
            for name, one in part.tracked().items():
                tracked.setdefault(name, one)
        return tracked

    def _leeway(self) -> float | None:
        """Backups judge by what they have not heard; Active Routers have the duty to advertise."""
        if self.state is not State.ACTIVE:
            return None
        return min(part.election.config.advert_interval for part in self._parts.values()) * LEEWAY

    def _perform(self, action: MemberAction | GroupChanged) -> None:
        match action:
            case MemberAction(member, what):
                self._parts[member].perform(what)
            case GroupChanged():
                self._tell_after_members(action)
            case unreachable:
                assert_never(unreachable)

    def _tell_after_members(self, change: GroupChanged) -> None:
        if not self._parts:  # the last one has left
            self._tell(change)
            return
        countdown = _Countdown(len(self._parts), partial(self._tell, change))
        for part in self._parts.values():
            part.add_chore(countdown.arrive)

    def _tell(self, change: GroupChanged) -> None:
        log.info("%s: %s", self.name, change)
        self._feed.add(change)
        tell_all(self._notifiers, Notice(self.name, change))


@define(eq=False)
class _Countdown:
    """Calls when so many have arrived."""

    missing: int
    call: Callable[[], None]

    def arrive(self) -> None:
        """One more is there."""
        self.missing -= 1
        if not self.missing:
            self.call()


@frozen(eq=False)
class _MemberPlace:
    """A member's place in a group."""

    group: RouterGroup
    name: str

    def post(self, event: Event) -> None:
        """Feed one event."""
        self.group.post_of(self.name, event)

    def leave(self) -> None:
        """Go."""
        self.group.dismiss(self.name)


def _warn(name: str, track: Track, config: ElectionConfig) -> None:
    warn_of_traps(name, track, preempt=config.preempt, is_owner=config.is_owner)


def _severity(event: MemberEvent) -> int:
    match event.event:
        case FaultRaised():
            return 0
        case PriorityChanged():
            return 1
        case _:
            return 2
