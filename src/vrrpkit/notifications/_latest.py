"""What waits to be told, and no more than so much of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from heapq import heappop, heappush
from logging import Logger
from typing import Generic, TypeVar

__all__ = ["Latest"]

T = TypeVar("T")


class Latest(Generic[T]):
    """Items in order, of which the latest of every subject is kept the longest.

    When there is no room, the oldest item is dropped that is not the latest of its subject, or no more than an offer;
    if there is none such, the oldest of all.

    Args:
        room: How many may wait, at least 1.
        log: Where it is said when items begin to be dropped, and how many it were when none waits any more.
        name: What logs call the one who keeps them waiting.

    Attributes:
        dropped: How many were dropped so far.
    """

    def __init__(self, room: int, log: Logger, name: str) -> None:
        self.dropped = 0
        self._room = room
        self._log = log
        self._name = name
        self._dropped_before = 0
        self._count = 0
        self._items: OrderedDict[int, tuple[Hashable, T]] = OrderedDict()  # by number
        self._latest: dict[Hashable, int] = {}
        self._dispensable: list[int] = []  # a heap of numbers, some of them gone

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)

    @property
    def first(self) -> T:
        """The one whose turn it is."""
        return self._items[next(iter(self._items))][1]

    def keep(self, subject: Hashable, item: T) -> None:
        """Let one more wait, which makes obsolete what waits of its subject."""
        full = self._is_full
        before = self._latest.get(subject)
        if before is not None:
            heappush(self._dispensable, before)
        self._latest[subject] = self._append(subject, item)
        if full:
            self._take(self._most_dispensable())
            self._drop(1)

    def offer(self, subject: Hashable, item: T) -> None:
        """Let one more wait if there is room; one that is offered again while it waits is one with it."""
        if subject in self._latest:
            return
        if self._is_full:
            self._drop(1)
            return
        self._latest[subject] = self._append(subject, item)
        heappush(self._dispensable, self._count)

    def pop(self) -> T:
        """Take the first."""
        item = self._take(next(iter(self._items)))
        if not self._items:
            self._dispensable.clear()
            self._conclude()
        return item

    def clear(self) -> None:
        """Drop all that wait."""
        self._drop(len(self._items))
        self._items.clear()
        self._latest.clear()
        self._dispensable.clear()
        self._conclude()

    @property
    def _is_full(self) -> bool:
        return len(self._items) >= self._room

    def _append(self, subject: Hashable, item: T) -> int:
        self._count += 1
        self._items[self._count] = subject, item
        return self._count

    def _most_dispensable(self) -> int:
        while self._dispensable:
            number = heappop(self._dispensable)
            if number in self._items:
                return number
        return next(iter(self._items))

    def _take(self, number: int) -> T:
        subject, item = self._items.pop(number)
        if self._latest.get(subject) == number:
            del self._latest[subject]
        return item

    def _drop(self, number: int) -> None:
        if number and self.dropped == self._dropped_before:
            self._log.warning("%s: too slow, news are being dropped", self._name)
        self.dropped += number

    def _conclude(self) -> None:
        if self.dropped > self._dropped_before:
            self._log.warning("%s: %d news were dropped", self._name, self.dropped - self._dropped_before)
            self._dropped_before = self.dropped
