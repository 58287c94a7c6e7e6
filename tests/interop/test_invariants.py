"""The tests' own eyes: a second Active is seen, and a lawful change of hands is not taken for one."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from attrs import evolve

from tests.interop.duel import SHARED, Duel, named
from tests.support.capture import Overlap, Reign, SeenAdvert, overlaps, reigns, timeline
from tests.support.lab import Keepalived, Lab
from vrrpkit.packet import Advertisement


def seen(at: float, node: str, priority: int, source: str = "192.0.2.2") -> SeenAdvert:
    advert = Advertisement(vrid=1, priority=priority, interval=1.0, addresses=(IPv4Address("192.0.2.100"),))
    return SeenAdvert(at, node, IPv4Address(source), IPv4Address("224.0.0.18"), advert)


def test_reign_ends_with_silence() -> None:
    adverts = [seen(0.0, "one", 200), seen(1.0, "one", 200), seen(4.2, "two", 100), seen(8.0, "one", 200)]
    assert reigns(adverts) == (
        Reign("one", (adverts[0], adverts[1])),
        Reign("two", (adverts[2],)),
        Reign("one", (adverts[3],)),
    )


def test_reign_ends_with_anybodys_resignation() -> None:
    adverts = [seen(0.0, "two", 100), seen(0.5, "one", 200), seen(0.6, "one", 0), seen(1.2, "two", 100)]
    assert reigns(adverts) == (
        Reign("two", (adverts[0],)),
        Reign("one", (adverts[1],)),
        Reign("two", (adverts[3],)),
    )


def test_preemption_is_no_overlap() -> None:
    adverts = [seen(0.0, "two", 100), seen(1.0, "two", 100), seen(1.5, "one", 200), seen(2.5, "one", 200)]
    assert overlaps(adverts) == ()


def test_resigned_or_silent_router_is_followed_lawfully() -> None:
    adverts = [seen(0.0, "one", 200), seen(0.1, "one", 0), seen(0.8, "two", 100), seen(1.8, "two", 100)]
    adverts += [seen(2.0, "one", 200), seen(5.7, "two", 100), seen(6.7, "two", 100)]
    assert overlaps(adverts) == ()


def test_one_advertisement_may_cross_the_winners() -> None:
    adverts = [seen(0.0, "two", 100), seen(0.999, "one", 200), seen(1.0, "two", 100), seen(1.999, "one", 200)]
    assert overlaps(adverts) == ()
    assert overlaps(adverts, crossings=0) == (Overlap("two", "one", 0.999, (adverts[2],)),)


def test_loser_that_goes_on_is_an_overlap() -> None:
    adverts = [seen(0.0, "two", 100), seen(0.5, "one", 200)]
    adverts += [seen(1.0, "two", 100), seen(1.5, "one", 200), seen(2.0, "two", 100), seen(2.5, "one", 200)]
    assert overlaps(adverts) == (Overlap("two", "one", 0.5, (adverts[2], adverts[4])),)


def test_equal_priorities_are_ranked_by_address() -> None:
    adverts = [seen(0.0, "one", 100, source="192.0.2.1"), seen(0.1, "two", 100, source="192.0.2.2")]
    adverts += [evolve(advert, at=advert.at + later) for later in (1, 2) for advert in adverts]
    assert [(overlap.loser, overlap.winner) for overlap in overlaps(adverts)] == [("one", "two")]


def test_timeline_counts_what_repeats() -> None:
    adverts = [seen(0.0, "one", 200), seen(1.0, "one", 200), seen(1.25, "one", 0)]
    assert timeline(adverts).splitlines()[1:] == [
        "   0.000 one (192.0.2.2) vrid 1 priority 200 x2 until 1.000",
        "   1.250 one (192.0.2.2) vrid 1 priority 0",
    ]


@pytest.mark.interop
def test_two_keepaliveds_that_ignore_each_other_are_seen_to_overlap() -> None:
    (variant,) = named("v2-password")
    with Lab() as lab:
        duel = Duel(lab, variant)
        one = duel.start(lab.one, Keepalived, 200)
        two = lab.two.start(Keepalived, evolve(variant.spec, password=SHARED[1:]))
        for router in (one, two):
            duel.further(router, 4)
        assert overlaps(duel.adverts) != ()
        assert lab.holders(variant.asked) == {"one", "two"}
