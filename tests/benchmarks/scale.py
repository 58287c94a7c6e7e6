"""CPU, memory, wake-ups and punctuality of many virtual routers in one process, beside keepalived.

Two namespaces are joined by eight links. One side is measured, the other is the peer: for an Active side a silent
one, for a Backup side the same number of Active vrrpkit routers, whichever program is measured.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from attrs import frozen

from tests.benchmarks.many_routers import ACTIVE, PER_LINK, address_of
from tests.benchmarks.table import quantile, show
from vrrpkit.linux import in_netns

NEAR, FAR = "vkbench-near", "vkbench-far"
LINKS = 8
SPAN = float(os.environ.get("VRRPKIT_BENCH_SECONDS", "8"))
SAMPLED = 16  # VRIDs whose advertisements are timed, on the first link
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@frozen
class Usage:
    """What a process has used so far."""

    at: float
    cpu: float
    wakeups: int
    resident: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        wakeups = 0
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for line in (thread / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    wakeups += int(line.split()[1])
        cpu = (int(stat[11]) + int(stat[12])) / TICKS
        return cls(time.monotonic(), cpu, wakeups, int(status["VmRSS"].split()[0]) * 1024)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextlib.contextmanager
def two_nodes() -> Iterator[None]:
    for name in (NEAR, FAR):
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        ip("netns", "add", name)
    try:
        for link in range(LINKS):
            ip("link", "add", f"v{link}", "netns", NEAR, "type", "veth", "peer", "name", f"v{link}", "netns", FAR)
            for name, host in ((NEAR, 1), (FAR, 2)):
                ip("-n", name, "addr", "add", f"10.100.{link}.{host}/24", "dev", f"v{link}")
                ip("-n", name, "link", "set", f"v{link}", "up")
        yield
    finally:
        for name in (NEAR, FAR):
            ip("netns", "del", name)


@contextlib.contextmanager
def vrrpkit(netns: str, count: int, priority: int, interval: float) -> Iterator[tuple[int, list[int]]]:
    """The routers as a process; its PID, and the number of take-overs once it has ended."""
    takeovers: list[int] = []
    command = [sys.executable, "-m", "tests.benchmarks.many_routers", str(count), str(priority), str(interval)]
    with subprocess.Popen(["ip", "netns", "exec", netns, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid, takeovers
        finally:
            process.terminate()
            takeovers.append(int(process.stdout.readline()))


@contextlib.contextmanager
def keepalived(netns: str, count: int, priority: int, interval: float) -> Iterator[tuple[int, list[int]]]:
    """The same with keepalived; take-overs are counted from its log."""
    takeovers: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "keepalived.conf")
        config.write_text("".join(keepalived_config(count, priority, interval)))
        log = Path(folder, "log")
        pids = [Path(folder, name) for name in ("main.pid", "vrrp.pid")]
        command = ["keepalived", "-n", "-l", "-P", "-f", str(config), "-p", str(pids[0]), "-r", str(pids[1])]
        with (
            log.open("w") as output,
            subprocess.Popen(["ip", "netns", "exec", netns, *command], stdout=output, stderr=output) as process,
        ):
            until = time.monotonic() + 60
            while not pids[1].exists() or "Entering BACKUP STATE (init)" not in log.read_text():
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            time.sleep(2)
            try:
                yield int(pids[1].read_text()), takeovers
            finally:
                process.terminate()
                process.wait(60)
                takeovers.append(log.read_text().count("Entering MASTER STATE"))


def keepalived_config(count: int, priority: int, interval: float) -> Iterator[str]:
    yield "global_defs {\n vrrp_version 3\n}\n"
    for number in range(count):
        yield (
            f"vrrp_instance r{number} {{\n interface v{number // PER_LINK}\n"
            f" virtual_router_id {number % PER_LINK + 1}\n priority {priority}\n advert_int {interval}\n"
            f" virtual_ipaddress {{\n  {address_of(number)}/32 dev v{number // PER_LINK}\n }}\n}}\n"
        )


class Ear(threading.Thread):
    """Times the advertisements of some virtual routers on the wire."""

    def __init__(self, netns: str) -> None:
        super().__init__(daemon=True)
        self.heard: dict[int, list[float]] = defaultdict(list)
        self.listening = True
        self._socket = in_netns(netns, self._open)

    @staticmethod
    def _open() -> socket.socket:
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        ear.bind(("v0", 0x0800))
        ear.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        ear.settimeout(0.2)
        return ear

    def run(self) -> None:
        while self.listening:
            try:
                frame, ancillary, _flags, _address = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            if frame[23] == 112 and frame[35] <= SAMPLED and frame[30:34] == b"\xe0\x00\x00\x12":
                seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
                self.heard[frame[35]].append(seconds + nanoseconds / 1e9)

    def lateness(self, interval: float) -> list[float]:
        """How far each gap between two advertisements is from the interval, in milliseconds."""
        self.listening = False
        self.join()
        self._socket.close()
        return [
            abs(later - earlier - interval) * 1000
            for times in self.heard.values()
            for earlier, later in pairwise(times)
        ]


PROGRAMS = {"vrrpkit": vrrpkit, "keepalived": keepalived}


def measure(program: str, role: str, count: int, interval: float) -> tuple[object, ...]:
    with two_nodes(), contextlib.ExitStack() as stack:
        if role == "Backup":
            stack.enter_context(vrrpkit(FAR, count, ACTIVE, interval))
        pid, takeovers = stack.enter_context(PROGRAMS[program](NEAR, count, 100, interval))
        time.sleep(4 * interval + 6)  # past the second burst of announcements
        ear = Ear(FAR if role == "Active" else NEAR)
        ear.start()
        before = Usage.of(pid)
        time.sleep(SPAN)
        after = Usage.of(pid)
        lateness = ear.lateness(interval)
    span = after.at - before.at
    return (
        f"{role}, {count} at {interval:g} s, {program}",
        100 * (after.cpu - before.cpu) / span,
        (after.wakeups - before.wakeups) / span,
        after.resident / 2**20,
        quantile(lateness, 0.5) if role == "Active" and lateness else "",
        quantile(lateness, 0.99) if role == "Active" and lateness else "",
        takeovers[0] if role == "Backup" else "",
    )


def run() -> None:
    counts = [int(text) for text in os.environ.get("VRRPKIT_BENCH_ROUTERS", "1,255,1020,2040").split(",")]
    rows = [
        measure(program, role, count, interval)
        for interval in (1.0, 0.1)
        for role in ("Active", "Backup")
        for count in counts
        for program in PROGRAMS
    ]
    show(
        f"Scale: one process, {SPAN:g} s each; the peer of a Backup is vrrpkit",
        ("", "CPU %", "wake-ups/s", "MiB", "late p50 ms", "late p99 ms", "false take-overs"),
        rows,
        "Late: how far the gap between two advertisements of a router is from its interval, on the wire.",
    )
