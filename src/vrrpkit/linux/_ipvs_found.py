"""Values of what the kernel has, made without judging them.

Others put into the table what our own settings would refuse, and a newer kernel may know more than we do. None of that
may keep us from reading the table.
"""

from __future__ import annotations

import enum
from typing import TypeVar

__all__ = ["found", "member"]

T = TypeVar("T")
E = TypeVar("E", bound=enum.IntEnum)


def found(kind: type[T], /, **fields: object) -> T:
    """A value of a frozen class with these fields, all of them, converted and valid or not."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def member(kind: type[E], number: int) -> E:
    """The member of that number; one more for a number that has none, named by it."""
    known = kind._value2member_map_.get(number)
    if isinstance(known, kind):
        return known
    made = int.__new__(kind, number)
    made._name_ = str(number)
    made._value_ = number
    return made
