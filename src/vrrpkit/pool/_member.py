"""A member, and all that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias, assert_never

from attrs import define, field

from vrrpkit._cheap import value
from vrrpkit.errors import ConfigError
from vrrpkit.pool._actions import Condition
from vrrpkit.pool._config import Member
from vrrpkit.pool._weights import WarmUp, effective_weight

__all__ = ["Count", "Drain", "Entry", "Maintenance", "Order", "Reading", "Shown", "check_checks"]


@value
class Reading:
    """What one check says."""

    up: bool | None = None
    weight: int | None = None
    detail: str = ""


@value
class Maintenance:
    """The operator wants it out of service.

    Attributes:
        lingers: Whether it was in the table, and stays there with weight 0.
    """

    lingers: bool
    next_at: None = None


@value
class Drain:
    """The operator wants it out of service, and something to be done then.

    Attributes:
        lingers: Whether it was in the table, and stays there with weight 0.
        remove: Whether it leaves the pool then, or goes into maintenance.
        count_at: When its connections are counted next.
        ends_at: When it is over with whatever connections; None for never.
        limit: Seconds that this has taken then.
        left: The connections counted last; None before that.
    """

    lingers: bool
    remove: bool
    count_at: float
    ends_at: float | None
    limit: float | None
    left: int | None = None

    @property
    def next_at(self) -> float:
        """When there is something to do."""
        return self.count_at if self.ends_at is None else min(self.count_at, self.ends_at)


Order: TypeAlias = Drain | Maintenance
"""What an operator wants, whatever checks say."""


@value
class Shown:
    """What the table should have of a member.

    Attributes:
        member: The settings that it is there with.
        weight: Its weight there.
    """

    member: Member
    weight: int

    def is_same(self, other: Shown) -> bool:
        """Whether the table has the same in both cases."""
        if self.weight != other.weight:
            return False
        one, two = self.member, other.member
        return one is two or one.to_server(None, self.weight) == two.to_server(None, self.weight)


@value
class Count:
    """What a member adds to the sums of its pool.

    Attributes:
        live_weight: What it adds to the weight that makes the quorum.
        total_weight: What it would add if it were live.
        eligible: Whether checks decide on its service, and no operator.
    """

    live_weight: int = 0
    total_weight: int = 0
    eligible: bool = False


@define(eq=False)
class Entry:
    """A member with its checks, its verdict, and its place in the table.

    Attributes:
        member: Its settings.
        checks: What each check says.
        verdict: Whether it is up, as its checks say; None before that was certain.
        order: What the operator wants instead.
        found: The weight with which it was found in the table, which holds until the first verdict.
        was_down: Whether it has been down since it was in service last.
        warm_up: Its slow start.
        shown: What the table should have of it; None if nothing.
        counted: What the sums of the pool have of it.
    """

    member: Member
    checks: dict[str, Reading]
    verdict: bool | None = field(default=None, init=False)
    order: Order | None = field(default=None, init=False)
    found: int | None = field(default=None, init=False)
    was_down: bool = field(default=False, init=False)
    warm_up: WarmUp | None = field(default=None, init=False)
    shown: Shown | None = field(default=None, init=False)
    counted: Count = field(factory=Count, init=False)

    def __attrs_post_init__(self) -> None:
        """Without any check it is up."""
        self.decide()

    @property
    def name(self) -> str:
        """What it is known by."""
        return self.member.name

    @property
    def condition(self) -> Condition:
        """What it is."""
        match self.order:
            case Drain():
                return Condition.DRAINING
            case Maintenance():
                return Condition.MAINTENANCE
            case None:
                return {None: Condition.UNKNOWN, True: Condition.UP, False: Condition.DOWN}[self.verdict]
            case unreachable:
                assert_never(unreachable)

    @property
    def is_serving(self) -> bool:
        """Whether it gets new connections."""
        return self.shown is not None and self.shown.weight > 0

    @property
    def effective_weight(self) -> int:
        """Its configured weight and the wishes of those checks that are not down."""
        readings = self.checks.values()
        wishes = (each.weight for each in readings if each.weight is not None and each.up is not False)
        return effective_weight(self.member.weight, wishes)

    @property
    def due(self) -> float | None:
        """When something is to be done without an event."""
        stage = self.order or self.warm_up
        return None if stage is None else stage.next_at

    def named(self, up: bool | None) -> tuple[str, ...]:
        """The checks that say so."""
        return tuple(name for name, reading in self.checks.items() if reading.up is up)

    def decide(self) -> None:
        """Come to a verdict if there is a certain one, whatever checks will say that have said nothing yet."""
        needed = len(self.checks) if self.member.needed is None else self.member.needed
        if len(self.named(True)) >= needed:
            self.verdict = True
        elif len(self.named(False)) > len(self.checks) - needed:
            self.verdict, self.was_down = False, True

    def is_live(self, *, trusted: bool) -> bool:
        """Whether it counts for the quorum."""
        if self.order is not None or self.verdict is not None:
            return self.condition is Condition.UP
        return trusted if self.found is None else self.found > 0

    def count(self, *, trusted: bool) -> Count:
        """What it adds to the sums of its pool."""
        weight = self.effective_weight
        return Count(weight if self.is_live(trusted=trusted) else 0, weight, self.order is None)

    def served_weight(self) -> int:
        """Its weight while it is live, and no sorry server is in its place."""
        if self.verdict is None and self.found is not None:
            return self.found
        weight = self.effective_weight
        return weight if self.warm_up is None else self.warm_up.share_of(weight)


def check_checks(member: Member, checks: Collection[str]) -> None:
    """Raise `ConfigError` unless a member can have these checks."""
    names: Iterable[object] = checks
    if isinstance(checks, str) or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"checks of {member.name} must be names, got {checks!r}")
    if len(set(checks)) != len(checks):
        raise ConfigError(f"checks of {member.name} must differ in their names, got {', '.join(checks)}")
    if member.needed is not None and member.needed > len(checks):
        raise ConfigError(f"needed of {member.name} must be at most {len(checks)}, its checks, got {member.needed}")
