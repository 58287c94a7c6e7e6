"""Datagrams written down octet by octet, and the checksum the way the textbook does it."""

from ipaddress import IPv4Address, IPv6Address

from vrrpkit.addresses import VRRP_GROUP_V4, VRRP_GROUP_V6, IPAddress
from vrrpkit.packet import Advertisement, ChecksumForm, Datagram

SOURCE_V4 = IPv4Address("192.0.2.5")
SOURCE_V6 = IPv6Address("fe80::5")
VIP = IPv4Address("192.0.2.1")


def on_ipv4(payload: str | bytes, *, hop_limit: int = 255) -> Datagram:
    """A multicast datagram from 192.0.2.5, from octets or their hex."""
    return Datagram(_octets(payload), SOURCE_V4, VRRP_GROUP_V4, hop_limit)


def on_ipv6(payload: str | bytes, *, hop_limit: int = 255) -> Datagram:
    """A multicast datagram from fe80::5, from octets or their hex."""
    return Datagram(_octets(payload), SOURCE_V6, VRRP_GROUP_V6, hop_limit)


def _octets(payload: str | bytes) -> bytes:
    return bytes.fromhex(payload) if isinstance(payload, str) else payload


def facts(advert: Advertisement) -> tuple[Advertisement, ChecksumForm]:
    """An advertisement with the one field that is no part of its equality."""
    return advert, advert.form


def textbook_checksum(octets: bytes) -> int:
    """RFC 1071 section 4.1: add 16-bit words, fold the carries in, complement."""
    total = 0
    for at in range(0, len(octets), 2):
        total += octets[at] << 8 | octets[at + 1]
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def textbook_pseudo_header(source: IPAddress, destination: IPAddress, length: int, protocol: int) -> bytes:
    """RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6."""
    addresses = source.packed + destination.packed
    if source.version == 4:
        return addresses + bytes([0, protocol]) + length.to_bytes(2, "big")
    return addresses + length.to_bytes(4, "big") + bytes([0, 0, 0, protocol])


def sealed(message: bytes, datagram: Datagram | None = None) -> bytes:
    """The message with a right checksum; given a datagram, over its pseudo-header too."""
    blank = message[:6] + b"\0\0" + message[8:]
    before = b""
    if datagram is not None:
        before = textbook_pseudo_header(datagram.source, datagram.destination, len(message), 112)
    return message[:6] + textbook_checksum(before + blank).to_bytes(2, "big") + message[8:]
