"""The only package that waits: machines meet the clock, the link and the kernel."""

from __future__ import annotations

from vrrpkit.runtime._drive import Inbox, drive
from vrrpkit.runtime._driver import Driver, LoopClock, Seat
from vrrpkit.runtime._group import RouterGroup
from vrrpkit.runtime._hooks import Hook, Moment
from vrrpkit.runtime._notices import LoserHeard, News, Notice, Notifier, PriorityMoved
from vrrpkit.runtime._operable import Operable
from vrrpkit.runtime._ports import AddressManager, Announcer, Clock, Receiver, Transport
from vrrpkit.runtime._router import VirtualRouter, shut_down
from vrrpkit.runtime._snapshot import RouterSnapshot
from vrrpkit.runtime._stalls import Stalls

__all__ = [
    "AddressManager",
    "Announcer",
    "Clock",
    "Driver",
    "Hook",
    "Inbox",
    "LoopClock",
    "LoserHeard",
    "Moment",
    "News",
    "Notice",
    "Notifier",
    "Operable",
    "PriorityMoved",
    "Receiver",
    "RouterGroup",
    "RouterSnapshot",
    "Seat",
    "Stalls",
    "Transport",
    "VirtualRouter",
    "drive",
    "shut_down",
]
