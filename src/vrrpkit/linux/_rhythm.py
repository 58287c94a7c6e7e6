"""Doing something again and again."""

from __future__ import annotations

from typing import assert_never

from attrs import define, field

from vrrpkit._cheap import value

__all__ = ["Beat", "BeatDue", "Begun", "Ended", "Rhythm"]


@value
class Begun:
    """Do it from now on."""


@value
class Ended:
    """Do it no more."""


@value
class BeatDue:
    """The tick."""


@value
class Beat:
    """Do it now."""


@define
class Rhythm:
    """A machine that has something done every `interval` seconds, the first time one interval after it has begun."""

    interval: float
    _deadline: float | None = field(default=None, init=False)

    @property
    def deadline(self) -> float | None:
        """When it is to be done next; None before it has begun, and when it has ended."""
        return self._deadline

    def handle(self, event: Begun | Ended | BeatDue, now: float) -> tuple[Beat, ...]:
        """Take one event; return whether to do it. To begin what has begun changes nothing."""
        match event:
            case Begun():
                self._deadline = now + self.interval if self._deadline is None else self._deadline
                return ()
            case Ended():
                self._deadline = None
                return ()
            case BeatDue():
                if self._deadline is None or now < self._deadline:
                    return ()
                self._deadline = now + self.interval
                return (Beat(),)
            case unreachable:
                assert_never(unreachable)
