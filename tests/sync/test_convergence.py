"""Machines with a group each: once the network is whole, one of them is Active, and on all links."""

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.lab import Lab, Machine, lab
from vrrpkit.election import (
    ElectionConfig,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    Resumed,
    Shutdown,
    SteppedDown,
    active_down_interval,
)
from vrrpkit.packet import Version
from vrrpkit.sync import MemberEvent, dual_stack

LOW_ON_Y = {"x": 9, "y": 1}
LOW_ON_X = {"x": 1, "y": 9}


def pair(priorities: tuple[int, int] = (200, 100), *, links: str = "xy") -> tuple[Lab, Machine, Machine]:
    """Two machines, the first of which has been Active for some time."""
    network = lab(links)
    machines = [
        network.add(name, dict.fromkeys(links, host), priority=priority)
        for name, host, priority in zip("ab", (9, 1), priorities, strict=True)
    ]
    for machine in machines:
        machine.start()
    network.run(10.0)
    assert network.active == ["a"]
    network.news.clear()
    return network, machines[0], machines[1]


# One after another -------------------------------------------------------------------------------


def test_dead_machine_is_succeeded_on_all_links() -> None:
    network, a, _b = pair()
    network.at(10.5, a.kill)
    network.run(20.0)
    assert network.story() == ["13.829 b backup -> active: active-silent (all members)"]
    assert network.holders == {"x": ["b"], "y": ["b"]}


def test_broken_link_moves_all_links_one_skew_later() -> None:
    network, a, _b = pair()
    network.at(10.5, lambda: a.post(MemberEvent("x", FaultRaised("link:x"))))
    network.run(20.0)
    assert network.story() == [
        "10.500 a active -> fault: fault (x)",
        "11.110 b backup -> active: active-resigned (all members)",
    ]
    assert network.holders == {"x": ["b"], "y": ["b"]}


def test_repaired_link_brings_all_links_back() -> None:
    network, a, _b = pair()
    network.at(10.5, lambda: a.post(MemberEvent("x", FaultRaised("link:x"))))
    network.at(20.0, lambda: a.post(MemberEvent("x", FaultCleared("link:x"))))
    network.run(30.0)
    assert network.story(20.0) == [
        "20.000 a fault -> backup: recovered (x)",
        "23.219 a backup -> active: preempted (all members)",
        "23.219 b active -> backup: outranked (x)",
    ]
    assert network.holders == {"x": ["a"], "y": ["a"]}


def test_one_link_that_falls_apart_moves_nothing() -> None:
    """The other one still tells that the Active machine lives."""
    network, _a, _b = pair()
    network.at(10.5, lambda: network.links["x"].partition("a", "b"))
    network.run(60.0)
    assert network.story() == []


def test_split_of_all_links_ends_when_one_is_whole_again() -> None:
    network, _a, _b = pair()
    for link in network.links.values():
        network.at(10.5, partial(link.partition, "a", "b"))
    network.at(20.5, network.links["y"].heal)
    network.run(60.0)
    assert network.story() == [
        "13.829 b backup -> active: active-silent (all members)",
        "20.830 b active -> backup: outranked (y)",
    ]


def test_two_machines_in_fault_on_different_links_are_both_in_fault() -> None:
    """No machine is of use then; as soon as one is whole, it serves."""
    network, a, b = pair()
    network.at(10.5, lambda: a.post(MemberEvent("x", FaultRaised("link:x"))))
    network.at(10.6, lambda: b.post(MemberEvent("y", FaultRaised("link:y"))))
    network.at(20.0, lambda: b.post(MemberEvent("y", FaultCleared("link:y"))))
    network.run(30.0)
    assert network.story() == [
        "10.500 a active -> fault: fault (x)",
        "10.600 b backup -> fault: fault (y)",
        "20.000 b fault -> backup: recovered (y)",
        "23.609 b backup -> active: active-silent (all members)",
    ]


# Equals ------------------------------------------------------------------------------------------


def test_equals_with_mixed_addresses_settle_after_one_more_silence() -> None:
    """In the same moment, to the last bit: each has the higher address on one link."""
    network = lab()
    for name, hosts in (("a", LOW_ON_Y), ("b", LOW_ON_X)):
        network.add(name, hosts).start()
    network.run(600.0)
    assert network.story() == [
        "0.000 a initialize -> backup: startup (all members)",
        "0.000 b initialize -> backup: startup (all members)",
        "3.609 a backup -> active: active-silent (all members)",
        "3.609 b backup -> active: active-silent (all members)",
        "3.610 b active -> backup: tie-lost (x)",
        "3.610 a active -> backup: tie-lost (y)",
        "7.553 a backup -> active: active-silent (all members)",
    ]
    assert network.holders == {"x": ["a"], "y": ["a"]}


def test_equals_of_both_families_settle_after_one_more_silence() -> None:
    """The addresses of IPv4 and IPv6 are rarely in the same order, and equal priorities are the default."""
    first, second = dual_stack(vrid=51, addresses=["192.0.2.1", "fe80::1"])
    network = lab("46")
    for name, hosts in (("a", {"4": 1, "6": 9}), ("b", {"4": 9, "6": 1})):
        network.add(name, hosts, configs={"6": second, "4": first}).start()
    network.run(600.0)
    assert network.story(3.0) == [
        "3.609 a backup -> active: active-silent (all members)",
        "3.609 b backup -> active: active-silent (all members)",
        "3.610 b active -> backup: tie-lost (6)",
        "3.610 a active -> backup: tie-lost (4)",
        "7.553 b backup -> active: active-silent (all members)",
    ]


def test_split_of_equals_with_mixed_addresses_heals() -> None:
    """Both yield, and nobody is Active for one silence: machines of different priority do not do that."""
    network = lab()
    for name, hosts in (("a", LOW_ON_Y), ("b", LOW_ON_X)):
        network.add(name, hosts)
    for link in network.links.values():
        link.partition("a", "b")
    for machine in network.machines.values():
        machine.start()
    for link in network.links.values():
        network.at(20.25, link.heal)
    network.run(600.0)
    assert network.story(20.0) == [
        "20.610 b active -> backup: tie-lost (x)",
        "20.610 a active -> backup: tie-lost (y)",
        "24.553 a backup -> active: active-silent (all members)",
    ]
    assert network.holders == {"x": ["a"], "y": ["a"]}


def test_wait_after_a_lost_tie_is_over_when_it_was_not_needed() -> None:
    """The winner lives on, and its death is noticed as soon as ever."""
    network, a, _b = pair((100, 100))
    for link in network.links.values():
        network.at(10.5, partial(link.partition, "a", "b"))
        network.at(20.5, link.heal)
    network.at(22.0, a.kill)
    network.run(60.0)
    assert network.story(20.0) == [
        "20.610 b active -> backup: tie-lost (x)",
        "25.220 b backup -> active: active-silent (all members)",
    ]


@given(data=st.data(), links=st.sampled_from(["xy", "xyz", "wxyz"]), names=st.sampled_from(["ab", "abc", "abcd"]))
def test_equals_settle_in_lock_step_whatever_the_order_of_their_addresses(
    data: st.DataObject, links: str, names: str
) -> None:
    """All take over in the same moment, and all that is sent arrives in the same moment: the worst that can be.

    In every round at least one of them is beaten into waiting longer than another; so there are at most as many
    rounds as machines.
    """
    network = lab(links, delay=data.draw(st.sampled_from([0.0, 0.0005, 0.01])))
    hosts = {link: data.draw(st.permutations(range(1, len(names) + 1))) for link in links}
    for number, name in enumerate(names):
        order = data.draw(st.permutations(links))
        network.add(name, {link: hosts[link][number] for link in order}).start()
    network.run(5.0 * len(names))
    settled = len(network.news)
    assert len(network.active) == 1, network.story()
    network.run_for(100.0)
    assert len(network.news) == settled


# Anything ----------------------------------------------------------------------------------------

CAUSE: Final = "link:down"
ROUNDING: Final = 1e-6


@frozen(kw_only=True)
class Plan:
    """Two machines, and how their links are; times are in seconds, faults of the network last until it is whole."""

    seed: int
    priorities: tuple[int, int]
    hosts: tuple[dict[str, int], dict[str, int]]
    preempt: tuple[bool, bool]
    intervals: tuple[float, float]
    delay: float
    jitter: float
    loss: float

    def build(self) -> Lab:
        network = lab(seed=self.seed)
        for link in network.links.values():
            link.delay, link.jitter, link.loss = self.delay, self.jitter, self.loss
        for name, priority, hosts, preempt in zip("ab", self.priorities, self.hosts, self.preempt, strict=True):
            network.add(name, hosts, priority=priority, configs=self.configs(preempt=preempt))
        return network

    def configs(self, *, preempt: bool) -> dict[str, ElectionConfig]:
        return {
            link: ElectionConfig(
                vrid=number, addresses=[f"192.0.2.{number}"], advert_interval=interval, preempt=preempt
            )
            for number, (link, interval) in enumerate(zip("xy", self.intervals, strict=True), start=1)
        }


Strike = Callable[[Lab, Machine, str, int], object]

MISHAPS: Final[dict[str, Strike]] = {
    "start": lambda _network, who, _link, _amount: who.start(),
    "kill": lambda _network, who, _link, _amount: who.kill(),
    "shutdown": lambda _network, who, _link, _amount: who.post(Shutdown()),
    "pause": lambda _network, who, _link, _amount: who.pause(),
    "resume": lambda _network, who, _link, _amount: who.resume(),
    "step down": lambda _network, who, _link, _amount: who.post(SteppedDown()),
    "come back": lambda _network, who, _link, _amount: who.post(Resumed()),
    "fault": lambda _network, who, link, _amount: who.post(MemberEvent(link, FaultRaised(CAUSE))),
    "recovery": lambda _network, who, link, _amount: who.post(MemberEvent(link, FaultCleared(CAUSE))),
    "priority": lambda _network, who, _link, amount: who.post(PriorityChanged(amount)),
    "partition": lambda network, _who, link, _amount: network.links[link].partition("a", "b"),
    "cut": lambda network, who, link, _amount: network.links[link].cut(who, "a" if who.name == "b" else "b"),
    "heal": lambda network, _who, link, _amount: network.links[link].heal(),
}

PRIORITIES = st.sampled_from([1, 99, 100, 100, 100, 200, 254]) | st.integers(1, 254)
HOSTS = st.sampled_from([({"x": 9, "y": 9}, {"x": 1, "y": 1}), (LOW_ON_Y, LOW_ON_X)])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    interval = draw(st.sampled_from([0.1, 1.0, 3.0]))
    return Plan(
        seed=draw(st.integers(0, 2**16)),
        priorities=(draw(PRIORITIES), draw(PRIORITIES)) if draw(st.booleans()) else (100, 100),
        hosts=draw(HOSTS),
        preempt=(draw(st.booleans()), draw(st.booleans())),
        intervals=(interval, draw(st.sampled_from([interval, 1.0]))),
        delay=min(interval, 1.0) * draw(st.sampled_from([0.0, 0.001, 0.1])),
        jitter=min(interval, 1.0) * draw(st.sampled_from([0.0, 0.001, 0.1])),
        loss=draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])),
    )


@frozen
class Mishap:
    """Something done to one machine or one link, some seconds after the last one."""

    after: float
    name: str
    who: str
    link: str
    amount: int


mishaps = st.builds(
    Mishap,
    st.sampled_from([0.0, 0.0, 0.001, 0.5, 1.0]) | st.floats(0, 8),
    st.sampled_from(sorted(MISHAPS)),
    st.sampled_from("ab"),
    st.sampled_from("xy"),
    st.integers(1, 254),
)


@given(plans(), st.lists(mishaps, max_size=4) | st.lists(mishaps, min_size=8, max_size=30))
def test_whole_network_soon_has_one_machine_active_on_all_links(plan: Plan, schedule: list[Mishap]) -> None:
    """Whatever machines and links went through before.

    Let the network be whole from T on, and both machines started and without a cause of fault. Let D be the longest
    delay, I the longest interval and W the longest Active_Down_Interval. At T + D all that was sent before has
    arrived, so the first group is Active no later than W + I after that; the part of I is what it may wait after a
    lost tie. Where both become Active within D of each other and both yield, one of them is Active W + I later, and
    the other hears it before its own deadline, which is later by half of I or more.
    """
    network = plan.build()
    for machine in network.machines.values():
        machine.start()
    for mishap in schedule:
        network.run_for(mishap.after)
        MISHAPS[mishap.name](network, network.machines[mishap.who], mishap.link, mishap.amount)
    for machine in network.machines.values():
        machine.resume()
        machine.start()
        for link in network.links:
            machine.post(MemberEvent(link, FaultCleared(CAUSE)))
    for link_ in network.links.values():
        link_.loss = 0.0
        link_.heal()
    longest = max(plan.intervals)
    priority = min(machine.group.priority or 1 for machine in network.machines.values())
    silence = active_down_interval(priority, longest, Version.V3)
    network.run_for(2 * (silence + longest) + 8 * (plan.delay + plan.jitter) + ROUNDING)
    settled = len(network.news)
    assert len(network.active) == 1, network.story()
    assert network.holders == {"x": network.active, "y": network.active}
    network.run_for(20 * longest)
    assert len(network.news) == settled, network.story()
