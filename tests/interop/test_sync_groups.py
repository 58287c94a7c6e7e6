"""A sync group of vrrpkit and one of keepalived: both links of the one, or both of the other."""

from __future__ import annotations

import time

import pytest

from tests.interop.groups import DOWN_INTERVAL, GroupDuel, KeepalivedGroup, VrrpkitGroup, states
from tests.support.lab import Lab, Router

pytestmark = pytest.mark.interop

PAIRS = ((VrrpkitGroup, KeepalivedGroup), (KeepalivedGroup, VrrpkitGroup))
IDS = ("vrrpkit-and-keepalived", "keepalived-and-vrrpkit")


@pytest.mark.conforms("keyword vrrp_sync_group/group")
@pytest.mark.parametrize(("one", "two"), PAIRS, ids=IDS)
def test_both_links_change_hands_when_a_group_goes_and_when_it_comes(one: type[Router], two: type[Router]) -> None:
    with Lab(links=2) as lab:
        duel = GroupDuel(lab)
        lower = duel.start(lab.two, two, 100)
        upper = duel.start(lab.one, one, 200)
        duel.settle(upper)

        duel.kill(upper)
        duel.settle(lower)
        assert duel.resignations(lab.one) == []

        upper = duel.start(lab.one, one, 200)
        duel.settle(upper)
        # keepalived's other member falls silent; ours resigns, for the sake of a machine that won on one link only.
        assert len(duel.resignations(lab.two)) == (two is VrrpkitGroup)

        upper.stop()
        duel.settle(lower)
        assert duel.resignations(lab.one) == [0, 1]
        duel.conclude()


@pytest.mark.conforms("keyword vrrp_sync_group/group")
@pytest.mark.parametrize(("one", "two"), PAIRS, ids=IDS)
@pytest.mark.parametrize("link", [0, 1])
def test_both_links_change_hands_when_one_is_lost(one: type[Router], two: type[Router], link: int) -> None:
    with Lab(links=2) as lab:
        duel = GroupDuel(lab)
        upper = duel.start(lab.one, one, 200)
        lower = duel.start(lab.two, two, 100)
        duel.settle(upper)

        lab.one.cut(link)
        lab.until(lambda: states(upper) == {"fault"}, "the group is in fault")
        duel.settle(lower)

        lab.one.repair(link)
        duel.settle(upper)

        lab.two.cut(link)
        lab.until(lambda: states(lower) == {"fault"}, "a group of Backups is in fault, too")
        duel.further(upper, 8)
        duel.settle(upper)
        lab.two.repair(link)
        lab.until(lambda: states(lower) == {"backup"}, "it is back")

        lab.one.cut(1 - link)
        duel.settle(lower)
        lab.one.repair(1 - link)
        duel.settle(upper)
        duel.conclude()


@pytest.mark.parametrize(("one", "two"), PAIRS, ids=IDS)
def test_groups_of_equal_priority_agree_although_each_is_the_better_on_one_link(
    one: type[Router], two: type[Router]
) -> None:
    with Lab(links=2) as lab:
        lab.one.run("ip", "address", "del", "10.78.0.1/24", "dev", "eth1")
        lab.one.run("ip", "address", "add", "10.78.0.50/24", "brd", "+", "dev", "eth1")  # two has 10.78.0.2
        duel = GroupDuel(lab)
        with lab.two.isolated(0), lab.two.isolated(1):
            groups = [duel.start(lab.one, one, 100), duel.start(lab.two, two, 100)]
            lab.until(lambda: all(states(group) == {"active"} for group in groups), "each is Active for itself")
        whole = time.time()

        active = lab.until(lambda: duel.lasting_sender(10), "one alone goes on, on both links")
        expected = [{"active"} if group.node.name == active else {"backup"} for group in groups]
        assert [states(group) for group in groups] == expected
        assert duel.longest_split(since=whole) < DOWN_INTERVAL
        for group in groups:
            group.stop()
