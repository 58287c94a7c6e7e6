"""What rtnetlink says of routes: octets -> frozen values."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress
from vrrpkit.linux._wire import attribute, attributes

__all__ = [
    "DEAD_ENDS",
    "NEXTHOP_GROUP",
    "NEXTHOP_NEWS",
    "ROUTE_NEWS",
    "RTM_GETROUTE",
    "IPNetwork",
    "NextHop",
    "RouteFact",
    "decode_route",
    "route_group",
    "route_query",
    "sieve",
]

IPNetwork: TypeAlias = IPv4Network | IPv6Network

# linux/rtnetlink.h
RTM_GETROUTE: Final = 26
ROUTE_NEWS: Final = frozenset({24, 25})  # RTM_NEWROUTE, RTM_DELROUTE
NEXTHOP_NEWS: Final = frozenset({104, 105})  # RTM_NEWNEXTHOP, RTM_DELNEXTHOP
NEXTHOP_GROUP: Final = 32  # RTNLGRP_NEXTHOP, since kernel 5.3
_ROUTE_GROUPS: Final = {4: 7, 6: 11}  # RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 7, 9
_RTA_TABLE, _RTA_VIA, _RTA_NH_ID = 15, 18, 30
_RTNH_F_DEAD: Final = 0x01
_RTNH_F_LINKDOWN: Final = 0x10
_RTM_F_CLONED: Final = 0x200

# struct rtmsg: family, lengths of the destination and the source, TOS, table, protocol, scope, type, flags
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_HOP: Final = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight, link
_U32: Final = struct.Struct("=I")
_PARSERS: Final[Mapping[int, Callable[[bytes], IPAddress]]] = {4: IPv4Address, 16: IPv6Address}


# RTN_...: the kinds that lead nowhere
DEAD_ENDS: Final[Mapping[int, str]] = {6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}


@value
class NextHop:
    """One way that a route takes.

    Attributes:
        index: The link; 0 for none.
        gateway: Whom the packet is handed to; None for the receiver itself.
        alive: Whether the kernel says nothing against it: neither dead nor with its link down.
    """

    index: int
    gateway: IPAddress | None
    alive: bool


@value
class RouteFact:
    """What the kernel says of one route.

    Attributes:
        table: The number of its table.
        kind: `RTN_...`: 1 for an ordinary one.
        hops: The ways it takes. None are told of a route that refers to a next hop object where the sysctl
            net.ipv4.nexthop_compat_mode is off.
        source: The address that packets are sent from by default (RTA_PREFSRC).
        by_object: Whether it refers to a next hop object.
    """

    table: int
    kind: int
    hops: tuple[NextHop, ...]
    source: IPAddress | None
    by_object: bool


def route_group(destination: IPNetwork) -> int:
    """The multicast group that tells of routes like the one to this destination."""
    return _ROUTE_GROUPS[destination.version]


def route_query(destination: IPNetwork, table: int) -> bytes:
    """The payload that dumps a table; of all tables before kernel 4.20."""
    header = _ROUTE.pack(_family(destination), 0, 0, 0, table if table < 256 else 0, 0, 0, 0, 0)
    return header + attribute(_RTA_TABLE, _U32.pack(table))


def sieve(destination: IPNetwork) -> Callable[[bytes], bool]:
    """What tells whether a message may be about a route to exactly this destination.

    Only from everywhere and for every kind of service. It sorts out all but a few of a large table at little cost.
    """
    header = bytes((_family(destination), destination.prefixlen, 0, 0))
    octets = destination.network_address.packed if destination.prefixlen else b""
    return lambda payload: payload.startswith(header) and octets in payload


def decode_route(payload: bytes, destination: IPNetwork) -> RouteFact | None:
    """The route to exactly this destination, or None for a message that describes no such one."""
    if len(payload) < _ROUTE.size or not sieve(destination)(payload):
        return None
    _family, _length, _source, _tos, table, _protocol, _scope, kind, flags = _ROUTE.unpack_from(payload)
    found = attributes(payload, _ROUTE.size)
    octets = found.get(_RTA_DST, bytes(len(destination.network_address.packed)))
    if octets != destination.network_address.packed or flags & _RTM_F_CLONED:
        return None
    return RouteFact(
        _u32(found.get(_RTA_TABLE, b""), table),
        kind,
        tuple(_hops(found, flags)),
        _address(found.get(_RTA_PREFSRC, b"")),
        _RTA_NH_ID in found,
    )


def _hops(found: Mapping[int, bytes], flags: int) -> Iterator[NextHop]:
    several = found.get(_RTA_MULTIPATH)
    if several is not None:
        yield from _several(several)
    elif _RTA_OIF in found or _RTA_GATEWAY in found or _RTA_VIA in found:
        yield NextHop(_u32(found.get(_RTA_OIF, b""), 0), _gateway(found), _is_alive(flags))


def _several(octets: bytes) -> Iterator[NextHop]:
    """The ways of RTA_MULTIPATH, up to the first whose length cannot be right."""
    start, end = 0, len(octets)
    while start + _HOP.size <= end:
        length, flags, _weight, index = _HOP.unpack_from(octets, start)
        if not _HOP.size <= length <= end - start:
            break
        found = attributes(octets[start + _HOP.size : start + length])
        yield NextHop(index, _gateway(found), _is_alive(flags))
        start += (length + 3) & ~3


def _gateway(found: Mapping[int, bytes]) -> IPAddress | None:
    # RTA_VIA is an address of another family: its number in two octets, then itself.
    return _address(found.get(_RTA_GATEWAY) or found.get(_RTA_VIA, b"")[2:])


def _address(octets: bytes) -> IPAddress | None:
    parse = _PARSERS.get(len(octets))
    return None if parse is None else parse(octets)


def _is_alive(flags: int) -> bool:
    return not flags & (_RTNH_F_DEAD | _RTNH_F_LINKDOWN)


def _u32(octets: bytes, otherwise: int) -> int:
    number: int = _U32.unpack(octets)[0] if len(octets) == _U32.size else otherwise
    return number


def _family(destination: IPNetwork) -> int:
    return socket.AF_INET if destination.version == 4 else socket.AF_INET6
