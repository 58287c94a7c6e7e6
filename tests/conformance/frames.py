"""Questions that a host asks on a link, and the answers to them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from tests.linux.wire import PEER4, PEER6, Wire
from tests.packet.helpers import textbook_checksum, textbook_pseudo_header
from vrrpkit.addresses import IPAddress

__all__ = ["HOST", "answers_to_arp", "answers_to_echo", "answers_to_ns", "arp_request", "echo_request", "solicitation"]

HOST = bytes.fromhex("020000000002")
"""The MAC address of the host that asks from 10.0.0.2 and fe80::2."""
_BROADCAST = b"\xff" * 6
_ICMP, _ICMPV6 = 1, 58


def arp_request(target: IPv4Address) -> bytes:
    """Who has this address?"""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + HOST + PEER4.packed + bytes(6) + target.packed
    return _BROADCAST + HOST + b"\x08\x06" + body


def answers_to_arp(wire: Wire) -> list[tuple[IPv4Address, bytes]]:
    """Address and MAC address of every ARP reply so far."""
    wire.adverts()
    replies = [frame[22:32] for frame in wire.frames if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"]
    return [(IPv4Address(reply[6:]), reply[:6]) for reply in replies]


def solicitation(target: IPv6Address) -> bytes:
    """Who has this address?"""
    group = IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + target.packed[13:])
    body = bytes(4) + target.packed + b"\x01\x01" + HOST
    return b"\x33\x33" + group.packed[12:] + HOST + _over_ipv6(group, 135, body)


def answers_to_ns(wire: Wire) -> list[tuple[IPv6Address, bool]]:
    """Address and Router flag of every solicited Neighbor Advertisement so far."""
    wire.adverts()
    advertised = [frame[54:] for frame in wire.frames if frame[12:14] == b"\x86\xdd" and frame[20] == _ICMPV6]
    return [(IPv6Address(na[8:24]), bool(na[4] & 0x80)) for na in advertised if na[0] == 136 and na[4] & 0x40]


def echo_request(mac: bytes, target: IPAddress, number: int) -> bytes:
    """A ping, to this MAC address."""
    body = struct.pack("!HH", 7, number)
    if isinstance(target, IPv6Address):
        return mac + HOST + _over_ipv6(target, 128, body)
    message = b"\x08\0" + textbook_checksum(b"\x08\0\0\0" + body).to_bytes(2, "big") + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, _ICMP, 0) + PEER4.packed + target.packed
    header = head[:10] + textbook_checksum(head).to_bytes(2, "big") + head[12:]
    return mac + HOST + b"\x08\x00" + header + message


def answers_to_echo(wire: Wire) -> list[int]:
    """The numbers of the pings that were answered so far."""
    wire.adverts()
    four = [frame[34:42] for frame in wire.frames if frame[12:14] == b"\x08\x00" and frame[23] == _ICMP]
    six = [frame[54:62] for frame in wire.frames if frame[12:14] == b"\x86\xdd" and frame[20] == _ICMPV6]
    return [int.from_bytes(message[6:], "big") for message in (*four, *six) if message[0] in {0, 129}]


def _over_ipv6(destination: IPv6Address, kind: int, body: bytes) -> bytes:
    pseudo_header = textbook_pseudo_header(PEER6, destination, 4 + len(body), _ICMPV6)
    checksum = textbook_checksum(pseudo_header + bytes([kind, 0, 0, 0]) + body)
    message = struct.pack("!BBH", kind, 0, checksum) + body
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + PEER6.packed + destination.packed
    return b"\x86\xdd" + header + message
