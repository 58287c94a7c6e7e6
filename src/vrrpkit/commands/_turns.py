"""Starting programs one by one, so that the event loop runs in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["in_turn"]

T = TypeVar("T")


async def in_turn(start: Callable[[], T]) -> T:
    """Call what starts a program and blocks the loop meanwhile, in order of asking.

    Between any two of them the loop does everything that is due, so that an advertisement waits for one start at most,
    even if five hundred scripts are due at once. A start takes 0.5-0.9 ms, and some more where processors are short.
    """
    loop = asyncio.get_running_loop()
    turns = _TURNS.get(loop)
    if turns is None:
        turns = _TURNS[loop] = _Turns()
    await turns.take(loop)
    try:
        return start()
    finally:
        turns.give(loop)


class _Turns:
    """Whose turn it is on one loop. It keeps no reference to the loop, unlike an `asyncio.Lock`, unless one waits."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for one's turn; `give()` has to follow."""
        if not self._taken:
            self._taken = True
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(loop)  # it came in the same moment
            raise

    def give(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next one have its turn, once all I/O and timers that are due by then are done.

        What is called soon sets a future, and who waits for that is called soon: a whole round of the loop is between.
        """
        loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns]] = WeakKeyDictionary()
