"""What routers can track: each tracker is usable alone, and as a track of any number of routers."""

from __future__ import annotations

from vrrpkit.runtime._tracker import Tracked, Tracker, TrackerNews
from vrrpkit.trackers._address import AddressTracker
from vrrpkit.trackers._check import CheckTracker, Repair
from vrrpkit.trackers._file import FileTracker
from vrrpkit.trackers._interface import InterfaceTracker
from vrrpkit.trackers._process import ArgumentMatch, ProcessTracker
from vrrpkit.trackers._route import RouteTracker
from vrrpkit.trackers._router import RouterTracker
from vrrpkit.trackers._script import ScriptTracker

__all__ = [
    "AddressTracker",
    "ArgumentMatch",
    "CheckTracker",
    "FileTracker",
    "InterfaceTracker",
    "ProcessTracker",
    "Repair",
    "RouteTracker",
    "RouterTracker",
    "ScriptTracker",
    "Tracked",
    "Tracker",
    "TrackerNews",
]
