"""The thread that asks the kernel about IPVS, so that a table of ten thousand servers never holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from vrrpkit.linux._ipvs_socket import IPVSSocket

__all__ = ["IPVSWorker"]

T = TypeVar("T")
P = ParamSpec("P")


class IPVSWorker:
    """One thread with one socket. Calls are carried out in their order, and to their end even if nobody waits.

    Args:
        netns: The network namespace by name or path; None for the process's own.
    """

    def __init__(self, netns: str | None) -> None:
        self._thread = ThreadPoolExecutor(1, "vrrpkit-ipvs")
        # The first thing that the thread does; it takes a while if the kernel has to load a module.
        self._socket = self._thread.submit(IPVSSocket, netns)

    async def opened(self) -> None:
        """Wait until there is a socket.

        Raises:
            KernelError: The kernel has no IPVS, we may not ask, or there is no such network namespace.
        """
        await asyncio.shield(asyncio.wrap_future(self._socket))

    async def call(self, function: Callable[Concatenate[IPVSSocket, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have the thread call this with its socket."""
        called = self._thread.submit(lambda: function(self._socket.result(), *args, **kwargs))
        return await asyncio.shield(asyncio.wrap_future(called))

    async def close(self) -> None:
        """Finish what was asked for, then end."""
        closed = self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(closed))

    def _close(self) -> None:
        """In the thread."""
        if self._socket.exception() is None:
            self._socket.result().close()
