"""Believing a change only when it has lasted."""

from __future__ import annotations

from typing import assert_never

from attrs import define, field

from vrrpkit._cheap import value
from vrrpkit.errors import InRange

__all__ = ["Observed", "Settled", "Settling", "SettlingDue"]


@value
class Observed:
    """The thing is up, or down, at this moment."""

    up: bool


@value
class SettlingDue:
    """The tick."""


@value
class Settled:
    """It has been so for long enough."""

    up: bool


@define
class Settling:
    """A machine that passes a change on once it has lasted (keepalived's `interface_up_down_delays`).

    The first observation is believed at once. A return to what was believed cancels the pending change.

    Args:
        up_delay: Seconds, 0-3600, that being up must last.
        down_delay: Seconds, 0-3600, that being down must last.
    """

    up_delay: float = field(default=0.0, validator=InRange(0, 3600, "seconds"))
    down_delay: float = field(default=0.0, validator=InRange(0, 3600, "seconds"))
    _believed: bool | None = field(default=None, init=False)
    _deadline: float | None = field(default=None, init=False)

    @property
    def up(self) -> bool | None:
        """What is believed; None before the first observation."""
        return self._believed

    @property
    def deadline(self) -> float | None:
        """When the pending change will have lasted; None without one."""
        return self._deadline

    def handle(self, event: Observed | SettlingDue, now: float) -> tuple[Settled, ...]:
        """Take one event; return what is believed from now on, if that is new."""
        match event:
            case Observed(up):
                return self._observe(up, now)
            case SettlingDue():
                due = self._deadline is not None and now >= self._deadline
                return self._believe(not self._believed) if due else ()
            case unreachable:
                assert_never(unreachable)

    def _observe(self, up: bool, now: float) -> tuple[Settled, ...]:
        if up is self._believed:
            self._deadline = None
            return ()
        delay = self.up_delay if up else self.down_delay
        if self._believed is None or delay == 0:
            return self._believe(up)
        if self._deadline is None:
            self._deadline = now + delay
        return ()

    def _believe(self, up: bool) -> tuple[Settled, ...]:
        self._believed, self._deadline = up, None
        return (Settled(up),)
