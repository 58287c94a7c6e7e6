"""How much later than RFC 9568 allows a Backup takes over after SIGKILL, ours beside keepalived's.

The Active router is a bare process that only advertises, so that its last advertisement is known and killing it is
all that happens. Everything is timed by the kernel's timestamps at the far end of the link.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

from attrs import define, field

from tests.benchmarks.many_routers import address_of
from tests.benchmarks.scale import FAR, NEAR, PROGRAMS, two_nodes
from tests.benchmarks.table import median, quantile, show
from vrrpkit.linux import in_netns
from vrrpkit.packet import Advertisement, encode

PRIORITY = 100
REPEATS = {1.0: 12, 0.1: 60, 0.01: 200}
ADDRESS = IPv4Address(address_of(0))
SPEAKER = IPv4Address("10.100.0.2")
STALE = "02:00:00:00:00:01"

SPEAK = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.100.0.2"))
octets, interval = bytes.fromhex(sys.argv[1]), float(sys.argv[2])
while True:
    s.sendto(octets, ("224.0.0.18", 0))
    time.sleep(interval)
"""


@define
class Wire:
    """What came over the link, by the kernel's clock."""

    socket: socket.socket
    last_speech: float = 0.0
    firsts: dict[str, float] = field(factory=dict)

    def drain(self) -> None:
        while True:
            try:
                frame, ancillary, _flags, _address = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
            self._note(frame, seconds + nanoseconds / 1e9)

    def _note(self, frame: bytes, at: float) -> None:
        if frame[12:14] == b"\x08\x06" and frame[28:32] == ADDRESS.packed:
            self.firsts.setdefault("announcement", at)
        elif frame[23] == 112 and frame[26:30] == SPEAKER.packed:
            self.last_speech = at
            self.firsts.clear()
        elif frame[23] == 112:
            self.firsts.setdefault("advertisement", at)
        elif frame[23] == 1 and frame[26:30] == ADDRESS.packed and frame[34] == 0:
            self.firsts.setdefault("answer", at)


def open_wire() -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
    wire.bind(("v0", 3))
    wire.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
    return wire


def open_client() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)


ECHO = struct.pack("!BBHHH", 8, 0, 0xF7FD, 1, 1)  # checksum: ~(0x0800 + 1 + 1)


@contextlib.contextmanager
def speaker(octets: bytes, interval: float) -> Iterator[None]:
    """An Active router that says it is, until it is killed."""
    command = ["ip", "netns", "exec", FAR, sys.executable, "-I", "-S", "-c", SPEAK, octets.hex(), str(interval)]
    with subprocess.Popen(command) as process:
        yield
        process.kill()


def one_death(wire: Wire, client: socket.socket, octets: bytes, interval: float) -> dict[str, float]:
    """Let the speaker take the role, kill it, and time what follows, in ms beyond the down interval."""
    with speaker(octets, interval):
        wire.drain()
        wire.last_speech = 0.0
        while not wire.last_speech:
            time.sleep(0.005)
            wire.drain()
        time.sleep(3 * interval + 0.02)
    subprocess.run(
        ["ip", "-n", FAR, "neigh", "replace", str(ADDRESS), "lladdr", STALE, "dev", "v0", "nud", "reachable"],
        check=True,
    )
    wire.drain()
    down = 3 * interval + (256 - PRIORITY) * interval / 256
    due = wire.last_speech + down
    time.sleep(max(0.0, due - 0.003 - time.time()))
    until = due + 1.0
    while len(wire.firsts) < 3 and time.time() < until:
        with contextlib.suppress(OSError):
            client.sendto(ECHO, (str(ADDRESS), 0))
        time.sleep(0.0001)
        wire.drain()
    wire.drain()
    return {kind: (at - due) * 1000 for kind, at in wire.firsts.items()}


def measure(program: str, interval: float) -> list[tuple[object, ...]]:
    advert = Advertisement(vrid=1, priority=200, interval=interval, addresses=(ADDRESS,))
    octets = encode(advert, source=SPEAKER, destination=IPv4Address("224.0.0.18")).payload
    with two_nodes():
        wire, client = Wire(in_netns(FAR, open_wire)), in_netns(FAR, open_client)
        with wire.socket, client:
            subprocess.run(["ip", "-n", FAR, "route", "add", f"{ADDRESS}/32", "dev", "v0"], check=True)
            with PROGRAMS[program](NEAR, 1, PRIORITY, interval):
                repeats = int(os.environ.get("VRRPKIT_BENCH_REPEATS", REPEATS[interval]))
                deaths = [one_death(wire, client, octets, interval) for _ in range(repeats)]
    rows: list[tuple[object, ...]] = []
    for kind in ("advertisement", "announcement", "answer"):
        times = [death[kind] for death in deaths if kind in death]
        rows.append(
            (f"{interval:g} s, first {kind}, {program}", len(times), median(times), quantile(times, 0.99), max(times))
        )
    return rows


def run() -> None:
    rows = [
        row
        for interval in REPEATS
        for pair in zip(*(measure(program, interval) for program in PROGRAMS), strict=True)
        for row in pair
    ]
    show(
        "Failover after SIGKILL: ms beyond the RFC's down interval",
        ("interval, event, Backup", "n", "median", "p99", "max"),
        rows,
        "Answer: the first echo reply to a client that asks every 0.1 ms with the dead router's MAC in its cache.",
    )
