"""PostgreSQL's protocol, version 3, as far as a check needs it: any octets to values, and values to messages."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stringprep
import struct
import unicodedata
from typing import Final

from attrs import define

from vrrpkit._cheap import value
from vrrpkit.checks._words import printable

__all__ = [
    "KINDS",
    "LONGEST_MESSAGE",
    "TERMINATE",
    "TLS_REQUEST",
    "Challenge",
    "Demand",
    "PostgreSQLError",
    "Scram",
    "decode_demand",
    "decode_error",
    "decode_first_value",
    "decode_parameter",
    "encode_password",
    "encode_query",
    "encode_sasl",
    "encode_startup",
    "md5_proof",
    "salted_password",
]

KINDS: Final = frozenset(b"ACDEGHIKNRSTWZcdsv")
LONGEST_MESSAGE: Final = 64 * 1024
TLS_REQUEST: Final = struct.pack("!II", 8, 80877103)
TERMINATE: Final = b"X\0\0\0\4"

_VERSION: Final = 3 << 16
_METHODS: Final = {2: "Kerberos V5", 3: "a password", 5: "md5", 7: "GSSAPI", 9: "SSPI", 10: "SASL"}
_SCRAM: Final = "SCRAM-SHA-256"
_MOST_ITERATIONS: Final = 1_000_000


class PostgreSQLError(Exception):
    """What a server refuses, or octets that are not of this protocol.

    Attributes:
        code: The SQLSTATE; empty when it is not the server who complains.
    """

    def __init__(self, text: str, code: str = "") -> None:
        """Keep the code beside the text."""
        super().__init__(text)
        self.code = code


@value
class Demand:
    """How the server wants a user to be authenticated.

    Attributes:
        method: The number of the method; 0 when all is well.
        data: What belongs to it.
    """

    method: int
    data: bytes

    @property
    def mechanisms(self) -> list[str]:
        """The mechanisms that SASL may use."""
        return [name.decode("ascii", "replace") for name in self.data.split(b"\0") if name]

    def __str__(self) -> str:
        """Say it in words."""
        if self.method == 10:
            return printable(" or ".join(self.mechanisms), 60)
        return _METHODS.get(self.method, f"method {self.method}")


@value
class Challenge:
    """What the server wants the password to be mixed with.

    Attributes:
        salt: The account's.
        iterations: How often, 1-1000000.
    """

    salt: bytes
    iterations: int


@define
class Scram:
    """One authentication by SCRAM-SHA-256 (RFC 5802 and RFC 7677), without channel binding; called in this order.

    Attributes:
        nonce: Random characters, printable and without a comma.
    """

    nonce: str
    _server_first: str = ""
    _signature: bytes = b""

    def first(self) -> bytes:
        """What the client says first; PostgreSQL takes the user's name from the startup message."""
        return f"n,,{self._client_first}".encode()

    def challenge(self, octets: bytes) -> Challenge:
        """What the server says to that.

        Raises:
            PostgreSQLError: For anything else, and nothing else for any input.
        """
        self._server_first = octets.decode("ascii", "replace")
        said = _attributes(self._server_first)
        count = said.get("i", "")
        iterations = int(count) if count.isascii() and count.isdecimal() and len(count) < 10 else 0
        if not 1 <= iterations <= _MOST_ITERATIONS or not said.get("r", "").startswith(self.nonce):
            raise PostgreSQLError("not a SCRAM challenge")
        return Challenge(_base64(said.get("s", "")), iterations)

    def final(self, salted: bytes) -> bytes:
        """What the client says next, with the salted password."""
        nonce = _attributes(self._server_first)["r"]
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._client_first},{self._server_first},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, octets: bytes) -> None:
        """Look at the server's own proof.

        Raises:
            PostgreSQLError: It does not know the password, either.
        """
        said = _attributes(octets.decode("ascii", "replace"))
        if not hmac.compare_digest(_base64(said.get("v", "")), self._signature):
            raise PostgreSQLError("the server does not prove that it knows the password")

    @property
    def _client_first(self) -> str:
        return f"n=,r={self.nonce}"


def encode_startup(user: str, database: str | None) -> bytes:
    """Who wants to log in, and where to; to the database of the user's name when None."""
    settings = {"user": user, "application_name": "vrrpkit", "client_encoding": "UTF8"}
    settings |= {"database": database} if database else {}
    octets = b"".join(f"{name}\0{text}\0".encode() for name, text in settings.items())
    return struct.pack("!II", len(octets) + 9, _VERSION) + octets + b"\0"


def encode_query(text: str) -> bytes:
    """A statement to carry out."""
    return _message(b"Q", text.encode() + b"\0")


def encode_password(password: bytes) -> bytes:
    """The password, or what is shown instead."""
    return _message(b"p", password + b"\0")


def encode_sasl(octets: bytes, *, first: bool) -> bytes:
    """What SCRAM says; first of all also its name."""
    name = _SCRAM.encode() + b"\0" + struct.pack("!I", len(octets)) if first else b""
    return _message(b"p", name + octets)


def md5_proof(user: str, password: str, salt: bytes) -> bytes:
    """What shows that one knows the password, where the server keeps it by MD5."""
    inner = _md5(password.encode() + user.encode()).encode()
    return f"md5{_md5(inner + salt)}".encode()


def salted_password(password: str, challenge: Challenge) -> bytes:
    """The password, mixed with the salt; takes 1.5 ms for the usual 4096 iterations."""
    return hashlib.pbkdf2_hmac("sha256", _prepared(password).encode(), challenge.salt, challenge.iterations)


def decode_error(octets: bytes) -> PostgreSQLError:
    """What an error message says, from any octets."""
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in octets.split(b"\0")}
    code = printable(fields.get(b"C", "")[:5])
    return PostgreSQLError(f"{code} {printable(fields.get(b'M', ''))}".strip() or "an error without a text", code)


def decode_demand(octets: bytes) -> Demand:
    """How to authenticate.

    Raises:
        PostgreSQLError: For anything else, and nothing else for any input.
    """
    if len(octets) < 4:
        raise PostgreSQLError("not a PostgreSQL message")
    return Demand(int.from_bytes(octets[:4], "big"), octets[4:])


def decode_parameter(octets: bytes) -> tuple[str, str]:
    """The name and value of something that the server tells about itself, from any octets."""
    name, _, text = octets.removesuffix(b"\0").partition(b"\0")
    return name.decode("utf-8", "replace"), text.decode("utf-8", "replace")


def decode_first_value(octets: bytes) -> str | None:
    """A row's first value; None when it is NULL, or when there is no column.

    Raises:
        PostgreSQLError: For anything else, and nothing else for any input.
    """
    columns, length = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:6], "big", signed=True)
    if len(octets) < 2 or (columns and len(octets) < 6 + max(length, 0)):
        raise PostgreSQLError("not a PostgreSQL message")
    return None if not columns or length < 0 else octets[6 : 6 + length].decode("utf-8", "replace")


def _message(kind: bytes, octets: bytes) -> bytes:
    return kind + struct.pack("!I", len(octets) + 4) + octets


def _md5(octets: bytes) -> str:
    return hashlib.md5(octets, usedforsecurity=False).hexdigest()


def _attributes(text: str) -> dict[str, str]:
    return {part[:1]: part[2:] for part in text.split(",")}


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PostgreSQLError("not a SCRAM message") from error


def _prepared(password: str) -> str:
    """SASLprep (RFC 4013); a password that it forbids stays as it is, as with the server."""
    mapped = "".join(
        " " if stringprep.in_table_c12(one) else one for one in password if not stringprep.in_table_b1(one)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return password if any(forbids(one) for one in normal for forbids in _FORBIDDEN) else normal or password


_FORBIDDEN: Final = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
