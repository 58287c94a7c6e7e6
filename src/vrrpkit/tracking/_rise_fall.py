"""From single results to a verdict that does not flap."""

from __future__ import annotations

import enum
from typing import Final

from attrs import define, field

from vrrpkit.errors import Whole

__all__ = ["FirstResult", "RiseFall"]

MAX_COUNT: Final = 1_000_000


class FirstResult(enum.StrEnum):
    """What holds until there have been results enough."""

    DECIDES = "decides"
    """Nothing is known before the first result; that one is the verdict, whatever rise and fall are (keepalived)."""
    COUNTS = "counts"
    """Nothing is known until `rise` successes or `fall` failures in a row."""
    ASSUME_DOWN = "assume-down"
    """Down until `rise` successes in a row: what keepalived's `init_fail` is meant to be."""
    ASSUME_UP = "assume-up"
    """Up until `fall` failures in a row."""
    DOWN_UNTIL_FIRST = "down-until-first"
    """Down before the first result, which is the verdict: keepalived's `alpha`."""
    UP_UNTIL_FIRST = "up-until-first"
    """Up before the first result, which is the verdict: what keepalived's checkers do without `alpha`."""


_INITIAL: Final = {
    FirstResult.ASSUME_DOWN: False,
    FirstResult.ASSUME_UP: True,
    FirstResult.DOWN_UNTIL_FIRST: False,
    FirstResult.UP_UNTIL_FIRST: True,
}
_ONE_DECIDES: Final = {FirstResult.DECIDES, FirstResult.DOWN_UNTIL_FIRST, FirstResult.UP_UNTIL_FIRST}


@define
class RiseFall:
    """Counts results in a row: `rise` successes bring the verdict up, `fall` failures take it down.

    Any result that agrees with the verdict starts the count anew (keepalived's rule, too).

    Args:
        rise: Successes in a row that it takes, 1-1000000.
        fall: Failures in a row that it takes, 1-1000000.
        first: What holds before that.

    Attributes:
        up: The verdict; None while nothing is known.
        streak: How many results in a row speak against the verdict.
    """

    rise: int = field(default=1, validator=Whole(1, MAX_COUNT))
    fall: int = field(default=1, validator=Whole(1, MAX_COUNT))
    first: FirstResult = field(default=FirstResult.DECIDES, converter=FirstResult)
    up: bool | None = field(init=False)
    streak: int = field(default=0, init=False)
    _last: bool | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with what is assumed."""
        self.up = _INITIAL.get(self.first)

    def record(self, ok: bool) -> bool:
        """Count one result; return whether the verdict is another one now."""
        needed = self._needed(ok)
        self.streak = 0 if ok is self.up else 1 if ok is not self._last else self.streak + 1
        self._last = ok
        if not self.streak or self.streak < needed:
            return False
        self.up, self.streak = ok, 0
        return True

    def _needed(self, ok: bool) -> int:
        if self._last is None and self.first in _ONE_DECIDES:
            return 1
        return self.rise if ok else self.fall
