"""When to check, when to repair, and when to believe it."""

from __future__ import annotations

import warnings
from typing import Final, TypeAlias, assert_never

from attrs import define, field, frozen
from attrs.validators import optional

from vrrpkit._cheap import value
from vrrpkit.errors import ConfigWarning, InRange, Whole
from vrrpkit.tracking import FirstResult, RiseFall

__all__ = [
    "Action",
    "CheckDue",
    "CheckNow",
    "CheckSchedule",
    "ChecksHalted",
    "ChecksResumed",
    "Decided",
    "Event",
    "Finished",
    "Repaired",
    "RunCheck",
    "RunRepair",
    "Schedule",
    "StopRunning",
    "Stopped",
]

_SPAN: Final = InRange(0.01, 86400, "seconds")
_COUNT: Final = Whole(1, 1_000_000)


@frozen(kw_only=True)
class Schedule:
    """How often to check, and how many results make a verdict.

    Attributes:
        interval: Seconds, 0.01-86400, from the beginning of one check to the beginning of the next.
        timeout: Seconds, 0.01-86400, after which a check has failed; the interval when None. More than the interval
            means that a hanging check makes the following ones fall out, which is warned of.
        rise: Successes in a row that make it up.
        fall: Failures in a row that make it down.
        first: What holds before there have been so many.
        repair_timeout: Seconds, 0.01-86400, that a repair may take.
        recheck_after: Seconds, 0-86400, between a repair and the second look.
    """

    interval: float = field(default=1.0, validator=_SPAN)
    timeout: float | None = field(default=None, validator=optional(_SPAN))
    rise: int = field(default=1, validator=_COUNT)
    fall: int = field(default=1, validator=_COUNT)
    first: FirstResult = field(default=FirstResult.DECIDES, converter=FirstResult)
    repair_timeout: float = field(default=30.0, validator=_SPAN)
    recheck_after: float = field(default=2.0, validator=InRange(0, 86400, "seconds"))

    def __attrs_post_init__(self) -> None:
        """Warn of what is allowed and seldom meant."""
        if self.timeout is not None and self.timeout > self.interval:
            text = f"timeout is {self.timeout:g} s and interval {self.interval:g} s: a check that hangs skips others"
            warnings.warn(text, ConfigWarning, stacklevel=3)

    @property
    def patience(self) -> float:
        """After how many seconds a check has failed."""
        return self.interval if self.timeout is None else self.timeout


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

    Attributes:
        skipped: How many turns came while a check or a repair was running.
    """

    schedule: Schedule
    repairs: bool = False
    skipped: int = field(default=0, init=False)
    _verdict: RiseFall = field(init=False)
    _stage: _Stage = field(factory=_Idle, init=False)
    _next_at: float | None = field(default=None, init=False)
    _once_more: bool = field(default=False, init=False)
    _repair_tried: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with what is assumed."""
        self._verdict = RiseFall(self.schedule.rise, self.schedule.fall, self.schedule.first)

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
        stage_ends = self._stage.deadline
        if self._next_at is None or stage_ends is None:
            return self._next_at if stage_ends is None else stage_ends
        return min(self._next_at, stage_ends)

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
        """At a fixed rate: turns that were slept through are left out, and the others stay where they were."""
        if self._next_at is None or now < self._next_at:
            return ()
        self._next_at += self.schedule.interval * ((now - self._next_at) // self.schedule.interval + 1)
        if isinstance(self._stage, _Idle):
            return self._check(now)
        if expired and isinstance(self._stage, _Checking):  # the second look after a repair began at this moment
            return ()
        self.skipped += 1
        self._once_more |= isinstance(self._stage, _Checking | _Stopping)
        return self._count(False) if isinstance(self._stage, _Stopping) and not expired else ()

    def _check(self, now: float) -> tuple[RunCheck]:
        self._stage = _Checking(now + self.schedule.patience)
        return (RunCheck(),)

    def _expire(self, now: float) -> tuple[Action, ...]:
        deadline = self._stage.deadline
        if deadline is None or now < deadline:
            return ()
        match self._stage:
            case _Checking():
                repair = self._wants_repair()
                self._stage = _Stopping(then_repair=repair)
                return (StopRunning(late=True),) if repair else (StopRunning(late=True), *self._count(False))
            case _Repairing():
                self._stage = _Stopping(then_look=True)
                return (StopRunning(late=True),)
            case _Waiting():
                return self._check(now)
            case _:
                return ()

    def _finished(self, ok: bool, now: float) -> tuple[Action, ...]:
        self._stage = _Idle()
        if ok:
            self._repair_tried = False
        elif self._wants_repair():
            return self._repair(now)
        return (*self._count(ok), *self._look_again(now))

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
        if self._next_at is None:
            return ()
        if isinstance(self._stage, _Idle | _Waiting):
            return self._check(now)
        self._once_more = True
        return ()

    def _look_again(self, now: float) -> tuple[Action, ...]:
        if not self._once_more or self._next_at is None:
            return ()
        self._once_more = False
        return self._check(now)

    def _halt(self) -> tuple[Action, ...]:
        self._next_at, self._once_more = None, False
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
        if self._next_at is not None:
            return ()
        self._next_at = now + self.schedule.interval
        return self._force(now)

    def _count(self, ok: bool) -> tuple[Decided, ...]:
        return (Decided(ok),) if self._verdict.record(ok) else ()
