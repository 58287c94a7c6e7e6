"""What routers can track: each tracker is usable alone, and as a track of any number of routers."""

from __future__ import annotations

from vrrpkit.runtime._tracker import Tracked, Tracker, TrackerNews

__all__ = ["Tracked", "Tracker", "TrackerNews"]
