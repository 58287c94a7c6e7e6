"""Elections that move together, as one machine."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import assert_never

from attrs import define, evolve, field

from vrrpkit.election import (
    AdvertReceived,
    Election,
    Event,
    FaultCleared,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Reconfigured,
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
from vrrpkit.election._config import OWNER_PRIORITY
from vrrpkit.election._events import OPERATOR_CAUSE
from vrrpkit.errors import ConfigError
from vrrpkit.sync._checks import check_configs, check_distinct
from vrrpkit.sync._members import Members, check_cause, gathered, hold_of, own_causes
from vrrpkit.sync._values import GroupChanged, GroupEvent, GroupReconfigured, MemberAction, MemberEvent

__all__ = ["SyncGroup"]


@define(eq=False)
class SyncGroup:
    """Elections of one process that move together: all Active, all Backup, all in fault, or none started.

    Each `handle()` settles the whole group, so nobody sees it half-way. It follows keepalived's `vrrp_sync_group`, with
    differences that are marked here:

    - The group takes over when no member hears an Active router that it would follow: its deadline as Backup is the
      latest of theirs. The advertisements of all members leave before anything else is done.
    - A member that stops being Active takes the others along. They resign (priority 0), which keepalived's do not: so
      the other links of the peer take over one skew later, and not after a whole silence.
    - A member with a cause of fault holds the others in fault, by the cause `sync:NAME`. When nobody has a cause of
      its own any more, all begin again together.
    - All members have one priority, where keepalived takes any: with several, each of two machines could win on some
      link and make the other yield, for ever.
    - Machines of equal priority could do that too, if each has the higher address on some link and they take over in
      the same moment. So, unlike keepalived's, a group that lost a tie takes over a part of the interval later than
      it could, the more the more senior the link is on which it lost: the one of the lower VRID, then of the lower
      virtual addresses. One of the machines is Active first then, and a keepalived, which never waits, always is. Give
      machines different priorities, and they never get there: it costs one silence.

    While an election is a member, only its group may feed it. A group without members is in `State.INITIALIZE`; one
    with a single member does what that would do alone.

    Args:
        members: Elections that have not started, by name. Their order is the order of the actions, and the effective
            priority of the first is everybody's.

    Raises:
        ConfigError: One of them has started or is there twice, or they differ in configured priority or in startup
            delay.
    """

    _members: Members = field(converter=gathered)
    _started: bool = field(default=False, init=False)
    _not_before: float = field(default=-inf, init=False)  # no take-over before this, once a tie was lost

    @property
    def members(self) -> Mapping[str, Election]:
        """The elections by name, to be read."""
        return MappingProxyType(self._members.elections)

    @property
    def state(self) -> State:
        """The state of every member."""
        return self._members.state

    @property
    def priority(self) -> int | None:
        """The effective priority of every member; None without any."""
        return next((election.priority for election in self.members.values()), None)

    @property
    def causes(self) -> Mapping[str, frozenset[str]]:
        """What keeps the group in fault: for each member that has some, the causes of its own."""
        own = {name: own_causes(election) for name, election in self.members.items()}
        return {name: causes for name, causes in own.items() if causes}

    @property
    def deadline(self) -> float | None:
        """When to send `TimerFired`: for Backups when the last of them is due, for Active Routers when the first is."""
        due = self._members.due.values()
        if not due:
            return None
        return max(*due, self._not_before) if self.state is State.BACKUP else min(due)

    def handle(self, event: MemberEvent | GroupEvent, now: float) -> tuple[MemberAction | GroupChanged, ...]:
        """Take one event; return what to do, in order: all advertisements, the rest member by member, the news.

        Raises:
            ConfigError: There is no such member, the cause begins with `sync:`, or `Reconfigured` does not fit the
                member or the others. Nothing has changed then.
        """
        old = self.state
        match event:
            case MemberEvent(name, own):
                actions, mover = self._take_one(name, own, now)
            case _:
                actions, mover = self._take_all(event, now), None
        return self._settle(old, actions, mover, now)

    def add(self, name: str, election: Election, now: float) -> tuple[MemberAction | GroupChanged, ...]:
        """Take one more member, in whatever state it is; return what is done so that all are in one.

        It joins in the group's state: an Active group as Active at once, whatever its startup delay; a group that has
        not started stops it. The first member of an empty group that was started starts, or goes on. It takes the
        others into fault if it has a cause, and an owner that begins takes waiting owners along, unless they have
        stepped down. The effective priority will be that of the others.

        Raises:
            ConfigError: The name is taken, or the election does not fit the others. Nothing has changed then.
        """
        if name in self.members:
            raise ConfigError(f"name must be new to the sync group, got {name!r} again")
        check_distinct({**self.members, name: election})
        check_configs({**self._members.configs, name: election.config})
        old, joining = self.state, self._joining(name, election)
        self._members.elections[name] = election
        actions = [action for event in joining for action in self._members.feed([name], event, now)]
        return self._settle(old, [*actions, *self._members.hold_others(name, now)], name, now)

    def remove(self, name: str, now: float) -> tuple[MemberAction | GroupChanged, ...]:
        """Let a member go, in the state in which it is; return what the others do.

        They are no longer in fault for it. If it was in fault for them, it stays so: `freeing()` tells what to feed
        it, unless that is `Shutdown`.

        Raises:
            ConfigError: There is no such member.
        """
        self._check_known(name)
        old = self.state
        del self._members.elections[name]
        return self._settle(old, self._members.hold_others(name, now), name, now)

    def _take_one(self, name: str, event: Event, now: float) -> tuple[list[MemberAction], str | None]:
        """What one member makes of an event, and who is to be named for it."""
        self._check_known(name)
        members = self._members
        match event:
            case AdvertReceived():
                aside = members.step_aside(now)
                return [*aside, *members.feed([name], event, now)], None if aside else name
            case PrimaryAddressChanged() | GroupYielded() | GroupTookOver():
                return members.feed([name], event, now), name
            case FaultRaised(cause) | FaultCleared(cause):
                check_cause(cause)
                if cause in members.common:
                    return [], name
                return [*members.feed([name], event, now), *members.hold_others(name, now)], name
            case Reconfigured(config):
                check_configs({**members.configs, name: config})
                return [*members.feed([name], event, now), *members.share_priority(name, now)], name
            case _:
                return self._take_all(event, now), None

    def _take_all(self, event: GroupEvent, now: float) -> list[MemberAction]:
        match event:
            case TimerFired():
                return self._expire(now)
            case GroupReconfigured():
                return self._reconfigure(event, now)
            case Suspended() | Resumed():
                return self._change_common(OPERATOR_CAUSE, event, now)
            case FaultRaised(cause) | FaultCleared(cause):
                check_cause(cause)
                return self._change_common(cause, event, now)
            case Startup() | Shutdown():
                self._started = isinstance(event, Startup)
            case SteppedDown() | PriorityChanged():
                pass
            case unreachable:
                assert_never(unreachable)
        return self._members.feed(self.members, event, now)

    def _expire(self, now: float) -> list[MemberAction]:
        """Backups wait for the last of them, whose reason is the group's; of Active Routers those act that are due."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return []
        if self.state is State.ACTIVE:
            return self._members.step_aside(now) or self._members.feed(self.members, TimerFired(), now)
        due = self._members.due
        return self._members.feed([max(due, key=due.__getitem__), *due], TimerFired(), now)

    def _reconfigure(self, event: GroupReconfigured, now: float) -> list[MemberAction]:
        effective = None if event.priority == OWNER_PRIORITY else event.effective
        changes = {
            name: Reconfigured(evolve(config, priority=event.priority), effective)
            for name, config in self._members.configs.items()
        }
        return [action for name, change in changes.items() for action in self._members.feed([name], change, now)]

    def _change_common(
        self, cause: str, event: FaultRaised | FaultCleared | Suspended | Resumed, now: float
    ) -> list[MemberAction]:
        """Those that hold others go on holding them until everybody has heard."""
        members = self._members
        members.common -= {cause}
        if isinstance(event, FaultRaised | Suspended):
            members.common |= {cause}
        actions = members.feed(self.members, event, now)
        return actions + [action for name in self.members for action in members.hold_others(name, now)]

    def _joining(self, name: str, election: Election) -> list[Event]:
        """What brings an election to the members' state, with no advertisement that it would take back at once."""
        state, is_owner = self.state, election.config.is_owner
        peer, other = next(iter(self.members.items()), (name, election))
        # An owner that begins is Active at once, unless it has stepped down; and it can do that first in fault.
        aside = {hold_of(peer)} if is_owner and other.is_yielding and state is State.BACKUP else set[str]()
        held = self._members.holding | aside
        stale = election.causes - own_causes(election) - self._members.holding | aside
        return [
            *([PriorityChanged(other.priority)] if other.priority != election.priority else []),
            *([] if self._started else [Shutdown()]),
            *map(FaultRaised, sorted(held - election.causes)),
            *([Startup()] if self._started else []),
            *([SteppedDown()] if other.is_yielding else []),
            *map(FaultCleared, sorted(stale)),
            *([GroupTookOver(peer)] if state is State.ACTIVE else []),
            *([GroupYielded(peer)] if state is State.BACKUP and not is_owner else []),
        ]

    def _settle(
        self, old: State, actions: list[MemberAction], mover: str | None, now: float
    ) -> tuple[MemberAction | GroupChanged, ...]:
        """Take the others along, bring all that is done in order, and tell what has become of the group."""
        if actions:
            actions += self._members.follow(old, now)
        new = self.state
        if new is old:
            return self._ordered(actions)
        changes = (each.action for each in actions if isinstance(each.action, StateChanged))
        reasons = (change.reason for change in changes if change.new is new)
        # Without anybody's news: one that is there already joined an empty group, or the last one left.
        reason = next(reasons, Reason.SYNC if self.members else Reason.DELETED)
        if reason is Reason.TIE_LOST and mover is not None:
            self._hold_back(mover)
        return (*self._ordered(actions), GroupChanged(old=old, new=new, at=now, member=mover, reason=reason))

    def _ordered(self, actions: list[MemberAction]) -> tuple[MemberAction, ...]:
        if len(actions) < 2:  # nothing to bring in order, as nearly always
            return tuple(actions)
        places = {name: place for place, name in enumerate(self.members)}

        def turn(each: MemberAction) -> tuple[bool, int]:
            return not isinstance(each.action, SendAdvertisement), places[each.member]

        return tuple(sorted(actions, key=turn))

    def _hold_back(self, loser: str) -> None:
        """Two machines that made each other yield must not take over in the same moment again."""
        members = self._members
        ranking = sorted(self.members, key=members.seniority)
        if len(ranking) == 1:
            return
        share = (len(ranking) - ranking.index(loser)) / (len(ranking) + 1)
        interval = max(config.advert_interval for config in members.configs.values())
        self._not_before = max(members.due.values()) + share * interval

    def _check_known(self, name: str) -> None:
        if name not in self.members:
            names = ", ".join(self.members) or "(none)"
            raise ConfigError(f"member must be one of {names}, got {name!r}")
