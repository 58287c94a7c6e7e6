"""Every wait is one loop: events in, deadlines kept, actions out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, Generic, NoReturn, TypeVar

from vrrpkit.machine import Machine
from vrrpkit.runtime._ports import Clock

__all__ = ["Driver", "Inbox", "LoopClock", "Seat", "drive"]

E = TypeVar("E")
A = TypeVar("A")


class LoopClock:
    """The event loop's own clock. asyncio rounds its alarms up to whole milliseconds."""

    def __init__(self) -> None:
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

    Thousands of machines cost what their events cost: a machine that has nothing to decide wakes nobody. When the
    alarm rings, the sources are drained first and the machines tick last, so that a process that was stopped for a
    while hears what its peers said meanwhile before it believes that they are dead. Actions are performed at once,
    so performing must never wait; what takes time belongs to a task of its own.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        """Use a clock, or the running event loop's."""
        self._clock: Clock = LoopClock() if clock is None else clock
        self._clock.start(self._fire)
        self._sources: list[Callable[[], None]] = []
        self._heap: list[tuple[float, int, Seat[Any, Any]]] = []
        self._serial = 0
        self._alarm = inf

    def now(self) -> float:
        """The time that every machine is told."""
        return self._clock.now()

    def seat(
        self,
        machine: Machine[E, A],
        perform: Callable[[A], None],
        *,
        tick: E,
        judges: Callable[[], bool] = lambda: True,
    ) -> Seat[E, A]:
        """Give a machine a seat: from now on its deadlines are kept.

        Args:
            machine: The machine.
            perform: Does one action, without waiting. It may post to any seat, its own included.
            tick: The event that tells the machine that its deadline has come.
            judges: Whether the deadline is one that news could still move, so that the sources must be heard first;
                a duty such as the next advertisement does not wait for them.
        """
        seat = Seat(self, machine, perform, tick, judges)
        self._keep(seat)
        return seat

    def add_source(self, drain: Callable[[], None]) -> None:
        """Call `drain` before any machine ticks; it posts what has come in and returns without waiting."""
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
        deadline = seat.deadline
        if deadline is not None and deadline < seat.queued_at:
            seat.queued_at = deadline
            self._serial += 1
            heappush(self._heap, (deadline, self._serial, seat))
            if deadline < self._alarm:
                self._set_alarm(deadline)

    def _set_alarm(self, at: float) -> None:
        self._alarm = at
        self._clock.wake_at(None if at == inf else at)

    def _fire(self) -> None:
        self._alarm = -inf  # while seats tick, nobody needs to set it
        due, judging = self._due()
        if judging:
            for drain in self._sources:
                self._shielded(drain)
        now = self._clock.now()
        for seat in due:
            self._shielded(seat.tick, now)
        self._set_alarm(self._heap[0][0] if self._heap else inf)

    def _due(self) -> tuple[list[Seat[Any, Any]], bool]:
        """Whose deadline has come, and whether one of them judges."""
        now, heap = self._clock.now(), self._heap
        due = []
        judging = False
        while heap and heap[0][0] <= now:
            at, _serial, seat = heappop(heap)
            if at == seat.queued_at:
                seat.queued_at = inf
                due.append(seat)
                judging = judging or seat.judges()
        return due, judging

    def _shielded(self, step: Callable[..., None], *args: float) -> None:
        """A defect in one machine's surroundings must not silence the others."""
        try:
            step(*args)
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
        judges: Callable[[], bool],
    ) -> None:
        """See `Driver.seat()`."""
        self.queued_at = inf
        self.judges: Final = judges
        self._driver = driver
        self._machine = machine
        self._perform = perform
        self._tick = tick
        self._waiting: deque[E] = deque()
        self._busy = False
        self._left = False

    @property
    def deadline(self) -> float | None:
        """The machine's deadline; None once the seat is left."""
        return None if self._left else self._machine.deadline

    def post(self, event: E) -> None:
        """Feed one event and perform what follows.

        While an action is performed, events wait: a machine never meets an event in the middle of another.

        Raises:
            ConfigError: The machine refuses the event; see its `handle()`.
        """
        self._feed(event, None)

    def tick(self, now: float) -> None:
        """Tell the machine the time, if its deadline has come."""
        deadline = self.deadline
        if deadline is not None and deadline <= now:
            self._feed(self._tick, now)
        else:
            self._driver._keep(self)  # noqa: SLF001 - a seat is a part of its driver

    def leave(self) -> None:
        """Keep no more deadlines and take no more events for this machine."""
        self._left = True
        self._waiting.clear()

    def _feed(self, event: E, now: float | None) -> None:
        if self._left:
            return
        if self._busy:
            self._waiting.append(event)
            return
        self._busy = True
        try:
            self._take(event, now)
            while self._waiting:
                self._take(self._waiting.popleft(), None)
        finally:
            self._busy = False
            self._driver._keep(self)  # noqa: SLF001 - a seat is a part of its driver

    def _take(self, event: E, now: float | None) -> None:
        for action in self._machine.handle(event, self._driver.now() if now is None else now):
            self._perform(action)


class Inbox(Generic[E]):
    """Events waiting for one machine that `drive()` runs."""

    def __init__(self) -> None:
        self._events: list[E] = []
        self._ready = asyncio.Event()

    def post(self, event: E) -> None:
        """Leave an event; never waits."""
        self._events.append(event)
        self._ready.set()

    async def collect(self, until: float | None) -> tuple[E, ...]:
        """Wait for events or until the deadline; return all that have come."""
        if not self._events:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._ready.wait()
        self._ready.clear()
        events, self._events = tuple(self._events), []
        return events


async def drive(
    machine: Machine[E, A], inbox: Inbox[E], perform: Callable[[A], Awaitable[None]], *, tick: E
) -> NoReturn:
    """Run one machine forever whose actions take time.

    The same contract as `Driver`, for a machine that may wait for its actions: each batch of events is handled
    first and ends with a tick, so a stalled process hears before it judges, and a flood of events cannot starve the
    timer.

    Args:
        machine: The machine.
        inbox: Where its events come from.
        perform: Does one action; the next event waits for it.
        tick: The event that tells the machine the time.
    """
    clock = asyncio.get_running_loop().time
    while True:
        for event in (*await inbox.collect(machine.deadline), tick):
            for action in machine.handle(event, clock()):
                await perform(action)
