"""Looking again when a look may have come too early."""

from __future__ import annotations

from typing import Final, assert_never

from attrs import define, field

from vrrpkit._cheap import value

__all__ = ["Hinted", "Look", "LookDue", "SecondLook"]

_LATER: Final = (0.05, 0.5)


@value
class Hinted:
    """Something may have changed, or is about to."""


@value
class LookDue:
    """The tick."""


@value
class Look:
    """See how things are."""


@define
class SecondLook:
    """A machine that looks at once, and again 0.05 and 0.5 seconds after the last hint.

    For things that are announced a moment before they are done.
    """

    _moments: tuple[float, ...] = field(default=(), init=False)

    @property
    def deadline(self) -> float | None:
        """When to look again; None for not until there is a hint."""
        return self._moments[0] if self._moments else None

    def handle(self, event: Hinted | LookDue, now: float) -> tuple[Look, ...]:
        """Take one event; return whether to look."""
        match event:
            case Hinted():
                self._moments = tuple(now + later for later in _LATER)
                return (Look(),)
            case LookDue():
                left = tuple(moment for moment in self._moments if moment > now)
                looks = (Look(),) if len(left) < len(self._moments) else ()
                self._moments = left
                return looks
            case unreachable:
                assert_never(unreachable)
