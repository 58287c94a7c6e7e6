"""One virtual router made of vrrpkit and keepalived: whoever goes, the other carries on."""

from __future__ import annotations

import pytest

from tests.interop.duel import PAIRS, VARIANTS, Duel, Pair, Variant, check_reason, named
from tests.support.capture import SeenAdvert
from tests.support.lab import Keepalived, Lab, Router

pytestmark = pytest.mark.interop


@pytest.mark.conforms("9568 6.4.2-8", "3768 6.4.2-5", "keyword program/keepalived")
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_backup_takes_over_and_gives_back_whatever_happens_to_the_active(pair: Pair, variant: Variant) -> None:
    with Lab() as lab:
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)

        duel.kill(upper)
        duel.settle(lower)
        duel.check_silence(lower, variant.silence)
        check_reason(lower, "active-silent")
        check_crashed(upper)

        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        check_reason(upper, "preempted")
        check_reason(lower, "outranked")

        upper.stop()
        duel.settle(lower)
        duel.check_silence(lower, variant.skew, below=3 * variant.interval)
        check_reason(lower, "active-resigned")
        assert len(resignations(duel)) == 1

        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        lab.one.cut()
        duel.settle(lower)
        duel.check_silence(lower, variant.silence)
        lab.until(lambda: upper.state() == "fault", "a router without a link is in fault")
        lab.one.repair()
        duel.settle(upper)

        duel.further(upper, 3)
        lower.stop()
        duel.settle(upper)
        duel.conclude()
        assert {seen.node for seen in resignations(duel)} == {"one"}  # a Backup goes without a word
        assert duel.adverts[-1].advert.priority == 0


@pytest.mark.conforms("keyword program/keepalived")
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_three_routers_follow_each_other_in_the_order_of_their_priorities(pair: Pair) -> None:
    (variant,) = named("v3")
    with Lab("one", "two", "three") as lab:
        duel = Duel(lab, variant)
        third = duel.start(lab.three, pair.one, 50)
        second = duel.start(lab.two, pair.two, 100)
        first = duel.start(lab.one, pair.one, 200)
        duel.settle(first)

        duel.kill(first)
        duel.settle(second)
        second.stop()
        duel.settle(third)
        duel.check_silence(third, 0.1609375, below=0.6)  # 206/256 of 0.2 s, and three times 0.2 s

        first = duel.start(lab.one, pair.one, 200)
        duel.settle(first)
        second = duel.start(lab.two, pair.two, 100)
        lab.until(lambda: second.state() == "backup", "the second has started")
        first.stop()
        duel.settle(second)
        check_reason(third, "outranked")
        duel.conclude()


def resignations(duel: Duel) -> list[SeenAdvert]:
    return [seen for seen in duel.adverts if seen.advert.priority == 0]


def check_crashed(router: Router) -> None:
    """A crashed vrrpkit cannot remove its addresses, so the kernel does in the end; a crashed keepalived's stay."""
    held = router.node.held()
    assert frozenset(held) == router.specs[0].plain_addresses
    lifetimes = [address.lifetime for address in held.values()]
    if isinstance(router, Keepalived):
        assert lifetimes == [None] * len(held)
    else:
        assert all(lifetime is not None and lifetime <= 30 for lifetime in lifetimes)
