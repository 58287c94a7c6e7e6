"""How much a member weighs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.pool._config import MAX_POOL_WEIGHT

__all__ = ["WARM_UP_STEPS", "WarmUp", "effective_weight"]

#: How many steps a slow start has; after the last one the weight is whole.
WARM_UP_STEPS: Final = 10


def effective_weight(configured: int, wishes: Iterable[int]) -> int:
    """The configured weight, and how far each wish is from it; at least 0 and at most 65535."""
    return min(max(configured + sum(wish - configured for wish in wishes), 0), MAX_POOL_WEIGHT)


@value
class WarmUp:
    """A slow start.

    Attributes:
        since: When it began.
        pause: Seconds from one step to the next.
        step: How many tenths of its weight the member has.
    """

    since: float
    pause: float
    step: int = 1

    @property
    def next_at(self) -> float:
        """When the next step is due."""
        return self.since + self.step * self.pause

    def at(self, now: float) -> WarmUp | None:
        """The same at another moment; None once the weight is whole."""
        warm_up = self
        while now >= warm_up.next_at:
            if warm_up.step + 1 == WARM_UP_STEPS:
                return None
            warm_up = WarmUp(self.since, self.pause, warm_up.step + 1)
        return warm_up

    def share_of(self, weight: int) -> int:
        """So many tenths of a weight, and no less: only of 0 this is 0."""
        return -(-weight * self.step // WARM_UP_STEPS)
