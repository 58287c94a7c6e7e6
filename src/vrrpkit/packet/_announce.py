"""Frames that tell a LAN where a virtual address lives now."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit.addresses import IPAddress, MACAddress
from vrrpkit.packet._checksum import internet_checksum, pseudo_header_sum

__all__ = ["announcement_frame", "gratuitous_arp", "unsolicited_na"]

_BROADCAST: Final = b"\xff" * 6
_ALL_NODES: Final = IPv6Address("ff02::1")
_ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
_ICMPV6: Final = 58
_ROUTER: Final = 0x80000000
_OVERRIDE: Final = 0x20000000


def gratuitous_arp(mac: MACAddress, address: IPv4Address) -> bytes:
    """An Ethernet frame with a gratuitous ARP request (RFC 5227 section 3; RFC 9568 section 6.4.2).

    Sender and target are the same: the virtual address, and the MAC address to teach.
    """
    ip = address.packed
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + 2 * (mac + ip)
    return _BROADCAST + mac + b"\x08\x06" + arp


def unsolicited_na(mac: MACAddress, address: IPv6Address, *, router: bool = True) -> bytes:
    """An Ethernet frame with an unsolicited Neighbor Advertisement (RFC 4861 section 7.2.6; RFC 9568 section 6.4.2).

    Args:
        mac: The link-layer address to teach.
        address: The virtual address, which is also the source.
        router: The Router flag: whether this node forwards IPv6.
    """
    flags = _OVERRIDE | (_ROUTER if router else 0)
    body = struct.pack("!I", flags) + address.packed + b"\x02\x01" + mac
    extra = pseudo_header_sum(address, _ALL_NODES, 4 + len(body), _ICMPV6)
    checksum = internet_checksum(b"\x88\0\0\0" + body, extra)
    message = struct.pack("!BBH", 136, 0, checksum) + body
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + address.packed + _ALL_NODES.packed
    return _ALL_NODES_MAC + mac + b"\x86\xdd" + header + message


def announcement_frame(mac: MACAddress, address: IPAddress, *, router: bool = True) -> bytes:
    """The frame that announces an address of either family."""
    if isinstance(address, IPv4Address):
        return gratuitous_arp(mac, address)
    return unsolicited_na(mac, address, router=router)
