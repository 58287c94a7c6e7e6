"""Asking what takes time in a thread, again whenever the answer may have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Final, Generic, TypeVar

from vrrpkit.errors import KernelError

__all__ = ["Inquiry"]

log = logging.getLogger("vrrpkit.track")

T = TypeVar("T")

_RETRY: Final = 0.1  # seconds until what the kernel refused is asked again


class Inquiry(Generic[T]):
    """Asks one question again and again, never twice at a time.

    Args:
        ask: Finds the answer, in a thread. When it raises `KernelError` it is called again a little later.
        on_answer: Told every answer, on the running event loop.
        release: Gives back what `ask` needs once that is in use no longer, possibly in the thread.
    """

    def __init__(self, ask: Callable[[], T], on_answer: Callable[[T], None], release: Callable[[], None]) -> None:
        self._ask = ask
        self._on_answer = on_answer
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._asking = Lock()
        self._waiters: list[asyncio.Future[None]] = []
        self._retry: asyncio.TimerHandle | None = None
        self._again = False
        self._closed = False
        self.busy = False

    def begin(self) -> None:
        """See to it that there is an answer that was found after this moment."""
        if self.busy:
            self._again = True
        elif not self._closed:
            self.busy = True
            self._start()

    async def answered(self) -> None:
        """Wait until `on_answer` has been told an answer that was found after this moment.

        Raises:
            KernelError: There is none.
        """
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        self.begin()
        await waiter

    def close(self) -> None:
        """Tell nothing any more; twice is a no-op."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        # The thread may be asking. It, not the event loop, must release then: that one may never run again.
        if self._asking.acquire(blocking=False):
            self._release()
            self._asking.release()

    def _start(self) -> None:
        self._again = False
        waiters, self._waiters = self._waiters, []
        self._loop.run_in_executor(None, self._work).add_done_callback(partial(self._finish, waiters))

    def _work(self) -> T:
        """In the thread."""
        try:
            with self._asking:
                return self._ask()
        finally:
            if self._closed:
                self._release()

    def _finish(self, waiters: list[asyncio.Future[None]], asking: asyncio.Future[T]) -> None:
        open_waiters = [waiter for waiter in waiters if not waiter.done()]
        try:
            answer = asking.result()
        except KernelError as error:
            for waiter in open_waiters:
                waiter.set_exception(error)
            if not self._closed:
                log.warning("%s; trying again", error)
                self._retry = self._loop.call_later(_RETRY, self._start)
            return
        if self._closed:
            return
        self.busy = False
        try:
            self._on_answer(answer)
        finally:  # a defect there must not keep others waiting
            for waiter in open_waiters:
                waiter.set_result(None)
            if self._again:
                self.begin()
