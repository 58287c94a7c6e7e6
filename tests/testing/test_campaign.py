"""Scenarios played, searched and reduced, and the invariants by themselves."""

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest
from attrs import evolve, frozen

from tests.testing.helpers import A, B, config, pair
from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    Action,
    AdvertReceived,
    Election,
    ElectionConfig,
    Event,
    FaultRaised,
    PriorityChanged,
    SendAdvertisement,
    Startup,
    State,
    SteppedDown,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement
from vrrpkit.testing import (
    Act,
    Bounds,
    Burst,
    Drift,
    Heal,
    Lose,
    Machine,
    Mishap,
    Post,
    Progress,
    Scenario,
    SimulatedRouter,
    Simulation,
    Split,
    Strike,
    check_advert_rate,
    check_convergence,
    check_deadlines,
    check_quiet,
    check_rivals,
    check_takeovers,
    play,
    random_scenario,
    search,
)
from vrrpkit.testing._code import expression
from vrrpkit.testing._reduce import reduced

HIGH = Machine(name="m1", routers=[config(200)])
LOW = Machine(name="m2", routers=[config(100)])


class Deaf(Simulation):
    """m2 never hears m1, and the network believes to be whole."""

    def is_faultless(self) -> bool:
        return False

    def arrivals(self, sender: str, receiver: str, now: float) -> tuple[float, ...]:
        deaf = sender.startswith("m1") and receiver.startswith("m2")
        return () if deaf else super().arrivals(sender, receiver, now)


class Restless(Simulation):
    """Somebody kills m1 when everything seems to be over."""

    def start(self) -> None:
        super().start()
        self.at(12.0, self.routers["m1"].kill)


class Stubborn(Election):
    """An Active router that yields to nobody."""

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        if isinstance(event, AdvertReceived) and self.state is State.ACTIVE:
            return ()
        return super().handle(event, now)


class Crashing(Election):
    """An election with a mistake in it."""

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        if isinstance(event, PriorityChanged):
            raise ZeroDivisionError
        return super().handle(event, now)


class Doctored(Simulation):
    """Its routers have an election of another kind, until they are killed."""

    kind: type[Election] = Election

    def add(
        self, name: str, config: ElectionConfig, *, address: str | IPAddress, peers: Iterable[str | IPAddress] = ()
    ) -> SimulatedRouter:
        router = super().add(name, config, address=address, peers=peers)
        router._election = self.kind(config, router.address)  # noqa: SLF001 - no user needs that
        return router


class WithStubborn(Doctored):
    kind: type[Election] = Stubborn


class WithCrashing(Doctored):
    kind: type[Election] = Crashing


def check_nobody_is_stepped_down(sim: Simulation) -> None:
    if any(router.election.is_yielding for router in sim.routers.values()):
        raise AssertionError(sim.explain("somebody is stepped down"))


def test_random_scenarios_keep_every_promise() -> None:
    told: list[Progress] = []
    assert search(count=50, seed=2026, progress=told.append) is None
    assert [progress.scenarios for progress in told] == list(range(1, 51))
    assert told[-1].hours > 1
    assert str(Progress(1234, 51.26, 3.2, 0.0)) == "1,234 scenarios, 51.3 virtual hours, 3 s"


def test_search_ends_after_its_seconds() -> None:
    told: list[Progress] = []
    assert search(seconds=0.0, progress=told.append) is None
    assert len(told) == 1


def test_search_needs_an_end() -> None:
    with pytest.raises(ConfigError, match="seconds or count must be given"):
        search()


def test_same_seed_gives_the_same_scenario_and_the_same_run() -> None:
    assert random_scenario(7) == random_scenario(7)
    assert random_scenario(7) != random_scenario(8)
    assert play(random_scenario(7)).sim.transcript == play(random_scenario(7)).sim.transcript


def test_network_that_loses_silently_is_found_and_reduced_to_its_essence() -> None:
    failure = search(count=20, seed=0, simulation=Deaf)
    assert failure is not None
    assert failure.violation.invariant == "check_convergence"
    assert [machine.name for machine in failure.scenario.machines] == ["m1", "m2"]
    assert failure.scenario.mishaps == ()
    assert failure.scenario.virtual_routers.keys() == {(1, 4)}
    lines = str(failure).splitlines()
    assert lines[0].startswith("check_convergence: VRID 1 has m1 and m2 as Active Router (at ")
    assert "play(scenario).check()" in lines
    assert lines[-1] == str(failure.transcript).splitlines()[-1]


def test_printed_program_makes_the_same_scenario_and_fails_alike() -> None:
    failure = search(count=20, seed=1, simulation=Deaf)
    assert failure is not None
    code, _play = failure.program.rsplit("\n", 1)
    namespace: dict[str, object] = {}
    exec(code, namespace)  # noqa: S102 - what is printed is meant to be run
    scenario = namespace["scenario"]
    assert scenario == failure.scenario
    assert isinstance(scenario, Scenario)
    played = play(scenario, simulation=Deaf)
    assert played.violation == failure.violation
    with pytest.raises(AssertionError, match=failure.violation.invariant):
        played.check()


def test_invariant_of_ones_own_is_reduced_to_the_event_that_breaks_it() -> None:
    failure = search(count=50, seed=2, checks=[check_nobody_is_stepped_down])
    assert failure is not None
    assert failure.violation.invariant == "check_nobody_is_stepped_down"
    assert len(failure.original.mishaps) > 1
    [machine] = failure.scenario.machines
    assert failure.scenario.mishaps == (Post(0.0, machine.name, SteppedDown()),)


def test_election_that_never_yields_is_found() -> None:
    failure = search(count=50, seed=3, simulation=WithStubborn)
    assert failure is not None
    assert failure.violation.invariant in {"check_rivals", "check_convergence"}
    assert len(failure.scenario.machines) == 2


def test_election_that_raises_is_found() -> None:
    scenario = Scenario(machines=[HIGH, LOW], mishaps=[Post(5.0, "m1", PriorityChanged(50))])
    violation = play(scenario, simulation=WithCrashing).violation
    assert violation is not None
    assert (violation.invariant, violation.at) == ("ZeroDivisionError", 5.0)


def test_change_after_the_end_is_found() -> None:
    violation = play(Scenario(machines=[HIGH, LOW]), simulation=Restless).violation
    assert violation is not None
    assert violation.invariant == "check_quiet"


def test_reduction_does_not_slip_to_another_invariant() -> None:
    def check_alone(sim: Simulation) -> None:
        assert len(sim.routers) == 1, "there are others"

    def check_company(sim: Simulation) -> None:
        assert len(sim.routers) > 1, "there is nobody else"

    failure = search(count=1, seed=4, checks=[check_alone, check_company])
    assert failure is not None
    assert failure.violation.invariant == "check_alone"
    assert [len(machine.routers) for machine in failure.scenario.machines] in ([2], [1, 1])


def test_expression_leaves_out_what_is_by_default_and_names_what_follows_it() -> None:
    @frozen
    class Pair:
        one: int
        two: int = 2
        three: tuple[object, ...] = ()

    assert expression(Pair(1)) == "Pair(1)"
    assert expression(Pair(1, 3)) == "Pair(1, 3)"
    assert expression(Pair(1, 2, (Act.KILL, 'a"b', 0.5))) == 'Pair(1, three=[Act.KILL, "a\\"b", 0.5])'
    assert expression(Pair(1, 2, ("x" * 60, "y" * 60)), "pair = ") == "\n".join(
        ["pair = Pair(", "    1,", "    three=[", f'        "{"x" * 60}",', f'        "{"y" * 60}",', "    ],", ")"]
    )


def test_whole_program_prints_what_it_did() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-m", "vrrpkit.testing", "--count", "3", "--seed", "1"]
    told = subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    assert told[0] == "seed 1"
    assert told[1].startswith("3 scenarios, ")
    assert told[2:] == ["every invariant held"]


def test_reduction_keeps_what_matters_and_nothing_else() -> None:
    scenario = random_scenario(12)
    assert len(scenario.machines) > 1

    def fails(candidate: Scenario) -> bool:
        return len(candidate.machines) > 1 and candidate.machines[1].routers[0].priority > 0

    smallest = reduced(scenario, fails)
    assert len(smallest.machines) == 2
    assert smallest.mishaps == ()
    plain = Scenario(machines=smallest.machines)
    assert smallest == plain
    for machine in smallest.machines:
        [settings] = machine.routers
        assert settings == ElectionConfig(vrid=settings.vrid, addresses=settings.addresses, priority=settings.priority)


def test_reduction_rounds_times_and_shortens_waits() -> None:
    scenario = Scenario(machines=[LOW], mishaps=[Burst(3.123, 0.5), Strike(117.77, "m2", Act.KILL)])
    smallest = reduced(scenario, lambda candidate: any(each.at > 10 for each in candidate.mishaps))
    assert len(smallest.mishaps) == 1
    assert 10 < smallest.mishaps[0].at <= 20
    assert smallest.mishaps[0].at == round(smallest.mishaps[0].at, 1)


def test_reduction_takes_no_more_tries_than_it_may() -> None:
    tried: list[Scenario] = []

    def fails(candidate: Scenario) -> bool:
        tried.append(candidate)
        return True

    reduced(random_scenario(12), fails, tries=5)
    assert len(tried) == 5


def test_failover_as_a_scenario() -> None:
    played = play(Scenario(machines=[HIGH, LOW], mishaps=[Strike(10.0, "m1", Act.KILL)]))
    played.check()
    assert played.sim.active == ["m2"]
    assert played.rivalry == 0.0
    assert round(played.sim.now, 6) == 28.002  # 10, 10.002 of settling, and two silences of 4


def test_split_is_no_rivalry_and_what_is_left_of_it_is() -> None:
    played = play(Scenario(machines=[HIGH, LOW], mishaps=[Split(10.0, [["m1"]]), Heal(20.3)]))
    played.check()
    assert played.sim.active == ["m1"]
    [overlap] = played.sim.overlaps()
    assert overlap.seconds > 7
    assert round(played.rivalry, 4) == round(overlap.end - 20.3, 4)


def test_link_that_is_down_is_a_fault_and_lets_nothing_through() -> None:
    mishaps: list[Mishap] = [
        Strike(10.0, "m1", Act.LINK_DOWN),
        Strike(10.5, "m1", Act.LINK_DOWN),
        Heal(11.0),
        Strike(12.0, "m1", Act.KILL),
        Strike(13.0, "m1", Act.START),
    ]
    played = play(Scenario(machines=[HIGH, LOW], mishaps=mishaps))
    played.check()
    assert played.sim.routers["m1"].state is State.FAULT
    assert played.sim.active == ["m2"]
    lost = [flight for flight in played.sim.flights if flight.sender == "m1" and not flight.arrivals]
    assert [(flight.sent, flight.priority) for flight in lost] == [(10.0, 0)]
    reached = [flight.sent for flight in played.sim.flights if flight.receiver == "m1" and flight.arrivals]
    assert reached == []
    again = [*mishaps, Strike(20.0, "m1", Act.LINK_UP)]
    assert play(Scenario(machines=[HIGH, LOW], mishaps=again)).sim.active == ["m1"]


def test_each_thing_can_befall_a_machine() -> None:
    mishaps: list[Mishap] = [
        Drift(1.0, "m1", 1.05),
        Burst(10.0, 1.0),
        Burst(20.0, 0.0),
        Lose(30.0, "m1", "m2", 0.5),
        Heal(31.0),
        Strike(40.0, "m2", Act.PAUSE),
        Strike(50.0, "m2", Act.RESUME),
        Strike(51.0, "m1", Act.REPLAY),
        Strike(52.0, "m1", Act.STOP),
        Strike(60.0, "m1", Act.START),
        Post(70.0, "m1", SteppedDown()),
    ]
    played = play(Scenario(machines=[HIGH, LOW], mishaps=mishaps))
    played.check()
    assert played.sim.active == ["m2"]
    assert played.sim.routers["m1"].skew == 1.05
    told = str(played.sim.transcript)
    for line in ("10.000 - everybody loses 1", "30.000 - m1 -> m2 loses 0.5", "51.000 - injected from 198.51.100.1"):
        assert line in told


def test_machines_run_several_virtual_routers_in_both_families() -> None:
    machines = [
        Machine(
            name=name,
            routers=[
                config(priority),
                ElectionConfig(vrid=51, addresses=["fe80::1"], priority=255 - priority),
                config(priority, vrid=52, version=2),
            ],
        )
        for name, priority in (("m1", 200), ("m2", 100))
    ]
    for unicast in (False, True):
        played = play(Scenario(machines=machines, unicast=unicast, mishaps=[Split(5.0, [["m1"]])]))
        played.check()
        assert played.sim.active == ["m1/51", "m1/52", "m2/51v6"]


def test_scenario_is_checked() -> None:
    with pytest.raises(ConfigError, match="machines must have names of their own, got m1, m1"):
        Scenario(machines=[HIGH, evolve(LOW, name="m1")])
    with pytest.raises(ConfigError, match="mishaps must befall one of m1, got 'm2'"):
        Scenario(machines=[HIGH], mishaps=[Lose(1.0, "m1", "m2")])
    with pytest.raises(ConfigError, match="machines must have 1-250 entries, got 0"):
        Scenario(machines=[])
    with pytest.raises(ConfigError, match=r"routers must differ in VRID or family, got m1/51, m1/51"):
        Machine(name="m1", routers=[config(1), config(2)])
    with pytest.raises(ConfigError, match="groups must be lists of names"):
        Split(1.0, ["m1", "m2"])
    with pytest.raises(ConfigError, match="probability must be 0-1"):
        Lose(1.0, "m1", "m2", 1.5)
    with pytest.raises(ConfigError, match="at must be 0-1e\\+09 seconds"):
        Heal(-1.0)


def test_mishaps_are_brought_in_order_of_time() -> None:
    scenario = Scenario(machines=[HIGH], mishaps=[Heal(3.0), Burst(1.0, 0.5), Burst(3.0, 0.0)])
    assert scenario.mishaps == (Burst(1.0, 0.5), Heal(3.0), Burst(3.0, 0.0))


def test_bounds_are_those_of_the_protocol() -> None:
    bounds = Bounds(latency=0.5, slowest=0.8)
    one, other = config(200), evolve(config(100), advert_interval=2.0, startup_delay=4.0, preempt_delay=8.0)
    assert bounds.interval([one]) == 1.25
    assert bounds.silence([one, other]) == 4 * 2.5
    assert bounds.rivalry([one, other]) == 2.5 + 0.5
    assert bounds.takeover([one, other]) == 0.5 + 10.0 + 5.0
    assert bounds.settling([one, other]) == (15.5 + 10.0 + 10.0) + 2.5 + 3.0 + 1.0


def test_convergence_wants_the_one_who_would_preempt() -> None:
    sim = Simulation()
    sim.add("a", evolve(config(200), preempt_delay=50.0), address=A)
    b = sim.add("b", config(100), address=B)
    b.start()
    with pytest.raises(AssertionError, match="VRID 51 has nobody as Active Router"):
        check_convergence(sim)
    sim.run(until=5)
    sim.start()
    sim.run(until=20)
    with pytest.raises(AssertionError, match="b is Active for VRID 51, and a should have preempted it"):
        check_convergence(sim)
    sim.run(until=70)
    check_convergence(sim)


def test_convergence_leaves_alone_who_does_not_wish_to_preempt() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=5)
    a.post(SteppedDown())
    sim.run(until=20)
    assert sim.active == ["b"]
    check_convergence(sim)
    b.kill()
    sim.run(until=30)
    check_convergence(sim)


def test_quiet_is_broken_by_a_change_and_by_a_wrong_pace() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=20)
    check_quiet(sim, since=5.0)
    with pytest.raises(AssertionError, match=r"3.219 a backup -> active \(active-silent\), and there should be quiet"):
        check_quiet(sim, since=3.0)
    advert = SendAdvertisement(Advertisement(vrid=51, priority=1, addresses=a.config.addresses))
    sim.note("b", advert)
    with pytest.raises(AssertionError, match=r"b has spoken 1 times since 5.000 s, and 0.0 are due"):
        check_quiet(sim, since=5.0)
    b.kill()


def test_rivals_are_allowed_for_an_interval() -> None:
    sim = Simulation()
    pair(sim)
    sim.run(until=10)
    sim.partition("a")
    sim.run(until=20)
    with pytest.raises(AssertionError, match=r"a and b were Active for VRID 51, more than 1.001 s"):
        check_rivals(sim)
    sim.heal()
    sim.run(until=30)
    check_rivals(sim, since=20.0)
    with pytest.raises(AssertionError, match=r"more than 0.101 s"):
        check_rivals(sim, since=20.0, bounds=Bounds(latency=0.0005, slowest=10.0))


def test_priority_that_changes_turns_the_comparison_round() -> None:
    """a is silent about losers, and says only after an interval that it has become one."""
    sim = Simulation(delay=0.3)
    a = sim.add("a", evolve(config(200), lower_prio_no_advert=True), address=A)
    sim.add("b", config(100), address=B)
    sim.start()
    sim.partition("a")
    sim.at(5.3, sim.heal)
    sim.at(5.95, a.post, PriorityChanged(50))
    sim.run(until=20.0)
    [overlap] = sim.overlaps()
    assert (sim.active, round(overlap.end, 3)) == (["b"], 6.819)
    check_rivals(sim, since=5.3)


def test_takeover_comes_in_time_or_not() -> None:
    sim = Simulation()
    a, b = pair(sim)
    b.skew = 0.5
    sim.run(until=5)
    a.kill()
    sim.run(until=20)
    check_takeovers(sim)
    with pytest.raises(AssertionError, match=r"nobody was Active for VRID 51, and b waited for more than 4\.001 s"):
        check_takeovers(sim, bounds=Bounds(latency=0.0005))


def test_reign_without_duration_holds_back_a_backup_too() -> None:
    """It says two things, and the second makes the Backup wait for a skew once more."""
    machines = [Machine(name=name, routers=[config(priority)]) for name, priority in (("m1", 50), ("m2", 1))]
    mishaps = [Post(3.6, "m2", PriorityChanged(254)), Post(3.6, "m2", FaultRaised("link:eth0"))]
    played = play(Scenario(machines=machines, mishaps=mishaps))
    played.check()
    assert [change.at for name, change in played.sim.transcript.changes() if name == "m1"] == [0.0, 3.6005 + 206 / 256]


def test_adverts_of_one_reign_are_counted() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.run(until=10)
    check_advert_rate(sim)
    advert = SendAdvertisement(Advertisement(vrid=51, priority=200, addresses=a.config.addresses))
    for _ in range(5):
        sim.note("a", advert)
    check_advert_rate(sim)
    sim.note("a", advert)
    with pytest.raises(AssertionError, match=r"a spoke 7 times within 0.781 s, from 9.219 s"):
        check_advert_rate(sim)


def test_adverts_of_two_reigns_are_counted_apart() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.run(until=10)
    advert = SendAdvertisement(Advertisement(vrid=51, priority=200, addresses=a.config.addresses))
    for _ in range(5):
        sim.note("a", advert)
    sim.run(until=10.01)
    a.post(SteppedDown())
    sim.run(until=10.02)
    for _ in range(5):
        sim.note("a", advert)
    check_advert_rate(sim)


def test_deadline_that_nobody_minds_is_found() -> None:
    sim = Simulation()
    a = sim.add("a", config(200), address=A)
    sim.start()
    sim.run(until=20)
    check_deadlines(sim)
    b = sim.add("b", config(100), address=B)
    b.election.handle(Startup(), 20.0)  # behind the back of the simulation, which sets no alarm
    sim.partition("b")
    sim.run(until=30)
    with pytest.raises(AssertionError, match=r"b should have done something at 23.609375 of its clock"):
        check_deadlines(sim)
    a.post(FaultRaised("link:eth0"))
