"""What can happen to a check's schedule, and what it asks to be done."""

from __future__ import annotations

from typing import TypeAlias

from vrrpkit._cheap import value

__all__ = [
    "Action",
    "CheckDue",
    "CheckNow",
    "ChecksHalted",
    "ChecksResumed",
    "Decided",
    "Event",
    "Finished",
    "Repaired",
    "RunCheck",
    "RunRepair",
    "StopRunning",
    "Stopped",
]


@value
class CheckDue:
    """The tick."""


@value
class CheckNow:
    """An operator's wish: check now, or once more as soon as the running check has ended."""


@value
class Finished:
    """The check has ended by itself."""

    ok: bool


@value
class Repaired:
    """The repair has ended by itself; whether it helped, the next check will tell."""


@value
class Stopped:
    """What `StopRunning` was about has ended."""


@value
class ChecksHalted:
    """Check no more; the verdict stays."""


@value
class ChecksResumed:
    """Check from now on, beginning at once; also what starts a new schedule."""


@value
class RunCheck:
    """Begin a check; report `Finished`."""


@value
class RunRepair:
    """Begin the repair; report `Repaired`."""


@value
class StopRunning:
    """End what is running; report `Stopped`, and nothing else, when it has ended.

    Attributes:
        late: Whether it has taken too long; otherwise it is merely wanted no more.
    """

    late: bool


@value
class Decided:
    """The verdict is another one."""

    up: bool


Event: TypeAlias = CheckDue | CheckNow | Finished | Repaired | Stopped | ChecksHalted | ChecksResumed
Action: TypeAlias = RunCheck | RunRepair | StopRunning | Decided
