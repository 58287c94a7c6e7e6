"""What each router was, and for how long, read from a transcript."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from attrs import define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.election import AcquireAddresses, ReleaseAddresses, Startup, State, StateChanged
from vrrpkit.testing._transcript import CLEARED, KILLED, PAUSED, RESTARTED, RESUMED, Record

__all__ = ["Stretch", "Tenure", "active_spans", "overlapping", "stretches", "tenures", "waiting_spans", "without"]

Spans = list[tuple[float, float]]


class Stretch(NamedTuple):
    """A time in which a router was the same.

    Attributes:
        start: Its begin, in virtual seconds.
        end: Its end.
        state: The state of the election.
        alive: Whether the process existed.
        paused: Whether it was stopped.
    """

    start: float
    end: float
    state: State
    alive: bool = True
    paused: bool = False

    @property
    def runs(self) -> bool:
        """Whether it could do anything."""
        return self.alive and not self.paused


@define
class _Life:
    since: float = 0.0
    state: State = State.INITIALIZE
    alive: bool = True
    paused: bool = False
    past: list[Stretch] = field(factory=list)

    def take(self, record: Record) -> None:
        match record.what:
            case StateChanged(new=state):
                self._turn(record.time, state, self.alive, self.paused)
            case str() if record.what == KILLED:
                self._turn(record.time, State.INITIALIZE, alive=False, paused=False)
            case str() if record.what in {CLEARED, RESTARTED}:
                self._turn(record.time, self.state, alive=True, paused=False)
            case str() if record.what in {PAUSED, RESUMED}:
                self._turn(record.time, self.state, self.alive, record.what == PAUSED)
            case _:
                pass

    def _turn(self, now: float, state: State, alive: bool, paused: bool) -> None:
        self.end(now)
        self.since, self.state, self.alive, self.paused = now, state, alive, paused

    def end(self, now: float) -> None:
        if now > self.since:
            self.past.append(Stretch(self.since, now, self.state, self.alive, self.paused))


def stretches(records: Iterable[Record], names: Iterable[str], until: float) -> dict[str, list[Stretch]]:
    """The life of each of these routers, from 0 to the end, without what took no time."""
    lives = {name: _Life() for name in names}
    for record in records:
        if record.router in lives and isinstance(record.what, StateChanged | str):
            lives[record.router].take(record)
    for life in lives.values():
        life.end(until)
    return {name: life.past for name, life in lives.items()}


def active_spans(life: Iterable[Stretch]) -> Spans:
    """When a router was Active and not stopped."""
    return list(_merged((each.start, each.end) for each in life if each.runs and each.state is State.ACTIVE))


def waiting_spans(life: Iterable[Stretch]) -> Spans:
    """When a router was Backup and not stopped; a pause ends one and begins another."""
    return [(each.start, each.end) for each in life if each.runs and each.state is State.BACKUP]


def overlapping(ones: Spans, others: Spans) -> Spans:
    """When both."""
    pairs = ((max(a, c), min(b, d)) for a, b in ones for c, d in others)
    return [(start, end) for start, end in pairs if start < end]


def without(span: tuple[float, float], holes: Spans) -> Spans:
    """What is left of a span."""
    start, end = span
    left = []
    for begin, finish in sorted(holes):
        if begin < end and finish > start:
            if begin > start:
                left.append((start, begin))
            start = finish
    return [*left, (start, end)] if start < end else left


def _merged(spans: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Spans that touch, as one."""
    start = end = None
    for begin, finish in spans:
        if begin != end:
            if start is not None and end is not None:
                yield (start, end)
            start = begin
        end = finish
    if start is not None and end is not None:
        yield (start, end)


class Tenure(NamedTuple):
    """A time in which the same routers held an address, or nobody did."""

    start: float
    end: float
    holders: tuple[str, ...]


def tenures(records: Iterable[Record], until: float) -> dict[IPAddress, list[Tenure]]:
    """Who held each address that anybody ever held, from the first start of a router to the end."""
    began: float | None = None
    lives: dict[IPAddress, list[tuple[float, tuple[str, ...]]]] = {}
    for time, router, what in records:
        match what:
            case Startup():
                began = time if began is None else began
            case AcquireAddresses(addresses):
                for address in addresses:
                    life = lives.setdefault(address, [(began or 0.0, ())])
                    life.append((time, (*_others(life, router), router)))
            case ReleaseAddresses(addresses):
                for address in addresses:
                    if address in lives:
                        lives[address].append((time, _others(lives[address], router)))
            case str() if what == KILLED:
                for life in lives.values():
                    life.append((time, _others(life, router)))
            case _:
                pass
    return {address: list(_pieces(life, until)) for address, life in lives.items()}


def _others(life: list[tuple[float, tuple[str, ...]]], router: str) -> tuple[str, ...]:
    return tuple([name for name in life[-1][1] if name != router])


def _pieces(life: list[tuple[float, tuple[str, ...]]], until: float) -> Iterator[Tenure]:
    """Neighbours with the same holders as one, and none that took no time."""
    start, holders = life[0]
    for time, others in (*life[1:], (until, ("",))):
        if others != holders:
            if time > start:
                yield Tenure(start, time, holders)
            start, holders = time, others
