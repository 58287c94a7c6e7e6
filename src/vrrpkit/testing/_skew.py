"""A clock that runs too fast or too slow."""

from __future__ import annotations

from math import inf, nextafter

from attrs import define, field

from vrrpkit.errors import ConfigError

__all__ = ["LocalClock"]


@define(eq=False)
class LocalClock:
    """What one router takes for the time; it begins at 0 with the simulation.

    Attributes:
        rate: Local seconds in a true one.
    """

    rate: float = field(default=1.0, init=False)
    _since: float = field(default=0.0, init=False)
    _origin: float = field(default=0.0, init=False)

    def local(self, now: float) -> float:
        """What the clock shows at a true time."""
        return self._origin + (now - self._since) * self.rate

    def true(self, shown: float) -> float:
        """The first true time at which the clock has reached what it shows; rounding never makes it earlier."""
        at = self._since + (shown - self._origin) / self.rate
        while self.local(at) < shown:
            at = nextafter(at, inf)
        return at

    def run_at(self, rate: float, now: float) -> None:
        """From now on run at another rate.

        Raises:
            ConfigError: It would stand still or go back.
        """
        if not rate > 0:
            raise ConfigError(f"skew must be above 0, got {rate!r}")
        self._origin, self._since, self.rate = self.local(now), now, rate
