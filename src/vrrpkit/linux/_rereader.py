"""Reading the kernel's tables anew, beside a running event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final

from vrrpkit.errors import KernelError
from vrrpkit.linux._dumps import Dumps, read_tables
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._wire import Message

__all__ = ["Rereader"]

log = logging.getLogger("vrrpkit.links")

_RETRY: Final = 0.1  # seconds until tables that could not be read are tried again


class Rereader:
    """Reads both tables in a thread and keeps the news that comes in meanwhile.

    Args:
        on_read: Told the tables, and what has happened since the reading began, in order.
        netns: The network namespace by name or path; None for the process's own.
    """

    def __init__(self, on_read: Callable[[Dumps, list[Message]], None], netns: str | None = None) -> None:
        self._on_read = on_read
        self._loop = asyncio.get_running_loop()
        self._requests = Requests(netns=netns)
        self._news: list[Message] = []
        self._reading = Lock()
        self._again = False
        self._closed = False
        self.busy = False

    def begin(self) -> None:
        """Read; from the beginning, if that is being done already."""
        if self.busy:
            self._again = True
        else:
            self.busy = True
            self._begin()

    def keep(self, news: Iterable[Message]) -> None:
        """Keep what comes in while it is busy."""
        self._news.extend(news)

    def close(self) -> None:
        """Tell nothing any more; twice is a no-op."""
        self._closed = True
        # The thread may be reading. It, not the event loop, must close then: that one may never run again.
        if self._reading.acquire(blocking=False):
            self._requests.close()
            self._reading.release()

    def _begin(self) -> None:
        self._again = False
        self._news.clear()
        if not self._closed:
            self._loop.run_in_executor(None, self._read).add_done_callback(self._finish)

    def _read(self) -> Dumps:
        """In a thread."""
        try:
            with self._reading:
                return read_tables(self._requests)
        finally:
            if self._closed:
                self._requests.close()

    def _finish(self, reading: asyncio.Future[Dumps]) -> None:
        try:
            dumps = reading.result()
        except KernelError as error:
            if not self._closed:
                log.warning("%s; trying again", error)
                self._loop.call_later(_RETRY, self._begin)
            return
        if self._closed:
            return
        if self._again:
            self._begin()
            return
        self.busy = False
        news, self._news = self._news, []
        self._on_read(dumps, news)
