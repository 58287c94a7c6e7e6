"""From the death of a server to the verdict DOWN, and from its return to UP, against the arithmetic of the schedule."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys

from attrs import define, field, frozen

from tests.benchmarks.check_servers import free_ports
from tests.benchmarks.table import median, show
from vrrpkit.checks import HTTPChecker, Schedule
from vrrpkit.trackers import CheckTracker
from vrrpkit.tracking import Reading

HOST = "127.0.0.1"
DEATHS = 30
SCHEDULE = Schedule(interval=1, timeout=0.5, fall=3, fast_interval=0.2)
PATIENCE = 30.0

# How much later, or earlier by the length of a check, it may be and still be on time.
SLACK = 0.02

# Says when it began to listen, by the clock that the event loop has, too.
ANSWERS = r"""
import socket, sys, time
server = socket.create_server((sys.argv[2], int(sys.argv[1])), backlog=100)
print(time.monotonic(), flush=True)
while True:
    connection, _peer = server.accept()
    try:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
    connection.close()
"""


@frozen
class Window:
    """When the verdict must come, in seconds after the event."""

    earliest: float
    latest: float


def predicted(schedule: Schedule, lasting: float) -> tuple[Window, Window]:
    """For DOWN and for UP, where a failing check lasts so long.

    The next turn is up to an interval away. Each further failure begins a fast interval after the one before, or
    when that has ended, and the last one counts at its end. While down, a check that lasts past the return succeeds
    at once, and the others wait for a turn: at most for the part of the interval in which no check runs.
    """
    fast = schedule.interval if schedule.fast_interval is None else schedule.fast_interval
    decided = (schedule.fall - 1) * max(fast, lasting) + lasting
    down = Window(decided, schedule.interval + decided)
    return down, Window(0.0, schedule.interval - lasting)


@define
class Server:
    """A server that can be killed or stopped, and come back."""

    port: int
    process: subprocess.Popen[str]
    since: float

    @classmethod
    def start(cls, port: int, address: str = HOST) -> Server:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-S", "-E", "-c", ANSWERS, str(port), address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return cls(port, process, float(process.stdout.readline()))

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@define
class Measured:
    """Seconds from the events to the verdicts."""

    down: list[float] = field(factory=list)
    up: list[float] = field(factory=list)


async def die_and_return(port: int, kind: signal.Signals, measured: Measured) -> None:
    """One server's death at a random moment, and its return at another."""
    loop, draw = asyncio.get_running_loop(), random.SystemRandom().uniform
    server = await asyncio.to_thread(Server.start, port)
    came: asyncio.Queue[tuple[Reading, float]] = asyncio.Queue()
    checker = HTTPChecker(host=HOST, port=port)
    try:
        async with CheckTracker(f"s{port}", checker, SCHEDULE) as tracker:
            tracker.watch(lambda: came.put_nowait((tracker.reading, loop.time())))
            await _verdict(came, True)
            await asyncio.sleep(draw(0, SCHEDULE.interval))
            died = loop.time()
            server.process.send_signal(kind)
            measured.down.append(await _verdict(came, False) - died)
            await asyncio.sleep(SCHEDULE.interval + draw(0, SCHEDULE.interval))
            if kind == signal.SIGSTOP:
                returned = loop.time()
                server.process.send_signal(signal.SIGCONT)
            else:
                await asyncio.to_thread(server.end)
                server = await asyncio.to_thread(Server.start, port)
                returned = server.since
            measured.up.append(await _verdict(came, True) - returned)
    finally:
        server.end()


async def _verdict(came: asyncio.Queue[tuple[Reading, float]], wanted: Reading) -> float:
    """When it came."""
    reading, at = await asyncio.wait_for(came.get(), PATIENCE)
    assert reading is wanted, f"{reading}, not {wanted}"
    return at


async def all_deaths(kind: signal.Signals) -> Measured:
    """At the same time, each with a checker of its own."""
    measured = Measured()
    async with asyncio.TaskGroup() as group:
        for port in free_ports(DEATHS):
            group.create_task(die_and_return(port, kind, measured))
    return measured


def row(name: str, window: Window, seconds: list[float]) -> tuple[object, ...]:
    outside = sum(not window.earliest - SLACK <= one <= window.latest + SLACK for one in seconds)
    shown = f"{window.earliest:.2f} to {window.latest:.2f}"
    return (name, shown, min(seconds), median(seconds), max(seconds), len(seconds), outside)


def run() -> None:
    rows = []
    for kind, lasting, words in (
        (signal.SIGKILL, 0.0, ("SIGKILL, down", "started again, up")),
        (signal.SIGSTOP, SCHEDULE.patience, ("SIGSTOP, down", "SIGCONT, up")),
    ):
        measured = asyncio.run(all_deaths(kind))
        for name, window, seconds in zip(
            words, predicted(SCHEDULE, lasting), (measured.down, measured.up), strict=True
        ):
            rows.append(row(name, window, seconds))
    show(
        f"HTTPChecker, interval {SCHEDULE.interval:g} s, timeout {SCHEDULE.patience:g} s, fall {SCHEDULE.fall}, "
        f"fast_interval {SCHEDULE.fast_interval:g} s: seconds to the verdict",
        ("", "predicted", "min", "median", "max", "times", "outside"),
        rows,
        f"Outside: by more than {1000 * SLACK:g} ms.",
    )
