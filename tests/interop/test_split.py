"""A network that falls apart and comes together again."""

from __future__ import annotations

import time

import pytest

from tests.interop.duel import PAIRS, Duel, Pair, Variant, check_reason, named
from tests.support.lab import Lab

pytestmark = pytest.mark.interop

VARIANTS = named("v2", "v3", "v3-ipv6")


@pytest.mark.conforms("keyword program/keepalived")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_lower_priority_yields_when_the_network_is_whole_again(pair: Pair, variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        with lab.one.isolated():
            lab.until(lambda: lower.state() == "active", "the lower router is Active on its side")
            lab.until(lambda: lab.client.reaches(variant.asked) == "two", "the client reaches the lower router")
            duel.further(lower, 2)
        whole = time.time()
        duel.settle(upper)
        check_reason(lower, "outranked")
        duel.conclude(whole_since=whole)


@pytest.mark.conforms("keyword program/keepalived")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_lower_address_yields_to_an_equal_priority(pair: Pair, variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        one = duel.start(lab.one, pair.one, 100)
        duel.settle(one)
        two = duel.start(lab.two, pair.two, 100)
        duel.further(one, 6)
        duel.settle(one)  # a Backup compares no addresses

        with lab.two.isolated():
            lab.until(lambda: two.state() == "active", "both are Active, each on its side")
            duel.further(two, 2)
        whole = time.time()
        duel.settle(two)
        check_reason(one, "tie-lost")
        duel.conclude(whole_since=whole)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_two_lost_advertisements_change_nothing(pair: Pair) -> None:
    (variant,) = named("v2")  # its second leaves time to put the network together before the third
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        before = lower.changes
        with lab.two.isolated():
            duel.further(upper, 2)
        duel.further(upper, 3)
        assert lower.changes == before
        duel.settle(upper)
        duel.conclude()
