"""The kernel's table of virtual services, played in memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import define, evolve, field

from vrrpkit.addresses import IPAddress
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    ApplyError,
    Connections,
    Operation,
    RealServer,
    Refused,
    RemoveServer,
    RemoveService,
    ServiceKey,
    SetServer,
    SetService,
    Table,
    Tunnel,
    VirtualService,
)
from vrrpkit.ipvs._failure import explain, is_settled, second_try

__all__ = ["FakeServices"]


def never(_operation: Operation) -> int | None:
    """Refuse nothing."""
    return None


@define(eq=False)
class FakeServices:
    """A table of IPVS whose kernel is a dictionary, with the kernel's rules.

    Attributes:
        table: What is there now; assign another one to play somebody else's change.
        refuse: Asked before each operation: an error number to refuse it with, `errno.ENOENT` for one, or None.
        log: All operations that were tried, in order.
        counts: The connections of real servers, by service and by the server's address and port.
    """

    table: Table = field(factory=dict)
    refuse: Callable[[Operation], int | None] = field(default=never, kw_only=True)
    log: list[Operation] = field(factory=list, init=False)
    counts: dict[tuple[ServiceKey, tuple[IPAddress, int]], Connections] = field(factory=dict, init=False)

    async def read(self, keys: Collection[ServiceKey]) -> Table:
        """Those of the services that are there, with their servers."""
        return {key: self.table[key] for key in keys if key in self.table}

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out what can be carried out.

        As with the kernel's own table, adding what is there sets it, and removing what is gone is fine.

        Raises:
            ApplyError: Some operations were refused; all the others were carried out.
        """
        refused: list[Refused] = []
        done: list[Operation] = []
        for operation in operations:
            code = self.carry_out(operation)
            if (instead := second_try(operation, code)) is not None:
                code = self.carry_out(instead)
            if not code or is_settled(operation, code):
                done.append(operation)
            else:
                refused.append(Refused(operation, code, explain(operation, code) or os.strerror(code)))
        if refused:
            raise ApplyError(refused, done)

    async def connections(self, key: ServiceKey) -> Mapping[tuple[IPAddress, int], Connections]:
        """The connections of each server of a service; empty if there is no such service."""
        service = self.table.get(key)
        servers = service.servers if service is not None else ()
        return {server.place: self.counts.get((key, server.place), Connections()) for server in servers}

    def carry_out(self, operation: Operation) -> int:
        """Do one thing to the table as the kernel would; return its error number, or 0."""
        self.log.append(operation)
        code = self.refuse(operation) or self._verdict(operation)
        if not code:
            self.table = _after(self.table, operation)
        return code

    def _verdict(self, operation: Operation) -> int:
        match operation:
            case AddService(service):
                return errno.EEXIST if service.key in self.table else 0
            case SetService(service):
                return 0 if service.key in self.table else errno.ESRCH
            case RemoveService(key):
                return 0 if key in self.table else errno.ESRCH
            case AddServer(key, server) | SetServer(key, server) | RemoveServer(key, server):
                known = self.table.get(key)
                return errno.ESRCH if known is None else _server_verdict(known, operation, server)


def _server_verdict(
    service: VirtualService, operation: AddServer | SetServer | RemoveServer, server: RealServer
) -> int:
    is_there = any(known.place == server.place for known in service.servers)
    if isinstance(operation, RemoveServer):
        return 0 if is_there else errno.ENOENT
    if server.family is not service.family and not isinstance(server.forwarding, Tunnel):
        return errno.EINVAL
    if isinstance(operation, AddServer):
        return errno.EEXIST if is_there else 0
    return 0 if is_there else errno.ENOENT


def _after(table: Table, operation: Operation) -> Table:
    match operation:
        case AddService(service):
            return {**table, service.key: evolve(service, servers=())}
        case SetService(service):
            return {**table, service.key: evolve(service, servers=table[service.key].servers)}
        case RemoveService(key):
            return {known: service for known, service in table.items() if known != key}
        case AddServer(key, server) | SetServer(key, server):
            service = table[key]
            return {**table, key: evolve(service, servers=[*_without(service, server), server])}
        case RemoveServer(key, server):
            service = table[key]
            return {**table, key: evolve(service, servers=_without(service, server))}


def _without(service: VirtualService, server: RealServer) -> list[RealServer]:
    return [known for known in service.servers if known.place != server.place]
