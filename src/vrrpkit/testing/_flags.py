"""What a picture of a simulation says in words: what was done to whom, and why a state changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from vrrpkit.election import (
    AcquireAddresses,
    AnnounceAddresses,
    Reason,
    ReleaseAddresses,
    SendAdvertisement,
    Startup,
    StateChanged,
)
from vrrpkit.testing._transcript import CLEARED, RESTARTED, Record, told

__all__ = ["Flag", "flags_of", "stacked"]

T = TypeVar("T")


class Flag(NamedTuple):
    """A word at a time.

    Attributes:
        time: When, in virtual seconds.
        router: At whom; empty for the network.
        text: What.
        is_reason: Whether it tells why a state changed, and not what was done.
    """

    time: float
    router: str
    text: str
    is_reason: bool = False


def flags_of(records: Iterable[Record]) -> list[Flag]:
    """In order of time; a reason is left out where the deed says it already, and so is the first start of all."""
    flags, deeds = list[Flag](), set[tuple[float, str]]()
    for time, router, what in records:
        match what:
            case StateChanged(reason=reason):
                if reason is not Reason.STARTUP and (time, router) not in deeds:
                    flags.append(Flag(time, router, str(reason), is_reason=True))
            case SendAdvertisement() | AcquireAddresses() | ReleaseAddresses() | AnnounceAddresses():
                pass
            case Startup():
                if time > 0 and (time, router) not in deeds:
                    flags.append(Flag(time, router, "started"))
            case _:
                text = "restarted" if what in {RESTARTED, CLEARED} else told(what)
                flags.append(Flag(time, router, text))
                deeds.add((time, router))
    return flags


def stacked(spans: Iterable[tuple[float, float, T]], lanes: int) -> Iterator[tuple[int | None, T]]:
    """Give each span a lane in which it touches no other, the lowest first; None where all are taken.

    Args:
        spans: Begin, end and what it is, in order of begin.
        lanes: How many there are.
    """
    taken = [float("-inf")] * lanes
    for start, end, thing in spans:
        lane = next((number for number, until in enumerate(taken) if until <= start), None)
        if lane is not None:
            taken[lane] = end
        yield lane, thing
