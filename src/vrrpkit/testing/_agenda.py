"""What is going to happen, in the order in which it will: virtual time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, TypeVar

from attrs import define, field

__all__ = ["ALARMS", "ARRIVALS", "CALLS", "Agenda"]

T = TypeVar("T")

# What falls on one moment: first what the test does, then what arrives, then what the clocks say.
CALLS: Final = 0
ARRIVALS: Final = 1
ALARMS: Final = 2


@define(eq=False)
class Agenda:
    """One heap of things to do, and the time up to which they are done.

    Attributes:
        now: The virtual time, in seconds.
    """

    now: float = 0.0
    _heap: list[tuple[float, int, int, Callable[..., object], object]] = field(factory=list, init=False)
    _serial: int = field(default=0, init=False)

    def add(self, at: float, rank: int, call: Callable[[T], object], argument: T) -> None:
        """Call something at a time; at the same time by rank, at the same rank in the order of adding."""
        self._serial += 1
        heappush(self._heap, (at, rank, self._serial, call, argument))

    def next_at(self) -> float | None:
        """When the next thing happens; None for never."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> bool:
        """Do the next thing; False when there is none."""
        if not self._heap:
            return False
        self.now, _rank, _serial, call, argument = heappop(self._heap)
        call(argument)
        return True

    def run(self, until: float) -> None:
        """Do everything up to a time, that moment included."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _rank, _serial, call, argument = heappop(heap)
            call(argument)
        self.now = until
