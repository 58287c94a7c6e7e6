"""One router of a simulation: its life, its clock, its socket buffer."""

from ipaddress import IPv4Address

import pytest
from attrs import evolve

from tests.testing.helpers import VIP, A, B, C, config, pair
from vrrpkit.election import (
    ElectionConfig,
    FaultCleared,
    FaultRaised,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    State,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Reject
from vrrpkit.testing import Simulation

HELD = [IPv4Address(VIP)]


def test_killed_router_vanishes_without_resigning() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    a.kill()
    assert (a.alive, a.state, a.held, a.left_behind) == (False, State.INITIALIZE, [], HELD)
    sim.run(until=20)
    assert [(change.reason, change.at) for _name, change in b.transcript.changes()] == [
        (Reason.STARTUP, 0.0),
        (Reason.ACTIVE_SILENT, 4.21925 + 3.609375),
    ]


def test_killed_router_hears_nothing_and_does_nothing() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    a.kill()
    told = len(a.transcript)
    a.kill()
    a.post(FaultRaised("link:eth0"))
    a.pause()
    a.resume()
    sim.run(until=20)
    assert len(a.transcript) == told
    assert a.election.causes == frozenset()


def test_restart_removes_what_was_left_behind_and_begins_anew() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    a.post(PriorityChanged(201))
    sim.run(until=5)
    a.kill()
    a.start()
    assert (a.state, a.held, a.left_behind, a.election.priority) == (State.BACKUP, [], [], 200)
    sim.run(until=20)
    assert sim.active == ["a"]


def test_shutdown_resigns_and_leaves_nothing_behind() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(10, a.shutdown)
    sim.run(until=12)
    assert (a.alive, a.state, a.held, a.left_behind) == (True, State.INITIALIZE, [], [])
    assert sim.active == ["b"]
    assert [str(gap) for gap in sim.gaps(VIP)][1:] == ["10.000-10.610 (0.610 s) 192.0.2.10 held by nobody"]


def test_start_of_the_simulation_starts_who_is_not_running() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    b.kill()
    sim.start()
    assert (a.state, b.state) == (State.ACTIVE, State.BACKUP)


def test_fault_is_taken_before_the_start() -> None:
    sim = Simulation()
    a = sim.add("a", config(), address=A)
    a.post(FaultRaised("link:eth0"))
    a.start()
    assert a.state is State.FAULT
    a.post(FaultCleared("link:eth0"))
    sim.run(until=5)
    assert sim.active == ["a"]


def test_paused_router_keeps_its_addresses_and_is_replaced() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(5, a.pause)
    sim.run(until=10)
    assert a.paused
    assert sim.active == ["a", "b"]
    assert sim.holders(VIP) == ["a", "b"]
    assert a.held == HELD


def test_resumed_backup_hears_what_is_queued_before_it_looks_at_the_clock() -> None:
    sim = Simulation()
    _a, b = pair(sim)
    sim.at(5, b.pause)
    sim.at(60, b.resume)
    sim.run(until=70)
    assert [change.new for _name, change in b.transcript.changes()] == [State.BACKUP]


def test_resumed_router_that_heard_nothing_takes_over_at_once() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    b.pause()
    sim.run(until=5.1)
    a.kill()
    sim.run(until=60)
    b.resume()
    assert sim.active == ["b"]


def test_resumed_router_of_higher_priority_takes_the_role_back() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(5, a.pause)
    sim.at(10.25, a.resume)
    sim.run(until=11)
    assert sim.active == ["a"]
    assert [round(span.seconds, 6) for span in sim.overlaps(VIP, paused=False)] == [0.0005]


def test_events_wait_for_a_paused_router() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.run(until=5)
    a.pause()
    a.shutdown()
    assert sim.active == ["a"]
    a.resume()
    assert a.state is State.INITIALIZE


def test_socket_buffer_of_a_paused_router_is_bounded() -> None:
    sim = Simulation()
    _a, b = pair(sim)
    sim.run(until=4)
    b.pause()
    sim.run_for(1000)
    assert b.dropped == 1000 - 256
    b.resume()
    assert sim.active == ["a"]


def test_kill_empties_the_socket_buffer() -> None:
    sim = Simulation()
    _a, b = pair(sim)
    sim.run(until=4)
    b.pause()
    sim.run_for(10)
    b.kill()
    b.start()
    assert (b.paused, b.state) == (False, State.BACKUP)
    assert b.election.deadline == sim.now + 3.609375


def test_fast_clock_takes_over_early() -> None:
    sim = Simulation()
    a = sim.add("a", config(), address=A)
    a.skew = 1.1
    a.start()
    assert sim.run_until(lambda: a.state is State.ACTIVE) == pytest.approx(3.609375 / 1.1, abs=1e-9)


def test_changed_clock_goes_on_from_where_it_was() -> None:
    sim = Simulation()
    a = sim.add("a", config(), address=A)
    a.start()
    sim.at(1.609375, setattr, a, "skew", 0.5)
    assert sim.run_until(lambda: a.state is State.ACTIVE) == pytest.approx(1.609375 + 2 * 2.0, abs=1e-9)
    assert a.skew == 0.5


@pytest.mark.parametrize("rate", [0.9, 0.99, 1 / 3, 1.0000001, 3.0])
def test_clock_of_any_rate_rings_once_per_deadline(rate: float) -> None:
    sim = Simulation(loss=1.0)
    a = sim.add("a", config(), address=A)
    a.skew = rate
    a.start()
    steps = 0
    while sim.now < 1000 / rate:
        steps += sim.step()
    assert steps <= 1000


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_clock_must_go_forward(rate: float) -> None:
    sim = Simulation()
    a = sim.add("a", config(), address=A)
    with pytest.raises(ConfigError, match="skew must be above 0"):
        a.skew = rate


def test_unicast_routers_hear_their_peers_only() -> None:
    sim = Simulation()
    sim.add("a", config(200), address=A, peers=[B])
    b = sim.add("b", config(100), address=B, peers=[A])
    c = sim.add("c", config(254), address=C, peers=[A, B])
    sim.start()
    sim.run(until=10)
    assert sim.active == ["a", "c"]
    assert b.rejected[Reject.UNKNOWN_PEER] == 7
    assert c.rejected == {}


def test_multicast_and_unicast_do_not_mix() -> None:
    sim = Simulation()
    a = sim.add("a", config(200), address=A)
    b = sim.add("b", config(100), address=B, peers=[A])
    sim.start()
    sim.run(until=5)
    assert sim.active == ["a", "b"]
    assert a.rejected[Reject.UNKNOWN_PEER] == 2
    assert b.rejected == {}


def test_other_virtual_routers_are_counted_and_not_told() -> None:
    sim = Simulation()
    a = sim.add("a", config(vrid=1), address=A)
    sim.add("b", config(vrid=2), address=B)
    sim.start()
    sim.run(until=10)
    assert sim.active == ["a", "b"]
    assert a.rejected[Reject.VRID] == 7
    assert "rejected" not in str(a.transcript)


def test_other_version_is_told_once() -> None:
    sim = Simulation()
    a = sim.add("a", config(version=3), address=A)
    sim.add("b", config(version=2), address=B)
    sim.start()
    sim.run(until=10)
    assert a.rejected[Reject.VERSION] == 7
    assert str(a.transcript).count("rejected from 198.51.100.2 (version-errors)") == 1


def test_ipv6_virtual_router_fails_over() -> None:
    sim = Simulation()
    settings = ElectionConfig(vrid=51, addresses=["fe80::10", "2001:db8::10"])
    a = sim.add("a", evolve(settings, priority=200), address="fe80::1")
    sim.add("b", settings, address="fe80::2")
    sim.start()
    sim.at(10, a.kill)
    sim.run(until=20)
    assert sim.active == ["b"]
    assert sim.holders("2001:db8::10") == ["b"]


def test_changed_primary_address_is_where_advertisements_come_from() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=4)
    a.post(PrimaryAddressChanged(IPv4Address(C)))
    sim.run(until=5)
    assert a.address == IPv4Address(C)
    assert "198.51.100.3" in repr(b.election.phase)


def test_repr_tells_what_it_does() -> None:
    sim = Simulation()
    a, b = pair(sim)
    assert repr(a) == "<SimulatedRouter a: backup>"
    a.pause()
    b.kill()
    assert repr(a) == "<SimulatedRouter a: backup, paused>"
    assert repr(b) == "<SimulatedRouter b: killed>"
    assert repr(sim) == "<Simulation at 0.000 s: a backup, b initialize>"
