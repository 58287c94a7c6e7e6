"""Sums over all members, and what they mean for the quorum."""

from __future__ import annotations

from attrs import define

from vrrpkit.pool._config import PoolConfig
from vrrpkit.pool._member import Count, Entry

__all__ = ["Tally", "explain_quorum", "holds"]


@define(eq=False)
class Tally:
    """Sums that are kept up to date one member at a time.

    Attributes:
        live_weight: Of all live members together.
        total_weight: Of all members together, live or not.
        eligible: How many are neither draining nor in maintenance.
    """

    live_weight: int = 0
    total_weight: int = 0
    eligible: int = 0

    def count(self, entry: Entry, new: Count) -> None:
        """Let a member add this to the sums from now on."""
        old, entry.counted = entry.counted, new
        self.live_weight += new.live_weight - old.live_weight
        self.total_weight += new.total_weight - old.total_weight
        self.eligible += new.eligible - old.eligible


def holds(held: bool, live_weight: int, config: PoolConfig) -> bool:
    """Whether the quorum is held, with regard to whether it was.

    keepalived's rule: held from `quorum + hysteresis` on, lost below `quorum - hysteresis`, which is at least 1: so it
    is always lost with nobody live.
    """
    return live_weight >= (config.quorum - config.hysteresis if held else config.quorum + config.hysteresis)


def explain_quorum(held: bool, tally: Tally, config: PoolConfig) -> str:
    """Where the quorum stands, in words."""
    band = f", ±{config.hysteresis}" if config.hysteresis else ""
    text = f"quorum {'held' if held else 'lost'}: {tally.live_weight} of {config.quorum}{band}"
    needed = config.quorum + config.hysteresis
    if tally.total_weight >= needed:
        return text
    wish = "once lost, it cannot come back" if held else "it cannot be reached"
    return f"{text}; {wish}: that takes {needed}, and all members together have {tally.total_weight}"
