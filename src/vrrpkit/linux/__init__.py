"""Everything that needs the Linux kernel: links, addresses, announcements, network namespaces.

`open_router()` is the usual case. A `Node` holds many routers that share a clock, netlink and one socket per link.
The parts below can be used one by one.
"""

from __future__ import annotations

from vrrpkit.keeping import ForeignDeletion
from vrrpkit.linux._addresses import AddressKeeper, NetlinkAddressManager, Placement
from vrrpkit.linux._announcer import DeviceAnnouncer, RouterAnnouncer
from vrrpkit.linux._clock import TimerClock
from vrrpkit.linux._ipvs import IPVSManager
from vrrpkit.linux._link import Link, LinkPort
from vrrpkit.linux._links import LinkView, LinkWatcher, primary_address
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._node import Node, open_router

__all__ = [
    "AddressKeeper",
    "DeviceAnnouncer",
    "ForeignDeletion",
    "IPVSManager",
    "Link",
    "LinkPort",
    "LinkView",
    "LinkWatcher",
    "NetlinkAddressManager",
    "Node",
    "Placement",
    "RouterAnnouncer",
    "TimerClock",
    "in_netns",
    "open_router",
    "primary_address",
]
