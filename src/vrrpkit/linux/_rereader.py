"""Reading the kernel's tables anew, beside a running event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
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
        self._again = False
        self._closed = False
        self.busy = False

    def begin(self) -> None:
        """Read; from the beginning, if that is being done already."""
        if self.busy:
            self._again = True
        else:
            self.busy = True
            self._read()

    def keep(self, news: Iterable[Message]) -> None:
        """Keep what comes in while it is busy."""
        self._news.extend(news)

    def close(self) -> None:
        """Tell nothing any more; twice is a no-op."""
        self._closed = True
        if not self.busy:
            self._requests.close()

    def _read(self) -> None:
        self._again = False
        self._news.clear()
        if self._closed:
            self.busy = False
            self._requests.close()
        else:
            self._loop.run_in_executor(None, read_tables, self._requests).add_done_callback(self._finish)

    def _finish(self, reading: asyncio.Future[Dumps]) -> None:
        if self._closed or self._again:
            reading.exception()
            self._read()
            return
        try:
            dumps = reading.result()
        except KernelError as error:
            log.warning("%s; trying again", error)
            self._loop.call_later(_RETRY, self._read)
            return
        self.busy = False
        news, self._news = self._news, []
        self._on_read(dumps, news)
