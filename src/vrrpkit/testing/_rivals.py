"""Two Active routers, and none: for how long a simulation had them, and for how long it may."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

from vrrpkit.election import PriorityChanged, Reconfigured, State, StateChanged
from vrrpkit.testing._bounds import Bounds, bounds_of
from vrrpkit.testing._history import active_spans, overlapping, stretches, waiting_spans, without
from vrrpkit.testing._invariants import virtual_routers
from vrrpkit.testing._simulation import Simulation
from vrrpkit.testing._transcript import INJECTED, Record

__all__ = ["check_rivals", "check_takeovers", "rivalries"]

_ROUNDING: Final = 1e-6


class Rivalry(NamedTuple):
    """A time in which two running routers of one virtual router were Active."""

    start: float
    end: float
    vrid: int
    names: tuple[str, str]
    allowed: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def check_rivals(sim: Simulation, *, bounds: Bounds | None = None, since: float = 0.0) -> None:
    """No two running routers were both Active for longer than `Bounds.rivalry()`.

    Args:
        sim: The simulation; in the time that is looked at, its network must have been whole.
        bounds: What is allowed; by default, by the network and the clocks as they are now.
        since: Where to begin, in virtual seconds.

    Raises:
        AssertionError: Two were; the text says who and when.
    """
    for rivalry in rivalries(sim, bounds or bounds_of(sim), since):
        if rivalry.seconds > rivalry.allowed:
            span = f"{rivalry.start:.3f}-{rivalry.end:.3f} ({rivalry.seconds:.3f} s)"
            text = f"{span} {' and '.join(rivalry.names)} were Active for VRID {rivalry.vrid}, more than"
            raise AssertionError(sim.explain(f"{text} {rivalry.allowed:.3f} s"))


def check_takeovers(sim: Simulation, *, bounds: Bounds | None = None) -> None:
    """No running Backup let nobody be Active for longer than `Bounds.takeover()`, whole network or not.

    Each datagram that was injected counts as a sign of life, and so does a reign that took no time.

    Raises:
        AssertionError: One did; the text says which and when.
    """
    limits = bounds or bounds_of(sim)
    lives = stretches(sim.transcript, sim.routers, sim.now)
    signs = [(record.time, record.router) for record in sim.transcript if _is_sign(record)]
    for vrid, members in virtual_routers(sim, everybody=True):
        names = {"", *(router.name for router in members)}
        spoken = [span for router in members for span in active_spans(lives[router.name])]
        spoken += [(time, time) for time, name in signs if name in names]
        allowed = limits.takeover([router.config for router in members]) + _ROUNDING
        for router in members:
            for wait in waiting_spans(lives[router.name]):
                for start, end in without(wait, spoken):
                    if end - start > allowed:
                        span = f"{start:.3f}-{end:.3f} ({end - start:.3f} s)"
                        text = f"{span} nobody was Active for VRID {vrid}, and {router.name} waited for more than"
                        raise AssertionError(sim.explain(f"{text} {allowed:.3f} s"))


def rivalries(sim: Simulation, bounds: Bounds, since: float) -> Iterator[Rivalry]:
    """Every time since then in which two running routers were Active, by pairs, and how long each might be."""
    lives = stretches(sim.transcript, sim.routers, sim.now)
    for vrid, members in virtual_routers(sim, everybody=True):
        limit = bounds.rivalry([router.config for router in members])
        spans = {router.name: active_spans(lives[router.name]) for router in members}
        for one, other in combinations(spans, 2):
            for start, end in overlapping(overlapping(spans[one], spans[other]), [(since, sim.now)]):
                changes = _changes(sim, {one, other}, start, end)
                yield Rivalry(start, end, vrid, (one, other), (1 + changes) * limit + _ROUNDING)


def _is_sign(record: Record) -> bool:
    """Whether a Backup may have heard something at that moment."""
    match record.what:
        case StateChanged(new=State.ACTIVE):
            return True
        case str(text):
            return text.startswith(INJECTED)
        case _:
            return False


def _changes(sim: Simulation, names: set[str], start: float, end: float) -> int:
    """How often one of them was given another priority."""
    return sum(
        start <= record.time <= end and record.router in names
        for record in sim.transcript
        if isinstance(record.what, PriorityChanged | Reconfigured)
    )
