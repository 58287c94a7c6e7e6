"""TLS on a socket that has been spoken to in the clear before, without a transport of the event loop.

A transport waits for the peer's goodbye when it is closed, up to 30 seconds; here closing the socket is all.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from attrs import frozen

from vrrpkit.checks._tls import TLS, context_of

__all__ = ["Handshake", "TLSLayer", "handshake_for"]

T = TypeVar("T")

_CHUNK: Final = 16384


@frozen
class Handshake:
    """How to begin.

    Attributes:
        context: How to speak TLS, and whom to believe.
        name: The name or address to ask for, and to verify.
    """

    context: ssl.SSLContext
    name: str


def handshake_for(tls: TLS | None, host: str) -> Handshake | None:
    """How to begin TLS with this host; not at all without settings for it.

    Raises:
        ConfigError: A file cannot be used.
    """
    return None if tls is None else Handshake(context_of(tls), tls.server_name or host.partition("%")[0])


class TLSLayer:
    """The client's end of TLS on a connected socket that does not block; it does not close the socket."""

    def __init__(self, sock: socket.socket, handshake: Handshake) -> None:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # TLS writes twice in a row, and Nagle waits
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = handshake.context.wrap_bio(self._incoming, self._outgoing, server_hostname=handshake.name)

    async def shake_hands(self) -> None:
        """Agree on everything, and verify the peer.

        Raises:
            OSError: It fails; an `ssl.SSLError` if it is not the network's fault.
        """
        try:
            await self._perform(self._session.do_handshake)
        except ssl.SSLError:
            with suppress(OSError):  # the first error is the one to tell
                await self._flush()  # the peer is told, too
            raise

    async def send(self, octets: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: The connection is broken.
        """
        await self._perform(lambda: self._session.write(octets))

    async def receive(self, most: int) -> bytes:
        """What has come, at least one octet; none when the peer has said goodbye.

        Raises:
            OSError: The connection is broken, or ends without a goodbye (`ssl.SSLEOFError`).
        """
        return await self._perform(lambda: self._session.read(most))

    async def _perform(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if octets := self._outgoing.read():
            await asyncio.get_running_loop().sock_sendall(self._sock, octets)

    async def _fill(self) -> None:
        octets = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
