"""Notices that wait their turn, and no more than so many."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush
from logging import Logger
from typing import TypeAlias, assert_never

from vrrpkit.election import StateChanged
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["Backlog"]

_Subject: TypeAlias = tuple[bool, str]  # whether it is a group, and its name


class Backlog:
    """Notices in order, of which the latest state of every router and group is kept the longest.

    When there is no room, a priority and a lower priority heard are not taken in. A state takes the place of the oldest
    notice that is not the latest state of its router or group, or, if every notice is, of the oldest. Of lower
    priorities heard one waits per router; a second would say the same, and is one with it.

    Args:
        room: How many may wait, at least 1.
        log: Where it is said when notices begin to be dropped, and how many it were when none waits any more.
        subject: What logs call the one who keeps them waiting.

    Attributes:
        dropped: How many were dropped so far.
    """

    def __init__(self, room: int, log: Logger, subject: str) -> None:
        self.dropped = 0
        self._room = room
        self._log = log
        self._subject = subject
        self._dropped_before = 0
        self._count = 0
        self._notices: OrderedDict[int, Notice] = OrderedDict()  # by number
        self._latest: dict[_Subject, int] = {}  # the numbers of the latest states
        self._dispensable: list[int] = []  # a heap of all other numbers
        self._losers: set[str] = set()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._notices)

    @property
    def first(self) -> Notice:
        """The one whose turn it is."""
        return self._notices[self._first_number()]

    def add(self, notice: Notice) -> None:
        """Let one more wait."""
        full = len(self._notices) >= self._room
        match notice.news:
            case StateChanged() | GroupChanged():
                self._add_state(notice)
                if full:
                    self._remove(heappop(self._dispensable) if self._dispensable else self._first_number())
                    self._drop(1)
            case LoserHeard() if notice.name in self._losers:
                pass
            case LoserHeard() | PriorityMoved() if full:
                self._drop(1)
            case LoserHeard():
                self._losers.add(notice.name)
                heappush(self._dispensable, self._append(notice))
            case PriorityMoved():
                heappush(self._dispensable, self._append(notice))
            case unreachable:
                assert_never(unreachable)

    def pop(self) -> Notice:
        """Take the first."""
        number = self._first_number()
        notice = self._remove(number)
        if self._dispensable and self._dispensable[0] == number:
            heappop(self._dispensable)
        if not self._notices:
            self._conclude()
        return notice

    def clear(self) -> None:
        """Drop all that wait."""
        self._drop(len(self._notices))
        for waiting in (self._notices, self._latest, self._dispensable, self._losers):
            waiting.clear()
        self._conclude()

    def _first_number(self) -> int:
        return next(iter(self._notices))

    def _add_state(self, notice: Notice) -> None:
        subject = _subject(notice)
        obsolete = self._latest.get(subject)
        if obsolete is not None:
            heappush(self._dispensable, obsolete)
        self._latest[subject] = self._append(notice)

    def _append(self, notice: Notice) -> int:
        self._count += 1
        self._notices[self._count] = notice
        return self._count

    def _remove(self, number: int) -> Notice:
        notice = self._notices.pop(number)
        match notice.news:
            case StateChanged() | GroupChanged():
                if self._latest[_subject(notice)] == number:
                    del self._latest[_subject(notice)]
            case LoserHeard():
                self._losers.discard(notice.name)
            case PriorityMoved():
                pass
            case unreachable:
                assert_never(unreachable)
        return notice

    def _drop(self, number: int) -> None:
        if number and self.dropped == self._dropped_before:
            self._log.warning("%s: too slow, news are being dropped", self._subject)
        self.dropped += number

    def _conclude(self) -> None:
        if self.dropped > self._dropped_before:
            self._log.warning("%s: %d news were dropped", self._subject, self.dropped - self._dropped_before)
            self._dropped_before = self.dropped


def _subject(notice: Notice) -> _Subject:
    return isinstance(notice.news, GroupChanged), notice.name
