"""What the tracked things make of a router's priority, and what they keep it from doing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from attrs import field, frozen

from vrrpkit._cheap import value
from vrrpkit.errors import ConfigError, Whole, check_flag

__all__ = ["TRACK_CAUSES", "Contribution", "Level", "Reading", "Standing", "Track", "describe", "standing"]

# keepalived's rules for a number times a weight: a product this low is a fault, and none counts for more than 253.
_FAULT_AT: Final = -254
_MOST: Final = 253
_OWNER: Final = 255


#: How every cause of fault begins that a track can be.
TRACK_CAUSES: Final = ("track:", "waiting:")


@value
class Level:
    """A number that was read, such as the content of a tracked file; any whole number."""

    value: int


Reading: TypeAlias = bool | Level | None
"""What is known of a tracked thing: up, down, a level, or nothing yet."""


def _check_name(_instance: object, _attribute: object, name: str) -> None:
    given: object = name
    if not isinstance(given, str) or not given or given.strip() != given or any(map(str.isspace, given)):
        raise ConfigError(f"name of a track must be a text without white space, got {name!r}")


@frozen
class Track:
    """How one tracked thing bears on a router.

    Attributes:
        name: The tracked thing's name; causes of fault call it `track:NAME`.
        weight: -253 to 253. A positive weight is added to the priority while the thing is up, a negative one while it
            is down; 0 makes being down a fault. A level is multiplied by it: -254 and less is a fault, and with weight
            0 any level but 0 is one.
        reverse: keepalived's word: turns the sign of the weight around; with weight 0, being up is the fault.
    """

    name: str = field(validator=_check_name)
    weight: int = field(default=0, validator=Whole(-253, 253, "0 makes a failure a fault"))
    reverse: bool = field(default=False, validator=check_flag)


@frozen
class Contribution:
    """What one track does to a router now.

    Attributes:
        track: The track.
        reading: What is known of the thing.
        points: What it adds to the priority, -253 to 253.
        cause: The fault that it is; None if it is none.
    """

    track: Track
    reading: Reading
    points: int = 0
    cause: str | None = None

    def __str__(self) -> str:
        """`+2 (haproxy up)` or `fault (haproxy down)`."""
        effect = f"{self.points:+d}" if self.cause is None else "fault"
        return f"{effect} ({self.track.name} {describe(self.reading)})"


@frozen
class Standing:
    """Effective priority and causes of fault, with how they came about.

    Attributes:
        base: The configured priority.
        priority: The effective one: base and all points, but at least 1 and at most 254; an owner's stays 255.
        contributions: One for each track, in order.
    """

    base: int
    priority: int
    contributions: tuple[Contribution, ...] = ()

    @property
    def causes(self) -> frozenset[str]:
        """Why the router may not take part; empty when it may."""
        return frozenset(one.cause for one in self.contributions if one.cause is not None)

    @property
    def explanation(self) -> str:
        """`priority 52 = 50 +2 (haproxy up)`: every contribution, also those of nothing."""
        total = self.base + sum(one.points for one in self.contributions)
        terms = " ".join([str(self.base), *map(str, self.contributions)])
        if self.base == _OWNER:
            return f"priority {self.priority} = {terms}, which an owner's weights do not change"
        limited = "" if total == self.priority else f" = {total}, limited to 1-254"
        return f"priority {self.priority} = {terms}{limited}"


def standing(base: int, tracks: Iterable[Track], readings: Mapping[str, Reading]) -> Standing:
    """Weigh every track at once: the whole answer from the whole input (keepalived's arithmetic).

    A thing of which nothing is known adds nothing; with weight 0 it keeps the router waiting, as the cause
    `waiting:NAME`.

    Args:
        base: The configured priority, 1-255.
        tracks: What is tracked, and how.
        readings: What is known, by the names of the tracks; nothing of those that are missing.
    """
    contributions = tuple(_contribution(track, readings.get(track.name)) for track in tracks)
    total = base + sum(one.points for one in contributions)
    return Standing(base, base if base == _OWNER else min(max(total, 1), 254), contributions)


def _contribution(track: Track, reading: Reading) -> Contribution:
    match reading:
        case None if track.weight == 0:
            return Contribution(track, reading, cause=f"waiting:{track.name}")
        case None:
            return Contribution(track, reading)
        case Level(number):
            return _of_level(track, number)
        case up if track.weight == 0:
            return _fault(track, up) if up is track.reverse else Contribution(track, up)
        case up:
            points = track.weight if up is (track.weight > 0) else 0
            return Contribution(track, up, -points if track.reverse else points)


def _of_level(track: Track, number: int) -> Contribution:
    if track.weight == 0:
        is_fault = (number != 0) is not track.reverse
        return _fault(track, Level(number)) if is_fault else Contribution(track, Level(number))
    points = number * (-track.weight if track.reverse else track.weight)
    if points <= _FAULT_AT:
        return _fault(track, Level(number))
    return Contribution(track, Level(number), min(points, _MOST))


def _fault(track: Track, reading: Reading) -> Contribution:
    return Contribution(track, reading, cause=f"track:{track.name}")


def describe(reading: Reading) -> str:
    """A reading in words: `up`, `down`, `12`, `not known yet`."""
    match reading:
        case None:
            return "not known yet"
        case Level(number):
            return str(number)
        case up:
            return "up" if up else "down"
