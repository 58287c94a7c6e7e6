"""What a pool asks to be done, and what it tells."""

from __future__ import annotations

import enum
from typing import TypeAlias

from attrs import frozen

from vrrpkit.ipvs import Operation

__all__ = [
    "Action",
    "Apply",
    "Condition",
    "CountConnections",
    "MemberMoved",
    "MemberStatus",
    "PoolNews",
    "QuorumMoved",
]


class Condition(enum.StrEnum):
    """What a member is."""

    UNKNOWN = "unknown"
    """No verdict yet."""
    UP = "up"
    """As many of its checks are up as are needed."""
    DOWN = "down"
    """Too few of its checks are up."""
    DRAINING = "draining"
    """It gets no new connections, and those that it has may end."""
    MAINTENANCE = "maintenance"
    """Out of service because an operator wants it."""


@frozen
class Apply:
    """Change the kernel's table. If that fails, read the table, and make it what `Pool.desired` says."""

    operations: tuple[Operation, ...]


@frozen
class CountConnections:
    """Say how many connections a draining member has; `ConnectionsCounted` answers."""

    member: str


@frozen(kw_only=True)
class MemberMoved:
    """A member's condition is another one.

    Attributes:
        member: The member's name.
        old: What it was; None for a new member.
        new: What it is; None for one that has left.
        why: The reason, in words.
    """

    member: str
    old: Condition | None
    new: Condition | None
    why: str

    def __str__(self) -> str:
        """`web1: up -> down (http: 503)`."""
        return f"{self.member}: {self.old or 'new'} -> {self.new or 'gone'} ({self.why})"


@frozen(kw_only=True)
class QuorumMoved:
    """The quorum is held now, or lost.

    Attributes:
        held: Whether it is held.
        live_weight: The weights of all live members together.
        quorum: What is needed.
        hysteresis: Around which band.
    """

    held: bool
    live_weight: int
    quorum: int
    hysteresis: int

    def __str__(self) -> str:
        """`quorum lost: 1 of 2`."""
        band = f", ±{self.hysteresis}" if self.hysteresis else ""
        return f"quorum {'held' if self.held else 'lost'}: {self.live_weight} of {self.quorum}{band}"


PoolNews: TypeAlias = MemberMoved | QuorumMoved
"""What is told to readers and scripts."""

Action: TypeAlias = Apply | CountConnections | MemberMoved | QuorumMoved
"""Everything that a pool asks for."""


@frozen(kw_only=True)
class MemberStatus:
    """A member as it stands.

    Attributes:
        condition: What it is.
        in_service: Whether it gets new connections, as far as weights tell: it is in the table with more than 0.
        weight: Its weight in the table; None while it is not there.
        effective_weight: Its configured weight and the wishes of its checks.
        down: The names of its checks that are down.
        unknown: The names of its checks without a verdict.
        explanation: Why it is in service or not, in words.
    """

    condition: Condition
    in_service: bool
    weight: int | None
    effective_weight: int
    down: tuple[str, ...]
    unknown: tuple[str, ...]
    explanation: str
