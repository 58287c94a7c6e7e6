"""RESP, the protocol of Redis: commands to octets, any octets to the beginning of a reply."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from vrrpkit._cheap import value

__all__ = [
    "Array",
    "Integer",
    "RedisError",
    "Refusal",
    "ReplyHeader",
    "Status",
    "Text",
    "decode_header",
    "encode_command",
]

_LONGEST_TEXT: Final = 512
_NUMBER: Final = re.compile(rb"-?[0-9]{1,19}")


class RedisError(Exception):
    """Octets that are no reply, or a reply that does not fit."""


@value
class Status:
    """A short text in plain words: `PONG`."""

    text: str


@value
class Refusal:
    """An error, with its code first: `LOADING Redis is loading the dataset in memory`."""

    text: str


@value
class Integer:
    """A number."""

    number: int


@value
class Text:
    """A text follows: so many octets, 0-512, and a line's end. None for no text at all, and nothing follows."""

    length: int | None


@value
class Array:
    """So many replies follow, 0 and more. None for no array at all."""

    count: int | None


ReplyHeader: TypeAlias = Status | Refusal | Integer | Text | Array


def encode_command(*words: str) -> bytes:
    """A command with its arguments, in any characters."""
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def decode_header(line: bytes) -> ReplyHeader:
    """Parse the first line of a reply, without its end.

    Raises:
        RedisError: For anything wrong, and nothing else for any input.
    """
    kind, rest = line[:1], line[1:]
    match kind:
        case b"+":
            return Status(_shown(rest))
        case b"-":
            return Refusal(_shown(rest))
        case b":":
            return Integer(_number(rest))
        case b"$":
            return Text(_length(rest, _LONGEST_TEXT))
        case b"*":
            return Array(_length(rest, None))
        case _:
            raise RedisError(f"this is not Redis: {_shown(line)}")


def _shown(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _number(octets: bytes) -> int:
    if not _NUMBER.fullmatch(octets):
        raise RedisError(f"this is not Redis: {_shown(octets)}")
    return int(octets)


def _length(octets: bytes, most: int | None) -> int | None:
    number = _number(octets)
    if number == -1:
        return None
    if number < 0 or (most is not None and number > most):
        raise RedisError(f"a text of {number} octets")
    return number
