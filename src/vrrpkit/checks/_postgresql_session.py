"""A conversation with a PostgreSQL server."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from vrrpkit.checks._lines import Lines
from vrrpkit.checks._postgresql_wire import (
    KINDS,
    LONGEST_MESSAGE,
    TERMINATE,
    TLS_REQUEST,
    Challenge,
    Demand,
    PostgreSQLError,
    Scram,
    decode_demand,
    decode_error,
    decode_first_value,
    decode_parameter,
    encode_password,
    encode_query,
    encode_sasl,
    encode_startup,
    md5_proof,
    salted_password,
)
from vrrpkit.checks._tls_layer import Handshake
from vrrpkit.checks._words import printable

__all__ = ["Credentials", "PostgreSQLSession"]

_HEADER: Final = 5
_MOST: Final = 256 * 1024


class Credentials:
    """Whom to log in, with what; remembers what took long to compute.

    Args:
        user: The user.
        password: The password.
    """

    def __init__(self, user: str, password: str | None) -> None:
        self.user = user
        self.password = password
        self._salted: tuple[Challenge, bytes] | None = None

    async def salted(self, password: str, challenge: Challenge) -> bytes:
        """The salted password; in a thread, and once as long as the account keeps its salt."""
        if self._salted is None or self._salted[0] != challenge:
            self._salted = challenge, await asyncio.to_thread(salted_password, password, challenge)
        return self._salted[1]


class PostgreSQLSession:
    """TLS, startup, authentication, queries, end; in this order.

    Every method raises `PostgreSQLError` for what the server refuses, and for what it does not say right,
    `LineError` and `OSError` for what becomes of the connection.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._left = _MOST
        self._secure = False

    async def secure(self, handshake: Handshake) -> None:
        """Go on by TLS."""
        await self._lines.send(TLS_REQUEST)
        answer = await self._lines.exactly(1)
        if answer == b"N":
            raise PostgreSQLError("the server does not speak TLS")
        if answer != b"S":
            raise PostgreSQLError("not a PostgreSQL server")
        await self._lines.secure(handshake)
        self._secure = True

    async def start(self, user: str, database: str | None) -> Demand:
        """Say who we are, and hear how to prove it."""
        await self._lines.send(encode_startup(user, database))
        return await self._demand()

    async def authenticate(self, demand: Demand, credentials: Credentials) -> None:
        """Prove it, if need be."""
        if demand.method:
            if credentials.password is None:
                raise PostgreSQLError(f"the server asks for {demand}, and there is no password")
            await self._prove(demand, credentials, credentials.password)
            if (await self._demand()).method:
                raise PostgreSQLError("not an answer to a login")

    async def version(self) -> str:
        """Wait until it is ready; the server's version."""
        version = ""
        while (message := await self._read())[0] != b"Z":
            name, text = decode_parameter(message[1]) if message[0] == b"S" else ("", "")
            if name == "server_version":
                version = printable(text, 60)
        return version

    async def query(self, text: str) -> list[str | None]:
        """Have it carry out a statement; the first value of each row."""
        await self._lines.send(encode_query(text))
        values = []
        while (message := await self._read())[0] != b"Z":
            kind, octets = message
            if kind == b"D":
                values.append(decode_first_value(octets))
            elif kind in b"GW":
                raise PostgreSQLError("the statement waits for data")
        return values

    async def quit(self) -> None:
        """Say good-bye."""
        await self._lines.send(TERMINATE)

    async def _prove(self, demand: Demand, credentials: Credentials, password: str) -> None:
        match demand.method:
            case 3 if self._secure:
                await self._lines.send(encode_password(password.encode()))
            case 3:
                raise PostgreSQLError("the server asks for the password as it is, which needs tls")
            case 5:
                await self._lines.send(encode_password(md5_proof(credentials.user, password, demand.data[:4])))
            case 10 if "SCRAM-SHA-256" in demand.mechanisms:
                await self._scram(credentials, password)
            case _:
                raise PostgreSQLError(f"the server asks for {demand}, which is not supported")

    async def _scram(self, credentials: Credentials, password: str) -> None:
        scram = Scram(secrets.token_urlsafe(18))
        await self._lines.send(encode_sasl(scram.first(), first=True))
        challenge = scram.challenge((await self._demand()).data)
        final = scram.final(await credentials.salted(password, challenge))
        await self._lines.send(encode_sasl(final, first=False))
        scram.verify((await self._demand()).data)

    async def _demand(self) -> Demand:
        while (message := await self._read())[0] != b"R":
            if message[0] not in b"NvS":
                raise PostgreSQLError("not a PostgreSQL message")
        return decode_demand(message[1])

    async def _read(self) -> tuple[bytes, bytes]:
        await asyncio.sleep(0)  # a flood of messages is there at once, and others want their turn
        header = await self._lines.exactly(_HEADER)
        kind, length = header[:1], int.from_bytes(header[1:], "big")
        if kind == b"E" and length > LONGEST_MESSAGE:
            raise PostgreSQLError(await self._old_error(header[1:]))
        if header[0] not in KINDS or not 4 <= length <= LONGEST_MESSAGE:
            raise PostgreSQLError("not a PostgreSQL message, or too large a one")
        self._left -= 1 + length
        if self._left < 0:
            raise PostgreSQLError(f"the server sends more than {_MOST} octets")
        octets = await self._lines.exactly(length - 4)
        if kind == b"E":
            raise decode_error(octets)
        return kind, octets

    async def _old_error(self, octets: bytes) -> str:
        """A server that cannot fork says so in version 2 of the protocol: a text that ends with NUL."""
        while not octets.endswith(b"\0") and len(octets) < 200:
            octets += await self._lines.exactly(1)
        return printable(octets.removesuffix(b"\0").decode("utf-8", "replace"))
