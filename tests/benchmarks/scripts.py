"""What running programs costs, and what five hundred check scripts do to the advertisements beside them.

`python -m tests.benchmarks.scripts COUNT PATTERN` is the process that is measured: ten Active routers and so many
scripts, each once a second.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from attrs import define

from tests.benchmarks.many_routers import ACTIVE, address_of
from tests.benchmarks.scale import FAR, NEAR, SPAN, Ear, Usage, two_nodes
from tests.benchmarks.table import median, quantile, show
from vrrpkit import ElectionConfig, State
from vrrpkit.commands import Command
from vrrpkit.commands import run as run_command
from vrrpkit.linux import Node

PROGRAM = ("/bin/true",)
ROUNDS = 10
RUNS = 50  # in each round, of each kind

ROUTERS = 10
ADVERT_INTERVAL = 0.1
CHECK_INTERVAL = 1.0
SCRIPTS = 500
PATTERNS = ("spread", "together")


@define
class Tally:
    """What became of the scripts."""

    runs: int = 0
    failures: int = 0
    skipped: int = 0


async def bare() -> None:
    """The least there is, and it blocks the loop all the time."""
    with subprocess.Popen(PROGRAM) as process:  # noqa: ASYNC220 - blocking is the point
        process.wait()


def ours(command: Command, max_output: int) -> Callable[[], Awaitable[None]]:
    async def once() -> None:
        outcome = await run_command(command, timeout=10, max_output=max_output)
        assert outcome.ok, outcome.detail

    return once


def kinds() -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    yield "Popen().wait()", bare
    yield "run()", ours(Command(PROGRAM), 4096)
    yield "run(), no output", ours(Command(PROGRAM), 0)
    yield "run(), not secure", ours(Command(PROGRAM, secure=False), 4096)
    if os.geteuid() == 0:
        yield "run(), as nobody", ours(Command(PROGRAM, user="nobody"), 4096)


async def costs() -> list[tuple[object, ...]]:
    """In turns, so that all kinds meet the same neighbours."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name, _once in kinds()}
    for _ in range(ROUNDS):
        for name, once in kinds():
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(RUNS):
                await once()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            samples[name].append((cpu / RUNS, wall / RUNS))
    least = median([cpu for cpu, _wall in samples["Popen().wait()"]])
    rows: list[tuple[object, ...]] = []
    for name, taken in samples.items():
        cpu, wall = median([cpu for cpu, _wall in taken]), median([wall for _cpu, wall in taken])
        rows.append((name, cpu * 1e6, cpu / least, wall * 1e3))
    return rows


async def work(count: int, pattern: str) -> None:
    """Ten Active routers and so many scripts, until told to end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tally = Tally()
    async with Node() as node:
        for number in range(ROUTERS):
            config = ElectionConfig(
                vrid=number + 1, addresses=[address_of(number)], priority=ACTIVE, advert_interval=ADVERT_INTERVAL
            )
            await node.add_router("v0", config)
        await asyncio.gather(*(router.until(State.ACTIVE) for router in node.routers))
        await asyncio.sleep(7)  # past the second burst of announcements
        begin = asyncio.get_running_loop().time()
        offsets = [number / count * CHECK_INTERVAL if pattern == "spread" else 0.0 for number in range(count)]
        tasks = [asyncio.create_task(again_and_again(begin + offset, tally)) for offset in offsets]
        gc.collect()
        gc.freeze()
        await asyncio.sleep(2 * CHECK_INTERVAL)
        tally.runs = tally.failures = tally.skipped = 0
        print("ready", flush=True)
        await stop.wait()
        print(tally.runs, tally.failures, tally.skipped, flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def again_and_again(at: float, tally: Tally) -> None:
    """Run the program at a fixed rate; a turn that comes while it still runs falls out."""
    loop, command = asyncio.get_running_loop(), Command(PROGRAM)
    while True:
        await asyncio.sleep(at - loop.time())
        outcome = await run_command(command, timeout=CHECK_INTERVAL)
        tally.runs += 1
        tally.failures += not outcome.ok
        late = int((loop.time() - at) / CHECK_INTERVAL)
        tally.skipped += late
        at += (late + 1) * CHECK_INTERVAL


def company(count: int, pattern: str) -> tuple[object, ...]:
    command = [sys.executable, "-m", "tests.benchmarks.scripts", str(count), pattern]
    with (
        two_nodes(),
        subprocess.Popen(["ip", "netns", "exec", NEAR, *command], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ear = Ear(FAR)
        ear.start()
        before = Usage.of(process.pid)
        time.sleep(SPAN)
        after = Usage.of(process.pid)
        lateness = ear.lateness(ADVERT_INTERVAL)
        process.terminate()
        runs, failures, skipped = map(int, process.stdout.readline().split())
    span = after.at - before.at
    return (
        f"{count} scripts, {pattern}" if count else "none",
        100 * (after.cpu - before.cpu) / span,
        len(lateness),
        *(quantile(lateness, share) for share in (0.5, 0.99)),
        max(lateness),
        runs,
        failures,
        skipped,
    )


def run() -> None:
    show(
        f"Scripts: one run of {PROGRAM[0]}, medians of {ROUNDS} rounds of {RUNS}",
        ("", "CPU us", "of the least", "ms"),
        asyncio.run(costs()),
        "CPU: of the process that runs it, not of the program.",
    )
    if os.geteuid() == 0:
        rows = [company(0, PATTERNS[0]), *(company(SCRIPTS, pattern) for pattern in PATTERNS)]
        show(
            f"Scripts every {CHECK_INTERVAL:g} s beside {ROUTERS} Active routers of {ADVERT_INTERVAL:g} s: {SPAN:g} s",
            ("", "CPU %", "gaps", "late p50 ms", "late p99 ms", "late max ms", "runs", "failed", "skipped"),
            rows,
            "Late: how far the gap between two advertisements of a router is from its interval, on the wire.",
            "Together: all scripts are due in the same moment.",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("pattern", choices=PATTERNS)
    options = parser.parse_args()
    asyncio.run(work(options.count, options.pattern))
