"""LDAP's bind operation (RFC 4511 section 4.2), and what a server says to it."""

from __future__ import annotations

from typing import Final

from vrrpkit._cheap import value
from vrrpkit.checks._words import printable

__all__ = ["UNBIND_REQUEST", "BindResponse", "LDAPError", "decode_bind_response", "encode_bind_request", "rest_of"]

UNBIND_REQUEST: Final = bytes.fromhex("30 05 02 01 02 42 00")

_SEQUENCE, _ENUMERATED, _INTEGER, _OCTET_STRING = 0x30, 0x0A, 0x02, 0x04
_BIND_REQUEST, _BIND_RESPONSE, _EXTENDED_RESPONSE = 0x60, 0x61, 0x78
_SIMPLE: Final = 0x80
_LONGEST: Final = 65535
_NAMES: Final = {
    1: "operationsError",
    2: "protocolError",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}


class LDAPError(Exception):
    """Octets that are no response to a bind request, or a server that says good-bye instead."""


@value
class BindResponse:
    """How a bind request has ended.

    Attributes:
        code: The result code; 0 is success.
        text: The server's own words.
    """

    code: int
    text: str

    def __str__(self) -> str:
        """Name the code, and add the server's words."""
        name = f"{self.code} {_NAMES.get(self.code, '')}".strip()
        return f"{name}: {self.text}" if self.text else name


def encode_bind_request(user: str, password: str) -> bytes:
    """A simple bind by version 3 of the protocol; anonymous with neither of them."""
    version, name = _value(_INTEGER, b"\3"), _value(_OCTET_STRING, user.encode())
    bind = _value(_BIND_REQUEST, version + name + _value(_SIMPLE, password.encode()))
    return _value(_SEQUENCE, _value(_INTEGER, b"\1") + bind)


def rest_of(start: bytes) -> int:
    """How many octets of a message are missing when one has its first two; as often as it takes until that is 0.

    Raises:
        LDAPError: It is no message, or too long.
    """
    if start[0] != _SEQUENCE:
        raise LDAPError("not an LDAP server")
    width = _width(start[1])
    if len(start) < 2 + width:
        return 2 + width - len(start)
    length = int.from_bytes(start[2 : 2 + width], "big") if width else start[1]
    if length > _LONGEST:
        raise LDAPError("not an LDAP message, or too large a one")
    return 2 + width + length - len(start)


def decode_bind_response(octets: bytes) -> BindResponse:
    """Parse a whole message.

    Raises:
        LDAPError: For anything else, and nothing else for any input.
    """
    _, message, _ = _parse(octets, _SEQUENCE)
    _, _ident, rest = _parse(message, _INTEGER)
    kind, response, _ = _parse(rest)
    if kind not in {_BIND_RESPONSE, _EXTENDED_RESPONSE}:
        raise LDAPError("not an answer to a bind request")
    _, code, rest = _parse(response, _ENUMERATED)
    _, _matched, rest = _parse(rest, _OCTET_STRING)
    _, text, _ = _parse(rest, _OCTET_STRING)
    found = BindResponse(int.from_bytes(code, "big"), printable(text.decode("utf-8", "replace")))
    if kind == _EXTENDED_RESPONSE:  # RFC 4511 section 4.4.1
        raise LDAPError(f"the server disconnects: {found}")
    return found


def _value(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    return bytes([tag, 0x82]) + length.to_bytes(2, "big") + content


def _parse(octets: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """A value's tag and content, and what comes after it."""
    width = _width(octets[1]) if len(octets) > 1 else 0
    start = 2 + width
    if len(octets) < start:
        raise LDAPError("not an LDAP message")
    end = start + (int.from_bytes(octets[2:start], "big") if width else octets[1])
    if end > len(octets) or wanted not in {None, octets[0]}:
        raise LDAPError("not an LDAP message")
    return octets[0], octets[start:end], octets[end:]


def _width(octet: int) -> int:
    """How many octets of length come after this one; RFC 4511 section 5.1 wants it to be definite."""
    width = octet & 0x7F if octet & 0x80 else 0
    if octet == 0x80 or width > 4:
        raise LDAPError("not an LDAP message")
    return width
