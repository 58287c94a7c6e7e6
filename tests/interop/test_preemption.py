"""Who takes over from a router that is alive, and who does not."""

from __future__ import annotations

import time

import pytest

from tests.interop.duel import PAIRS, Duel, Pair, Variant, check_reason, named
from tests.support.lab import Keepalived, Lab, VrrpkitRouter

pytestmark = pytest.mark.interop

BOTH_VERSIONS = named("v2", "v3")


@pytest.mark.conforms("keyword program/keepalived")
@pytest.mark.parametrize("variant", BOTH_VERSIONS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_router_that_does_not_preempt_waits_for_silence(pair: Pair, variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        duel.settle(lower)

        upper = duel.start(lab.one, pair.one, 200, preempt=False)
        lab.until(lambda: upper.state() == "backup", "the upper router has started")
        duel.further(lower, 6)  # more than the three intervals and a skew after which it would take over
        duel.settle(lower)

        duel.kill(lower)
        duel.settle(upper)
        duel.check_silence(upper, {"v2": 3.21875, "v3": 0.64375}[variant.name])
        check_reason(upper, "active-silent")

        lower = duel.start(lab.two, pair.two, 100)
        lab.until(lambda: lower.state() == "backup", "the lower router is back")
        duel.further(upper, 6)
        duel.settle(upper)
        duel.conclude()


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_router_with_a_preempt_delay_follows_a_lower_priority_for_so_long(pair: Pair) -> None:
    (variant,) = named("v3")
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        duel.settle(lower)

        started = time.time()
        upper = duel.start(lab.one, pair.one, 200, preempt_delay=2.0)
        duel.settle(upper)
        first = next(seen for seen in duel.adverts if seen.node == "one")
        assert first.at - started >= 2.0
        check_reason(upper, "preempted")
        check_reason(lower, "outranked")
        duel.conclude()


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_owner_takes_over_without_waiting(pair: Pair) -> None:
    (variant,) = named("v2")
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        duel.settle(lower)

        before = len(duel.adverts)
        owner = duel.start(lab.one, pair.one, 255)
        duel.settle(owner)
        assert [seen.node for seen in duel.adverts[before:]].index("one") < 3  # before a Backup would even think of it
        check_reason(owner, "owner")
        check_reason(lower, "outranked")

        owner.stop()
        duel.settle(lower)
        check_reason(lower, "active-resigned")
        duel.conclude()


@pytest.mark.parametrize("variant", BOTH_VERSIONS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_router_that_stalled_takes_back_what_its_priority_is_due(pair: Pair, variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        with duel.frozen(upper):
            duel.settle(lower)
            duel.check_silence(lower, variant.silence)
        duel.settle(upper)
        check_reason(lower, "outranked")
        duel.conclude()


@pytest.mark.parametrize("variant", BOTH_VERSIONS, ids=str)
def test_router_that_stalled_and_does_not_preempt_leaves_the_addresses_to_its_successor(variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        upper = duel.start(lab.one, VrrpkitRouter, 200, preempt=False)
        duel.settle(upper)
        lower = duel.start(lab.two, Keepalived, 100)
        lab.until(lambda: lower.state() == "backup", "the lower router has started")
        with duel.frozen(upper):
            duel.settle(lower)
        duel.further(lower, 6)
        duel.settle(lower)
        check_reason(upper, "stalled")
        duel.conclude()
