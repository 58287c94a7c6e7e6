"""Ten thousand checkers in one process, beside ten thousand tasks that do no more than they must.

`python -m tests.benchmarks.check_crowd KIND PORT` is the process that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, frozen

from tests.benchmarks.check_servers import accepting
from tests.benchmarks.table import median, quantile, show
from vrrpkit.checks import Checker, CheckResult, Schedule, TCPChecker
from vrrpkit.runtime import Driver
from vrrpkit.trackers import CheckTracker

HOST = "127.0.0.1"
MANY = 10_000
PERIOD = 10.0
SPAN = 10.0
TIMEOUT = 5.0

Late: TypeAlias = Callable[[float], object]


def measured(module: str, *arguments: object) -> Any:
    """What a process of its own prints as JSON: its memory is not what others have left behind."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@define
class Observed:
    """A checker that says when its checks begin: its number, and the loop's time."""

    number: int
    checker: Checker
    begins: Callable[[int, float], object]

    async def check(self) -> CheckResult:
        self.begins(self.number, asyncio.get_running_loop().time())
        return await self.checker.check()


@frozen
class Open:
    """A tracker that checks, and the moment at which it began to."""

    tracker: CheckTracker
    since: float


@asynccontextmanager
async def tracked(checkers: Sequence[Checker], schedule: Schedule) -> AsyncIterator[list[Open]]:
    """All of them on one clock, their first checks spread evenly over the schedule's warm-up."""
    clock = asyncio.get_running_loop().time
    driver = Driver()
    async with AsyncExitStack() as stack:
        stack.callback(driver.close)
        opened = []
        for number, checker in enumerate(checkers):
            tracker = CheckTracker(f"c{number}", checker, schedule, driver=driver, draw=_always(number / len(checkers)))
            opened.append(Open(tracker, clock()))
            await stack.enter_async_context(tracker)
        yield opened


def _always(share: float) -> Callable[[], float]:
    return lambda: share


def descriptors() -> int:
    """How many of this process are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    """The memory of this process, in octets."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


@asynccontextmanager
async def bare_tasks(port: int, late: Late) -> AsyncIterator[None]:
    """Each sleeps until its turn and connects, with a timeout and nothing else."""
    loop = asyncio.get_running_loop()

    async def again_and_again(at: float) -> None:
        while True:
            await asyncio.sleep(at - loop.time())
            late(loop.time() - at)
            at += PERIOD
            with socket.socket() as sock:
                sock.setblocking(False)
                async with asyncio.timeout(TIMEOUT):
                    await loop.sock_connect(sock, (HOST, port))

    begin = loop.time()
    tasks = [asyncio.create_task(again_and_again(begin + number / MANY * PERIOD)) for number in range(MANY)]
    await asyncio.sleep(0)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@asynccontextmanager
async def check_trackers(port: int, late: Late) -> AsyncIterator[None]:
    due: list[float] = []

    def begins(number: int, now: float) -> None:
        if due:
            late((now - due[number]) % PERIOD)

    checkers = [Observed(number, TCPChecker(host=HOST, port=port), begins) for number in range(MANY)]
    async with tracked(checkers, Schedule(interval=PERIOD, timeout=TIMEOUT, warmup=PERIOD)) as opened:
        due.extend(one.since + number / MANY * PERIOD for number, one in enumerate(opened))
        yield


KINDS: Final = {"bare tasks": bare_tasks, "CheckTracker": check_trackers}


async def crowd(kind: str, port: int) -> dict[str, float]:
    """What one kind comes to once all have checked."""
    clock = asyncio.get_running_loop().time
    lateness: list[float] = []
    gc.collect()
    before = resident()
    async with KINDS[kind](port, lateness.append):
        gc.collect()
        memory = resident() - before
        await asyncio.sleep(PERIOD)
        lateness.clear()
        began, cpu, most_files = clock(), time.process_time(), 0
        while clock() - began < SPAN:
            await asyncio.sleep(0.5)
            most_files = max(most_files, descriptors())
        spent, lasted, taken = time.process_time() - cpu, clock() - began, tuple(lateness)
    return {
        "rate": len(taken) / lasted,
        "cpu": spent / lasted,
        "memory": memory / MANY / 1024,
        "p50": 1000 * median(taken),
        "p99": 1000 * quantile(taken, 0.99),
        "files": most_files,
    }


def run() -> None:
    with accepting() as port:
        found = {kind: measured("check_crowd", kind, port) for kind in KINDS}
    least = found["bare tasks"]
    show(
        f"{MANY:,} TCP checkers every {PERIOD:g} s in one process",
        ("", "checks/s", "CPU %", "of bare", "KiB each", "of bare", "late p50 ms", "late p99 ms", "open files"),
        [
            (
                kind,
                one["rate"],
                100 * one["cpu"],
                one["cpu"] / least["cpu"],
                one["memory"],
                one["memory"] / least["memory"],
                *(one[name] for name in ("p50", "p99", "files")),
            )
            for kind, one in found.items()
        ],
        "Bare tasks: each sleeps until its turn and connects, with a timeout and nothing else.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(crowd(options.kind, options.port))))
