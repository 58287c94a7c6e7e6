"""The trials' own eyes: a router that speaks out of turn is seen, and one that may speak is not accused."""

from __future__ import annotations

from ipaddress import IPv4Address

from tests.faults.judge import Bounds, gaps, intrusions, silences, terms
from tests.support.capture import SeenAdvert
from vrrpkit.packet import Advertisement

LOWER = Bounds(100, silence=3.609375, skew=0.609375)


def advert(at: float, priority: int) -> SeenAdvert:
    said = Advertisement(vrid=51, priority=priority, interval=1.0, addresses=(IPv4Address("192.0.2.100"),))
    return SeenAdvert(at, "one", IPv4Address("192.0.2.1"), IPv4Address("224.0.0.18"), said)


def test_router_may_speak_after_a_whole_silence() -> None:
    assert intrusions([advert(3.61, 100), advert(4.61, 100)], [advert(0.0, 200)], LOWER) == ()


def test_router_may_speak_a_skew_after_a_resignation() -> None:
    assert intrusions([advert(1.61, 100), advert(2.61, 100)], [advert(0.0, 200), advert(1.0, 0)], LOWER) == ()


def test_one_advertisement_may_cross_a_better_one_and_the_second_is_an_intrusion() -> None:
    sent = [advert(5.0, 100), advert(6.0, 100), advert(7.0, 100), advert(8.0, 100)]
    heard = [advert(0.0, 200), advert(5.5, 200), advert(6.5, 200)]
    assert intrusions(sent, heard, LOWER) == (sent[2], sent[3])
    assert intrusions(sent[:2], heard, LOWER) == ()


def test_router_that_does_not_wait_is_seen() -> None:
    heard = [advert(0.0, 200), advert(1.0, 200)]
    sent = [advert(2.0, 100), advert(3.0, 100)]
    assert intrusions(sent, heard, LOWER) == (sent[1],)


def test_neither_a_worse_router_nor_its_own_resignation_binds() -> None:
    assert intrusions([advert(1.0, 100), advert(2.0, 100), advert(3.0, 0)], [advert(0.5, 50)], LOWER) == ()


def test_term_lasts_from_the_first_word_to_the_better_routers_next() -> None:
    sent = [advert(4.0, 100), advert(5.0, 100), advert(12.0, 100)]
    heard = [advert(0.0, 200), advert(5.5, 200), advert(8.0, 200)]
    assert terms(sent, heard, LOWER) == ((4.0, 5.5), (12.0, 12.0))
    assert silences(sent, heard, LOWER) == (4.0, 4.0)


def test_gaps_are_between_neighbours() -> None:
    assert gaps([advert(1.0, 100), advert(2.0, 100), advert(4.5, 100)]) == (1.0, 2.5)
