"""What routers can track: each tracker is usable alone, and as a track of any number of routers."""

from __future__ import annotations

from vrrpkit.runtime._tracker import Tracked, Tracker, TrackerNews
from vrrpkit.trackers._check import CheckTracker, Repair
from vrrpkit.trackers._router import RouterTracker

__all__ = ["CheckTracker", "Repair", "RouterTracker", "Tracked", "Tracker", "TrackerNews"]
