"""What must be true of a simulation, to be asserted by tests."""

from __future__ import annotations

from collections.abc import Iterator

from vrrpkit.addresses import IPAddress
from vrrpkit.election import State
from vrrpkit.testing._ledger import Span
from vrrpkit.testing._simulated import SimulatedRouter
from vrrpkit.testing._simulation import Simulation

__all__ = [
    "check_gaps",
    "check_held_by_active",
    "check_highest_active",
    "check_overlaps",
    "check_single_active",
    "virtual_routers",
]


def check_single_active(sim: Simulation) -> None:
    """Each virtual router with anybody to run it has exactly one Active Router, a paused one included.

    Raises:
        AssertionError: It has none, or two; the text has the end of the transcript.
    """
    for vrid, members in virtual_routers(sim):
        active = [router.name for router in members if router.state is State.ACTIVE]
        if len(active) != 1:
            raise AssertionError(sim.explain(f"VRID {vrid} has {' and '.join(active) or 'nobody'} as Active Router"))


def check_highest_active(sim: Simulation) -> None:
    """Nobody who takes part has a higher priority than an Active Router of the same virtual router.

    True for routers that preempt, once the network has been whole for a while. Among equal priorities it does not
    matter who is Active: a Backup follows its equal, whatever their addresses.

    Raises:
        AssertionError: Somebody has.
    """
    for vrid, members in virtual_routers(sim):
        best = max(members, key=lambda router: router.election.priority)
        for router in members:
            if router.state is State.ACTIVE and router.election.priority < best.election.priority:
                text = f"{router.name} is Active for VRID {vrid}, and {best.name} has a higher priority"
                raise AssertionError(sim.explain(text))


def check_held_by_active(sim: Simulation) -> None:
    """An Active Router holds all its addresses, and any other live one holds none.

    Raises:
        AssertionError: One does not, or does.
    """
    for router in sim.routers.values():
        due = router.config.all_addresses if router.state is State.ACTIVE else ()
        if router.alive and set(router.held) != set(due):
            held = ", ".join(map(str, router.held)) or "nothing"
            raise AssertionError(sim.explain(f"{router.name} is {router.state} and holds {held}"))


def check_overlaps(sim: Simulation, *, at_most: float, paused: bool = True) -> None:
    """No address had two holders for longer than that, in seconds; `paused` as for `Simulation.overlaps()`.

    Raises:
        AssertionError: One had.
    """
    _check_spans(sim, sim.overlaps(paused=paused), at_most)


def check_gaps(sim: Simulation, *, at_most: float, address: str | IPAddress | None = None) -> None:
    """No address, or not this one, was without a holder for longer than that, in seconds.

    Raises:
        AssertionError: One was.
    """
    _check_spans(sim, sim.gaps(address), at_most)


def _check_spans(sim: Simulation, spans: list[Span], at_most: float) -> None:
    for span in spans:
        if span.seconds > at_most:
            raise AssertionError(sim.explain(f"{span}, more than {at_most:g} s"))


def virtual_routers(sim: Simulation, *, everybody: bool = False) -> Iterator[tuple[int, list[SimulatedRouter]]]:
    """The routers that take part, or everybody, by virtual router."""
    groups: dict[tuple[int, int, int], list[SimulatedRouter]] = {}
    for router in sim.routers.values():
        config = router.config
        if everybody or router.state in {State.BACKUP, State.ACTIVE}:
            groups.setdefault((config.vrid, config.family, config.version), []).append(router)
    for (vrid, _family, _version), members in groups.items():
        yield vrid, members
