"""Who is Active: one virtual router's election, as a machine without clock or network.

RFC 9568 section 6.4 for version 3, RFC 3768 for version 2, and what keepalived's users rely on.
"""

from __future__ import annotations

from vrrpkit.election._actions import (
    AcquireAddresses,
    Action,
    AnnounceAddresses,
    Heard,
    Reason,
    ReleaseAddresses,
    SendAdvertisement,
    State,
    StateChanged,
)
from vrrpkit.election._config import ElectionConfig
from vrrpkit.election._election import Election
from vrrpkit.election._events import (
    AdvertReceived,
    Event,
    FaultCleared,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PrimaryAddressChanged,
    PriorityChanged,
    Reconfigured,
    Resumed,
    Shutdown,
    Startup,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.election._phases import Active, Backup, Fault, Initialize, Phase
from vrrpkit.election._screen import Difference, differences, screen
from vrrpkit.election._timers import active_down_interval, skew_time

__all__ = [
    "AcquireAddresses",
    "Action",
    "Active",
    "AdvertReceived",
    "AnnounceAddresses",
    "Backup",
    "Difference",
    "Election",
    "ElectionConfig",
    "Event",
    "Fault",
    "FaultCleared",
    "FaultRaised",
    "GroupTookOver",
    "GroupYielded",
    "Heard",
    "Initialize",
    "Phase",
    "PrimaryAddressChanged",
    "PriorityChanged",
    "Reason",
    "Reconfigured",
    "ReleaseAddresses",
    "Resumed",
    "SendAdvertisement",
    "Shutdown",
    "Startup",
    "State",
    "StateChanged",
    "SteppedDown",
    "Suspended",
    "TimerFired",
    "active_down_interval",
    "differences",
    "screen",
    "skew_time",
]
