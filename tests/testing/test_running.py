"""How a simulation is run, observed and asserted on."""

from ipaddress import IPv4Address
from textwrap import dedent

import pytest

import vrrpkit.testing
from tests.testing.helpers import VIP, A, B, C, config, pair
from vrrpkit.election import (
    AdvertReceived,
    FaultCleared,
    FaultRaised,
    PrimaryAddressChanged,
    PriorityChanged,
    Reconfigured,
    SendAdvertisement,
    Startup,
    StateChanged,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement
from vrrpkit.testing import (
    Record,
    Simulation,
    Span,
    Transcript,
    check_gaps,
    check_held_by_active,
    check_highest_active,
    check_overlaps,
    check_single_active,
)

ADDRESS = IPv4Address(VIP)


def test_transcript_reads_like_a_story() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(5, a.kill)
    sim.at(8.5, sim.partition, "a")
    sim.run(until=9)
    assert str(sim.transcript) == dedent("""\
        0.000 a startup
        0.000 a initialize -> backup (startup)
        0.000 b startup
        0.000 b initialize -> backup (startup)
        3.219 a backup -> active (active-silent): send 200; acquire 192.0.2.10; announce 192.0.2.10
        4.219 a send 200
        5.000 a killed
        7.829 b backup -> active (active-silent): send 100; acquire 192.0.2.10; announce 192.0.2.10
        8.500 - partition a
        8.829 b send 100""")


def test_transcript_is_a_sequence_of_values() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    a.post(FaultRaised("link:eth0"))
    a.post(PriorityChanged(50))
    transcript = sim.transcript
    assert transcript[0] == Record(0.0, "a", Startup())
    assert isinstance(transcript[1].what, StateChanged)
    assert len(transcript[:2]) == 2
    assert transcript.of("b") == transcript[2:4]
    assert list(sim.transcript.lines())[-3:] == [
        "0.000 a fault raised link:eth0",
        "0.000 a backup -> fault (fault)",
        "0.000 a priority changed 50",
    ]
    assert repr(transcript) == "<Transcript of 7 records>"
    assert transcript != list(transcript)


def test_events_are_told_in_their_own_words() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    assert a.address is not None
    b.post(AdvertReceived(Advertisement(vrid=51, priority=200, addresses=(ADDRESS,)), a.address))
    b.post(PrimaryAddressChanged(IPv4Address(C)))
    b.post(FaultCleared("link:eth0"))
    b.post(Reconfigured(config(50)))
    assert [line.removeprefix("5.000 b ") for line in b.transcript.lines()][2:] == [
        "advert received 200 from 198.51.100.1",
        "primary address changed 198.51.100.3",
        "fault cleared link:eth0",
        "reconfigured",
    ]


def test_transcript_grows_with_the_simulation() -> None:
    sim = Simulation()
    transcript = sim.transcript
    pair(sim)
    assert len(transcript) == 4


def test_own_records_stand_between_the_others() -> None:
    sim = Simulation()
    sim.note("", "here begins the second half")
    assert str(sim.transcript) == "0.000 - here begins the second half"


def test_calls_come_before_arrivals_and_arrivals_before_alarms() -> None:
    sim = Simulation(delay=0.0)
    a, b = pair(sim, 100, 100)
    sim.run(until=10)
    assert sim.active == ["a"]  # both alarms ring at 3.609375, and b has heard a by then
    sim.at(11.609375 - 1, a.post, PriorityChanged(10))
    sim.run(until=20)
    assert [change.at for _name, change in b.transcript.changes()] == [0.0, 10.609375 - 1 + 3.609375]


def test_run_includes_the_moment_it_ends_at() -> None:
    sim = Simulation()
    calls: list[float] = []
    sim.at(1.0, calls.append, 1.0)
    sim.at(2.0, calls.append, 2.0)
    sim.run(until=1.0)
    assert (sim.now, calls) == (1.0, [1.0])
    sim.run_for(1.0)
    assert (sim.now, calls) == (2.0, [1.0, 2.0])


def test_calls_of_one_moment_keep_their_order() -> None:
    sim = Simulation()
    calls: list[int] = []
    for number in range(5):
        sim.at(1.0, calls.append, number)
    sim.run(until=1.0)
    assert calls == [0, 1, 2, 3, 4]


def test_step_does_one_thing_and_tells_when_there_is_none() -> None:
    sim = Simulation()
    assert not sim.step()
    sim.at(1.0, sim.heal)
    assert sim.step()
    assert sim.now == 1.0
    assert not sim.step()


def test_time_does_not_go_back() -> None:
    sim = Simulation()
    sim.run(until=2)
    with pytest.raises(ConfigError, match="until must be 2 or later, got 1"):
        sim.run(until=1)
    with pytest.raises(ConfigError, match="time must be 2 or later, got 1"):
        sim.at(1, sim.heal)


def test_run_until_stops_at_the_moment_it_becomes_true() -> None:
    sim = Simulation()
    pair(sim)
    assert sim.run_until(lambda: bool(sim.active)) == 3.21875
    assert sim.run_until(lambda: True) == 3.21875


def test_run_until_fails_with_the_end_of_the_story() -> None:
    sim = Simulation()
    pair(sim)
    with pytest.raises(AssertionError) as raised:
        sim.run_until(lambda: sim.active == ["b"], limit=100)
    lines = str(raised.value).splitlines()
    assert lines[0] == "did not come true within 100 s (at 100.000 s)"
    assert lines[-1] == "99.219 a send 200"
    assert len(lines) == 21


def test_run_until_fails_when_nothing_is_left_to_happen() -> None:
    with pytest.raises(AssertionError, match=r"within 60 s \(at 60\.000 s\)"):
        Simulation().run_until(lambda: False)


def test_simulation_without_a_record_keeps_nothing() -> None:
    sim = Simulation(record=False)
    _a, b = pair(sim)
    for minute in range(0, 600, 60):
        sim.at(minute + 10, sim.partition, "a")
        sim.at(minute + 40, sim.heal)
    sim.run(until=600)
    assert len(sim.transcript) == len(b.transcript) == 0
    assert sim.holders(VIP) == ["a"]
    for ask in (sim.overlaps, sim.gaps):
        with pytest.raises(ConfigError, match="record must be on"):
            ask()


def test_overlaps_tell_when_and_who() -> None:
    sim = Simulation()
    pair(sim)
    sim.at(10, sim.partition, "a")
    sim.at(20, sim.heal)
    sim.run(until=15)
    assert sim.overlaps() == [Span(9.21925 + 3.609375, 15.0, ADDRESS, ("a", "b"))]
    sim.run(until=30)
    assert [str(span) for span in sim.overlaps(VIP)] == [
        "12.829-20.219 (7.391 s) 192.0.2.10 held by a and b",
    ]


def test_overlap_of_three_is_one_span() -> None:
    sim = Simulation(loss=1.0)
    for name, priority, address in (("a", 200, A), ("b", 150, B), ("c", 100, C)):
        sim.add(name, config(priority), address=address)
    sim.start()
    sim.run(until=10)
    [span] = sim.overlaps()
    assert (span.start, span.end, span.holders) == (3.4140625, 10.0, ("a", "b", "c"))


def test_gaps_begin_with_the_start_of_the_first_router() -> None:
    sim = Simulation()
    a = sim.add("a", config(200), address=A)
    sim.at(1, a.start)
    sim.at(10, a.kill)
    sim.run(until=12)
    assert sim.gaps(VIP) == [Span(1.0, 4.21875, ADDRESS, ()), Span(10.0, 12.0, ADDRESS, ())]
    assert sim.gaps("192.0.2.11") == []


def test_checks_pass_when_all_is_well() -> None:
    sim = Simulation()
    pair(sim)
    sim.run(until=5)
    check_single_active(sim)
    check_highest_active(sim)
    check_held_by_active(sim)
    check_overlaps(sim, at_most=0.0)
    check_gaps(sim, at_most=3.21875)


def test_two_active_routers_are_found() -> None:
    sim = Simulation(loss=1.0)
    pair(sim)
    sim.run(until=5)
    with pytest.raises(AssertionError, match="VRID 51 has a and b as Active Router"):
        check_single_active(sim)
    with pytest.raises(AssertionError, match="b is Active for VRID 51, and a has a higher priority"):
        check_highest_active(sim)
    with pytest.raises(AssertionError, match="held by a and b, more than 1 s"):
        check_overlaps(sim, at_most=1.0)


def test_missing_active_router_is_found() -> None:
    sim = Simulation()
    pair(sim)
    with pytest.raises(AssertionError, match="VRID 51 has nobody as Active Router"):
        check_single_active(sim)
    sim.run(until=1)
    with pytest.raises(AssertionError, match=r"held by nobody, more than 0\.5 s"):
        check_gaps(sim, at_most=0.5)
    check_gaps(sim, at_most=0.5, address="192.0.2.11")


def test_each_virtual_router_is_checked_by_itself() -> None:
    sim = Simulation()
    sim.add("a1", config(200, vrid=1), address=A)
    sim.add("b1", config(100, vrid=1), address=B)
    sim.add("a2", config(100, vrid=2), address=A)
    sim.add("b2", config(200, vrid=2), address=B)
    sim.start()
    sim.run(until=5)
    assert sim.active == ["a1", "b2"]
    check_single_active(sim)
    check_highest_active(sim)


def test_routers_out_of_the_election_are_nobodys_business() -> None:
    sim = Simulation()
    a, b = pair(sim)
    a.post(FaultRaised("link:eth0"))
    b.kill()
    check_single_active(sim)
    check_highest_active(sim)


def test_address_in_the_wrong_place_is_found() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.run(until=5)
    a._held.clear()  # noqa: SLF001 - the election gives no other way
    with pytest.raises(AssertionError, match="a is active and holds nothing"):
        check_held_by_active(sim)


def test_router_is_added_once_with_addresses_of_its_family() -> None:
    sim = Simulation()
    sim.add("a", config(), address=A)
    with pytest.raises(ConfigError, match="name must be new, got 'a' again"):
        sim.add("a", config(), address=B)
    with pytest.raises(ConfigError, match="address and peers must be IPV4, got fe80::1"):
        sim.add("b", config(), address="fe80::1")
    with pytest.raises(ConfigError, match="address and peers must be IPV4, got fe80::1"):
        sim.add("b", config(), address=B, peers=["fe80::1"])
    assert list(sim.routers) == ["a"]


def test_advertisements_carry_the_priority_that_is_in_force() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(3.5, a.post, PriorityChanged(150))
    sim.run(until=5)
    sent = [each.what.advert.priority for each in a.transcript if isinstance(each.what, SendAdvertisement)]
    assert sent == [200, 150]


def test_hundred_routers_agree() -> None:
    sim = Simulation(record=False)
    for number in range(1, 101):
        sim.add(f"r{number}", config(number), address=f"198.51.100.{number}")
    sim.start()
    sim.run(until=100)
    assert sim.active == ["r100"]


@pytest.mark.conforms("keyword library/tests")
def test_example_of_the_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert vrrpkit.testing.__doc__ is not None
    _before, _colon, example = vrrpkit.testing.__doc__.partition("in one:\n\n")
    exec(dedent(example.partition("\n`MemoryLan`")[0]), {})  # noqa: S102 - our own docstring
    assert "b backup -> active (active-silent)" in capsys.readouterr().out


def test_empty_transcript_has_no_lines() -> None:
    assert str(Transcript()) == ""
