"""Virtual seconds per real second of a simulation."""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks.table import show
from vrrpkit import ElectionConfig
from vrrpkit.testing import Simulation

REAL_SECONDS = 4.0


def speed(routers: int, **faults: Any) -> float:
    """Virtual seconds in a real one, with a new Active router every virtual minute."""
    sim = Simulation(seed=1, record=False, **faults)
    for number in range(routers):
        config = ElectionConfig(vrid=1, addresses=["192.0.2.1"], priority=min(254, 100 + number))
        sim.add(f"r{number}", config, address=f"10.0.{number // 250}.{number % 250 + 1}")
    sim.start()
    sim.run_for(10.0)
    virtual, began = sim.now, time.perf_counter()
    while time.perf_counter() - began < REAL_SECONDS:
        name = sim.active[0]
        sim.routers[name].kill()
        sim.run_for(30.0)
        sim.routers[name].start()
        sim.run_for(30.0)
    return (sim.now - virtual) / (time.perf_counter() - began)


def run() -> None:
    rows = [
        (
            f"{routers} routers",
            f"{speed(routers):,.0f}",
            f"{speed(routers, loss=0.01, jitter=0.001):,.0f}",
        )
        for routers in (3, 100)
    ]
    show(
        "Simulation: virtual seconds per real second, with a failover every half minute",
        ("network of", "faultless", "1 % loss, 1 ms jitter"),
        rows,
    )
