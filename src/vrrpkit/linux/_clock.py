"""A clock whose alarm is exact: the kernel's timer file descriptor on the event loop."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from math import ceil
from typing import Final

__all__ = ["TimerClock"]

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_NANOSECONDS: Final = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)


class TimerClock:
    """CLOCK_MONOTONIC with a timerfd as its alarm.

    asyncio rounds timeouts up to whole milliseconds, and uvloop counts in milliseconds; a timerfd rings within
    microseconds under both. Steps of the wall clock do not matter.
    """

    def __init__(self) -> None:
        # Waking up from a long sleep takes a Python process up to a millisecond.
        self.lead: Final = 0.001
        self._loop = asyncio.get_running_loop()
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._spec = (ctypes.c_long * 4)()  # struct itimerspec: interval, then moment; seconds, then nanoseconds
        self._spec_address = ctypes.byref(self._spec)

    def now(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def start(self, ring: Callable[[], None]) -> None:
        """Call `ring` whenever the alarm is due; it sets the next alarm, which also silences this one."""
        self._loop.add_reader(self._fd, ring)

    def wake_at(self, at: float | None) -> None:
        """Set the one alarm, replacing the last; None for no alarm."""
        # Zero disarms; a moment that is gone rings at once.
        nanoseconds = 0 if at is None else max(ceil(at * _NANOSECONDS), 1)
        self._spec[2], self._spec[3] = divmod(nanoseconds, _NANOSECONDS)
        _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._spec_address, None)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
