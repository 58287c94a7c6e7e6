"""What can happen to a sync group, and what it asks to be done."""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit._cheap import value
from vrrpkit.election import (
    Action,
    Event,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    Reason,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.errors import Whole

__all__ = ["GroupChanged", "GroupEvent", "GroupReconfigured", "MemberAction", "MemberEvent"]


@value
class MemberEvent:
    """Something happened to one member.

    An advertisement that it heard, a fault, its primary address and its configuration are its own; the effective
    priority that comes with a configuration is everybody's. All other events concern every member, whoever is named.
    """

    member: str
    event: Event


@value
class GroupReconfigured:
    """Go on with another priority of all members; what else is configured stays.

    Attributes:
        priority: The configured one, 1-255.
        effective: The effective priority under it, as in `Reconfigured`; an owner's is 255 whatever is said here.
    """

    priority: int = field(validator=Whole(1, 255, "255 is for the address owner"))
    effective: int | None = field(default=None, validator=optional(Whole(1, 255)))


GroupEvent: TypeAlias = (
    Startup
    | Shutdown
    | TimerFired
    | SteppedDown
    | Suspended
    | Resumed
    | PriorityChanged
    | FaultRaised
    | FaultCleared
    | GroupReconfigured
)
"""What concerns every member. A fault that is raised for all is cleared for all, and for no single one."""


@value
class MemberAction:
    """What one member's election asks to be done."""

    member: str
    action: Action


@frozen(kw_only=True)
class GroupChanged:
    """News: all members are in another state. It follows what they do about it.

    Attributes:
        old: Their state before.
        new: Their state now.
        at: When, on the machine's clock, in seconds.
        member: Who made the group move; None when it moved as a whole.
        reason: The rule that decided.
    """

    old: State
    new: State
    at: float
    member: str | None
    reason: Reason

    def __str__(self) -> str:
        """One line for logs and people."""
        return f"{self.old} -> {self.new}: {self.explanation}"

    @property
    def explanation(self) -> str:
        """The reason and who had it, in words."""
        return f"{self.reason} ({self.member or 'all members'})"
