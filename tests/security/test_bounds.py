"""What a hostile neighbour, server or name server can make this process spend: memory, logs, and turns of its loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
import weakref
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from typing import Any, Final

import pytest
from attrs import define, field, frozen

from vrrpkit import Advertisement, ElectionConfig, VirtualRouter
from vrrpkit.addresses import VRRP_GROUP_V4, Family, IPAddress
from vrrpkit.checks import DNSChecker, PingChecker
from vrrpkit.checks._dns_wire import DNSError, decode_reply
from vrrpkit.election import AdvertReceived, Election
from vrrpkit.linux._reader import Reader
from vrrpkit.packet import Datagram, Decoder, Reject, encode
from vrrpkit.runtime._gate import Gate
from vrrpkit.stats import RouterCounters
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

LARGEST: Final = 8 + 4 * 255


@define
class Listener:
    """A virtual router on a link that keeps an eye on what the link remembers."""

    heard_adverts: list[weakref.ref[Advertisement]] = field(factory=list)

    @property
    def receiver(self) -> Listener:
        return self

    def refuses(self, _source: IPAddress, _destination: IPAddress) -> str | None:
        return None

    def heard(self, event: AdvertReceived) -> None:
        self.heard_adverts.append(weakref.ref(event.advert))

    def rejected(self, reason: Reject, _source: IPAddress, detail: str) -> None:
        raise AssertionError(f"{reason}: {detail}")

    @property
    def remembered(self) -> int:
        return sum(reference() is not None for reference in self.heard_adverts)


@frozen
class Link:
    """Where a hostile neighbour's packets arrive."""

    reader: Reader
    listener: Listener
    sender: socket.socket

    def deliver(self, source: int, addresses: int) -> None:
        self.sender.send(packet(source, addresses))
        self.reader.drain()


@contextmanager
def link() -> Iterator[Link]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        near.setblocking(False)
        listener = Listener()
        yield Link(Reader(near, Family.IPV4, {1: listener}), listener, far)


def advertisement(source: int, addresses: int) -> Advertisement:
    first = 0x0B000000 + source * addresses
    return Advertisement(vrid=1, priority=100, addresses=tuple(IPv4Address(first + n) for n in range(addresses)))


def datagram(source: int, addresses: int) -> Datagram:
    """A good one; no two sources say the same."""
    sender = IPv4Address(0x0A000000 + source)
    return encode(advertisement(source, addresses), source=sender, destination=VRRP_GROUP_V4)


def packet(source: int, addresses: int) -> bytes:
    """The same with the IP header that a raw socket delivers."""
    sent = datagram(source, addresses)
    ends = sent.source.packed + sent.destination.packed
    return bytes([0x45, 0xC0, *bytes(6), 255, 112, 0, 0]) + ends + sent.payload


def test_a_link_remembers_a_mebibyte_of_advertisements_at_most() -> None:
    """It was 8,192 of them, however long: 200 MB."""
    with link() as lan:
        for source in range(2000):
            lan.deliver(source, 255)
        assert len(lan.listener.heard_adverts) == 2000
        assert 1 <= lan.listener.remembered <= (1 << 20) // LARGEST + 2


def test_a_link_remembers_8192_advertisements_at_most() -> None:
    with link() as lan:
        for source in range(20_000):
            lan.deliver(source, 1)
        assert len(lan.listener.heard_adverts) == 20_000
        assert 1 <= lan.listener.remembered <= 8192


def test_a_link_goes_on_remembering_after_a_flood() -> None:
    with link() as lan:
        for source in range(2000):
            lan.deliver(source, 255)
        lan.deliver(9998, 1)
        first = lan.listener.heard_adverts[-1]()
        lan.deliver(9999, 1)
        lan.deliver(9998, 1)
        assert lan.listener.heard_adverts[-1]() is first


def test_a_decoder_remembers_a_mebibyte_of_advertisements_at_most() -> None:
    decoder = Decoder()
    remembered = [weakref.ref(decoder.decode(datagram(source, 255))) for source in range(2000)]
    assert 1 <= sum(reference() is not None for reference in remembered) <= (1 << 20) // LARGEST + 2
    first = decoder.decode(datagram(9998, 1))
    decoder.decode(datagram(9999, 1))
    assert decoder.decode(datagram(9998, 1)) is first


def test_a_flood_of_sources_is_counted_and_logged_a_bounded_number_of_times(caplog: pytest.LogCaptureFixture) -> None:
    async def flood() -> None:
        lan = MemoryLan()
        config = ElectionConfig(vrid=1, addresses=["192.0.2.100"], version=2)
        router = VirtualRouter(
            config, transport=lan.attach(1, "192.0.2.1"), addresses=FakeAddresses(), announcer=FakeAnnouncer()
        )
        async with router:
            for source in range(5000):
                sender = IPv4Address(0x0A000000 + source)
                lan.inject(encode(advertisement(1, 1), source=sender, destination=VRRP_GROUP_V4))
            counters = router.snapshot().counters
            assert sum(counters.rejected.values()) == 5000
            assert len(counters.rejected) == 1

    with caplog.at_level(logging.WARNING):
        run_virtual(flood())
    assert len(caplog.records) == 1024


class Speechless(str):
    """Costs whoever puts it into words."""

    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("put into words")


def test_what_is_not_logged_is_not_put_into_words() -> None:
    """An advertisement of 255 addresses took 0.3 ms of words each time, told or not."""
    config = ElectionConfig(vrid=1, addresses=["192.0.2.100"])
    election = Election(config, IPv4Address("192.0.2.1"))
    gate = Gate(election, RouterCounters(), "VRID 1", lambda _event: None)
    gate.reject(Reject.CHECKSUM, IPv4Address("192.0.2.9"), "wrong")
    gate.reject(Reject.CHECKSUM, IPv4Address("192.0.2.9"), Speechless())


# Name servers ---------------------------------------------------------------------------------------------------------


def pointers_upon_pointers() -> bytes:
    """64 KiB in which each of 4,000 names leads through 8,000 pointers."""
    start = 12 + 11
    chain = b"\0\0" + b"".join(struct.pack("!H", 0xC000 | max(start, start + 2 * n)) for n in range(7998))
    body = b"\0" + struct.pack("!HHIH", 64, 1, 0, len(chain)) + chain
    record = struct.pack("!H", 0xC000 | start + 2 * 7998) + struct.pack("!HHIH", 64, 1, 0, 0)
    count = (65535 - 12 - len(body)) // len(record)
    return struct.pack("!6H", 1, 0x8000, 0, 1 + count, 0, 0) + body + record * count


def test_a_name_server_cannot_keep_us_busy_with_pointers() -> None:
    """It took 13 s, in which no router of this process could say a word."""
    started = time.thread_time()
    with pytest.raises(DNSError, match="takes too long to read"):
        decode_reply(pointers_upon_pointers())
    assert time.thread_time() - started < 2.0


def test_the_largest_honest_answer_is_read() -> None:
    labels = b"".join(b"\1%x" % (n % 16) for n in range(32)) + b"\3ip6\4arpa\0"
    question = labels + struct.pack("!HH", 12, 1)
    record = struct.pack("!HHHIH", 0xC00C, 12, 1, 0, 7) + b"\4host\xc0\x4c"
    octets = struct.pack("!6H", 1, 0x8000, 1, 1200, 0, 0) + question + record * 1200
    reply = decode_reply(octets)
    assert len(reply.answers) == 1200
    assert reply.answers[-1].data == "host.ip6.arpa"


class Flooded(asyncio.SelectorEventLoop):
    """A loop on which a datagram is always there already."""

    async def sock_recv(self, _sock: socket.socket, _nbytes: int) -> bytes:
        return b"garbage"


@pytest.mark.parametrize(
    "check",
    [DNSChecker(host="127.0.0.1", port=9).check, PingChecker(host="127.0.0.1").check],
    ids=["dns", "ping"],
)
def test_a_flood_of_datagrams_leaves_others_their_turn(check: Any) -> None:
    """Without that, this test would not end."""

    async def turns() -> int:
        task = asyncio.ensure_future(patiently(check()))
        for turn in range(1000):
            if task.done():
                return turn
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return 1000

    with closing(Flooded()) as loop:
        assert loop.run_until_complete(turns()) == 1000


async def patiently(check: Coroutine[Any, Any, Any]) -> None:
    await check
