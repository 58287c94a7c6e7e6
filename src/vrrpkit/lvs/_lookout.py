"""When to look whether the kernel's table is what it should be."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from attrs import define, field

from vrrpkit._cheap import value

__all__ = ["ChangeRefused", "Event", "Look", "LookDue", "Looked", "Lookout", "LookoutOpened"]


@value
class LookoutOpened:
    """From now on."""


@value
class ChangeRefused:
    """The kernel has refused a change: look before long."""


@value
class Looked:
    """It has been looked at.

    Attributes:
        ok: Whether it is what it should be now.
    """

    ok: bool


@value
class LookDue:
    """The tick."""


@value
class Look:
    """Look now; answer with `Looked`."""


Event: TypeAlias = LookoutOpened | ChangeRefused | Looked | LookDue


@define
class Lookout:
    """A machine that looks every so often, and sooner after a refusal, with a pause that doubles until all is well.

    Args:
        every: Seconds between two looks while all is well; None for never.
        first: The first pause after a refusal, in seconds.
        longest: The longest one.
    """

    every: float | None
    first: float = 1.0
    longest: float = 60.0
    _pause: float = field(init=False)
    _worried: bool = field(default=False, init=False)
    _deadline: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the first pause."""
        self._pause = self.first

    @property
    def deadline(self) -> float | None:
        """When the next look is due; None while one is going on, and for never."""
        return self._deadline

    def handle(self, event: Event, now: float) -> tuple[Look, ...]:
        """Take one event; say whether to look."""
        match event:
            case LookoutOpened():
                self._rest(now)
            case ChangeRefused():
                if not self._worried:
                    self._worry(now)
            case Looked(ok=True):
                self._worried, self._pause = False, self.first
                self._rest(now)
            case Looked():
                self._worry(now)
            case LookDue():
                if self._deadline is not None and now >= self._deadline:
                    self._deadline = None
                    return (Look(),)
            case unreachable:
                assert_never(unreachable)
        return ()

    def _rest(self, now: float) -> None:
        self._deadline = None if self.every is None else now + self.every

    def _worry(self, now: float) -> None:
        self._worried = True
        self._deadline = now + self._pause
        self._pause = min(2 * self._pause, self.longest)
