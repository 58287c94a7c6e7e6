"""From weights to the kernel's table, and to the operations that change it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from attrs import define, evolve, field

from vrrpkit.ipvs import (
    AddServer,
    Operation,
    RealServer,
    RemoveServer,
    RemoveService,
    ServiceKey,
    SetServer,
    Table,
    VirtualService,
    plan,
)
from vrrpkit.pool._actions import Apply
from vrrpkit.pool._config import Member, port_of
from vrrpkit.pool._member import Shown

__all__ = ["Changes", "found_weights", "made_table", "planned"]


@define(eq=False)
class Changes:
    """Operations in all services: whoever gets connections first, whoever gets none any more last.

    Args:
        keys: The services; nothing is noted without any.
    """

    keys: tuple[ServiceKey, ...]
    _gains: list[Operation] = field(factory=list, init=False)
    _losses: list[Operation] = field(factory=list, init=False)

    def replace(self, old: Shown | None, new: Shown | None) -> None:
        """Show something else of one member, in all services."""
        if new is not None and old is None:
            self._gains.extend(AddServer(key, server) for key, server in _located(self.keys, new))
        elif new is not None and old is not None and not old.is_same(new):
            goal = self._gains if new.weight else self._losses
            goal.extend(SetServer(key, server) for key, server in _located(self.keys, new))
        elif new is None and old is not None:
            self._losses.extend(RemoveServer(key, server) for key, server in _located(self.keys, old))

    @property
    def applied(self) -> tuple[Apply, ...]:
        """The action that makes these changes, if there are any."""
        return _applied((*self._gains, *self._losses))


def _located(keys: Iterable[ServiceKey], shown: Shown) -> Iterator[tuple[ServiceKey, RealServer]]:
    member, made = shown.member, dict[int, RealServer]()
    for key in keys:
        port = port_of(key) if member.port is None else member.port
        if port not in made:
            made[port] = member.to_server(key, shown.weight)
        yield key, made[port]


def made_table(services: Iterable[VirtualService], shown: Collection[Shown]) -> Table:
    """The services with their servers."""
    made: dict[int, tuple[RealServer, ...]] = {}
    table: dict[ServiceKey, VirtualService] = {}
    for service in services:
        port = port_of(service.key)
        if port not in made:
            made[port] = tuple(each.member.to_server(service.key, each.weight) for each in shown)
        table[service.key] = evolve(service, servers=made[port])
    return table


def planned(current: Table, desired: Table) -> tuple[Apply, ...]:
    """The action that makes one table of another, if they differ: whoever gets none any more comes last here, too."""
    return _applied(tuple(sorted(plan(current, desired), key=_is_loss)))


def found_weights(found: Table) -> Callable[[Member], int | None]:
    """A function that tells the weight of a member in a table: the first that is not 0; None if it is not there."""
    places = {key: {server.place: server.weight for server in service.servers} for key, service in found.items()}

    def weight_of(member: Member) -> int | None:
        spots = ((weights, port_of(key) if member.port is None else member.port) for key, weights in places.items())
        weights = [weights[member.address, port] for weights, port in spots if (member.address, port) in weights]
        return next(filter(None, weights), 0) if weights else None

    return weight_of


def _is_loss(operation: Operation) -> bool:
    match operation:
        case RemoveServer() | RemoveService():
            return True
        case SetServer(_key, server):
            return server.weight == 0
        case _:
            return False


def _applied(operations: tuple[Operation, ...]) -> tuple[Apply, ...]:
    return (Apply(operations),) if operations else ()
