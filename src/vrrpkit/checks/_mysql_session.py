"""A conversation with a MySQL server."""

from __future__ import annotations

import asyncio
from typing import Final

from vrrpkit.checks._lines import Lines
from vrrpkit.checks._mysql_wire import (
    Greeting,
    Login,
    MySQLError,
    Table,
    column_count,
    decode_column,
    decode_error,
    decode_greeting,
    decode_row,
    is_end,
)
from vrrpkit.checks._tls_layer import Handshake

__all__ = ["MySQLSession"]

_QUIT, _QUERY, _PING = b"\x01", b"\x03", b"\x0e"
_HEADER: Final = 4
_LARGEST_PACKET: Final = 64 * 1024
_MOST: Final = 256 * 1024


class MySQLSession:
    """Greeting, login, commands, end; in this order.

    Every method raises `MySQLError` for what the server refuses, and for what it does not say right, `LineError` and
    `OSError` for what becomes of the connection.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = _MOST
        self._sequence = 0

    async def greeting(self) -> Greeting:
        """Hear the server out."""
        return decode_greeting(await self._read())

    async def log_in(self, login: Login, handshake: Handshake | None) -> None:
        """Log in; by TLS with a handshake."""
        if handshake is not None:
            await self._send(login.tls_request())
            await self._lines.secure(handshake)
        await self._send(login.request())
        try:
            while (said := await self._read())[:1] != b"\0":
                reply = login.reply(said)
                if reply is not None:
                    await self._send(reply)
        except MySQLError as error:
            raise MySQLError(f"{login.hopeless}: {error}" if login.hopeless else str(error), error.code) from error

    async def ping(self) -> None:
        """Have it say that it is there."""
        await self._command(_PING)

    async def query(self, text: str) -> Table:
        """Have it carry out a statement."""
        count = column_count(await self._command(_QUERY + text.encode()))
        if not count:
            return Table((), ())
        names = [decode_column(packet) for packet in await self._until_end()]
        if len(names) != count:
            raise MySQLError("not a MySQL result")
        return Table(tuple(names), tuple(decode_row(packet, count) for packet in await self._until_end()))

    async def quit(self) -> None:
        """Say good-bye: the server logs, and counts, those who just hang up."""
        self._sequence = 0
        await self._send(_QUIT)

    async def _command(self, octets: bytes) -> bytes:
        self._sequence = 0
        await self._send(octets)
        return await self._read()

    async def _until_end(self) -> list[bytes]:
        packets = []
        while not is_end(packet := await self._read()):
            packets.append(packet)
        return packets

    async def _send(self, payload: bytes) -> None:
        await self._lines.send(len(payload).to_bytes(3, "little") + bytes([self._sequence]) + payload)
        self._sequence = (self._sequence + 1) % 256

    async def _read(self) -> bytes:
        await asyncio.sleep(0)  # a flood of packets is there at once, and others want their turn
        header = await self._lines.exactly(_HEADER)
        length = int.from_bytes(header[:3], "little")
        if not 0 < length <= _LARGEST_PACKET:
            raise MySQLError("not a MySQL packet, or too large a one")
        self._left -= _HEADER + length
        if self._left < 0:
            raise MySQLError(f"the server sends more than {_MOST} octets")
        payload = await self._lines.exactly(length)
        self._sequence = (header[3] + 1) % 256
        if payload[:1] == b"\xff":
            raise decode_error(payload)
        return payload
