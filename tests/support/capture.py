"""What was on the wire: every frame that enters a bridge, and who was Active when."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from attrs import frozen

from vrrpkit.addresses import VRRP_PROTOCOL, Family, IPAddress, family_of
from vrrpkit.packet import Advertisement, Datagram, PacketError, decode

__all__ = [
    "Capture",
    "Garbage",
    "Overlap",
    "Reign",
    "SeenAdvert",
    "SeenAnnouncement",
    "only",
    "overlaps",
    "reigns",
    "timeline",
]

_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_PACKET_OUTGOING: Final = 4
_ETH_P_ALL: Final = 3
_ALL_NODES: Final = IPv6Address("ff02::1")

_ETHERTYPE_IPV4: Final = b"\x08\x00"
_ETHERTYPE_ARP: Final = b"\x08\x06"
_ETHERTYPE_IPV6: Final = b"\x86\xdd"

# After so many intervals without an advertisement a Backup may think that there is no Active Router.
_SILENCE: Final = 3

# A router that goes on advertises every interval; a gap this many times as long ends its reign.
_GAP: Final = 1.5

# Classic BPF: ARP, VRRP over IPv4 and IPv6, and neighbor advertisements. (code, if true skip, if false skip, value)
_FILTER: Final = (
    (0x28, 0, 0, 12),  # the EtherType
    (0x15, 9, 0, 0x0806),
    (0x15, 0, 2, 0x0800),
    (0x30, 0, 0, 23),  # the IPv4 protocol
    (0x15, 6, 7, VRRP_PROTOCOL),
    (0x15, 0, 6, 0x86DD),
    (0x30, 0, 0, 20),  # the IPv6 next header
    (0x15, 3, 0, VRRP_PROTOCOL),
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 54),  # the ICMPv6 type
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 0xFFFF),  # take it
    (0x06, 0, 0, 0),  # leave it
)


@frozen
class SeenAdvert:
    """An advertisement, which node's port it came in by, and the MAC address it came from."""

    at: float
    node: str
    source: IPAddress
    destination: IPAddress
    advert: Advertisement
    mac: bytes = b""

    def __str__(self) -> str:
        return f"{self.node} ({self.source}) vrid {self.advert.vrid} priority {self.advert.priority}"


@frozen
class SeenAnnouncement:
    """A gratuitous ARP or an unsolicited neighbor advertisement."""

    at: float
    node: str
    mac: bytes
    address: IPAddress

    def __str__(self) -> str:
        return f"{self.node} announces {self.address} at {self.mac.hex(':')}"


@frozen
class Garbage:
    """A VRRP datagram that `decode()` refused."""

    at: float
    node: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node} sent garbage: {self.reason}"


Seen: TypeAlias = SeenAdvert | SeenAnnouncement | Garbage


class Capture(threading.Thread):
    """Records the frames that enter a bridge, each once, at the port it comes in by; ports are named after nodes.

    Times are the kernel's, on the same clock as `time.time()`.
    """

    def __init__(self, sock: socket.socket, ports: Collection[str]) -> None:
        """Take over a socket from `Capture.open_socket()`, made in the bridge's namespace."""
        super().__init__(name="capture", daemon=True)
        self._socket = sock
        self._ports = ports
        self._closing, self._close = socket.socketpair()
        self._seen: list[Seen] = []

    @staticmethod
    def open_socket() -> socket.socket:
        """A packet socket in the calling thread's namespace."""
        everything = socket.htons(_ETH_P_ALL)
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, everything)
        program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
        buffer = ctypes.create_string_buffer(program, len(program))
        pointer = struct.pack("HP", len(_FILTER), ctypes.addressof(buffer))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with suppress(BlockingIOError):  # what came before the filter
            while sock.recv(1):
                pass
        return sock

    @property
    def seen(self) -> tuple[Seen, ...]:
        """Everything so far."""
        return tuple(self._seen)

    def adverts(self, vrid: int, family: Family = Family.IPV4) -> tuple[SeenAdvert, ...]:
        """One virtual router's advertisements so far."""
        return tuple(
            seen
            for seen in self.seen
            if isinstance(seen, SeenAdvert) and seen.advert.vrid == vrid and family_of(seen.source) is family
        )

    def announced(self, node: str, since: float) -> frozenset[IPAddress]:
        """What a node has announced since then."""
        return frozenset(
            seen.address
            for seen in self.seen
            if isinstance(seen, SeenAnnouncement) and seen.node == node and seen.at >= since
        )

    @property
    def garbage(self) -> tuple[Garbage, ...]:
        """What could not be decoded."""
        return tuple(seen for seen in self.seen if isinstance(seen, Garbage))

    def run(self) -> None:
        """Record until `close()`."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        poller.register(self._closing, select.POLLIN)
        while self._closing.fileno() not in (fd for fd, _ in poller.poll()):
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                frame, ancillary, _flags, (port, _protocol, kind, *_) = self._socket.recvmsg(1 << 16, 64)
            except OSError:  # no more, or a port went down
                return
            if port not in self._ports or kind == _PACKET_OUTGOING:
                continue
            ((_level, _type, stamp),) = ancillary
            seconds, nanoseconds = struct.unpack("=qq", stamp)
            seen = _read(frame, port, seconds + nanoseconds / 1e9)
            if seen is not None:
                self._seen.append(seen)

    def close(self) -> None:
        """Stop recording; what was seen stays."""
        self._close.send(b"x")
        self.join()
        for sock in (self._socket, self._closing, self._close):
            sock.close()


def _read(frame: bytes, node: str, at: float) -> Seen | None:
    ethertype, packet = frame[12:14], frame[14:]
    if ethertype == _ETHERTYPE_ARP:
        sender, target = packet[14:18], packet[24:28]
        gratuitous = sender == target and sender != bytes(4)
        return SeenAnnouncement(at, node, packet[8:14], IPv4Address(sender)) if gratuitous else None
    if ethertype == _ETHERTYPE_IPV6 and packet[6] != VRRP_PROTOCOL:
        unsolicited = packet[24:40] == _ALL_NODES.packed
        return SeenAnnouncement(at, node, frame[6:12], IPv6Address(packet[48:64])) if unsolicited else None
    datagram = _ipv4_datagram(packet) if ethertype == _ETHERTYPE_IPV4 else _ipv6_datagram(packet)
    try:
        return SeenAdvert(at, node, datagram.source, datagram.destination, decode(datagram), frame[6:12])
    except PacketError as error:
        return Garbage(at, node, f"{error}: {datagram}")


def _ipv4_datagram(packet: bytes) -> Datagram:
    header, (total,) = (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)
    return Datagram(packet[header:total], IPv4Address(packet[12:16]), IPv4Address(packet[16:20]), packet[8])


def _ipv6_datagram(packet: bytes) -> Datagram:
    (length,) = struct.unpack_from("!H", packet, 4)
    return Datagram(packet[40 : 40 + length], IPv6Address(packet[8:24]), IPv6Address(packet[24:40]), packet[7])


@frozen
class Reign:
    """One node's unbroken run as Active: from its first advertisement to its last.

    Attributes:
        node: Who.
        adverts: What it sent, without a priority of 0.
    """

    node: str
    adverts: tuple[SeenAdvert, ...]

    @property
    def start(self) -> float:
        """When it first said that it is Active."""
        return self.adverts[0].at

    @property
    def end(self) -> float:
        """When it last did."""
        return self.adverts[-1].at


@frozen
class Overlap:
    """A router that said it is Active although it could hear a better one.

    Attributes:
        loser: The router that should have been silent.
        winner: The one with the higher priority, or the same and a higher address.
        since: When the winner began.
        adverts: What the loser sent after that, while the winner went on.
    """

    loser: str
    winner: str
    since: float
    adverts: tuple[SeenAdvert, ...]


def reigns(adverts: Iterable[SeenAdvert]) -> tuple[Reign, ...]:
    """Who was Active when, for one virtual router's advertisements, in the order of their beginnings.

    A reign ends with more silence than one and a half intervals. It also ends with anybody's resignation: whoever
    speaks after that has taken over.
    """
    running: dict[str, list[SeenAdvert]] = {}
    ended = []
    for seen in adverts:
        run = running.get(seen.node)
        if seen.advert.priority == 0:
            ended += [Reign(node, tuple(run)) for node, run in running.items()]
            running.clear()
        elif run is None:
            running[seen.node] = [seen]
        elif seen.at - run[-1].at > _GAP * run[-1].advert.interval:
            ended.append(Reign(seen.node, tuple(run)))
            running[seen.node] = [seen]
        else:
            run.append(seen)
    ended += [Reign(node, tuple(run)) for node, run in running.items()]
    return tuple(sorted(ended, key=lambda reign: reign.start))


def overlaps(adverts: Iterable[SeenAdvert], *, crossings: int = 1) -> tuple[Overlap, ...]:
    """Where two nodes were Active for longer than the protocol allows, on a network that is whole.

    Nobody speaks within three intervals of a better router's advertisement, except that one advertisement may cross
    the first of a router that takes over. This counts advertisements and not seconds because a busy machine delays a
    router, but does not make it talk.

    Args:
        adverts: One virtual router's advertisements.
        crossings: How many may cross.
    """
    terms: dict[str, tuple[SeenAdvert, SeenAdvert]] = {}  # of those who are Active, the first and the last
    intrusions: dict[tuple[str, SeenAdvert], list[SeenAdvert]] = {}
    for seen in adverts:
        terms = {node: term for node, term in terms.items() if _goes_on(term[1], seen.at)}
        if seen.advert.priority == 0:
            terms.pop(seen.node, None)
            continue
        for first, last in terms.values():
            if first.node != seen.node and _rank(last) > _rank(seen):
                intrusions.setdefault((seen.node, first), []).append(seen)
        terms[seen.node] = (terms.get(seen.node, (seen, seen))[0], seen)
    return tuple(
        Overlap(loser, first.node, first.at, tuple(intruding))
        for (loser, first), intruding in intrusions.items()
        if len(intruding) > crossings
    )


def _goes_on(last: SeenAdvert, now: float) -> bool:
    return now - last.at < _SILENCE * last.advert.interval


def _rank(seen: SeenAdvert) -> tuple[int, int]:
    return seen.advert.priority, int(seen.source)


def only(adverts: Iterable[SeenAdvert], *, since: float = 0.0) -> tuple[SeenAdvert, ...]:
    """The advertisements from then on."""
    return tuple(seen for seen in adverts if seen.at >= since)


def timeline(seen: Sequence[Seen], lines: int = 60) -> str:
    """The last lines of a capture for people; what repeats is counted, not repeated."""
    if not seen:
        return "nothing on the wire"
    text: list[list[Seen]] = []
    for one in seen:
        lately = text[-4:] if isinstance(one, SeenAnnouncement) else text[-1:]
        same = next((line for line in lately if str(line[0]) == str(one)), None)
        if same is None:
            text.append([one])
        else:
            same.append(one)
    begin = seen[0].at
    said = [
        f"{first.at - begin:8.3f} {first}" + (f" x{len(more) + 1} until {more[-1].at - begin:.3f}" if more else "")
        for first, *more in text[-lines:]
    ]
    return "\n".join([f"seconds after {datetime.fromtimestamp(begin, UTC).isoformat()}", *said])
