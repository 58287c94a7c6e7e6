"""When the turns are."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from vrrpkit.checks._schedule import Schedule

__all__ = ["Pace"]


@define
class Pace:
    """The moments at which checks are due.

    At a fixed rate, turns that were slept through are left out, and the others stay where they were; jitter moves
    single turns and adds up to nothing. From end to beginning, no turn is planned while a check runs.

    Attributes:
        next_at: The next turn; None while none is planned.
        going: Whether turns are taken at all.
    """

    _schedule: Schedule
    _draw: Callable[[], float]
    next_at: float | None = field(default=None, init=False)
    going: bool = field(default=False, init=False)
    _warm: bool = field(default=False, init=False)
    _base: float = field(default=0.0, init=False)  # the turn before, or the end of the check
    _pause: float = field(default=0.0, init=False)  # from there to the next turn, but for its jitter

    def start(self, now: float) -> None:
        """Plan a turn for now, or the very first one within the warm-up."""
        self.going = True
        self._base, self._pause = now, 0.0 if self._warm else self._schedule.warmup * self._draw()
        self._warm = True
        self.next_at = self._base + self._pause

    def stop(self) -> None:
        """Plan no turn."""
        self.going, self.next_at = False, None

    def takes_turn(self, now: float, pause: float, *, busy: bool) -> bool:
        """Whether a turn has come; the next is planned then, unless a check comes first."""
        if self.next_at is None or now < self.next_at:
            return False
        turn = self._base + self._pause + (now - self.next_at) // pause * pause
        if turn + pause <= now:  # the division was rounded
            turn += pause
        if self._schedule.from_end and not busy:
            self.next_at = None
        else:
            self._plan(turn, pause)
        return True

    def goes_on(self, now: float, pause: float) -> None:
        """A check has ended, and from now on the interval is this one."""
        if self._schedule.from_end:
            self._plan(now, pause)
        elif pause != self._pause:
            self._plan(max(self._base, now - pause), pause)
            self.next_at = max(now, self.next_at or now)

    def _plan(self, base: float, pause: float) -> None:
        self._base, self._pause = base, pause
        jitter = self._schedule.jitter
        self.next_at = base + pause + (jitter * pause * (2 * self._draw() - 1) if jitter else 0.0)
