"""Decode and encode one version 3 IPv4 advertisement, beside scapy, dpkt and os-ken."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from timeit import repeat
from typing import Any

import dpkt
from os_ken.lib.packet import ipv4, vrrp
from os_ken.lib.packet.packet import Packet
from scapy.layers.inet import IP
from scapy.layers.vrrp import VRRPv3

from tests.benchmarks.table import show
from vrrpkit.packet import Advertisement, Datagram, Decoder, decode, encode

SOURCE, GROUP, ADDRESS = "10.0.0.1", "224.0.0.18", "192.0.2.1"
ADVERT = Advertisement(vrid=51, priority=100, addresses=(IPv4Address(ADDRESS),))


def microseconds(step: Callable[[], Any]) -> float:
    """The best of many short runs: the others measure the machine."""
    number = 1
    while repeat(step, number=number, repeat=1)[0] < 0.002:
        number *= 2
    return min(repeat(step, number=number, repeat=60)) / number * 1e6


def ours() -> tuple[Callable[[], Datagram], Callable[[Datagram], Advertisement]]:
    source, group = IPv4Address(SOURCE), IPv4Address(GROUP)
    return lambda: encode(ADVERT, source=source, destination=group), decode


def run() -> None:
    write, read = ours()
    datagram = write()
    assert read(datagram) == ADVERT
    memory = Decoder()
    memory.decode(datagram)

    message = vrrp.vrrpv3.create(vrrp.VRRP_TYPE_ADVERTISEMENT, 51, 100, 100, [ADDRESS])
    header = ipv4.ipv4(src=SOURCE, dst=GROUP, proto=112, ttl=255)

    def os_ken_write() -> bytes:
        message.checksum = 0
        return bytes(message.serialize(bytearray(), header))

    def os_ken_read() -> Any:
        parsed, _rest, _payload = vrrp.vrrp.parser(datagram.payload)
        assert parsed.checksum_ok(header, datagram.payload)
        return parsed

    def os_ken_write_packet() -> bytes:
        packet = Packet()
        packet.add_protocol(ipv4.ipv4(src=SOURCE, dst=GROUP, proto=112, ttl=255))
        packet.add_protocol(vrrp.vrrpv3.create(vrrp.VRRP_TYPE_ADVERTISEMENT, 51, 100, 100, [ADDRESS]))
        packet.serialize()
        return bytes(packet.data)

    os_ken_octets = os_ken_write_packet()

    def os_ken_read_packet() -> Any:
        parsed_header, parsed, *_rest = Packet(os_ken_octets, parse_cls=ipv4.ipv4).protocols
        assert parsed.checksum_ok(parsed_header, os_ken_octets[20:])
        return parsed

    def scapy_write() -> bytes:
        return bytes(IP(src=SOURCE, dst=GROUP, ttl=255) / VRRPv3(vrid=51, priority=100, addrlist=[ADDRESS]))

    scapy_octets = scapy_write()

    def dpkt_write() -> bytes:
        return bytes(
            dpkt.vrrp.VRRP(
                vrid=51, priority=100, count=1, atype=0, advtime=100, addrs=[b"\xc0\x00\x02\x01"], auth=bytes(8)
            )
        )

    dpkt_octets = datagram.payload + bytes(8)  # dpkt knows version 2 only, and verifies nothing

    measured = {
        "vrrpkit": (microseconds(write), microseconds(lambda: read(datagram))),
        "vrrpkit, octets seen before": (0.0, microseconds(lambda: memory.decode(datagram))),
        "os-ken, message only": (microseconds(os_ken_write), microseconds(os_ken_read)),
        "os-ken, IP packet": (microseconds(os_ken_write_packet), microseconds(os_ken_read_packet)),
        "scapy, IP packet": (microseconds(scapy_write), microseconds(lambda: IP(scapy_octets)[VRRPv3].addrlist)),
        "dpkt, untyped, unverified": (microseconds(dpkt_write), microseconds(lambda: dpkt.vrrp.VRRP(dpkt_octets))),
    }
    total = sum(measured["vrrpkit"])
    show(
        "Codec: one version 3 IPv4 advertisement with one address, µs",
        ("library", "encode", "decode", "both", "times vrrpkit"),
        [(name, write, read, write + read, (write + read) / total) for name, (write, read) in measured.items()],
        "Octets seen before: a sender keeps what it encoded, a receiver what it decoded.",
    )
