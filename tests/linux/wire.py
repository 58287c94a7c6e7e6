"""The other end of a link, frame by frame."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address

from attrs import define, field, frozen

from vrrpkit.addresses import IPAddress, vrrp_group
from vrrpkit.election import ElectionConfig
from vrrpkit.linux import in_netns
from vrrpkit.packet import Advertisement, Datagram, PacketError, decode, encode, internet_checksum

PEER4, PEER6 = IPv4Address("10.0.0.2"), IPv6Address("fe80::2")


@frozen
class Seen:
    """An advertisement on the wire, with what its frame says."""

    advert: Advertisement
    source: IPAddress
    destination: IPAddress
    hop_limit: int
    traffic_class: int
    mac: str


@define
class Wire:
    """A packet socket on `peer0`."""

    socket: socket.socket
    frames: list[bytes] = field(factory=list)

    def adverts(self) -> list[Seen]:
        """Every advertisement so far; one that cannot be decoded is an error of ours."""
        self._drain()
        return [seen for frame in self.frames if (seen := _advert(frame)) is not None]

    def priorities(self) -> list[int]:
        return [seen.advert.priority for seen in self.adverts()]

    def announced(self) -> list[IPAddress]:
        """The addresses of every gratuitous ARP and unsolicited NA so far."""
        self._drain()
        found: list[IPAddress] = []
        for frame in self.frames:
            if frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42]:
                found.append(IPv4Address(frame[28:32]))
            elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136:
                found.append(IPv6Address(frame[62:78]))
        return found

    def say(self, datagram: Datagram, *, hop_limit: int = 255) -> None:
        """Let a datagram arrive at `eth0`."""
        source, destination, payload = datagram.source, datagram.destination, datagram.payload
        if destination.version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(payload), 0, 0, hop_limit, 112, 0)
            checksum = internet_checksum(head + source.packed + destination.packed)
            header = head[:10] + checksum.to_bytes(2, "big") + source.packed + destination.packed
            mac, kind = b"\x01\x00\x5e\x00\x00\x12", b"\x08\x00"
        else:
            header = struct.pack("!IHBB", 6 << 28, len(payload), 112, hop_limit) + source.packed + destination.packed
            mac, kind = b"\x33\x33\x00\x00\x00\x12", b"\x86\xdd"
        if not destination.is_multicast:
            mac = b"\xff" * 6
        self.socket.send(mac + b"\x02\x00\x00\x00\x00\x02" + kind + header + payload)

    def advertise(self, config: ElectionConfig, priority: int, *, source: IPAddress | None = None) -> None:
        """Let a peer speak for the virtual router of a configuration."""
        advert = Advertisement(
            vrid=config.vrid,
            priority=priority,
            interval=config.advert_interval,
            addresses=config.addresses,
            version=config.version,
            password=config.password,
        )
        default: IPAddress = PEER4 if config.family == 4 else PEER6
        self.say(encode(advert, source=source or default, destination=vrrp_group(config.family)))

    def _drain(self) -> None:
        while True:
            try:
                frame, address = self.socket.recvfrom(8192)
            except BlockingIOError:
                return
            if address[2] != socket.PACKET_OUTGOING:
                self.frames.append(frame)


@contextmanager
def wire_of(netns: str, end: str = "peer0") -> Iterator[Wire]:
    """The wire behind `eth0` of a namespace, or what arrives at another interface."""
    packets = in_netns(netns, lambda: _open(end))
    with packets:
        yield Wire(packets)


def _open(end: str) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
    packets.bind((end, 3))
    return packets


def _advert(frame: bytes) -> Seen | None:
    reader: Callable[[bytes], tuple[IPAddress, IPAddress, bytes, int, int] | None]
    reader = _ipv4 if frame[12:14] == b"\x08\x00" else _ipv6
    packet = reader(frame)
    if packet is None:
        return None
    source, destination, payload, hop_limit, traffic_class = packet
    try:
        advert = decode(Datagram(payload, source, destination, hop_limit))
    except PacketError as error:
        raise AssertionError(f"we sent {payload.hex()}: {error}") from error
    return Seen(advert, source, destination, hop_limit, traffic_class, frame[:6].hex(":"))


def _ipv4(frame: bytes) -> tuple[IPAddress, IPAddress, bytes, int, int] | None:
    if frame[12:14] != b"\x08\x00" or frame[23] != 112:
        return None
    length = int.from_bytes(frame[16:18], "big")
    return IPv4Address(frame[26:30]), IPv4Address(frame[30:34]), frame[34 : 14 + length], frame[22], frame[15]


def _ipv6(frame: bytes) -> tuple[IPAddress, IPAddress, bytes, int, int] | None:
    if frame[12:14] != b"\x86\xdd" or frame[20] != 112:
        return None
    traffic_class = int.from_bytes(frame[14:16], "big") >> 4 & 0xFF
    return IPv6Address(frame[22:38]), IPv6Address(frame[38:54]), frame[54:], frame[21], traffic_class
