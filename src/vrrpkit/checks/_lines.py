"""Lines and octets from a connection, plain or by TLS, and never more of them than asked for."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from typing import Final

from vrrpkit.checks._tls import tls_in_words
from vrrpkit.checks._tls_layer import Handshake, TLSLayer
from vrrpkit.checks._via import in_words

__all__ = ["LineError", "Lines", "trouble_in_words"]

_CHUNK: Final = 4096
_CLOSED: Final = "the server closed the connection"
_LINE_FEED: Final = re.compile(rb"\r?\n")


class LineError(Exception):
    """What was asked for does not come; the text says why."""


class Lines:
    """One connection as a conversation. Whoever has opened the socket closes it, and bounds the time.

    Args:
        sock: A connected socket that does not block.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._layer: TLSLayer | None = None
        self._held = bytearray()

    async def secure(self, handshake: Handshake) -> None:
        """Go on by TLS.

        Raises:
            LineError: There is something that was said in the clear and not asked for: somebody else may have put it
                there (CVE-2011-0411).
            OSError: It fails; an `ssl.SSLError` if it is not the network's fault.
        """
        if self._held:
            raise LineError("the server says more than it was asked for before TLS begins")
        layer = TLSLayer(self._sock, handshake)
        await layer.shake_hands()
        self._layer = layer

    async def send(self, octets: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: The connection is broken.
        """
        if self._layer is None:
            await asyncio.get_running_loop().sock_sendall(self._sock, octets)
        else:
            await self._layer.send(octets)

    async def line(self, longest: int, end: re.Pattern[bytes] = _LINE_FEED) -> bytes:
        """The next line, without its end.

        Args:
            longest: How many octets it may have.
            end: What ends it, at most two octets.

        Raises:
            LineError: It is longer, or the connection ends before it.
            OSError: The connection is broken.
        """
        start = 0
        while (found := end.search(self._held, start)) is None:
            start = max(0, len(self._held) - 1)
            if start > longest:
                raise LineError(f"a line of more than {longest} octets")
            await self._more()
        line = bytes(self._held[: found.start()])
        if len(line) > longest:
            raise LineError(f"a line of more than {longest} octets")
        del self._held[: found.end()]
        return line

    async def exactly(self, count: int) -> bytes:
        """The next octets, so many.

        Raises:
            LineError: The connection ends before.
            OSError: The connection is broken.
        """
        while len(self._held) < count:
            await self._more()
        octets = bytes(self._held[:count])
        del self._held[:count]
        return octets

    async def _more(self) -> None:
        if self._layer is None:
            octets = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
        else:
            octets = await self._layer.receive(_CHUNK)
        if not octets:
            raise LineError(_CLOSED)
        self._held += octets


def trouble_in_words(error: Exception) -> str:
    """What has gone wrong in a conversation, for people."""
    match error:
        case ssl.SSLEOFError():
            return _CLOSED
        case ssl.SSLError():
            return tls_in_words(error)
        case OSError():
            return in_words(error)
        case _:
            return str(error)
