"""When to check, when to repair, and when to believe it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, assert_never

from attrs import define, field

from vrrpkit._cheap import value
from vrrpkit.checks._events import (
    Action,
    CheckDue,
    CheckNow,
    ChecksHalted,
    ChecksResumed,
    Decided,
    Event,
    Finished,
    Repaired,
    RunCheck,
    RunRepair,
    Stopped,
    StopRunning,
)
from vrrpkit.checks._pace import Pace
from vrrpkit.checks._schedule import Schedule
from vrrpkit.tracking import RiseFall

__all__ = ["CheckSchedule"]


@value
class _Idle:
    """Nothing is running."""

    deadline: None = None


@value
class _Checking:
    """A check is running, and has failed if it still is at the deadline."""

    deadline: float


@value
class _Repairing:
    """The repair is running, and is ended at the deadline."""

    deadline: float


@value
class _Waiting:
    """The repair is done; look again at the deadline."""

    deadline: float


@value
class _Stopping:
    """What ran too long has been told to end; then repair if so decided, or look whether the repair has helped."""

    then_repair: bool = False
    then_look: bool = False
    deadline: None = None


_Stage: TypeAlias = _Idle | _Checking | _Repairing | _Waiting | _Stopping


def _middle() -> float:
    return 0.5


@define
class CheckSchedule:
    """A machine that runs one check after another, at a fixed rate and never two at once.

    With a repair, the first failure after a success (or at the beginning) does not count: the repair is tried, and
    after a pause the check decides. It is not tried again before the next success.

    A turn that comes while a check is running, or is told to end, is made up for as soon as that has ended; several
    such turns count as one. A check that does not end when told to counts as one more failure at every further turn.

    Args:
        schedule: When, and how many.
        repairs: Whether there is a repair to try.
        draw: Draws a number from 0 to 1, below 1, for `warmup` and `jitter`; the middle always, unless given.

    Attributes:
        skipped: How many turns came while a check or a repair was running.
    """

    schedule: Schedule
    repairs: bool = False
    draw: Callable[[], float] = field(default=_middle, repr=False, eq=False)
    skipped: int = field(default=0, init=False)
    _verdict: RiseFall = field(init=False)
    _stage: _Stage = field(factory=_Idle, init=False)
    _pace: Pace = field(init=False)
    _once_more: bool = field(default=False, init=False)
    _repair_tried: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with what is assumed."""
        self._verdict = RiseFall(self.schedule.rise, self.schedule.fall, self.schedule.first)
        self._pace = Pace(self.schedule, self.draw)

    @property
    def up(self) -> bool | None:
        """The verdict; None while nothing is known."""
        return self._verdict.up

    @property
    def streak(self) -> int:
        """How many results in a row speak against the verdict."""
        return self._verdict.streak

    @property
    def repairing(self) -> bool:
        """Whether the repair is running, or has been told to end."""
        return isinstance(self._stage, _Repairing) or (isinstance(self._stage, _Stopping) and self._stage.then_look)

    @property
    def deadline(self) -> float | None:
        """When the next check is due, or what is running has taken too long; None while halted and idle."""
        stage_ends, next_at = self._stage.deadline, self._pace.next_at
        if next_at is None or stage_ends is None:
            return next_at if stage_ends is None else stage_ends
        return min(next_at, stage_ends)

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        """Take one event; return what to do, in order."""
        match event:
            case CheckDue():
                late = self._expire(now)
                return (*late, *self._take_turn(now, expired=bool(late)))
            case Finished(ok):
                return self._finished(ok, now)
            case Repaired():
                self._stage = _Waiting(now + self.schedule.recheck_after)
            case Stopped():
                return self._stopped(now)
            case CheckNow():
                return self._force(now)
            case ChecksHalted():
                return self._halt()
            case ChecksResumed():
                return self._resume(now)
            case unreachable:
                assert_never(unreachable)
        return ()

    def _take_turn(self, now: float, *, expired: bool) -> tuple[Action, ...]:
        idle = isinstance(self._stage, _Idle)
        if not self._pace.takes_turn(now, self._pause, busy=not idle):
            return ()
        if idle:
            return self._check(now)
        if expired and isinstance(self._stage, _Checking):  # the second look after a repair began at this moment
            return ()
        self.skipped += 1
        self._once_more |= isinstance(self._stage, _Checking | _Stopping)
        return self._count(False) if isinstance(self._stage, _Stopping) and not expired else ()

    @property
    def _pause(self) -> float:
        """The interval that holds now."""
        schedule = self.schedule
        if schedule.fast_interval is not None and self._verdict.streak:
            return schedule.fast_interval
        if schedule.down_interval is not None and self._verdict.up is False and not self._verdict.streak:
            return schedule.down_interval
        return schedule.interval

    def _check(self, now: float) -> tuple[RunCheck]:
        self._stage = _Checking(now + self.schedule.patience)
        return (RunCheck(),)

    def _expire(self, now: float) -> tuple[Action, ...]:
        deadline = self._stage.deadline
        if deadline is None or now < deadline:
            return ()
        if isinstance(self._stage, _Waiting):
            return self._check(now)
        if isinstance(self._stage, _Repairing):
            self._stage = _Stopping(then_look=True)
            return (StopRunning(late=True),)
        repair = self._wants_repair()
        self._stage = _Stopping(then_repair=repair)
        return (StopRunning(late=True),) if repair else (StopRunning(late=True), *self._conclude(False, now))

    def _finished(self, ok: bool, now: float) -> tuple[Action, ...]:
        self._stage = _Idle()
        if ok:
            self._repair_tried = False
        elif self._wants_repair():
            return self._repair(now)
        return (*self._conclude(ok, now), *self._look_again(now))

    def _stopped(self, now: float) -> tuple[Action, ...]:
        match self._stage:
            case _Stopping(then_repair=True):
                return self._repair(now)
            case _Stopping(then_look=True):
                self._stage = _Waiting(now + self.schedule.recheck_after)
                return ()
            case _:
                self._stage = _Idle()
                return self._look_again(now)

    def _wants_repair(self) -> bool:
        return self.repairs and not self._repair_tried

    def _repair(self, now: float) -> tuple[RunRepair]:
        self._repair_tried, self._once_more = True, False
        self._stage = _Repairing(now + self.schedule.repair_timeout)
        return (RunRepair(),)

    def _force(self, now: float) -> tuple[Action, ...]:
        if not self._pace.going:
            return ()
        if isinstance(self._stage, _Idle | _Waiting):
            return self._check(now)
        self._once_more = True
        return ()

    def _look_again(self, now: float) -> tuple[Action, ...]:
        if not self._once_more:
            return ()
        self._once_more = False
        return self._check(now)

    def _halt(self) -> tuple[Action, ...]:
        self._pace.stop()
        self._once_more = False
        match self._stage:
            case _Checking() | _Repairing():
                self._stage = _Stopping()
                return (StopRunning(late=False),)
            case _Stopping():
                self._stage = _Stopping()
            case _Idle() | _Waiting():
                self._stage = _Idle()
            case unreachable:
                assert_never(unreachable)
        return ()

    def _resume(self, now: float) -> tuple[Action, ...]:
        if self._pace.going:
            return ()
        self._pace.start(now)
        if isinstance(self._stage, _Idle):
            return self._take_turn(now, expired=False)
        self._once_more = True
        return ()

    def _conclude(self, ok: bool, now: float) -> tuple[Decided, ...]:
        """A check has a result, which may mean another pace."""
        decided = self._count(ok)
        self._pace.goes_on(now, self._pause)
        return decided

    def _count(self, ok: bool) -> tuple[Decided, ...]:
        return (Decided(ok),) if self._verdict.record(ok) else ()
