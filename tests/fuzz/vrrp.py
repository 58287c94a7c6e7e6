"""Advertisements: by themselves, and through the reader of a link with an IP header in front."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from attrs import define, evolve, field

from tests.fuzz.target import Input, Target, told_briefly
from tests.packet.helpers import sealed
from vrrpkit.addresses import VRRP_GROUP_V4, VRRP_GROUP_V6, Family, IPAddress
from vrrpkit.election import AdvertReceived, ElectionConfig, differences, screen
from vrrpkit.linux._reader import Reader
from vrrpkit.packet import Advertisement, Datagram, Decoder, PacketError, Reject, Version, decode, encode

__all__ = ["TARGETS"]

_SENDERS: Final = (IPv4Address("192.0.2.5"), IPv6Address("fe80::5"))
_DESTINATIONS: Final = (
    (VRRP_GROUP_V4, IPv4Address("192.0.2.9")),
    (VRRP_GROUP_V6, IPv6Address("2001:db8::9")),
)
_CONFIGS: Final = (
    ElectionConfig(vrid=1, addresses=["192.0.2.1"]),
    ElectionConfig(vrid=1, addresses=["192.0.2.1"], version=Version.V2, password=b"\x00secret"),
    ElectionConfig(vrid=1, addresses=["fe80::1", "2001:db8::1"]),
)
_DECODER: Final = Decoder()


def _decode(octets: bytes) -> None:
    """The first octet says which family, destination and checksum, the second the hop limit."""
    given = Input(octets)
    choice, hop_limit = given.number(), 255 if given.number() & 1 else 1
    family = choice & 1
    source, destination = _SENDERS[family], _DESTINATIONS[family][choice >> 1 & 1]
    payload = given.octets
    if len(payload) >= 8 and len(payload) % 2 == 0 and choice >> 2 & 3:
        blank = Datagram(payload, source, destination)
        payload = sealed(payload) if choice >> 2 & 3 == 1 else sealed(payload, blank)
    datagram = Datagram(payload, source, destination, hop_limit)
    try:
        advert = decode(datagram)
    except PacketError as error:
        told_briefly(error, 200)
        return
    _judge(advert, datagram)


def _judge(advert: Advertisement, datagram: Datagram) -> None:
    again = encode(advert, source=datagram.source, destination=datagram.destination)
    assert decode(again) == advert
    assert _DECODER.decode(datagram) == advert
    assert evolve(advert) == advert  # the constructor finds nothing wrong with it
    assert len(advert.addresses) <= 255
    assert advert.password is None or len(advert.password) <= 8
    assert "password" not in repr(advert)
    for config in _CONFIGS:
        reason = screen(advert, config)
        assert reason is None or isinstance(reason, Reject)
        differences(advert, config)


@define
class _Judge:
    """A virtual router on the link that notes what it is told."""

    heard_from: list[IPAddress] = field(factory=list)

    @property
    def receiver(self) -> _Judge:
        return self

    def refuses(self, _source: IPAddress, _destination: IPAddress) -> str | None:
        return None

    def heard(self, event: AdvertReceived) -> None:
        self.heard_from.append(event.source)

    def rejected(self, reason: Reject, _source: IPAddress, detail: str) -> None:
        assert isinstance(reason, Reject)
        assert len(detail) < 200


@define
class _Link:
    """The end of a link where datagrams arrive, as the kernel delivers them: with a right IPv4 header."""

    reader: Reader
    judge: _Judge
    sender: socket.socket

    def deliver(self, octets: bytes) -> None:
        given = Input(octets)
        options, hop_limit = bytes(4 * (given.number() % 11)), given.number()
        length = 20 + len(options) + len(given.octets)
        header = bytes([0x45 + len(options) // 4, 0xC0]) + length.to_bytes(2, "big") + bytes(4)
        header += bytes([hop_limit, 112, 0, 0]) + _SENDERS[0].packed + VRRP_GROUP_V4.packed + options
        self.judge.heard_from.clear()
        for _ in range(2):  # the second time it may be known
            self.sender.send(header + given.octets)
            self.reader.drain()
        assert len(self.judge.heard_from) in {0, 2}
        assert hop_limit == 255 or not self.judge.heard_from


def _link() -> _Link:
    judge = _Judge()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    return _Link(Reader(near, Family.IPV4, dict.fromkeys(range(1, 256), judge)), judge, far)


_THE_LINK: Final[list[_Link]] = []


def _deliver(octets: bytes) -> None:
    if not _THE_LINK:
        _THE_LINK.append(_link())
    _THE_LINK[0].deliver(octets)


TARGETS: Final = (Target("vrrp-decode", _decode), Target("vrrp-link", _deliver, longest=1500))
