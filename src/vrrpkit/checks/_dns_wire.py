"""DNS messages: a question to octets, any octets to an answer (RFC 1035 section 4)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.errors import ConfigError

__all__ = ["RCODES", "TYPES", "DNSError", "Record", "Reply", "decode_reply", "encode_name", "encode_query", "type_code"]

TYPES: Final = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "DS": 43,
    "RRSIG": 46,
    "DNSKEY": 48,
}
RCODES: Final = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}

_HEADER: Final = struct.Struct("!6H")
_RECORD: Final = struct.Struct("!HHIH")
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x0200, 0x0100
_INTERNET: Final = 1
_POINTER: Final = 0xC0
_LONGEST_NAME: Final = 255
_LONGEST_LABEL: Final = 63
# Labels and pointers in all names of a message. A thousand records with names of 32 labels need 33,000; without a bound
# 64 KiB can be made to take 13 s.
_MOST_STEPS: Final = 50_000


class DNSError(Exception):
    """Octets that are no reply."""


@value
class Record:
    """One resource record.

    Attributes:
        name: Whose it is, in lower case and without the last dot; empty for the root.
        type: Its type's number.
        data: What it says, as dig(1) would show it; in hexadecimal digits for types not known here.
    """

    name: str
    type: int
    data: str


@value
class Reply:
    """What a server has answered."""

    ident: int
    truncated: bool
    rcode: int
    question: tuple[str, int]
    answers: tuple[Record, ...]


def type_code(name: str) -> int:
    """The number of a type, by its name or as `TYPE64`.

    Raises:
        ConfigError: It is not known.
    """
    upper = name.upper()
    number = upper.removeprefix("TYPE")
    if upper in TYPES:
        return TYPES[upper]
    if upper.startswith("TYPE") and number.isdecimal() and int(number) <= 0xFFFF:  # RFC 3597
        return int(number)
    raise ConfigError(f"type must be one of {', '.join(TYPES)} or TYPE0-TYPE65535, got {name!r}")


def encode_name(name: str) -> bytes:
    """A domain name as octets.

    Raises:
        ConfigError: It is no domain name.
    """
    labels = name.rstrip(".").split(".") if name.strip(".") else []
    fits = all(label.isascii() and 1 <= len(label) <= _LONGEST_LABEL for label in labels)
    if not fits or sum(map(len, labels)) + len(labels) >= _LONGEST_NAME:
        raise ConfigError(f"name must be a domain name with labels of 1-63 ASCII characters, got {name!r}")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def encode_query(ident: int, name: str, type_: int) -> bytes:
    """One question, recursion desired."""
    header = _HEADER.pack(ident, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encode_name(name) + struct.pack("!HH", type_, _INTERNET)


def decode_reply(octets: bytes) -> Reply:
    """Parse what came back.

    Raises:
        DNSError: For anything wrong, and nothing else for any input.
    """
    try:
        return _decode(octets)
    except (struct.error, IndexError, ValueError) as error:
        raise DNSError("not a DNS message") from error


def _decode(octets: bytes) -> Reply:
    ident, flags, questions, answers, _authorities, _additional = _HEADER.unpack_from(octets)
    if not flags & _RESPONSE:
        raise DNSError("a question, not a reply")
    names = _Names(octets)
    at, question = _HEADER.size, ("", 0)
    for _ in range(questions):
        name, at = names.read(at)
        question = (name, struct.unpack_from("!H", octets, at)[0])
        at += 4
    records = []
    for _ in range(answers):
        record, at = _record(names, at)
        records.append(record)
    return Reply(ident, bool(flags & _TRUNCATED), flags & 0xF, question, tuple(records))


def _record(names: _Names, at: int) -> tuple[Record, int]:
    octets = names.octets
    name, at = names.read(at)
    type_, _class, _ttl, length = _RECORD.unpack_from(octets, at)
    at += _RECORD.size
    if at + length > len(octets):
        raise DNSError("a record beyond the message's end")
    show = _SHOWN.get(type_)
    data = octets[at : at + length].hex() if show is None else show(names, at, length)
    return Record(name, type_, data), at + length


class _Names:
    """Reads the names in a message, as long as all of them together are no more work than an honest one's."""

    def __init__(self, octets: bytes) -> None:
        self.octets: Final = octets
        self._steps = 0

    def read(self, at: int) -> tuple[str, int]:
        """A name and where it ends; a pointer may only lead backwards, so there is no circle."""
        octets = self.octets
        labels: list[str] = []
        end, limit, size = 0, at, 0
        while True:
            self._step()
            length = octets[at]
            if length & _POINTER == _POINTER:
                target = struct.unpack_from("!H", octets, at)[0] & 0x3FFF
                end = end or at + 2
                if target >= limit:
                    raise DNSError("a name that points forward")
                at = limit = target
            elif length & _POINTER:
                raise DNSError("a label of an unknown kind")
            else:
                at += 1 + length
                if not length:
                    return ".".join(labels), end or at
                size += 1 + length
                if size >= _LONGEST_NAME or at > len(octets):
                    raise DNSError("a name without an end")
                labels.append(octets[at - length : at].decode("ascii", "backslashreplace").lower())

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise DNSError("a message that takes too long to read")


def _exactly(names: _Names, at: int, length: int, wanted: int) -> bytes:
    if length != wanted:
        raise DNSError("an address of another length")
    return names.octets[at : at + length]


def _texts(names: _Names, at: int, length: int) -> str:
    octets, texts, end = names.octets, [], at + length
    while at < end:
        texts.append(octets[at + 1 : min(at + 1 + octets[at], end)].decode("utf-8", "backslashreplace"))
        at += 1 + octets[at]
    return " ".join(f'"{text}"' for text in texts)


def _with_numbers(layout: str) -> Callable[[_Names, int, int], str]:
    numbers = struct.Struct(layout)

    def show(names: _Names, at: int, _length: int) -> str:
        shown = " ".join(map(str, numbers.unpack_from(names.octets, at)))
        return f"{shown} {names.read(at + numbers.size)[0]}".strip()

    return show


def _authority(names: _Names, at: int, _length: int) -> str:
    server, at = names.read(at)
    mailbox, at = names.read(at)
    numbers = struct.unpack_from("!5I", names.octets, at)
    return f"{server} {mailbox} {' '.join(map(str, numbers))}"


_SHOWN: Final[dict[int, Callable[[_Names, int, int], str]]] = {
    TYPES["A"]: lambda names, at, length: str(IPv4Address(_exactly(names, at, length, 4))),
    TYPES["AAAA"]: lambda names, at, length: str(IPv6Address(_exactly(names, at, length, 16))),
    TYPES["NS"]: _with_numbers("!"),
    TYPES["CNAME"]: _with_numbers("!"),
    TYPES["PTR"]: _with_numbers("!"),
    TYPES["MX"]: _with_numbers("!H"),
    TYPES["SRV"]: _with_numbers("!3H"),
    TYPES["TXT"]: _texts,
    TYPES["SOA"]: _authority,
}
