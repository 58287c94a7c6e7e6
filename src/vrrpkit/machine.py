"""The one shape of every decision-maker in this library."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Machine"]

E_contra = TypeVar("E_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


class Machine(Protocol[E_contra, A_co]):
    """A decision-maker that owns no clock and does no I/O.

    Feed it events with the current time; perform the actions it returns, in order; call it again with its tick
    event when `deadline` comes. The clock is the caller's: any monotonic count of seconds will do, as long as it
    is the same one in every call.
    """

    @property
    def deadline(self) -> float | None:
        """When to send the tick event, on the caller's clock; None for never."""
        ...

    def handle(self, event: E_contra, now: float) -> tuple[A_co, ...]:
        """Take one event; return what to do, in order. A tick before the deadline does nothing."""
        ...
