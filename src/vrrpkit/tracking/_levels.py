"""From the content of a file to a level."""

from __future__ import annotations

import re
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.tracking import Level

__all__ = ["LevelRead", "read_level"]

_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_LOWEST: Final = -(1 << 31)
_HIGHEST: Final = (1 << 31) - 1
_DIGITS: Final = 11  # no number of 32 bits has more, in whatever base


@value
class LevelRead:
    """What the content of a file means.

    Attributes:
        level: The number; None if it is out of range, and what was read before still holds.
        detail: What is wrong with the content; empty if nothing is.
    """

    level: Level | None
    detail: str = ""


def read_level(text: bytes) -> LevelRead:
    """The number that a text begins with, by keepalived's rules.

    White space may come first, and a sign. A number that begins with 0x is hexadecimal, another one that begins with
    0 octal, and all others are decimal. What follows the number does not matter. No number is 0; a number that 32
    bits do not hold is none to go by.

    Args:
        text: Any octets.
    """
    found = _NUMBER.match(text)
    if found is None:
        return LevelRead(Level(0), "it does not begin with a number" if text.strip() else "it is empty")
    sign, hexadecimal, octal, decimal = found.groups()
    base, digits = (16, hexadecimal) if hexadecimal else (8, octal) if octal else (10, decimal)
    significant = digits.lstrip(b"0")
    if len(significant) <= _DIGITS:
        number = int(sign + (significant or b"0"), base)
        if _LOWEST <= number <= _HIGHEST:
            return LevelRead(Level(number))
    return LevelRead(None, f"a number from {_LOWEST} to {_HIGHEST} is wanted, and that is not one: ignored")
