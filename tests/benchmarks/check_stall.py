"""Two thousand HTTP checkers whose server stops answering, and well again; and how late another checker is meanwhile.

`python -m tests.benchmarks.check_stall PATTERN PORT PID OTHER_PORT` is the process that is measured; PID is the
server's, and OTHER_PORT belongs to a server that is always well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from attrs import define, field

from tests.benchmarks.check_crowd import HOST, Observed, Open, descriptors, measured, tracked
from tests.benchmarks.check_servers import accepting, answering
from tests.benchmarks.table import quantile, show
from tests.checks.talks import credentials
from vrrpkit.checks import HTTPChecker, Schedule, TCPChecker

COUNT = 2_000
INTERVAL = 5.0
TIMEOUT = 3.0
OTHER_INTERVAL = 0.05
PATIENCE = 15.0
EVERY = 0.1
PATTERNS: Final = {"spread": INTERVAL, "together": 0.0}
COLUMNS: Final = ("rate", "cpu", "agreeing", "settled", "tasks", "files", "p50", "p99", "max")
PHASES: Final = ("well", "server stopped", "well again")


@define
class Watch:
    """What is seen of one phase."""

    checks: int = 0
    other_began: list[float] = field(factory=list)
    most_tasks: int = 0
    most_files: int = 0
    _since: float = field(factory=time.monotonic)
    _cpu: float = field(factory=time.process_time)

    def look(self) -> None:
        self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
        self.most_files = max(self.most_files, descriptors())

    def found(self) -> dict[str, float]:
        lasted = time.monotonic() - self._since
        late = [1000 * max(0.0, after - before - OTHER_INTERVAL) for before, after in pairwise(self.other_began)]
        return {
            "rate": self.checks / lasted,
            "cpu": 100 * (time.process_time() - self._cpu) / lasted,
            "tasks": self.most_tasks,
            "files": self.most_files,
            "p50": quantile(late, 0.5),
            "p99": quantile(late, 0.99),
            "max": max(late),
        }


async def stall(pattern: str, port: int, pid: int, other_port: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    at_first = {"tasks": len(asyncio.all_tasks()), "files": descriptors()}
    watch = Watch()

    def begins(_number: int, _now: float) -> None:
        watch.checks += 1

    def other_begins(_number: int, now: float) -> None:
        watch.other_began.append(now)

    checkers = [Observed(number, HTTPChecker(host=HOST, port=port), begins) for number in range(COUNT)]
    other = Observed(0, TCPChecker(host=HOST, port=other_port), other_begins)
    schedule = Schedule(interval=INTERVAL, timeout=TIMEOUT, warmup=PATTERNS[pattern])
    async with tracked([other], Schedule(interval=OTHER_INTERVAL)), tracked(checkers, schedule) as opened:
        await _settled(opened, True, watch)
        for phase, number in zip(PHASES, (None, signal.SIGSTOP, signal.SIGCONT), strict=True):
            watch = Watch()
            if number is not None:
                os.kill(pid, number)
            agreeing, settled = await _settled(opened, number is not signal.SIGSTOP, watch)
            await _watched(INTERVAL, watch)
            found[phase] = {**watch.found(), "agreeing": agreeing, "settled": settled}
    found["left over"] = {
        "tasks": len(asyncio.all_tasks()) - at_first["tasks"],
        "files": descriptors() - at_first["files"],
    }
    return found


async def _settled(opened: Sequence[Open], up: bool, watch: Watch) -> tuple[int, float]:
    """Wait until all have this verdict, or for long enough: how many have, and the seconds."""
    began = time.monotonic()
    while True:
        agreeing = sum(one.tracker.reading is up for one in opened)
        lasted = time.monotonic() - began
        if agreeing == len(opened) or lasted > PATIENCE:
            return agreeing, lasted
        await _watched(EVERY, watch)


async def _watched(seconds: float, watch: Watch) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(EVERY)
        watch.look()


def run() -> None:
    with answering(credentials()) as server, accepting() as other_port:
        found = {
            pattern: measured("check_stall", pattern, server.ports["http"], server.process.pid, other_port)
            for pattern in PATTERNS
        }
    show(
        f"{COUNT:,} HTTP checkers every {INTERVAL:g} s, timeout {TIMEOUT:g} s, and a server that is stopped",
        ("", "checks/s", "CPU %", "agree", "after s", "tasks", "open files", "late p50 ms", "p99", "max"),
        [
            (f"{pattern}: {phase}", *(float(found[pattern][phase][name]) for name in COLUMNS))
            for pattern in PATTERNS
            for phase in PHASES
        ],
        "Agree: how many come to the right verdict, and after how many seconds.",
        f"Tasks and files: the most. Late: the gaps of one TCP checker of {OTHER_INTERVAL:g} s in the same process.",
        *(f"{pattern}: left over {found[pattern]['left over']}" for pattern in PATTERNS),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", choices=PATTERNS)
    parser.add_argument("ports", type=int, nargs=3)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(stall(options.pattern, *options.ports))))
