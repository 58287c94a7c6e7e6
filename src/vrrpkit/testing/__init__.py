"""Write tests of your own failover, without root and without a network.

`Simulation` runs many elections on one faulty network in virtual time, thousands of seconds in one:

    from vrrpkit import ElectionConfig
    from vrrpkit.testing import Simulation, check_gaps, check_single_active

    addresses = ["192.0.2.10"]
    sim = Simulation(seed=1, loss=0.05)
    a = sim.add("a", ElectionConfig(vrid=51, addresses=addresses, priority=200), address="198.51.100.1")
    b = sim.add("b", ElectionConfig(vrid=51, addresses=addresses, priority=100), address="198.51.100.2")
    sim.start()
    sim.at(10.0, a.kill)  # no farewell: b must find out by itself
    sim.run(until=20.0)

    assert sim.active == ["b"]
    check_single_active(sim)
    check_gaps(sim, at_most=3.7)
    print(sim.transcript)

`MemoryLan`, `FakeAddresses` and `FakeAnnouncer` are the ports of `vrrpkit.VirtualRouter`, for tests of whole
programs; `run_virtual()` runs those in virtual time too. `FakeServices` is the kernel's table of virtual services.

`sim.timeline().save("run.svg")` draws what has happened.

`play()` runs a `Scenario` and checks what VRRP promises; `search()` looks for one in which it does not hold, and makes
that as small as it can. `python -m vrrpkit.testing` does so for a minute.
"""

from __future__ import annotations

from vrrpkit.testing._bounds import Bounds
from vrrpkit.testing._campaign import Failure, Progress, search
from vrrpkit.testing._draw import random_scenario
from vrrpkit.testing._invariants import (
    check_gaps,
    check_held_by_active,
    check_highest_active,
    check_overlaps,
    check_single_active,
)
from vrrpkit.testing._kernel import FakeAddresses, FakeAnnouncer, Operation
from vrrpkit.testing._lan import MemoryLan, MemoryTransport
from vrrpkit.testing._ledger import Span
from vrrpkit.testing._loop import DeadlockError, VirtualTimeLoop, run_virtual
from vrrpkit.testing._mishaps import Act, Burst, Drift, Heal, Lose, Mishap, Post, Split, Strike
from vrrpkit.testing._network import Named, Network
from vrrpkit.testing._picture import Lane
from vrrpkit.testing._play import Check, Played, Violation, play
from vrrpkit.testing._rivals import check_rivals, check_takeovers
from vrrpkit.testing._rules import check_advert_rate, check_convergence, check_deadlines, check_quiet
from vrrpkit.testing._scenario import Machine, Scenario
from vrrpkit.testing._services import FakeServices
from vrrpkit.testing._simulated import SimulatedRouter
from vrrpkit.testing._simulation import Simulation
from vrrpkit.testing._timeline import Timeline
from vrrpkit.testing._transcript import Flight, Record, Rejected, Transcript

__all__ = [
    "Act",
    "Bounds",
    "Burst",
    "Check",
    "DeadlockError",
    "Drift",
    "Failure",
    "FakeAddresses",
    "FakeAnnouncer",
    "FakeServices",
    "Flight",
    "Heal",
    "Lane",
    "Lose",
    "Machine",
    "MemoryLan",
    "MemoryTransport",
    "Mishap",
    "Named",
    "Network",
    "Operation",
    "Played",
    "Post",
    "Progress",
    "Record",
    "Rejected",
    "Scenario",
    "SimulatedRouter",
    "Simulation",
    "Span",
    "Split",
    "Strike",
    "Timeline",
    "Transcript",
    "Violation",
    "VirtualTimeLoop",
    "check_advert_rate",
    "check_convergence",
    "check_deadlines",
    "check_gaps",
    "check_held_by_active",
    "check_highest_active",
    "check_overlaps",
    "check_quiet",
    "check_rivals",
    "check_single_active",
    "check_takeovers",
    "play",
    "random_scenario",
    "run_virtual",
    "search",
]
