"""MySQL's protocol, as far as a check needs it: packets of any octets to values, and values to packets."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from attrs import define, field

from vrrpkit._cheap import value
from vrrpkit.checks._words import printable

__all__ = [
    "Greeting",
    "Login",
    "MySQLError",
    "Table",
    "column_count",
    "decode_column",
    "decode_error",
    "decode_greeting",
    "decode_row",
    "is_end",
    "seconds_behind",
]

_LONG_PASSWORD, _PROTOCOL_41, _TLS = 0x1, 0x200, 0x800
_SECURE_CONNECTION, _PLUGIN_AUTH = 0x8000, 0x80000
_UTF8MB4: Final = 45
_LARGEST_PACKET: Final = 1 << 24
_NATIVE, _SHA2 = "mysql_native_password", "caching_sha2_password"
_CLEAR: Final = ("mysql_clear_password", "sha256_password")
_KNOWN_BY_HEART, _TELL_ME = b"\x01\x03", b"\x01\x04"
_LONGEST_VERSION: Final = 60

# What no password gives; as long as MariaDB's ed25519 wants it, which counts anything else as an aborted handshake.
_NO_ANSWER: Final = bytes(64)


class MySQLError(Exception):
    """What a server refuses, or octets that are not of this protocol.

    Attributes:
        code: The server's error number; 0 when it is not the server who complains.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        """Keep the number beside the text."""
        super().__init__(text)
        self.code = code


@value
class Greeting:
    """What a server says to whoever connects.

    Attributes:
        version: The server's, in its own words.
        tls: Whether it can speak TLS.
        plugin: How it wants passwords to be proved, unless the account says otherwise.
        seed: What to mix with the password.
    """

    version: str
    tls: bool
    plugin: str
    seed: bytes


@value
class Table:
    """What a query has found: the columns' names, and the rows' texts; None is NULL."""

    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def first_column(self) -> tuple[str | None, ...]:
        """The first value of each row."""
        return tuple(row[0] for row in self.rows)


@define
class Login:
    """How one logs in: what the server says goes in, what to answer comes out.

    Attributes:
        user: Whom to log in.
        password: With what; empty for none.
        secure: Whether by TLS. Otherwise the password never leaves as it is.
        plugin: How the password is proved just now.
        seed: What to mix with it.
        hopeless: Why no answer can be given; the server is sent something to refuse, which it does not count as an
            aborted handshake.
    """

    user: str
    password: str = field(repr=False)
    secure: bool
    plugin: str
    seed: bytes
    hopeless: str = ""

    def tls_request(self) -> bytes:
        """What to send before TLS begins."""
        return struct.pack("<IIB23x", self._capabilities, _LARGEST_PACKET, _UTF8MB4)

    def request(self) -> bytes:
        """What to send first, by TLS if so."""
        if self.plugin not in {_NATIVE, _SHA2}:
            self.plugin = _NATIVE  # the server says at once if it wants another one
        proof = self._proof()
        names = self.user.encode() + b"\0" + bytes([len(proof)]) + proof + self.plugin.encode() + b"\0"
        return self.tls_request() + names

    def reply(self, said: bytes) -> bytes | None:
        """What to say next; None to wait for more.

        Raises:
            MySQLError: The server says something else, and nothing else for any input.
        """
        if said[:1] == b"\xfe":
            plugin, _, seed = said[1:].partition(b"\0")
            self.plugin = printable(plugin.decode("ascii", "replace"), 40) or "mysql_old_password"
            self.seed = seed.removesuffix(b"\0")
            return self._proof()
        if said == _KNOWN_BY_HEART:
            return None
        if said == _TELL_ME:
            return self._in_clear()
        raise MySQLError("not an answer to a login")

    @property
    def _capabilities(self) -> int:
        tls = _TLS if self.secure else 0
        return _LONG_PASSWORD | _PROTOCOL_41 | _SECURE_CONNECTION | _PLUGIN_AUTH | tls

    def _proof(self) -> bytes:
        octets = self.password.encode()
        if self.plugin in _CLEAR:
            return self._in_clear()
        if self.plugin == _NATIVE:
            return _scramble_native(octets, self.seed) if octets else b""
        if self.plugin == _SHA2:
            return _scramble_sha2(octets, self.seed) if octets else b"\0"
        self.hopeless = f"{self.plugin} is not supported"
        return _NO_ANSWER

    def _in_clear(self) -> bytes:
        if self.secure or not self.password:
            return self.password.encode() + b"\0"
        self.hopeless = f"{self.plugin} wants the password by TLS"
        return _NO_ANSWER


def decode_greeting(octets: bytes) -> Greeting:
    """Parse a server's first packet (version 10 of the protocol).

    Raises:
        MySQLError: For anything else, and nothing else for any input.
    """
    if octets[:1] != b"\x0a":
        raise MySQLError("not a MySQL server")
    version, end, rest = octets[1:].partition(b"\0")
    if not end or len(rest) < 16:
        raise MySQLError("a MySQL greeting without its end")
    first, low = rest[4:12], int.from_bytes(rest[13:15], "little")
    capabilities = low | int.from_bytes(rest[18:20], "little") << 16
    second, _, plugin = rest[31:].partition(b"\0")
    text = version.decode("utf-8", "replace").removeprefix("5.5.5-")  # MariaDB says so for old replicas
    return Greeting(
        version=printable(text, _LONGEST_VERSION),
        tls=bool(capabilities & _TLS),
        plugin=plugin.partition(b"\0")[0].decode("ascii", "replace"),
        seed=first + second,
    )


def decode_error(octets: bytes) -> MySQLError:
    """What an error packet says, from any octets."""
    code, text = int.from_bytes(octets[1:3], "little"), octets[3:].decode("utf-8", "replace")
    if text.startswith("#"):
        text = text[6:]  # the SQLSTATE, which early errors do not have
    return MySQLError(f"{code} {printable(text)}".strip(), code)


def is_end(octets: bytes) -> bool:
    """Whether a packet ends the columns, or the rows."""
    return octets[:1] == b"\xfe" and len(octets) < 9


def column_count(octets: bytes) -> int:
    """How many columns a query gives; 0 for no result at all.

    Raises:
        MySQLError: For anything else, and nothing else for any input.
    """
    if octets[:1] == b"\xfb":
        raise MySQLError("the server asks for a file")
    count, _ = _number(octets, 0)
    return count


def decode_column(octets: bytes) -> str:
    """A column's name.

    Raises:
        MySQLError: For anything else, and nothing else for any input.
    """
    at = 0
    for _catalog_schema_table_and_original_table in range(4):
        _, at = _text(octets, at)
    name, _ = _text(octets, at)
    return name or ""


def decode_row(octets: bytes, count: int) -> tuple[str | None, ...]:
    """A row's values.

    Raises:
        MySQLError: For anything else, and nothing else for any input.
    """
    values, at = [], 0
    for _ in range(count):
        text, at = _text(octets, at)
        values.append(text)
    return tuple(values)


def seconds_behind(table: Table) -> float | None:
    """How far a replica is behind the worst of its sources; None when it does not replicate from one of them.

    Raises:
        MySQLError: It is no replica.
    """
    if not table.rows:
        raise MySQLError("not a replica")
    worst = 0.0
    for row in table.rows:
        named = {name.lower(): text for name, text in zip(table.names, row, strict=True)}
        seconds = named.get("seconds_behind_source", named.get("seconds_behind_master"))
        if seconds is None or not seconds.isdecimal():
            return None
        worst = max(worst, float(seconds))
    return worst


def _scramble_native(password: bytes, seed: bytes) -> bytes:
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _xor(once, hashlib.sha1(seed + twice, usedforsecurity=False).digest())


def _scramble_sha2(password: bytes, seed: bytes) -> bytes:
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    return _xor(once, hashlib.sha256(twice + seed).digest())


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = octets[at : at + 1]
    width = {b"\xfc": 2, b"\xfd": 3, b"\xfe": 8}.get(first, 0)
    end = at + 1 + width
    if not first or first in b"\xfb\xff" or end > len(octets):
        raise MySQLError("not a MySQL packet")
    return int.from_bytes(octets[at + 1 : end], "little") if width else first[0], end


def _text(octets: bytes, at: int) -> tuple[str | None, int]:
    """A length-encoded text or NULL, and where it ends."""
    if octets[at : at + 1] == b"\xfb":
        return None, at + 1
    length, at = _number(octets, at)
    end = at + length
    if end > len(octets):
        raise MySQLError("not a MySQL packet")
    return octets[at:end].decode("utf-8", "replace"), end
