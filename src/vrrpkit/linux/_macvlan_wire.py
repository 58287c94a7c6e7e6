"""What rtnetlink takes to make a macvlan and to set how interfaces treat ARP: values -> octets, and back."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final

from vrrpkit.addresses import MACAddress
from vrrpkit.linux._wire import attribute, attributes, nested

__all__ = [
    "ARP_ANNOUNCE",
    "ARP_FILTER",
    "ARP_IGNORE",
    "GROUP",
    "PROMOTE_SECONDARIES",
    "RP_FILTER",
    "RTM_SETLINK",
    "decode_settings",
    "encode_link",
    "encode_macvlan",
    "encode_no_link_local",
    "encode_settings",
]

RTM_SETLINK: Final = 19

# The interface group of what we make, so that it is known as ours later: VRRP's protocol number, as for addresses.
GROUP: Final = 112

# linux/ip.h, IPV4_DEVCONF_...: net.ipv4.conf.INTERFACE.* by their numbers
RP_FILTER: Final = 8
ARP_FILTER: Final = 13
ARP_ANNOUNCE: Final = 18
ARP_IGNORE: Final = 19
PROMOTE_SECONDARIES: Final = 20

# linux/if_link.h, linux/ip.h, net/if.h
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_GROUP = 1, 3, 5, 18, 26, 27
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFLA_MACVLAN_MODE: Final = 1
_MACVLAN_MODE_PRIVATE: Final = 1
_IFLA_INET_CONF: Final = 1
_IFLA_INET6_ADDR_GEN_MODE: Final = 8
_IN6_ADDR_GEN_MODE_NONE: Final = 1
_IFF_UP: Final = 1

_LINK: Final = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_U32: Final = struct.Struct("=I")


def encode_macvlan(name: str, parent: int, mac: MACAddress) -> bytes:
    """The payload that adds a macvlan of mode private, switched off, in our group."""
    return b"".join(
        (
            encode_link(0),
            attribute(_IFLA_IFNAME, name.encode() + b"\0"),
            attribute(_IFLA_LINK, _U32.pack(parent)),
            attribute(_IFLA_ADDRESS, mac),
            attribute(_IFLA_GROUP, _U32.pack(GROUP)),
            nested(
                _IFLA_LINKINFO,
                attribute(_IFLA_INFO_KIND, b"macvlan\0"),
                nested(_IFLA_INFO_DATA, attribute(_IFLA_MACVLAN_MODE, _U32.pack(_MACVLAN_MODE_PRIVATE))),
            ),
        )
    )


def encode_link(index: int, *, up: bool | None = None) -> bytes:
    """The payload that names a link, to remove it or, unless `up` is None, to switch it on or off."""
    flags, change = (0, 0) if up is None else (_IFF_UP if up else 0, _IFF_UP)
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, change)


def encode_settings(index: int, settings: Mapping[int, int]) -> bytes:
    """The payload that sets some of net.ipv4.conf of a link."""
    values = (attribute(number, _U32.pack(value)) for number, value in settings.items())
    conf = nested(_IFLA_INET_CONF, *values)
    return encode_link(index) + nested(_IFLA_AF_SPEC, nested(socket.AF_INET, conf))


def encode_no_link_local(index: int) -> bytes:
    """The payload that keeps the kernel from giving a link an IPv6 address of its own; for when it is off."""
    mode = attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes((_IN6_ADDR_GEN_MODE_NONE,)))
    return encode_link(index) + nested(_IFLA_AF_SPEC, nested(socket.AF_INET6, mode))


def decode_settings(payload: bytes) -> dict[int, int]:
    """All of net.ipv4.conf of a link that the kernel has told of; empty if it has not."""
    specific = attributes(attributes(payload, _LINK.size).get(_IFLA_AF_SPEC, b""))
    conf = attributes(specific.get(socket.AF_INET, b"")).get(_IFLA_INET_CONF, b"")
    whole = conf[: len(conf) // _U32.size * _U32.size]
    return {number: value for number, (value,) in enumerate(_U32.iter_unpack(whole), 1)}
