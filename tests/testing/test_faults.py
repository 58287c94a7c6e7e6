"""Each kind of fault, by itself."""

import pytest

from tests.testing.helpers import VIP, A, B, C, config, pair
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Datagram, Reject
from vrrpkit.testing import Rejected, Simulation


def test_delay_is_the_time_from_sender_to_receiver() -> None:
    sim = Simulation(delay=0.25)
    _a, b = pair(sim)
    sim.run(until=3.4)  # a sends at 3.21875
    assert b.election.phase.deadline == 3.609375
    sim.run(until=3.5)
    assert b.election.phase.deadline == 3.46875 + 3.609375


def test_loss_of_everything_makes_two_active_routers() -> None:
    sim = Simulation(loss=1.0)
    pair(sim)
    sim.run(until=5)
    assert sim.active == ["a", "b"]


def test_loss_is_drawn_for_each_datagram() -> None:
    sim = Simulation(seed=5, loss=0.5)
    arrived = [len(sim.arrivals("a", "b", 0.0)) for _ in range(1000)]
    assert set(arrived) == {0, 1}
    assert 450 < sum(arrived) < 550


def test_cut_is_one_way() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    sim.cut(b, a)
    sim.run(until=15)
    assert sim.active == ["a"]  # b hears a, and has nothing to say
    sim.heal()
    sim.cut("a", "b")
    sim.run(until=25)
    assert sim.active == ["a", "b"]  # b hears nobody; a hears b, and knows better


def test_partition_separates_the_groups_and_leaves_the_rest_together() -> None:
    sim = Simulation()
    for name, priority, address in (("a", 200, A), ("b", 150, B), ("c", 100, C)):
        sim.add(name, config(priority), address=address)
    sim.start()
    sim.run(until=5)
    sim.partition("a")
    sim.run(until=15)
    assert sim.active == ["a", "b"]
    sim.partition(["a", "b"], ["c"])
    sim.run(until=25)
    assert sim.active == ["a", "c"]
    sim.partition("a", "b", "c")
    sim.run(until=35)
    assert sim.active == ["a", "b", "c"]
    sim.heal()
    sim.run(until=45)
    assert sim.active == ["a"]


def test_what_is_under_way_when_the_network_splits_still_arrives() -> None:
    sim = Simulation(delay=0.25)
    _a, b = pair(sim)
    sim.at(3.3, sim.partition, "a")
    sim.run(until=3.5)
    assert b.election.phase.deadline == 3.46875 + 3.609375


def test_jitter_keeps_the_order_of_one_sender() -> None:
    sim = Simulation(seed=2, jitter=3.0)
    sim.add("a", config(), address=A)
    sim.add("b", config(), address=B)
    arrivals = [at for now in range(200) for at in sim.arrivals("a", "b", float(now))]
    assert arrivals == sorted(arrivals)
    assert len({at - now for now, at in enumerate(arrivals)}) > 100


def test_reordering_lets_later_datagrams_overtake() -> None:
    sim = Simulation(seed=2, reordering=0.3, lateness=3.0)
    arrivals = [at for now in range(200) for at in sim.arrivals("a", "b", float(now))]
    assert len(arrivals) == 200
    assert arrivals != sorted(arrivals)
    assert max(at - now for now, at in enumerate(arrivals)) <= 3.0005


def test_duplication_delivers_twice() -> None:
    sim = Simulation(seed=2, duplication=1.0)
    assert sim.arrivals("a", "b", 1.0) == (1.0005, 1.0005)


def test_duplicates_of_a_resignation_do_not_prolong_the_gap() -> None:
    sim = Simulation(seed=2, duplication=1.0, jitter=0.2)
    a, _b = pair(sim)
    sim.at(10, a.shutdown)
    sim.run(until=20)
    assert sim.active == ["b"]
    [_startup, gap] = sim.gaps(VIP)
    assert 0.609375 <= gap.seconds <= 0.609375 + 0.2005


def test_lost_direction_is_lossy_only_there() -> None:
    sim = Simulation(seed=1)
    pair(sim)
    sim.lose("a", "b", 0.5)
    there = sum(len(sim.arrivals("a", "b", 0.0)) for _ in range(1000))
    back = sum(len(sim.arrivals("b", "a", 0.0)) for _ in range(1000))
    assert 450 < there < 550
    assert back == 1000


def test_wrong_checksum_makes_two_active_routers_and_says_why() -> None:
    sim = Simulation()
    _a, b = pair(sim)
    captured: list[Datagram] = []
    sim.listen(captured.append)
    sim.run(until=5)
    octets = captured[0].payload
    damaged = octets[:6] + bytes((octets[6] ^ 1,)) + octets[7:]
    sim.inject(Datagram(damaged, captured[0].source, captured[0].destination), to=b)
    sim.inject(Datagram(damaged, captured[0].source, captured[0].destination), to="b")
    assert b.rejected[Reject.CHECKSUM] == 2
    [record] = [each for each in b.transcript if isinstance(each.what, Rejected)]
    assert str(record).startswith("5.000 b rejected from 198.51.100.1 (checksum-errors): ")


def test_replayed_advertisement_holds_back_a_backup_for_one_down_interval_only() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    captured: list[Datagram] = []
    stop = sim.listen(captured.append)
    sim.run(until=5)
    stop()
    a.kill()
    sim.at(7.8, sim.inject, captured[-1])  # b would take over at 4.21925 + 3.609375
    sim.run(until=20)
    [change] = [change for name, change in sim.transcript.changes() if name == "b"][1:]
    assert change.at == 7.8 + 3.609375
    assert len(captured) == 2


def test_stopped_listener_hears_no_more() -> None:
    sim = Simulation()
    first: list[Datagram] = []
    second: list[Datagram] = []
    stop = sim.listen(first.append)
    sim.listen(second.append)
    pair(sim)
    sim.run(until=5)
    stop()
    stop()
    sim.run(until=7)
    assert (len(first), len(second)) == (2, 4)


def test_unknown_node_is_refused_by_name() -> None:
    sim = Simulation()
    with pytest.raises(ConfigError, match=r"node must be one of \(none\), got 'a'"):
        sim.cut("a", "b")
    pair(sim)
    with pytest.raises(ConfigError, match="node must be one of a, b, got 'c'"):
        sim.partition(["a", "c"])


def test_overlapping_groups_are_refused() -> None:
    sim = Simulation()
    pair(sim)
    with pytest.raises(ConfigError, match="groups must not overlap"):
        sim.partition(["a", "b"], "b")


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_probability_is_checked(probability: float) -> None:
    sim = Simulation()
    pair(sim)
    with pytest.raises(ConfigError, match="probability must be 0-1"):
        sim.lose("a", "b", probability)
    with pytest.raises(ConfigError, match="loss must be 0-1"):
        Simulation(loss=probability)
    with pytest.raises(ConfigError, match="loss must be 0-1"):
        sim.loss = probability
