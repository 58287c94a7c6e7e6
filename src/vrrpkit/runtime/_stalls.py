"""Whether an event loop ran when it should have."""

from __future__ import annotations

from typing import Final

from attrs import define

__all__ = ["STALL", "Stalls"]

STALL: Final = 0.5
"""From so many seconds on, an alarm that rings late is a stall: half of the protocol's default interval."""


@define
class Stalls:
    """The times at which an alarm rang so late that routers may have been taken for dead.

    What is seen of a stall begins with the alarm that was due: it may have been longer, and one in which nothing was
    due is not seen, and did no harm.

    Attributes:
        count: How many there were.
        longest: The longest one, in seconds.
    """

    count: int = 0
    longest: float = 0.0

    def note(self, due: float, now: float) -> float | None:
        """An alarm rang; return how late it was, in seconds, if that was a stall."""
        late = now - due
        if late < STALL:
            return None
        self.count += 1
        self.longest = max(self.longest, late)
        return late
