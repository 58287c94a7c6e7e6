"""VRRP virtual routers as importable building blocks.

The names here are the ones that most programs begin with. What touches the Linux kernel is in `vrrpkit.linux`,
which is imported only by those who use it.
"""

from __future__ import annotations

from vrrpkit.addresses import Family, IPAddress, MACAddress, virtual_mac
from vrrpkit.announce import AnnouncePolicy
from vrrpkit.election import Election, ElectionConfig, Reason, State, StateChanged
from vrrpkit.errors import ConfigError, KernelError, VRRPKitError
from vrrpkit.machine import Machine
from vrrpkit.packet import Advertisement, ChecksumForm, PacketError, Reject, Version
from vrrpkit.runtime import RouterSnapshot, VirtualRouter

__all__ = [
    "Advertisement",
    "AnnouncePolicy",
    "ChecksumForm",
    "ConfigError",
    "Election",
    "ElectionConfig",
    "Family",
    "IPAddress",
    "KernelError",
    "MACAddress",
    "Machine",
    "PacketError",
    "Reason",
    "Reject",
    "RouterSnapshot",
    "State",
    "StateChanged",
    "VRRPKitError",
    "Version",
    "VirtualRouter",
    "virtual_mac",
]
