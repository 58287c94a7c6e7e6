"""News from the kernel, on the running event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from typing import Final

from vrrpkit.linux._netlink import SOL_NETLINK, open_netlink
from vrrpkit.linux._wire import Message, messages

__all__ = ["RECEIVE_BUFFER", "Monitor"]

_NETLINK_ADD_MEMBERSHIP: Final = 1
_MESSAGE_SIZE: Final = 1 << 16
RECEIVE_BUFFER: Final = 8 << 20
# One message is one datagram here. After so many, 0.2 ms of them, the loop gets back to its timers.
_BUDGET: Final = 32


class Monitor:
    """Subscribes to multicast groups of one netlink protocol.

    The kernel drops news when the receive buffer is full. What was still queued then is older than what a new dump
    tells, and would undo it: it is thrown away before `on_overrun` is called.

    Args:
        groups: The numbers of the groups, such as `RTNLGRP_LINK`.
        on_messages: Takes what has come in since the last call, in order.
        on_overrun: Told that news was lost: whoever keeps a table has to read it anew. What is reported from then on
            is complete again.
        protocol: Such as `socket.NETLINK_ROUTE`.
        netns: The network namespace by name or path; None for the caller's own.
        receive_buffer: In octets; a change of an address takes about 1,000.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(
        self,
        groups: Iterable[int],
        on_messages: Callable[[list[Message]], None],
        on_overrun: Callable[[], None],
        *,
        protocol: int = socket.NETLINK_ROUTE,
        netns: str | None = None,
        receive_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._on_messages = on_messages
        self._on_overrun = on_overrun
        self._lossy = False
        self._loop = asyncio.get_running_loop()
        self._socket = open_netlink(protocol, netns, receive_buffer=receive_buffer)
        self._socket.setblocking(False)
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        self._listen()

    def close(self) -> None:
        """Unsubscribe; twice is a no-op."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _listen(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        news: list[Message] = []
        for _ in range(_BUDGET):
            try:
                octets, (sender, _groups) = self._socket.recvfrom(_MESSAGE_SIZE)
            except BlockingIOError:
                if self._lossy:
                    self._lossy = False
                    self._on_overrun()
                    return
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lossy = True
                self._listen()  # libuv, below uvloop, stops listening to a socket that has an error to tell
            else:
                if sender == 0:  # nobody but the kernel is believed
                    news.extend(messages(octets))
        if news and not self._lossy:
            self._on_messages(news)
