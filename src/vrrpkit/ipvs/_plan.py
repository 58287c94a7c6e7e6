"""From the table that is to the table that should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve

from vrrpkit.ipvs._operations import (
    AddServer,
    AddService,
    Operation,
    RemoveServer,
    RemoveService,
    SetServer,
    SetService,
)
from vrrpkit.ipvs._service import SchedulerFlags, Table, VirtualService

__all__ = ["plan"]

# Schedulers that build a new map at every change of a server: 120 µs each, beside 10.
_MAP_BUILDERS: Final = frozenset(("mh",))


def plan(current: Table, desired: Table) -> tuple[Operation, ...]:
    """Operations that turn `current` into `desired`; none if they are equal.

    Growth comes first: services and servers are added, then changed, and those that are too many are removed last, so
    that no service is without servers on the way. Services keep the order of `desired`, servers that of their
    addresses: equal tables make equal plans, which can be compared.

    A new service of a scheduler that builds a map is filled before the scheduler is set.
    """
    steps: list[Operation] = []
    for key, service in desired.items():
        known = current.get(key)
        steps.extend(_new(service) if known is None else _changed(known, service))
    steps.extend(RemoveService(key) for key in current if key not in desired)
    return tuple(steps)


def _new(service: VirtualService) -> Iterator[Operation]:
    bare = evolve(service, servers=())
    late = service.scheduler in _MAP_BUILDERS and len(service.servers) > 1
    yield AddService(evolve(bare, scheduler="none", flags=SchedulerFlags.NONE) if late else bare)
    for server in service.servers:
        yield AddServer(service.key, server)
    if late:
        yield SetService(bare)


def _changed(known: VirtualService, service: VirtualService) -> Iterator[Operation]:
    if known == service:
        return
    key = service.key
    if not _same_settings(known, service):
        yield SetService(evolve(service, servers=()))
    if known.servers == service.servers:
        return
    here = {server.place: server for server in known.servers}
    wanted = {server.place: server for server in service.servers}
    yield from (AddServer(key, server) for place, server in wanted.items() if place not in here)
    yield from (SetServer(key, server) for place, server in wanted.items() if here.get(place, server) != server)
    yield from (RemoveServer(key, server) for place, server in here.items() if place not in wanted)


def _same_settings(one: VirtualService, other: VirtualService) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _SETTINGS)


_SETTINGS: Final = (
    "scheduler",
    "flags",
    "persistence",
    "persistence_prefix",
    "persistence_engine",
    "one_packet",
)
