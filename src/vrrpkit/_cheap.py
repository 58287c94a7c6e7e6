"""Values that are frozen for the type checker and cheap at run time.

`attrs.frozen` costs three times a plain slotted class to create. Values that are made for every datagram use this
decorator instead: mypy and pyright report an assignment to them, the interpreter does not.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    from attrs import define

    value = partial(define, unsafe_hash=True, on_setattr=None, weakref_slot=False)

__all__ = ["value"]
