"""What tracked things mean for a router: verdicts, weights, causes of fault. All of it pure."""

from __future__ import annotations

from vrrpkit.tracking._rise_fall import FirstResult, RiseFall
from vrrpkit.tracking._settling import Observed, Settled, Settling, SettlingDue
from vrrpkit.tracking._standing import TRACK_CAUSES, Contribution, Level, Reading, Standing, Track, describe, standing

__all__ = [
    "TRACK_CAUSES",
    "Contribution",
    "FirstResult",
    "Level",
    "Observed",
    "Reading",
    "RiseFall",
    "Settled",
    "Settling",
    "SettlingDue",
    "Standing",
    "Track",
    "describe",
    "standing",
]
