"""What a group of routers promises together, whatever the network and its operators do to it.

Hypothesis draws the routers, the network and a schedule of mishaps. A failure prints a scenario that can be run again,
and the end of its transcript.
"""

from collections.abc import Callable
from typing import Final

import pytest
from attrs import frozen
from hypothesis import assume, given
from hypothesis import strategies as st

from vrrpkit.election import (
    ElectionConfig,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    State,
    active_down_interval,
)
from vrrpkit.packet import Version
from vrrpkit.testing import (
    SimulatedRouter,
    Simulation,
    check_held_by_active,
    check_highest_active,
    check_overlaps,
    check_single_active,
)

CAUSE: Final = "link:eth0"
SLOWEST: Final = 0.95
ROUNDING: Final = 1e-6


@frozen(kw_only=True)
class Member:
    """One router to be; its clock runs at `skew`."""

    priority: int
    preempt: bool = True
    skew: float = 1.0
    started: bool = True


@frozen(kw_only=True)
class Group:
    """Routers with one interval, on a network whose faults are in parts of that interval."""

    seed: int
    version: Version
    interval: float
    members: tuple[Member, ...]
    delay: float
    jitter: float
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0

    def build(self, *, start: bool = True) -> Simulation:
        sim = Simulation(
            self.seed,
            delay=self.delay * self.interval,
            jitter=self.jitter * self.interval,
            loss=self.loss,
            duplication=self.duplication,
            reordering=self.reordering,
            lateness=self.interval / 2,
        )
        for number, member in enumerate(self.members, start=1):
            config = ElectionConfig(
                vrid=51,
                addresses=["192.0.2.10", "192.0.2.11"],
                priority=member.priority,
                version=self.version,
                advert_interval=self.interval,
                preempt=member.preempt,
            )
            router = sim.add(f"r{number}", config, address=f"198.51.100.{number}")
            router.skew = member.skew
            if start and member.started:
                router.start()
        return sim

    @property
    def longest_delay(self) -> float:
        """Seconds after which nothing that was sent is still under way."""
        return (self.delay + self.jitter + (0.5 if self.reordering else 0.0)) * self.interval


@frozen
class Mishap:
    """Something done to one router, or to the way from it to another, some intervals after the last one."""

    after: float
    name: str
    who: int
    whom: int
    amount: int

    def befall(self, sim: Simulation) -> None:
        routers = tuple(sim.routers.values())
        MISHAPS[self.name](sim, routers[self.who % len(routers)], routers[self.whom % len(routers)], self.amount)


Strike = Callable[[Simulation, SimulatedRouter, SimulatedRouter, int], None]

LIFE: Final[dict[str, Strike]] = {
    "start": lambda _sim, who, _whom, _amount: who.start(),
    "kill": lambda _sim, who, _whom, _amount: who.kill(),
    "shutdown": lambda _sim, who, _whom, _amount: who.shutdown(),
    "pause": lambda _sim, who, _whom, _amount: who.pause(),
    "resume": lambda _sim, who, _whom, _amount: who.resume(),
    "fault": lambda _sim, who, _whom, _amount: who.post(FaultRaised(CAUSE)),
    "recovery": lambda _sim, who, _whom, _amount: who.post(FaultCleared(CAUSE)),
}
RANK: Final[dict[str, Strike]] = {
    "priority": lambda _sim, who, _whom, amount: who.post(PriorityChanged(amount)),
}
NETWORK: Final[dict[str, Strike]] = {
    "partition": lambda sim, who, whom, _amount: sim.partition([who] if who is whom else [who, whom]),
    "cut": lambda sim, who, whom, _amount: sim.cut(who, whom),
    "lose": lambda sim, who, whom, amount: sim.lose(who, whom, amount / 254),
    "heal": lambda sim, _who, _whom, _amount: sim.heal(),
}
MISHAPS: Final = {**LIFE, **RANK, **NETWORK}

PRIORITIES = st.one_of(st.integers(1, 255), st.sampled_from([1, 100, 100, 200, 255]))
SKEWS = st.one_of(st.just(1.0), st.floats(SLOWEST, 1.05))
INTERVALS = st.one_of(
    st.tuples(st.just(Version.V3), st.sampled_from([0.05, 0.1, 1.0, 2.5])),
    st.tuples(st.just(Version.V2), st.sampled_from([1.0, 2.0])),
)
PROBABILITIES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


@st.composite
def groups(draw: st.DrawFn, *, faulty: bool, preempt: st.SearchStrategy[bool]) -> Group:
    version, interval = draw(INTERVALS)
    members = st.builds(Member, priority=PRIORITIES, preempt=preempt, skew=SKEWS, started=st.booleans())
    return Group(
        seed=draw(st.integers(0, 2**16)),
        version=version,
        interval=interval,
        members=tuple(draw(st.lists(members, min_size=2, max_size=5))),
        delay=draw(st.sampled_from([0.0, 0.001, 0.2, 1.5] if faulty else [0.0, 0.001, 0.2])),
        jitter=draw(st.sampled_from([0.0, 0.1, 0.5])),
        loss=draw(PROBABILITIES) if faulty else 0.0,
        duplication=draw(PROBABILITIES),
        reordering=draw(PROBABILITIES) if faulty else 0.0,
    )


def schedules(*kinds: dict[str, Strike]) -> st.SearchStrategy[list[Mishap]]:
    names = st.sampled_from([name for kind in kinds for name in kind])
    pauses = st.one_of(st.sampled_from([0.0, 0.001, 1.0]), st.floats(0, 6))
    mishaps = st.builds(Mishap, pauses, names, st.integers(0, 4), st.integers(0, 4), st.integers(1, 254))
    return st.lists(mishaps, max_size=3) | st.lists(mishaps, min_size=8, max_size=30)


def run_steps(sim: Simulation, until: float, check: Callable[[Simulation], None]) -> None:
    """Run, and check after every single thing that happens."""
    reached = False

    def stop() -> None:
        nonlocal reached
        reached = True

    sim.at(until, stop)
    while not reached:
        sim.step()
        check(sim)


@given(groups(faulty=True, preempt=st.just(True)), schedules(LIFE, RANK, NETWORK), st.booleans())
def test_whole_network_soon_has_one_active_router_of_the_highest_priority(
    group: Group, schedule: list[Mishap], everybody: bool
) -> None:
    """The promise of RFC 9568 section 1, with a bound.

    Let the network be whole from T on: nobody dies, nothing is lost, and no datagram takes longer than D. Let I be
    everybody's interval, and let W be the longest Active_Down_Interval of those who take part, 3 I + Skew_Time. Then
    at T + D + W + 2 D, and for ever after, exactly one router is Active, none has a higher priority, and it alone
    holds the addresses.

    Why: what was sent before T, by the dead, by routers that have another priority now, resignations, is gone at
    T + D. From there on, a router of the highest priority that is Backup re-arms its timer only for an Active Router
    of its own priority. If there is none, the first such timer ends by T + D + W. So by then one of them is Active,
    and says so at once; everybody has heard it D later. A lower Active Router yields when it hears, a lower Backup
    follows. An equal Backup whose timer ended within that D has become Active too, and has said so; of those, all
    but the one with the highest address yield, at most another D later. A lower router that becomes Active
    meanwhile, because it was short of an advertisement or believed a late resignation, hears the winner's next
    advertisement no later than I + D, and that is long before T + D + W, or it hears its first.

    Staying so needs that a Backup hears something in every 3 I + Skew_Time of its own clock: advertisements come
    every I, some late by the jitter and the lateness (each up to I / 2 here), by clocks that differ by 10 %.

    The tie-break by address decides between two Active Routers only. A Backup follows an equal, so which of the
    equals is Active depends on who was first.
    """
    sim = group.build()
    for mishap in schedule:
        sim.run_for(mishap.after * group.interval)
        mishap.befall(sim)
    for router in sim.routers.values():
        router.resume()
        if everybody:
            router.start()
            router.post(FaultCleared(CAUSE))
    sim.loss = 0.0
    sim.heal()
    longest_wait = max(
        active_down_interval(router.election.priority, group.interval, group.version) for router in sim.routers.values()
    )
    sim.run_for(3 * group.longest_delay + longest_wait / SLOWEST + ROUNDING)
    changes = len(sim.transcript.changes())
    check_single_active(sim)
    check_highest_active(sim)
    check_held_by_active(sim)
    sim.run_for(20 * group.interval)
    assert len(sim.transcript.changes()) == changes, sim.explain("not settled")


@given(
    groups(faulty=True, preempt=st.booleans()),
    schedules(LIFE, RANK, NETWORK),
)
def test_addresses_are_at_active_routers_and_nowhere_else(group: Group, schedule: list[Mishap]) -> None:
    """At every moment, a live router holds all its addresses if it is Active, and none if it is not."""
    sim = group.build()
    for mishap in schedule:
        run_steps(sim, sim.now + mishap.after * group.interval, check_held_by_active)
        mishap.befall(sim)
        check_held_by_active(sim)


@given(groups(faulty=False, preempt=st.booleans()), schedules(LIFE))
def test_two_routers_are_active_for_an_interval_at_most_while_nothing_is_lost(
    group: Group, schedule: list[Mishap]
) -> None:
    """Whoever is started, killed, stopped and continued: no two running routers are Active for longer than I + D.

    Why: a running Active Router says so in every I. The other hears it within D, or finds it in its socket buffer
    when it goes on, before anything else. Whichever of the two loses the comparison yields then. RFC 3768 makes it
    that long, because it lets a winner be silent about losers; in version 3 the winner answers at once, unless it
    has just answered.

    A stopped router is another matter: its kernel keeps the addresses, and no protocol can take them from it.
    """
    sim = group.build()
    for mishap in schedule:
        sim.run_for(mishap.after * group.interval)
        mishap.befall(sim)
    sim.run_for(5 * group.interval)
    check_overlaps(sim, at_most=group.interval / SLOWEST + group.longest_delay + ROUNDING, paused=False)


@given(
    groups(faulty=False, preempt=st.just(False)),
    schedules(LIFE, RANK),
)
def test_active_router_is_never_displaced_by_routers_that_do_not_preempt(group: Group, schedule: list[Mishap]) -> None:
    """Whatever the others go through, as long as nothing is lost and none of them owns the addresses."""
    sim = group.build(start=False)
    incumbent, *others = sim.routers.values()
    incumbent.start()
    sim.run_until(lambda: incumbent.state is State.ACTIVE)
    for mishap in schedule:
        sim.run_for(mishap.after * group.interval)
        router = others[mishap.who % len(others)]
        if router.config.is_owner:
            continue
        MISHAPS[mishap.name](sim, router, router, mishap.amount)
        assert sim.active == [incumbent.name], sim.explain("displaced")
    sim.run_for(10 * group.interval)
    assert sim.active == [incumbent.name], sim.explain("displaced")


@given(
    groups(faulty=False, preempt=st.just(False)),
    st.floats(0, 20),
)
def test_router_that_was_stopped_does_not_take_the_role_back_without_preemption(group: Group, stop: float) -> None:
    """It may not have heard yet that another has taken over; how long it was stopped must tell it.

    Owners are left out: they preempt whatever the setting says. So are jitter and different clocks: with them the
    heir may believe in a silence that the stopped router knows to be shorter.
    """
    sim = group.build()
    assume(not any(router.config.is_owner for router in sim.routers.values()))
    sim.jitter = 0.0
    for router in sim.routers.values():
        router.skew = 1.0
        router.start()
    sim.run_for(5 * group.interval + 1)
    [stopped] = sim.active
    sim.routers[stopped].pause()
    sim.run_for(stop * group.interval)
    heirs = set(sim.active) - {stopped}
    sim.routers[stopped].resume()
    sim.run_for(10 * group.interval)
    assert not heirs or heirs.issuperset(sim.active), sim.explain(f"{stopped} was stopped, {heirs} took over")


@pytest.mark.conforms("9568 6.4.3-21")
@given(groups(faulty=False, preempt=st.just(True)))
def test_two_active_equals_settle_on_the_highest_address(group: Group) -> None:
    """RFC 9568 section 6.4.3: the tie-break, after a split in which everybody became Active."""
    sim = group.build(start=False)
    sim.start()
    sim.partition(*sim.routers)
    sim.run_for(5 * group.interval + 1)
    assert len(sim.active) == len(sim.routers)
    sim.heal()
    sim.run_for(group.interval / SLOWEST + group.longest_delay + ROUNDING)
    best = max(sim.routers.values(), key=lambda router: (router.config.priority, [*sim.routers].index(router.name)))
    assert sim.active == [best.name], sim.explain("another won")
