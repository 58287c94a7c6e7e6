"""Plans of large tables, and on the kernel of User-Mode Linux: ten thousand servers by us and by others."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from tests.benchmarks.table import median, show
from tests.uml.boot import boot
from vrrpkit.ipvs import Endpoint, RealServer, Table, VirtualService, plan, table

SIZES: Final = (10_000, 100_000)
ROUNDS: Final = 5
WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
WAYS: Final = {
    "ours": "IPVSManager",
    "keepalived": "keepalived, no checkers",
    "ipvsadm": "ipvsadm -R, -Sn",
    "pyroute2": "pyroute2, one by one",
}
STEPS: Final = ("load", "dump", "weights", "flush")
OWN_STEPS: Final = {
    "values": "make the values, from text",
    "load": "reconcile(), from nothing",
    "no change": "reconcile(), nothing to do",
    "weights, found by reading": "reconcile(), 1,000 weights",
    "weights": "apply(), 1,000 weights",
    "dump": "current()",
}


def crowd(size: int, weight: int = 1) -> Table:
    """One service; every tenth server has this weight."""
    servers = [
        RealServer(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 80, weight=weight if n % 10 == 0 else 1)
        for n in range(1, size + 1)
    ]
    return table([VirtualService(WEB, scheduler="rr", servers=servers)])


def seconds(work: Callable[[], object]) -> float:
    samples: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        samples.append(time.perf_counter() - began)
    return median(samples)


def plans(size: int) -> tuple[str, float, float, float]:
    """Milliseconds from nothing, for no change with values made anew, and for a tenth of the weights."""
    one, same, other = crowd(size), crowd(size), crowd(size, weight=2)
    assert [len(plan(*tables)) for tables in (({}, one), (one, same), (one, other))] == [size + 1, 0, size // 10]
    return (
        f"{size:,}",
        1000 * seconds(lambda: plan({}, one)),
        1000 * seconds(lambda: plan(one, same)),
        1000 * seconds(lambda: plan(one, other)),
    )


def on_a_kernel() -> dict[str, dict[str, float]]:
    """The median of each measurement, by way."""
    ended = boot([sys.executable, "-m", "tests.uml.inside.bench_ipvs"], 600.0)
    assert ended.status == 0, f"{ended.output}\n{ended.console}"
    found: dict[str, list[dict[str, Any]]] = json.loads(ended.output.splitlines()[-1])
    return {way: {name: median([each[name] for each in rounds]) for name in rounds[0]} for way, rounds in found.items()}


def run() -> None:
    show(
        "plan() of one service, ms",
        ("servers", "from nothing", "no change", "a tenth of the weights"),
        [plans(size) for size in SIZES],
    )
    found = on_a_kernel()
    base = found["keepalived"]["load"]
    show(
        "One service with 10,000 servers, seconds in User-Mode Linux (a system call takes 20 us)",
        ("way", "load", "times keepalived's", "dump", "change 1,000 weights", "remove"),
        [
            (title, found[way]["load"], found[way]["load"] / base, *(found[way].get(step, "-") for step in STEPS[1:]))
            for way, title in WAYS.items()
        ],
        "keepalived's load begins with its configuration file; pyroute2's load and dump are those of 1,000, times 10.",
    )
    ours = found["ours"]
    show(
        "The same, step by step",
        ("IPVSManager", "seconds"),
        [(title, ours[step]) for step, title in OWN_STEPS.items()],
        f"Meanwhile somebody who slept for 10 ms was late by {1000 * ours['lateness']:.0f} ms at most.",
    )
    show(
        "Memory, MiB",
        ("way", "before", "at most"),
        [
            ("IPVSManager", ours["idle memory"], ours["memory"]),
            ("keepalived's checkers", "-", found["keepalived"]["memory"]),
            ("pyroute2, 1,000 servers", found["pyroute2"]["idle memory"], found["pyroute2"]["memory"]),
        ],
    )
