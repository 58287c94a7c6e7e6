"""What must be true of a simulation, by the rules of the protocol."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from itertools import takewhile
from typing import Final

from vrrpkit.election import SendAdvertisement, State, StateChanged
from vrrpkit.testing._bounds import Bounds, bounds_of
from vrrpkit.testing._invariants import check_single_active, virtual_routers
from vrrpkit.testing._simulated import SimulatedRouter
from vrrpkit.testing._simulation import Simulation

__all__ = ["check_advert_rate", "check_convergence", "check_deadlines", "check_quiet"]

_ROUNDING: Final = 1e-6
# One that is due, one more if that was late, and the answers to losers: one in a quarter of the interval.
_ADVERTS_PER_INTERVAL: Final = 6


def check_convergence(sim: Simulation) -> None:
    """Each virtual router with anybody to run it has one Active Router, whom nobody is waiting to preempt.

    A Backup of a higher priority preempts, unless it does not wish to, or was stepped down. To be called on a network
    that has been whole for `Bounds.settling()`.

    Raises:
        AssertionError: It has none, or two, or a wrong one; the text has the end of the transcript.
    """
    check_single_active(sim)
    for vrid, members in virtual_routers(sim):
        for active in (router for router in members if router.state is State.ACTIVE):
            for router in members:
                if _would_preempt(router, active):
                    text = f"{active.name} is Active for VRID {vrid}, and {router.name} should have preempted it"
                    raise AssertionError(sim.explain(text))


def check_quiet(sim: Simulation, *, since: float) -> None:
    """Since then no state has changed, and only Active Routers have spoken, in their interval.

    Raises:
        AssertionError: There was a change, or somebody spoke who should not, or too often or too seldom.
    """
    news = list(takewhile(lambda record: record.time > since, reversed(sim.transcript)))
    changes = [record for record in news if isinstance(record.what, StateChanged)]
    if changes:
        raise AssertionError(sim.explain(f"{changes[-1]}, and there should be quiet since {since:.3f} s"))
    spoken = Counter(record.router for record in news if isinstance(record.what, SendAdvertisement))
    for router in sim.routers.values():
        speaks = router.state is State.ACTIVE and router.alive and not router.paused
        due = (sim.now - since) * router.skew / router.config.advert_interval if speaks else 0.0
        if abs(spoken[router.name] - due) > speaks + _ROUNDING:
            text = f"{router.name} has spoken {spoken[router.name]} times since {since:.3f} s, and {due:.1f} are due"
            raise AssertionError(sim.explain(text))


def check_advert_rate(sim: Simulation, *, bounds: Bounds | None = None) -> None:
    """No Active Router spoke more than six times in one interval: once or twice in time, and in answer to losers.

    Each time it becomes Active counts by itself, and what it says at a change of state does not count.

    Raises:
        AssertionError: Somebody did.
    """
    changed = {(record.time, record.router) for record in sim.transcript if isinstance(record.what, StateChanged)}
    fastest = (bounds or bounds_of(sim)).fastest
    spoken: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_ADVERTS_PER_INTERVAL + 1))
    for time, name, what in sim.transcript:
        if (time, name) in changed:
            spoken[name].clear()
        elif isinstance(what, SendAdvertisement):
            times = spoken[name]
            times.append(time)
            shortest = sim.routers[name].config.advert_interval / fastest - _ROUNDING
            if len(times) > _ADVERTS_PER_INTERVAL and time - times[0] < shortest:
                text = f"{name} spoke {len(times)} times within {time - times[0]:.3f} s, from {times[0]:.3f} s"
                raise AssertionError(sim.explain(text))


def check_deadlines(sim: Simulation) -> None:
    """No running router has a deadline that is past: whatever is due has been done.

    Raises:
        AssertionError: One has.
    """
    for router in sim.routers.values():
        deadline = router.election.deadline
        if router.alive and not router.paused and deadline is not None and deadline < router.clock - _ROUNDING:
            text = f"{router.name} should have done something at {deadline:.6f} of its clock, which shows"
            raise AssertionError(sim.explain(f"{text} {router.clock:.6f}"))


def _would_preempt(router: SimulatedRouter, active: SimulatedRouter) -> bool:
    election = router.election
    if election.priority <= active.election.priority or election.is_yielding:
        return False
    return router.config.preempt or router.config.is_owner
