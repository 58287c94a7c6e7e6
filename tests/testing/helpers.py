"""One virtual router, in as few words as a test has."""

from vrrpkit.election import ElectionConfig
from vrrpkit.testing import SimulatedRouter, Simulation

VIP = "192.0.2.10"
A = "198.51.100.1"
B = "198.51.100.2"
C = "198.51.100.3"


def config(priority: int = 100, *, vrid: int = 51, preempt: bool = True, version: int = 3) -> ElectionConfig:
    return ElectionConfig(vrid=vrid, addresses=[VIP], priority=priority, preempt=preempt, version=version)


def pair(sim: Simulation, high: int = 200, low: int = 100) -> tuple[SimulatedRouter, SimulatedRouter]:
    """Two routers, started; `a` has the lower address."""
    a = sim.add("a", config(high), address=A)
    b = sim.add("b", config(low), address=B)
    sim.start()
    return a, b
