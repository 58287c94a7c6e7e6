"""The elections of a sync group: what several of them do at once, and how one of them takes the others along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field

from vrrpkit.election import (
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PriorityChanged,
    State,
    TimerFired,
)
from vrrpkit.errors import ConfigError
from vrrpkit.sync._checks import check_configs, check_distinct
from vrrpkit.sync._values import MemberAction

__all__ = ["Members", "check_cause", "freeing", "gathered", "hold_of", "own_causes"]

_SYNC: Final = "sync:"


@define(eq=False)
class Members:
    """The members by name, and what binds them.

    Attributes:
        elections: The members. Between two events they are all in one state.
        common: Causes of fault that were raised for all of them at once.
    """

    elections: dict[str, Election] = field(factory=dict)
    common: frozenset[str] = frozenset()

    @property
    def state(self) -> State:
        """The state of the first, and so of all."""
        for election in self.elections.values():
            return election.state
        return State.INITIALIZE

    @property
    def configs(self) -> dict[str, ElectionConfig]:
        """Their settings."""
        return {name: election.config for name, election in self.elections.items()}

    @property
    def due(self) -> dict[str, float]:
        """The deadlines of those that have one."""
        deadlines = {name: election.deadline for name, election in self.elections.items()}
        return {name: deadline for name, deadline in deadlines.items() if deadline is not None}

    @property
    def holding(self) -> frozenset[str]:
        """The causes by which a newcomer would be held in fault."""
        return self.common | {hold_of(name) for name in self.elections if self._holds(name)}

    def feed(self, names: Iterable[str], event: Event, now: float) -> list[MemberAction]:
        """Give some of them an event."""
        return [MemberAction(name, action) for name in names for action in self.elections[name].handle(event, now)]

    def hold_others(self, name: str, now: float) -> list[MemberAction]:
        """Hold the others in fault while this one has a cause of its own, and no longer."""
        cause, holds = hold_of(name), self._holds(name)
        others = [
            other
            for other, election in self.elections.items()
            if other != name and (cause in election.causes) is not holds
        ]
        return self.feed(others, FaultRaised(cause) if holds else FaultCleared(cause), now)

    def share_priority(self, name: str, now: float) -> list[MemberAction]:
        """Let the others go on with the effective priority of this one."""
        priority = self.elections[name].priority
        others = [other for other, election in self.elections.items() if election.priority != priority]
        return self.feed(others, PriorityChanged(priority), now) if others else []

    def step_aside(self, now: float) -> list[MemberAction]:
        """Let whoever finds itself stalled take the others along, before one of them speaks again."""
        stalled = [name for name, election in self.elections.items() if election.is_stalled(now)]
        if not stalled:
            return []
        return self.feed(stalled, TimerFired(), now) + self.follow(State.ACTIVE, now)

    def follow(self, old: State, now: float) -> list[MemberAction]:
        """Nobody is Active beside a Backup: whoever has changed takes the others along."""
        active = [name for name, election in self.elections.items() if election.state is State.ACTIVE]
        backups = [name for name, election in self.elections.items() if election.state is State.BACKUP]
        if not active or not backups:
            return []
        if old is State.ACTIVE:
            return self.feed(active, GroupYielded(backups[0]), now)
        return self.feed(backups, GroupTookOver(active[0]), now)

    def seniority(self, name: str) -> tuple[int, list[int]]:
        """A key that sorts members in the same order on every machine, whatever they are called there."""
        config = self.elections[name].config
        return config.vrid, sorted(map(int, config.addresses))

    def _holds(self, name: str) -> bool:
        """Whether a member has a cause of fault that not all of them have anyhow."""
        election = self.elections.get(name)
        return election is not None and not own_causes(election) <= self.common


def gathered(elections: Mapping[str, Election]) -> Members:
    """Elections that have not started, as members that know of each other's faults.

    Raises:
        ConfigError: One has started, or they cannot move together.
    """
    for name, election in elections.items():
        if election.state is not State.INITIALIZE:
            raise ConfigError(f"members of a sync group must not have started, got {name} in {election.state}")
    check_distinct(elections)
    members = Members(dict(elections))
    check_configs(members.configs)
    for election in elections.values():
        for event in freeing(election):
            election.handle(event, 0.0)
    for name in elections:
        members.hold_others(name, 0.0)
    if elections:
        members.share_priority(next(iter(elections)), 0.0)
    return members


def hold_of(name: str) -> str:
    """The cause by which a member in fault holds the others."""
    return f"{_SYNC}{name}"


def own_causes(election: Election) -> frozenset[str]:
    """An election's causes without those that hold it for another member."""
    return frozenset(cause for cause in election.causes if not cause.startswith(_SYNC))


def check_cause(cause: str) -> None:
    """Raise `ConfigError` for a cause that only the group itself may raise and clear."""
    if cause.startswith(_SYNC):
        raise ConfigError(f"cause must not begin with {_SYNC!r}, which is for sync groups, got {cause!r}")


def freeing(election: Election) -> tuple[FaultCleared, ...]:
    """What to feed an election that was removed from its group, so that the others hold it in fault no longer.

    Nothing, unless it left in fault. Not needed before `Shutdown`; an owner would become Active for a moment.
    """
    return tuple(FaultCleared(cause) for cause in sorted(election.causes - own_causes(election)))
