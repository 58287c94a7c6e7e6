"""What a check costs keepalived and us, and how soon both find a death, on the same kernel at the same time.

`tests.benchmarks.check_keepalived` runs it without arguments, and it prints JSON. `KIND PORT` is the process with our
checkers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.benchmarks.check_detection import Server
from tests.benchmarks.check_servers import WebServer, answering, free_ports
from tests.benchmarks.table import median
from tests.checks.talks import credentials
from tests.uml.inside.daemon import RealServer, checkers
from vrrpkit.checks import TLS, Checker, HTTPChecker, HTTPPath, Schedule, TCPChecker
from vrrpkit.runtime import Driver
from vrrpkit.trackers import CheckTracker
from vrrpkit.tracking import Reading

COUNT: Final = 200
WARMUP: Final = 5.0
ROUNDS: Final = 5
ROUND: Final = 3.0
DEATHS: Final = 30
TICKS: Final = os.sysconf("SC_CLK_TCK")

#: For each kind, the seconds between two checks of a server: what leaves the kernel's one processor some time.
INTERVALS: Final = {"tcp": 1.0, "http": 2.0, "https": 8.0}

_GET: Final = "_GET {\nurl {\npath /\nstatus_code 200\n}"
BLOCKS: Final = {"tcp": "TCP_CHECK {", "http": f"HTTP{_GET}", "https": f"SSL{_GET}"}


def checker_for(kind: str, host: str, port: int) -> Checker:
    """keepalived verifies no certificate, and reads the whole body."""
    match kind:
        case "tcp":
            return TCPChecker(host=host, port=port)
        case "http":
            return HTTPChecker(host=host, port=port, paths=HTTPPath("/", status=200))
        case _:
            return HTTPChecker(host=host, port=port, paths=HTTPPath("/", status=200), tls=TLS(verify=False))


def hosts() -> list[str]:
    return [f"127.0.1.{number + 1}" for number in range(COUNT)]


async def check_for_ever(kind: str, port: int) -> None:
    interval = INTERVALS[kind]
    schedule = Schedule.keepalived(delay_loop=interval, timeout=interval)
    driver = Driver()
    async with AsyncExitStack() as stack:
        for host in hosts():
            tracker = CheckTracker(host, checker_for(kind, host, port), schedule, driver=driver)
            await stack.enter_async_context(tracker)
        gc.collect()
        await asyncio.Event().wait()


@frozen
class Usage:
    """What a process has used so far, and how often it has connected."""

    cpu: float
    checks: int
    memory: int


@frozen
class Side:
    """One of the two who check: its process, and a server of its own."""

    pid: int
    server: WebServer
    kind: str

    def usage(self) -> Usage:
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        statm = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()
        cpu = (int(stat[11]) + int(stat[12])) / TICKS
        return Usage(cpu, self.server.connections(self.kind), int(statm[1]) * resource.getpagesize())


def measure(kind: str) -> dict[str, dict[str, float]]:
    """Both at the same time, so that they have the same neighbours."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs, ours = (stack.enter_context(answering(credentials(), "0.0.0.0")) for _ in range(2))
        block = f"{BLOCKS[kind]}\ndelay_loop {INTERVALS[kind]:g}\nconnect_timeout {INTERVALS[kind]:g}\n}}"
        stack.enter_context(checkers([RealServer(host, theirs.ports[kind], block) for host in hosts()], folder))
        process = stack.enter_context(our_process(kind, ours.ports[kind]))
        time.sleep(WARMUP)
        pid = int((folder / "checkers_pid").read_text(encoding="ascii"))
        sides = {"keepalived": Side(pid, theirs, kind), "vrrpkit": Side(process.pid, ours, kind)}
        seen = [{name: side.usage() for name, side in sides.items()}]
        for _ in range(ROUNDS):
            time.sleep(ROUND)
            seen.append({name: side.usage() for name, side in sides.items()})
    return {name: summary([usages[name] for usages in seen]) for name in sides}


def summary(usages: Sequence[Usage]) -> dict[str, float]:
    """The median of the rounds: when the machine lets this kernel stand still, whoever runs in it is charged."""
    micros = [(b.cpu - a.cpu) / max(b.checks - a.checks, 1) * 1e6 for a, b in pairwise(usages)]
    first, last = usages[0], usages[-1]
    return {"checks": last.checks - first.checks, "micros": median(micros), "memory": last.memory / 1024}


async def die_and_return(kind: str) -> dict[str, dict[str, list[float]]]:
    """One server with many checkers of both, each with a phase of its own: seconds from its death, and its return."""
    loop, (port,), some = asyncio.get_running_loop(), free_ports(1), hosts()[:DEATHS]
    delays = "delay_loop 1\nconnect_timeout 0.5\nretry 2\ndelay_before_retry 0.2"
    schedule = Schedule.keepalived(delay_loop=1, timeout=0.5, retry=2, delay_before_retry=0.2, alpha=True)
    verdicts: dict[str, dict[str, tuple[Reading, float]]] = {"keepalived": {}, "vrrpkit": {}}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in verdicts}

    def note(side: str, host: str, up: Reading) -> None:
        if up is not verdicts[side].get(host, (None, 0.0))[0]:
            verdicts[side][host] = (up, loop.time())

    def follow(host: str, tracker: CheckTracker) -> None:
        tracker.watch(lambda: note("vrrpkit", host, tracker.reading))

    def end_server() -> None:
        server.end()

    async def all_agree(up: bool, since: float, name: str) -> None:
        while any(said.get(host, (None, 0.0))[0] is not up for said in verdicts.values() for host in some):
            daemon.listen()
            for (host, _port), news in daemon.verdicts.items():
                note("keepalived", host, news[-1])
            await asyncio.sleep(0.004)
        for side, said in verdicts.items():
            found[side][name] = sorted(said[host][1] - since for host in some)

    server = Server.start(port, "0.0.0.0")
    async with AsyncExitStack() as stack:
        stack.callback(end_server)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        daemon = stack.enter_context(
            checkers([RealServer(host, port, f"{BLOCKS[kind]}\n{delays}\n}}") for host in some], folder)
        )
        driver = Driver()
        stack.callback(driver.close)
        for host in some:
            checker = checker_for(kind, host, port)
            tracker = await stack.enter_async_context(CheckTracker(host, checker, schedule, driver=driver))
            follow(host, tracker)
        await all_agree(True, loop.time(), "first")
        await asyncio.sleep(2)
        died = loop.time()
        server.end()
        await all_agree(False, died, "down")
        await asyncio.sleep(2)
        server = Server.start(port, "0.0.0.0")
        await all_agree(True, server.since, "up")
    return found


@contextmanager
def our_process(kind: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.uml.inside.bench_checkers", kind, str(port)]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=INTERVALS, nargs="?")
    parser.add_argument("port", type=int, nargs="?")
    options = parser.parse_args()
    if options.kind is None:
        found = {
            "costs": {kind: measure(kind) for kind in INTERVALS},
            "deaths": {kind: asyncio.run(die_and_return(kind)) for kind in ("tcp", "http")},
        }
        print(json.dumps(found))  # noqa: T201 - it is the output of this program
    else:
        asyncio.run(check_for_ever(options.kind, options.port))
