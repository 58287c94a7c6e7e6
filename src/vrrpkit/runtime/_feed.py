"""News for any number of readers, each at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, TypeVar

__all__ = ["Feed", "enlist"]

T = TypeVar("T")

_REMEMBERED: Final = 1024


class Feed(Generic[T]):
    """Remembers the latest 1,024 news for those who follow them.

    Args:
        log: Where it is said that a reader has missed some.
        name: Whose news they are.
    """

    def __init__(self, log: logging.Logger, name: str) -> None:
        self._log = log
        self._name = name
        self._items: deque[T] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._came = asyncio.Event()
        self._closed = False

    def add(self, item: T) -> None:
        """Tell every reader."""
        self._items.append(item)
        self._count += 1
        self._came.set()

    def close(self) -> None:
        """Nothing more will come: readers end after what is there."""
        self._closed = True
        self._came.set()

    async def follow(self) -> AsyncIterator[T]:
        """All news in order, beginning with the latest; a reader that falls too far behind misses the oldest."""
        seen = max(self._count - 1, 0)
        while True:
            while seen < self._count:
                missed = self._count - len(self._items) - seen
                if missed > 0:
                    self._log.warning("%s: a reader of changes missed %d of them", self._name, missed)
                    seen += missed
                item = self._items[seen - self._count]
                seen += 1
                yield item
            if self._closed:
                return
            self._came.clear()
            await self._came.wait()


def enlist(listeners: list[T], listener: T) -> Callable[[], None]:
    """Add a listener; returns how to take it away again, which may be done twice."""
    listeners.append(listener)

    def stop() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return stop
