"""What the octets that left a node and those that arrived there say of its router."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from attrs import frozen

from tests.support.capture import SeenAdvert

__all__ = ["Bounds", "gaps", "intrusions", "silences", "terms"]

# What separates two clocks and two roundings of one timer.
_ROUNDING: Final = 0.005


@frozen
class Bounds:
    """One router's times, by RFC 9568 section 6.1.

    Attributes:
        priority: Its own.
        silence: Active_Down_Interval, in seconds.
        skew: Skew_Time, in seconds.
    """

    priority: int
    silence: float
    skew: float


def intrusions(sent: Iterable[SeenAdvert], heard: Iterable[SeenAdvert], bounds: Bounds) -> tuple[SeenAdvert, ...]:
    """What a router said although it had to be silent.

    It is bound to silence by a better router's advertisement, for its down interval from when that arrived; a
    resignation shortens that to its skew. One advertisement may already be on its way, or in the hands of a process
    that is not let run: that is counted in advertisements and not in seconds, because a busy machine delays a router
    but does not make it talk.
    """
    said = [(one.at, 1, one) for one in sent if one.advert.priority]
    arrived = [(one.at, 0, one) for one in heard]
    bound_until, crossings = float("-inf"), 1
    found = []
    for at, is_own, one in sorted(said + arrived, key=lambda event: event[:2]):
        if is_own and at >= bound_until:
            crossings = 1
        elif is_own and crossings:
            crossings -= 1
        elif is_own:
            found.append(one)
        elif one.advert.priority > bounds.priority:
            bound_until = at + bounds.silence - _ROUNDING
        elif one.advert.priority == 0:
            bound_until = at + bounds.skew - _ROUNDING
    return tuple(found)


def terms(sent: Iterable[SeenAdvert], heard: Iterable[SeenAdvert], bounds: Bounds) -> tuple[tuple[float, float], ...]:
    """From when to when a router that can be outranked was Active: from its first word to the better router's next."""
    better = [one.at for one in heard if one.advert.priority > bounds.priority]
    own = [one.at for one in sent if one.advert.priority]
    found: list[tuple[float, float]] = []
    for at in own:
        if not found or at > found[-1][1]:
            found.append((at, min((other for other in better if other >= at), default=max(own))))
    return tuple(found)


def silences(sent: Iterable[SeenAdvert], heard: Iterable[SeenAdvert], bounds: Bounds) -> tuple[float, ...]:
    """For how long a router had heard nothing better before each of its terms."""
    sent, heard = tuple(sent), tuple(heard)
    better = [one.at for one in heard if one.advert.priority > bounds.priority]
    starts = (start for start, _end in terms(sent, heard, bounds))
    return tuple(start - max(at for at in better if at < start) for start in starts if better and better[0] < start)


def gaps(sent: Iterable[SeenAdvert]) -> tuple[float, ...]:
    """The seconds from each advertisement to the next."""
    return tuple(later.at - sooner.at for sooner, later in pairwise(sent))
