"""The kernel's table of virtual services: reading it, and carrying out operations."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, assert_never

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    ApplyError,
    Connections,
    Counters,
    Operation,
    Refused,
    RemoveServer,
    RemoveService,
    ServiceKey,
    SetServer,
    SetService,
    Table,
    VirtualService,
)
from vrrpkit.ipvs._failure import explain, is_settled, second_try
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._ipvs_counters import decode_connections, decode_counters
from vrrpkit.linux._ipvs_socket import Command, IPVSSocket
from vrrpkit.linux._ipvs_wire import (
    SERVER,
    SERVICE,
    Fields,
    decode_key,
    decode_server,
    decode_service,
    encode_key,
    encode_place,
    encode_server,
    encode_service,
    fields,
)
from vrrpkit.linux._netlink import Refusal

__all__ = [
    "Owner",
    "apply",
    "encode_operation",
    "owned_keys",
    "read",
    "read_all",
    "read_connections",
    "read_counters",
    "zero",
]

Owner: TypeAlias = Callable[[ServiceKey], bool]
"""Tells whose a service is."""


# Reading --------------------------------------------------------------------------------------------------------------


def read(ipvs: IPVSSocket, keys: Collection[ServiceKey]) -> Table:
    """Those of the services that are there, with their servers."""
    answers = ((key, _ask_for(ipvs, key)) for key in keys)
    return {key: _with_servers(ipvs, key, has) for key, has in answers if has is not None}


def read_all(ipvs: IPVSSocket, owns: Owner) -> Table:
    """All services that are owned, with their servers.

    The kernel does not say that its table changed while it was read: what others add or remove meanwhile may hide one
    of ours. If it is added again then, it is set: see `apply()`.
    """
    return {key: _with_servers(ipvs, key, has) for key, has in _owned(ipvs, owns).items()}


def owned_keys(ipvs: IPVSSocket, owns: Owner) -> list[ServiceKey]:
    """What is owned."""
    return list(_owned(ipvs, owns))


def read_counters(ipvs: IPVSSocket, owns: Owner) -> Mapping[ServiceKey, Counters]:
    """What has gone through each service that is owned."""
    return {key: decode_counters(has) for key, has in _owned(ipvs, owns).items()}


def read_connections(ipvs: IPVSSocket, key: ServiceKey) -> Mapping[tuple[IPAddress, int], Connections]:
    """What each server of a service has; empty if there is no such service."""
    return {decode_server(key, has).place: decode_connections(has) for has in _servers(ipvs, key)}


def _ask_for(ipvs: IPVSSocket, key: ServiceKey) -> Fields | None:
    try:
        answer = ipvs.ask(f"read {key}", Command.GET_SERVICE, encode_key(key))
    except KernelError as error:
        if error.errno != errno.ESRCH:
            raise
        return None
    return fields(answer or b"", SERVICE)


def _owned(ipvs: IPVSSocket, owns: Owner) -> dict[ServiceKey, Fields]:
    answers = (fields(payload, SERVICE) for payload in ipvs.dump("read the services of IPVS", Command.GET_SERVICE))
    return {key: has for has in answers if (key := decode_key(has)) is not None and owns(key)}


def _with_servers(ipvs: IPVSSocket, key: ServiceKey, has: Fields) -> VirtualService:
    return decode_service(key, has, [decode_server(key, server) for server in _servers(ipvs, key)])


def _servers(ipvs: IPVSSocket, key: ServiceKey) -> Iterator[Fields]:
    """Of a service that is not there the kernel says that it has none."""
    payloads = ipvs.dump(f"read the servers of {key}", Command.GET_DEST, encode_key(key))
    return (fields(payload, SERVER) for payload in payloads)


# Changing -------------------------------------------------------------------------------------------------------------


def apply(ipvs: IPVSSocket, operations: Sequence[Operation]) -> None:
    """Carry out what can be carried out.

    What is to be added and is there is set, unless a later operation is about the same; what is to be removed and is
    gone is fine.

    Raises:
        ApplyError: Some operations were refused; all the others were carried out.
        KernelError: The kernel gave no answer; what has become of them is not known.
    """
    refusals = {refusal.position: refusal for refusal in _carry_out(ipvs, operations)}
    again = _second_tries(operations, refusals)
    for position in again:
        del refusals[position]
    tried = [(position, operation) for position, operation in again.items() if operation is not None]
    for refusal in _carry_out(ipvs, [operation for _position, operation in tried]):
        refusals[tried[refusal.position][0]] = refusal
    refused = {
        position: _refused(operations[position], refusal)
        for position, refusal in sorted(refusals.items())
        if not is_settled(operations[position], refusal.errno)
    }
    if refused:
        done = [operation for position, operation in enumerate(operations) if position not in refused]
        raise ApplyError(list(refused.values()), done)


def zero(ipvs: IPVSSocket, keys: Iterable[ServiceKey]) -> None:
    """Let the counters of services and of their servers begin at 0 again; those of a service that is gone need not."""
    listed = list(keys)
    for refusal in ipvs.change("zero counters of IPVS", [(Command.ZERO, encode_key(key)) for key in listed]):
        if refusal.errno != errno.ESRCH:
            raise kernel_error(f"zero the counters of {listed[refusal.position]}", refusal.errno, refusal.text)


def _carry_out(ipvs: IPVSSocket, operations: Sequence[Operation]) -> list[Refusal]:
    return ipvs.change("change the table of IPVS", map(encode_operation, operations)) if operations else []


def encode_operation(operation: Operation) -> tuple[Command, bytes]:
    """One operation as a message."""
    match operation:
        case AddService(service):
            return Command.NEW_SERVICE, encode_service(service)
        case SetService(service):
            return Command.SET_SERVICE, encode_service(service)
        case RemoveService(key):
            return Command.DEL_SERVICE, encode_key(key)
        case AddServer(key, server):
            return Command.NEW_DEST, encode_key(key) + encode_server(server)
        case SetServer(key, server):
            return Command.SET_DEST, encode_key(key) + encode_server(server)
        case RemoveServer(key, server):
            return Command.DEL_DEST, encode_key(key) + encode_place(server)
        case unreachable:
            assert_never(unreachable)


def _second_tries(operations: Sequence[Operation], refusals: Mapping[int, Refusal]) -> dict[int, Operation | None]:
    """What to do instead of what was refused, by its position; None where a later operation has done it already."""
    again = {
        position: instead
        for position, refusal in refusals.items()
        if (instead := second_try(operations[position], refusal.errno)) is not None
    }
    if not again:
        return {}
    last = {_subject(operation): position for position, operation in enumerate(operations)}
    return {
        position: instead if last[_subject(operations[position])] == position else None
        for position, instead in again.items()
    }


def _subject(operation: Operation) -> object:
    match operation:
        case AddService(service) | SetService(service):
            return service.key
        case RemoveService(key):
            return key
        case AddServer(key, server) | SetServer(key, server) | RemoveServer(key, server):
            return key, server.place
        case unreachable:
            assert_never(unreachable)


def _refused(operation: Operation, refusal: Refusal) -> Refused:
    text = refusal.text or explain(operation, refusal.errno)
    return Refused(operation, refusal.errno, kernel_error("", refusal.errno, text).strerror or "")
