"""When to try something again that failed."""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field

from vrrpkit._cheap import value

__all__ = ["Backoff", "BackoffDue", "Failed", "Succeeded", "TryAgain"]


@value
class Failed:
    """It failed, once more."""


@value
class Succeeded:
    """It worked: the next failure begins at the shortest pause again."""


@value
class BackoffDue:
    """The tick."""


@value
class TryAgain:
    """The pause is over."""


Event: TypeAlias = Failed | Succeeded | BackoffDue


@define
class Backoff:
    """A machine that doubles its pause with every failure in a row.

    Args:
        first: The first pause, in seconds.
        longest: The longest one.
    """

    first: float
    longest: float
    _pause: float = field(init=False)
    _deadline: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the first pause."""
        self._pause = self.first

    @property
    def deadline(self) -> float | None:
        """The end of the pause, if there is one."""
        return self._deadline

    def handle(self, event: Event, now: float) -> tuple[TryAgain, ...]:
        """Take one event; say when to try again."""
        match event:
            case Failed():
                self._deadline = now + self._pause
                self._pause = min(2 * self._pause, self.longest)
            case Succeeded():
                self._deadline, self._pause = None, self.first
            case BackoffDue():
                if self._deadline is not None and now >= self._deadline:
                    self._deadline = None
                    return (TryAgain(),)
        return ()
