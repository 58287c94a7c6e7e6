"""The only package that waits: machines meet the clock, the link and the kernel."""

from __future__ import annotations

from vrrpkit.runtime._drive import Inbox, drive
from vrrpkit.runtime._driver import Driver, LoopClock, Seat
from vrrpkit.runtime._ports import AddressManager, Announcer, Clock, Receiver, Transport
from vrrpkit.runtime._router import VirtualRouter, shut_down
from vrrpkit.runtime._snapshot import RouterSnapshot

__all__ = [
    "AddressManager",
    "Announcer",
    "Clock",
    "Driver",
    "Inbox",
    "LoopClock",
    "Receiver",
    "RouterSnapshot",
    "Seat",
    "Transport",
    "VirtualRouter",
    "drive",
    "shut_down",
]
