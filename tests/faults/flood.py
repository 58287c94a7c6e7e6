"""Bad VRRP messages, many thousand a second: `python -m tests.faults.flood RATE`, until it is killed.

One of five is damaged, one has passed a router, one is cut off, one is of another version, and one is for another
virtual router; each comes from two sources. They are sent in bursts, a thousand a second.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from vrrpkit.addresses import VRRP_PROTOCOL
from vrrpkit.packet import Advertisement, encode

__all__ = ["KINDS", "SOURCES"]

SOURCES: Final = (IPv4Address("10.77.0.201"), IPv4Address("10.77.0.202"))
KINDS: Final = ("checksum-errors", "ip-ttl-errors", "truncated-packets", "version-errors", "another VRID")

_GROUP: Final = IPv4Address("224.0.0.18")
_ADDRESS: Final = IPv4Address("10.77.0.100")
_BURSTS: Final = 1000


def _frames() -> Iterator[bytes]:
    for source in SOURCES:
        good = _message(51, 3, source)
        yield _frame(source, good[:-1] + bytes([good[-1] ^ 1]))
        yield _frame(source, good, hops=1)
        yield _frame(source, good[:6])
        yield _frame(source, _message(51, 2, source))
        yield _frame(source, _message(52, 3, source))


def _message(vrid: int, version: int, source: IPv4Address) -> bytes:
    advert = Advertisement(vrid=vrid, priority=250, version=version, addresses=(_ADDRESS,))
    return encode(advert, source=source, destination=_GROUP).payload


def _frame(source: IPv4Address, message: bytes, hops: int = 255) -> bytes:
    addresses = source.packed + _GROUP.packed
    plain = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, hops, VRRP_PROTOCOL, 0) + addresses
    total = sum(struct.unpack("!10H", plain))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    header = plain[:10] + struct.pack("!H", checksum) + plain[12:]
    return bytes.fromhex("01005e000012 020000000063 0800") + header + message


def main() -> None:
    """Send; what is late by more than a tenth of a second is left out."""
    share, every = int(sys.argv[1]) // _BURSTS, 1 / _BURSTS
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind(("eth0", 0))
    send, frames, due = sock.send, itertools.cycle(_frames()), time.monotonic()
    while True:
        due = max(due + every, time.monotonic() - 0.1)
        for _ in range(share):
            send(next(frames))
        time.sleep(max(due - time.monotonic(), 0.0))


if __name__ == "__main__":
    main()
