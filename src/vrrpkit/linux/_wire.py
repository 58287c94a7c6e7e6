"""Netlink messages as octets: headers, attributes and the kernel's verdicts.

What comes in is believed only as far as its lengths allow: nothing here raises for any octets.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import Final

from vrrpkit._cheap import value

__all__ = [
    "NLMSG_DONE",
    "NLMSG_ERROR",
    "NLM_F_ACK",
    "NLM_F_CREATE",
    "NLM_F_DUMP",
    "NLM_F_DUMP_INTR",
    "NLM_F_EXCL",
    "NLM_F_REPLACE",
    "NLM_F_REQUEST",
    "Message",
    "attribute",
    "attributes",
    "error_code",
    "kernel_text",
    "messages",
    "nested",
    "pack",
]

# linux/netlink.h
NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_DUMP: Final = 0x300
NLM_F_CREATE: Final = 0x400
_NLM_F_CAPPED: Final = 0x100
_NLM_F_ACK_TLVS: Final = 0x200
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
_NLMSGERR_ATTR_MSG: Final = 1
_NLA_F_NESTED: Final = 0x8000
_NLA_TYPE_MASK: Final = 0x3FFF

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ERROR: Final = struct.Struct("=iI")  # the error number, then the header of the request


@value
class Message:
    """One message from the kernel.

    Attributes:
        kind: `RTM_NEWADDR` and the like.
        flags: `NLM_F_...`
        sequence: That of the request it belongs to; for news, of the request that caused it.
        port: The port id of that request's socket; 0 for none.
        payload: What follows the header.
    """

    kind: int
    flags: int
    sequence: int
    port: int
    payload: bytes


def messages(octets: bytes) -> Iterator[Message]:
    """The messages of one datagram, up to the first whose length cannot be right."""
    start, end = 0, len(octets)
    while start + _HEADER.size <= end:
        length, kind, flags, sequence, port = _HEADER.unpack_from(octets, start)
        if not _HEADER.size <= length <= end - start:
            break
        yield Message(kind, flags, sequence, port, octets[start + _HEADER.size : start + length])
        start += (length + 3) & ~3


def attributes(octets: bytes, start: int = 0) -> dict[int, bytes]:
    """The attributes from `start` on, up to the first whose length cannot be right."""
    found: dict[int, bytes] = {}
    end = len(octets)
    while start + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(octets, start)
        if not _ATTRIBUTE.size <= length <= end - start:
            break
        found[kind & _NLA_TYPE_MASK] = octets[start + _ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found


def pack(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """One message; its payload is padded already, as attributes are."""
    return _HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0) + payload


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content + bytes(-len(content) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """One attribute made of attributes."""
    return attribute(kind | _NLA_F_NESTED, b"".join(inner))


def error_code(message: Message) -> int:
    """The error number in an answer of kind `NLMSG_ERROR` or `NLMSG_DONE`; 0 for success."""
    return -int.from_bytes(message.payload[:4], sys.byteorder, signed=True)


def kernel_text(message: Message) -> str:
    """The kernel's explanation of an error, if it gave one (extended acknowledgement)."""
    payload = message.payload
    if message.kind != NLMSG_ERROR or not message.flags & _NLM_F_ACK_TLVS or len(payload) < _ERROR.size:
        return ""
    start = 4 + _HEADER.size  # the error number and the header of the request ...
    if not message.flags & _NLM_F_CAPPED:
        _code, length = _ERROR.unpack_from(payload)
        start = 4 + ((length + 3) & ~3)  # ... with all that followed it
    text = attributes(payload, start).get(_NLMSGERR_ATTR_MSG, b"")
    return text.rstrip(b"\0").decode(errors="replace")
