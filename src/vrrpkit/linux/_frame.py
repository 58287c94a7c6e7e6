"""A multicast advertisement as a whole Ethernet frame, whose source is a MAC address of our choice."""

from __future__ import annotations

import struct
from typing import Final

from vrrpkit.addresses import VRRP_PROTOCOL, IPAddress, MACAddress
from vrrpkit.packet import Datagram, internet_checksum

__all__ = ["multicast_frame"]

_HOPS: Final = 255
_INTERNETWORK_CONTROL: Final = 0xC0
_ETHERTYPES: Final = {4: b"\x08\x00", 6: b"\x86\xdd"}


def multicast_frame(mac: MACAddress, datagram: Datagram) -> bytes:
    """The frame that carries a datagram of ours to a multicast group, from a MAC address."""
    destination = datagram.destination
    header = _ipv4_header(datagram) if destination.version == 4 else _ipv6_header(datagram)
    return _group_mac(destination) + mac + _ETHERTYPES[destination.version] + header + datagram.payload


def _ipv4_header(datagram: Datagram) -> bytes:
    """RFC 791, with no identification as nothing ever takes it apart (RFC 6864)."""
    length = 20 + len(datagram.payload)
    head = struct.pack("!BBHHHBB", 0x45, _INTERNETWORK_CONTROL, length, 0, 0, _HOPS, VRRP_PROTOCOL)
    addresses = datagram.source.packed + datagram.destination.packed
    return head + internet_checksum(head + bytes(2) + addresses).to_bytes(2, "big") + addresses


def _ipv6_header(datagram: Datagram) -> bytes:
    """RFC 8200."""
    first = 6 << 28 | _INTERNETWORK_CONTROL << 20
    head = struct.pack("!IHBB", first, len(datagram.payload), VRRP_PROTOCOL, _HOPS)
    return head + datagram.source.packed + datagram.destination.packed


def _group_mac(group: IPAddress) -> bytes:
    """RFC 1112 section 6.4, RFC 2464 section 7."""
    if group.version == 4:
        return b"\x01\x00\x5e" + (int(group) & 0x7FFFFF).to_bytes(3, "big")
    return b"\x33\x33" + group.packed[-4:]
