"""Services and real servers as the kernel says and takes them (linux/ip_vs.h): octets <-> values.

What the kernel has is read as it is, see `_ipvs_found`; octets that make no sense are a `KernelError`.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from socket import AF_INET, AF_INET6
from typing import Final

from vrrpkit.addresses import Family
from vrrpkit.errors import KernelError
from vrrpkit.ipvs import (
    Checksum,
    Endpoint,
    FirewallMark,
    Forwarding,
    L4Protocol,
    RealServer,
    SchedulerFlags,
    ServiceKey,
    Tunnel,
    TunnelKind,
    VirtualService,
    Way,
)
from vrrpkit.ipvs._service import in_order
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._ipvs_fields import KERNEL_FAMILIES, address_of, name_of, network16, number_of, text, u8, u16, u32
from vrrpkit.linux._ipvs_found import found, member
from vrrpkit.linux._wire import attribute, attributes, nested

__all__ = [
    "GENERIC_HEADER",
    "SERVER",
    "SERVICE",
    "Fields",
    "decode_key",
    "decode_server",
    "decode_service",
    "encode_key",
    "encode_place",
    "encode_server",
    "encode_service",
    "fields",
    "nonsense",
]

Fields = dict[int, bytes]
"""Attributes by their numbers."""

# enum ip_vs_genl_cmd_attr: what a message is about
SERVICE: Final = 1
SERVER: Final = 2

# enum ip_vs_service_attr
_AF, _PROTOCOL, _ADDRESS, _PORT, _MARK, _SCHEDULER, _FLAGS, _TIMEOUT, _NETMASK, _ENGINE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 11
_PERSISTENT: Final = 0x1
_ONE_PACKET: Final = 0x4
_SCHEDULER_FLAGS: Final = 0x38
_PROTOCOLS: Final = frozenset(L4Protocol)
_FLAGS_AND_MASK: Final = struct.Struct("=II")
_ALL: Final = 0xFFFFFFFF

# enum ip_vs_dest_attr
_AT, _AT_PORT, _METHOD, _WEIGHT, _UPPER, _LOWER, _FAMILY = 1, 2, 3, 4, 5, 6, 11
_TUNNEL_KIND, _TUNNEL_PORT, _TUNNEL_FLAGS = 13, 14, 15
_METHODS: Final = 0x7
_TUNNEL: Final = 2

GENERIC_HEADER: Final = 4
"""So many octets come before the attributes."""


def fields(payload: bytes, about: int) -> Fields:
    """The attributes that a message has of a service, a server, or whatever it is about."""
    return attributes(attributes(payload, GENERIC_HEADER).get(about, b""))


def nonsense(subject: str, error: Exception) -> KernelError:
    """What the kernel says cannot be read."""
    return kernel_error(f"read {subject} of IPVS", errno.EBADMSG, f"the kernel's answer makes no sense ({error!r})")


# Services -------------------------------------------------------------------------------------------------------------


@lru_cache(64)  # one service has many servers
def encode_key(key: ServiceKey) -> bytes:
    """What tells a service from others."""
    return nested(SERVICE, _key(key))


def encode_service(service: VirtualService) -> bytes:
    """A service without its servers; all that can be said of it, since what is left out would be refused."""
    number = (_PERSISTENT if service.persistence is not None else 0) | (_ONE_PACKET if service.one_packet else 0)
    parts = [
        _key(service.key),
        text(_SCHEDULER, service.scheduler),
        attribute(_FLAGS, _FLAGS_AND_MASK.pack(number | service.flags, _ALL)),
        u32(_TIMEOUT, service.persistence or 0),
        _netmask(service),
    ]
    if service.persistence_engine is not None:
        parts.append(text(_ENGINE, service.persistence_engine))
    return nested(SERVICE, *parts)


def _key(key: ServiceKey) -> bytes:
    family = u16(_AF, KERNEL_FAMILIES[key.family])
    if isinstance(key, FirewallMark):
        return family + u32(_MARK, key.mark)
    address = attribute(_ADDRESS, key.address.packed)
    return family + u16(_PROTOCOL, key.protocol) + address + network16(_PORT, key.port)


def _netmask(service: VirtualService) -> bytes:
    """A mask in network order for IPv4; the length of a prefix in host order for IPv6."""
    prefix = service.persistence_prefix
    if service.family is Family.IPV6:
        return u32(_NETMASK, 128 if prefix is None else prefix)
    if prefix is not None and prefix < 0:
        return attribute(_NETMASK, IPv4Address(-prefix).packed)
    return attribute(_NETMASK, IPv4Network((0, 32 if prefix is None else prefix)).netmask.packed)


def decode_key(has: Fields) -> ServiceKey | None:
    """What a service is known by; None for one that cannot be ours: of another protocol or address family.

    Raises:
        KernelError: The octets make no sense.
    """
    try:
        family = number_of(has[_AF])
        if family not in {AF_INET, AF_INET6}:
            return None
        if mark := number_of(has.get(_MARK, b"")):
            return found(FirewallMark, mark=mark, family=Family.IPV4 if family == AF_INET else Family.IPV6)
        protocol = member(L4Protocol, number_of(has[_PROTOCOL]))
        if protocol not in _PROTOCOLS:
            return None
        address = address_of(family, has[_ADDRESS])
        return found(Endpoint, protocol=protocol, address=address, port=int.from_bytes(has[_PORT], "big"))
    except (KeyError, ValueError) as error:
        raise nonsense("a service", error) from error


def decode_service(key: ServiceKey, has: Fields, servers: Iterable[RealServer] = ()) -> VirtualService:
    """A service with these servers.

    Raises:
        KernelError: The octets make no sense.
    """
    try:
        number = number_of(has[_FLAGS][:4])
        return found(
            VirtualService,
            key=key,
            scheduler=name_of(has[_SCHEDULER]),
            flags=SchedulerFlags(number & _SCHEDULER_FLAGS),
            persistence=number_of(has[_TIMEOUT]) if number & _PERSISTENT else None,
            persistence_prefix=_prefix(key.family, has[_NETMASK]),
            persistence_engine=name_of(has[_ENGINE]) if _ENGINE in has else None,
            one_packet=bool(number & _ONE_PACKET),
            servers=in_order(servers),
        )
    except KeyError as error:
        raise nonsense(str(key), error) from error


def _prefix(family: Family, netmask: bytes) -> int | None:
    if family is Family.IPV6:
        length = number_of(netmask)
        return None if length == 128 else length
    mask = int.from_bytes(netmask[:4], "big")
    length = mask.bit_count()
    if mask != _ALL & (_ALL << (32 - length)):
        return -mask
    return None if length == 32 else length


# Real servers ---------------------------------------------------------------------------------------------------------


def encode_place(server: RealServer) -> bytes:
    """What tells a server from others of its service."""
    return nested(SERVER, _place(server))


def encode_server(server: RealServer) -> bytes:
    """A server with all that can be said of it, since what is left out would be refused."""
    way = server.forwarding
    method = u32(_METHOD, _TUNNEL if isinstance(way, Tunnel) else way)
    numbers = u32(_WEIGHT, server.weight) + u32(_UPPER, server.upper_threshold) + u32(_LOWER, server.lower_threshold)
    return nested(SERVER, _place(server), method, numbers, _tunnel(way) if isinstance(way, Tunnel) else b"")


def _place(server: RealServer) -> bytes:
    address = server.address
    family = u16(_FAMILY, AF_INET if address.version == 4 else AF_INET6)
    return attribute(_AT, address.packed) + network16(_AT_PORT, server.port) + family


def _tunnel(way: Tunnel) -> bytes:
    return u8(_TUNNEL_KIND, way.kind) + network16(_TUNNEL_PORT, way.port) + u16(_TUNNEL_FLAGS, way.checksum)


def decode_server(service: ServiceKey, has: Fields) -> RealServer:
    """A server of a service; kernels before 3.18 do not say its family, which is its service's.

    Raises:
        KernelError: The octets make no sense.
    """
    try:
        family = number_of(has[_FAMILY]) if _FAMILY in has else KERNEL_FAMILIES[service.family]
        return found(
            RealServer,
            address=address_of(family, has[_AT]),
            port=int.from_bytes(has[_AT_PORT], "big"),
            weight=number_of(has[_WEIGHT]),
            forwarding=_way(has),
            upper_threshold=number_of(has[_UPPER]),
            lower_threshold=number_of(has[_LOWER]),
        )
    except (KeyError, ValueError) as error:
        raise nonsense(f"a server of {service}", error) from error


def _way(has: Fields) -> Way:
    method = number_of(has[_METHOD]) & _METHODS
    if method != _TUNNEL:
        return member(Forwarding, method)
    return found(
        Tunnel,
        kind=member(TunnelKind, number_of(has.get(_TUNNEL_KIND, b""))),
        port=int.from_bytes(has.get(_TUNNEL_PORT, b""), "big"),
        checksum=member(Checksum, number_of(has.get(_TUNNEL_FLAGS, b""))),
    )
