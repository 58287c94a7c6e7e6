"""The smallest scenario that fails as a large one does: greedy delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

from attrs import evolve, fields

from vrrpkit.election import ElectionConfig
from vrrpkit.errors import ConfigError
from vrrpkit.testing._mishaps import Mishap, Split, machines_of
from vrrpkit.testing._scenario import Machine, Scenario

__all__ = ["reduced"]

Shrink: TypeAlias = Callable[[Scenario], Iterator[Scenario]]

_KEPT: Final = {"vrid", "addresses", "priority"}  # what has no default that means anything


def reduced(scenario: Scenario, fails: Callable[[Scenario], bool], *, tries: int = 2000) -> Scenario:
    """A scenario from which nothing more can be left out so that it still fails, and no number made simpler.

    Args:
        scenario: One that fails.
        fails: Whether a simpler one does, in the same way.
        tries: How many simpler ones are played at most; the best so far is returned then.
    """
    best, progress = scenario, True
    while progress and tries > 0:
        progress = False
        for shrink in _SHRINKS:
            place = 0
            while tries > 0 and (simpler := next(islice(shrink(best), place, None), None)) is not None:
                tries -= 1
                if fails(simpler):
                    best, progress = simpler, True
                else:
                    place += 1
    return best


def _fewer_mishaps(scenario: Scenario) -> Iterator[Scenario]:
    mishaps = scenario.mishaps
    size = len(mishaps)
    while size:
        for start in range(0, len(mishaps), size):
            yield evolve(scenario, mishaps=mishaps[:start] + mishaps[start + size :])
        size //= 2


def _fewer_machines(scenario: Scenario) -> Iterator[Scenario]:
    for machine in scenario.machines if len(scenario.machines) > 1 else ():
        rest = tuple(each for each in scenario.machines if each is not machine)
        mishaps = [_without(mishap, machine.name) for mishap in scenario.mishaps]
        yield evolve(scenario, machines=rest, mishaps=[mishap for mishap in mishaps if mishap is not None])


def _without(mishap: Mishap, name: str) -> Mishap | None:
    if isinstance(mishap, Split):
        groups = [[each for each in group if each != name] for group in mishap.groups]
        return Split(mishap.at, [group for group in groups if group])
    return None if name in machines_of(mishap) else mishap


def _fewer_routers(scenario: Scenario) -> Iterator[Scenario]:
    for vrid, family in scenario.virtual_routers:

        def stays(config: ElectionConfig, vrid: int = vrid, family: int = family) -> bool:
            return (config.vrid, config.family) != (vrid, family)

        rest = [(machine, tuple(filter(stays, machine.routers))) for machine in scenario.machines]
        yield from _with_machines(scenario, [evolve(machine, routers=left) for machine, left in rest if left])
    for machine in scenario.machines if len(scenario.machines) > 1 else ():
        for config in machine.routers if len(machine.routers) > 1 else ():
            left = tuple(each for each in machine.routers if each is not config)
            yield _with(scenario, machine, evolve(machine, routers=left))


def _plainer_network(scenario: Scenario) -> Iterator[Scenario]:
    for attribute in fields(Scenario):
        if attribute.name not in {"machines", "mishaps"} and getattr(scenario, attribute.name) != attribute.default:
            plain: dict[str, Any] = {attribute.name: attribute.default}
            yield evolve(scenario, **plain)


def _plainer_machines(scenario: Scenario) -> Iterator[Scenario]:
    for machine in scenario.machines:
        if machine.skew != 1.0:
            yield _with(scenario, machine, evolve(machine, skew=1.0))


def _plainer_settings(scenario: Scenario) -> Iterator[Scenario]:
    """As by default: first on all machines, since some settings must be the same, then on each."""
    for attribute in fields(ElectionConfig):
        if attribute.name in _KEPT:
            continue
        plain = {attribute.name: attribute.default}
        every = [_plainer(machine, plain) for machine in scenario.machines]
        if None not in every and every != list(scenario.machines):
            yield evolve(scenario, machines=[machine for machine in every if machine is not None])
        for machine, plainer in zip(scenario.machines, every, strict=True):
            if plainer is not None and plainer != machine:
                yield _with(scenario, machine, plainer)


def _plainer(machine: Machine, plain: dict[str, Any]) -> Machine | None:
    try:
        return evolve(machine, routers=[evolve(config, **plain) for config in machine.routers])
    except ConfigError:
        return None


def _plainer_times(scenario: Scenario) -> Iterator[Scenario]:
    """Shorter waits between two mishaps, then rounder times."""
    mishaps, before = scenario.mishaps, 0.0
    for place, mishap in enumerate(mishaps):
        wait = mishap.at - before
        if wait > 0.1:
            early = [evolve(each, at=round(each.at - wait / 2, 3)) for each in mishaps[place:]]
            yield evolve(scenario, mishaps=[*mishaps[:place], *early])
        before = mishap.at
    for place, mishap in enumerate(mishaps):
        for digits in (0, 1, 2):
            if round(mishap.at, digits) == mishap.at:
                break
            rounder = evolve(mishap, at=round(mishap.at, digits))
            yield evolve(scenario, mishaps=[*mishaps[:place], rounder, *mishaps[place + 1 :]])


def _with(scenario: Scenario, machine: Machine, other: Machine) -> Scenario:
    return evolve(scenario, machines=[other if each is machine else each for each in scenario.machines])


def _with_machines(scenario: Scenario, machines: list[Machine]) -> Iterator[Scenario]:
    """The same with other machines, if there are any, and without what befell the others."""
    gone = {each.name for each in scenario.machines} - {each.name for each in machines}
    mishaps = list(scenario.mishaps)
    for name in gone:
        mishaps = [left for left in (_without(mishap, name) for mishap in mishaps) if left is not None]
    if machines:
        yield evolve(scenario, machines=machines, mishaps=mishaps)


_SHRINKS: Final[tuple[Shrink, ...]] = (
    _fewer_mishaps,
    _fewer_machines,
    _fewer_routers,
    _plainer_network,
    _plainer_machines,
    _plainer_settings,
    _plainer_times,
)
