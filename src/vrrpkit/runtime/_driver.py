"""Many machines on one clock: events in, deadlines kept, actions out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, Generic, TypeVar

from vrrpkit.machine import Machine
from vrrpkit.runtime._ports import Clock
from vrrpkit.runtime._stalls import Stalls

__all__ = ["Driver", "LoopClock", "Seat"]

log = logging.getLogger("vrrpkit.driver")

E = TypeVar("E")
A = TypeVar("A")


class LoopClock:
    """The event loop's own clock. asyncio rounds its alarms up to whole milliseconds."""

    def __init__(self) -> None:
        self.lead: Final = 0.0
        self._loop = asyncio.get_running_loop()
        self._ring: Callable[[], None] = _silence
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The loop's time."""
        return self._loop.time()

    def start(self, ring: Callable[[], None]) -> None:
        """Call `ring` whenever the alarm is due."""
        self._ring = ring

    def wake_at(self, at: float | None) -> None:
        """Set the one alarm, replacing the last; None for no alarm."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None if at is None else self._loop.call_at(at, self._ring)

    def close(self) -> None:
        """Forget the alarm."""
        self.wake_at(None)


def _silence() -> None:
    """What an alarm without an owner does."""


class Driver:
    """Drives any number of machines on one clock with one alarm, in the thread of the running event loop.

    Thousands of machines cost what their events cost: a machine that has nothing to decide wakes nobody.

    A deadline is a duty, such as the next advertisement, or a judgement on what was not heard. Before a judgement the
    sources are drained, so that a process that was stopped for a while hears what its peers said meanwhile before it
    believes that they are dead. And a judgement is on time: if the clock has a lead, the driver wakes up that much
    earlier, and listens until then without sleeping.

    Actions are performed at once, so performing must never wait; what takes time belongs to a task of its own.

    An alarm that rings half a second late or more is a stall: something blocked the event loop, or the process did not
    get to run. Each one is logged and counted.

    Args:
        clock: The clock; the running event loop's when None.
        share_wakeups: Whether to do duties early by their leeway, so that many share a wake-up.

    Attributes:
        now: The time that every machine is told.
        stalls: The stalls so far.
    """

    def __init__(self, clock: Clock | None = None, *, share_wakeups: bool = False) -> None:
        self.share_wakeups: Final = share_wakeups
        self._clock: Clock = LoopClock() if clock is None else clock
        self._clock.start(self._fire)
        self._sources: list[Callable[[], None]] = []
        self._heap: list[tuple[float, int, Seat[Any, Any]]] = []
        self._serial = 0
        self._alarm = inf
        self.now: Final[Callable[[], float]] = self._clock.now
        self.stalls: Final = Stalls()

    def seat(
        self,
        machine: Machine[E, A],
        perform: Callable[[A], None],
        *,
        tick: E,
        leeway: Callable[[], float | None] = lambda: None,
    ) -> Seat[E, A]:
        """Give a machine a seat: from now on its deadlines are kept.

        Args:
            machine: The machine.
            perform: Does one action, without waiting. It may post to any seat, its own included.
            tick: The event that tells the machine that its deadline has come.
            leeway: None while the deadline is a judgement, which news could still move. For a duty, how many seconds
                early it may be done, so that many share a wake-up: at the last multiple of the leeway, and the
                machine is told the deadline's own time.
        """
        seat = Seat(self, machine, perform, tick, leeway)
        self._keep(seat)
        return seat

    def add_source(self, drain: Callable[[], None]) -> None:
        """Call `drain` before a judgement; it posts what has come in and returns without waiting."""
        self._sources.append(drain)

    def remove_source(self, drain: Callable[[], None]) -> None:
        """Forget a source."""
        self._sources.remove(drain)

    def close(self) -> None:
        """Keep no more deadlines."""
        self._heap.clear()
        self._clock.close()

    def _keep(self, seat: Seat[Any, Any]) -> None:
        """See that the alarm rings no later than the machine's deadline.

        A deadline that moved later, as a Backup's does with every advertisement, costs nothing here: the old entry
        stays, and is moved when it comes up.
        """
        at = seat.due_at
        if at is not None and at < seat.queued_at:
            seat.queued_at = at
            self._serial += 1
            heappush(self._heap, (at, self._serial, seat))
            if at < self._alarm:
                self._set_alarm()

    def _set_alarm(self) -> None:
        if not self._heap:
            self._alarm = inf
            self._clock.wake_at(None)
            return
        at, _serial, seat = self._heap[0]
        self._alarm = at
        self._clock.wake_at(at - self._clock.lead if seat.leeway() is None else at)

    def _fire(self) -> None:
        self._look_at_the_clock()
        self._alarm = -inf  # while seats tick, nobody needs to set it
        duties, judgements, soonest = self._due()
        for seat, deadline in duties:
            self._shielded(seat.do_duty, deadline)
        if judgements:
            while True:
                for drain in self._sources:
                    self._shielded(drain)
                if self.now() >= soonest:
                    break
            for seat in judgements:
                self._shielded(seat.judge)
        self._set_alarm()

    def _look_at_the_clock(self) -> None:
        late = self.stalls.note(self._alarm, self.now())
        if late is not None:
            log.warning(
                "the event loop did not run for %.1f s or more: something blocked it, or the process was not let run",
                late,
            )

    def _due(self) -> tuple[list[tuple[Seat[Any, Any], float]], list[Seat[Any, Any]], float]:
        """The duties that may be done now, the judgements that are due or imminent, and when the first of them is."""
        heap, now = self._heap, self.now()
        duties, judgements, others = [], [], []
        soonest = inf
        while heap and heap[0][0] <= now + self._clock.lead:
            at, _serial, seat = heappop(heap)
            if at != seat.queued_at:
                continue
            seat.queued_at = inf
            deadline = seat.deadline
            if deadline is None:
                continue
            leeway = seat.leeway()
            if leeway is not None and deadline - leeway <= now:
                duties.append((seat, deadline))
            elif leeway is None and deadline <= now + self._clock.lead:
                judgements.append(seat)
                soonest = min(soonest, deadline)
            else:
                others.append(seat)
        for seat in others:
            self._keep(seat)
        return duties, judgements, soonest

    def _shielded(self, step: Callable[..., None], *arguments: float) -> None:
        """A defect in one machine's surroundings must not silence the others."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - told to the loop's handler, as for any callback
            context = {"message": f"vrrpkit driver: {step!r} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


class Seat(Generic[E, A]):
    """One machine's place at a driver."""

    def __init__(
        self,
        driver: Driver,
        machine: Machine[E, A],
        perform: Callable[[A], None],
        tick: E,
        leeway: Callable[[], float | None],
    ) -> None:
        """See `Driver.seat()`."""
        self.queued_at = inf
        self.leeway: Final = leeway
        self._driver = driver
        self._machine = machine
        self._perform = perform
        self._tick = tick
        self._waiting: list[E] = []  # nearly always empty, and then a sixth of a deque
        self._busy = False
        self._left = False

    @property
    def due_at(self) -> float | None:
        """When to tick: at the machine's deadline, or for a duty with leeway at the last multiple of that."""
        deadline = None if self._left else self._machine.deadline
        if deadline is None or not self._driver.share_wakeups:
            return deadline
        leeway = self.leeway()
        return deadline // leeway * leeway if leeway else deadline

    def post(self, event: E) -> None:
        """Feed one event and perform what follows.

        While an action is performed, events wait: a machine never meets an event in the middle of another.

        Raises:
            ConfigError: The machine refuses the event; see its `handle()`.
        """
        self._feed(event, self._driver.now())

    def keep(self) -> None:
        """Keep the machine's deadline, which somebody else has moved."""
        self._driver._keep(self)  # noqa: SLF001 - a seat is a part of its driver

    def do_duty(self, deadline: float) -> None:
        """Tell the machine that its deadline has come, or is near enough, unless another one's duty has moved it."""
        if self.deadline == deadline:
            self._feed(self._tick, max(deadline, self._driver.now()))
        else:
            self.keep()

    def judge(self) -> None:
        """Tell the machine that its deadline has come, if news has not moved it."""
        now, deadline = self._driver.now(), self.deadline
        if deadline is not None and deadline <= now:
            self._feed(self._tick, now)
        else:
            self.keep()

    @property
    def deadline(self) -> float | None:
        """The machine's deadline; None once the seat is left."""
        return None if self._left else self._machine.deadline

    def leave(self) -> None:
        """Keep no more deadlines and take no more events for this machine."""
        self._left = True
        self._waiting.clear()

    def _feed(self, event: E, now: float) -> None:
        if self._left:
            return
        if self._busy:
            self._waiting.append(event)
            return
        self._busy = True
        try:
            for action in self._machine.handle(event, now):
                self._perform(action)
            while self._waiting:
                for action in self._machine.handle(self._waiting.pop(0), self._driver.now()):
                    self._perform(action)
        finally:
            self._busy = False
            deadline = self._machine.deadline
            if deadline is not None and deadline < self.queued_at:
                self.keep()
