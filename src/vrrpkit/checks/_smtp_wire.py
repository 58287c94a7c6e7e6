"""SMTP: replies from any octets (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import Final

from vrrpkit._cheap import value

__all__ = ["Reply", "ReplyLine", "SMTPError", "decode_line"]

_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class SMTPError(Exception):
    """Octets that are no reply."""


@value
class ReplyLine:
    """One line of a reply.

    Attributes:
        code: 200-599.
        last: Whether the reply ends with it.
        text: What follows.
    """

    code: int
    last: bool
    text: str


@value
class Reply:
    """What a server has answered.

    Attributes:
        code: 200-599.
        texts: What follows the code in each line, at least one.
    """

    code: int
    texts: tuple[str, ...]

    def __str__(self) -> str:
        """The first line."""
        return f"{self.code} {self.texts[0]}".strip()

    @property
    def keywords(self) -> frozenset[str]:
        """What the server can do, if this answers EHLO: the first word of each line but the first, in upper case."""
        return frozenset(text.split()[0].upper() for text in self.texts[1:] if text.strip())


def decode_line(octets: bytes) -> ReplyLine:
    """Parse one line, without its end.

    Raises:
        SMTPError: For anything wrong, and nothing else for any input.
    """
    match = _LINE.fullmatch(octets)
    if match is None:
        raise SMTPError(f"this is not SMTP: {octets.decode('utf-8', 'backslashreplace')}")
    code, separator, text = match.groups(default=b"")
    return ReplyLine(int(code), separator != b"-", text.decode("utf-8", "backslashreplace"))
