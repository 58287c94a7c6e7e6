"""What rtnetlink says and takes, of links and addresses: octets <-> frozen values."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress, MACAddress
from vrrpkit.linux._wire import attribute, attributes

__all__ = [
    "FOREVER",
    "NO_MAC",
    "PROTOCOL",
    "RTM_DELADDR",
    "RTM_DELLINK",
    "RTM_GETADDR",
    "RTM_GETLINK",
    "RTM_NEWADDR",
    "RTM_NEWLINK",
    "RTNL_GROUPS",
    "AddressFact",
    "LinkFact",
    "address_query",
    "decode_address",
    "decode_link",
    "encode_address",
    "index_of",
    "link_query",
    "without_lifetimes",
]

RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTNL_GROUPS: Final = (1, 5, 9)  # RTNLGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR

# linux/if_link.h, linux/if_addr.h
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_WIRELESS, _IFLA_LINKINFO = 1, 3, 5, 11, 18
_IFLA_GROUP, _IFLA_EXT_MASK = 27, 29
_IFLA_INFO_KIND: Final = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_BROADCAST, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 3, 4, 6, 8, 11
_IFA_F_SECONDARY: Final = 0x01  # of IPv6: temporary
_IFA_F_NODAD: Final = 0x02
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40
_IFA_F_PERMANENT: Final = 0x80
_IFA_F_NOPREFIXROUTE: Final = 0x200
_IFF_UP: Final = 0x1
_IFF_RUNNING: Final = 0x40
_RTEXT_FILTER_SKIP_STATS: Final = 0x8

_LINK: Final = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_INDEX: Final = struct.Struct("=4xI")  # where both have it
_LIFETIMES: Final = struct.Struct("=IIII")  # struct ifa_cacheinfo: preferred, valid, created, updated
_U32: Final = struct.Struct("=I")
_CACHEINFO_SIZE: Final = 4 + _LIFETIMES.size
_CACHEINFO_HEADER: Final = struct.pack("=HH", _CACHEINFO_SIZE, _IFA_CACHEINFO)
_PARSERS: Final[Mapping[tuple[int, int], Callable[[bytes], IPAddress]]] = {
    (socket.AF_INET, 4): IPv4Address,
    (socket.AF_INET6, 16): IPv6Address,
}

FOREVER: Final = 0xFFFFFFFF
# Who added an address (IFA_PROTO, kernel 5.18): VRRP's own protocol number. keepalived's mark is 18, and a live
# keepalived's addresses must not be taken for our leftovers. /etc/iproute2/rt_addrprotos can give it a name.
PROTOCOL: Final = 112
NO_MAC: Final = MACAddress(bytes(6))


@value
class LinkFact:
    """What the kernel says of one link.

    Attributes:
        index: Its number, which no other link gets while it lives.
        name: Its name at the moment.
        up: Switched on and able to carry traffic (IFF_UP and IFF_RUNNING).
        mac: Its Ethernet address; all zero without one.
        kind: `veth`, `macvlan` and so on; empty for hardware.
        parent: The index of the link below, as of a macvlan or a VLAN; 0 for none.
        group: The group it was put in, as of `ip link set group`; 0 unless somebody has.
    """

    index: int
    name: str
    up: bool
    mac: MACAddress
    kind: str
    parent: int
    group: int = 0


@value
class AddressFact:
    """What the kernel says of one address.

    Attributes:
        index: The link it is on.
        address: The address.
        prefix_length: The length of its prefix.
        flags: `IFA_F_...`
        scope: The scope's number: 0 global, 200 site, 253 link, 254 host.
        protocol: Who added it (IFA_PROTO); 0 for unknown, and before kernel 5.18.
        created: When it was added, in hundredths of a second since the machine started; renewals do not count.
    """

    index: int
    address: IPAddress
    prefix_length: int
    flags: int
    scope: int
    protocol: int
    created: int = 0

    @property
    def secondary(self) -> bool:
        """Whether another address of the same IPv4 network came before; it goes when that one goes."""
        return isinstance(self.address, IPv4Address) and bool(self.flags & _IFA_F_SECONDARY)

    @property
    def usable(self) -> bool:
        """Whether it may be sent from: not waiting for duplicate address detection, and not failed in it."""
        return not self.flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED)

    @property
    def virtual(self) -> bool:
        """Whether this library put it there, in this process or in another."""
        return self.protocol == PROTOCOL

    @property
    def permanent(self) -> bool:
        """Whether it stays for ever; others go when their lifetime ends."""
        return bool(self.flags & _IFA_F_PERMANENT)


def index_of(payload: bytes) -> int:
    """The link that a message about a link or an address is about; 0 if it does not say."""
    return _INDEX.unpack_from(payload)[0] if len(payload) >= _INDEX.size else 0


def decode_link(payload: bytes) -> LinkFact | None:
    """A link, or None for a message that does not describe one: a bridge port's, or a radio's event."""
    if len(payload) < _LINK.size:
        return None
    family, _type, index, flags, _change = _LINK.unpack_from(payload)
    found = attributes(payload, _LINK.size)
    name = found.get(_IFLA_IFNAME)
    if family != socket.AF_UNSPEC or name is None or _IFLA_WIRELESS in found:
        return None
    mac = found.get(_IFLA_ADDRESS, b"")
    return LinkFact(
        index,
        _text(name),
        flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
        MACAddress(mac) if len(mac) == len(NO_MAC) else NO_MAC,
        _text(attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b"")),
        _number(found.get(_IFLA_LINK, b"")),
        _number(found.get(_IFLA_GROUP, b"")),
    )


def decode_address(payload: bytes) -> AddressFact | None:
    """An address, or None for a message that does not describe one."""
    if len(payload) < _ADDRESS.size:
        return None
    family, prefix_length, flags, scope, index = _ADDRESS.unpack_from(payload)
    found = attributes(payload, _ADDRESS.size)
    # IFA_LOCAL is ours; without it, or without a peer at the other end, IFA_ADDRESS is.
    octets = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
    parse = _PARSERS.get((family, len(octets)))
    if parse is None:
        return None
    wide_flags = found.get(_IFA_FLAGS, b"")
    if len(wide_flags) == _U32.size:
        flags = _U32.unpack(wide_flags)[0]
    protocol = found.get(_IFA_PROTO) or b"\0"
    lifetimes = found.get(_IFA_CACHEINFO, b"")
    created = _LIFETIMES.unpack(lifetimes)[2] if len(lifetimes) == _LIFETIMES.size else 0
    return AddressFact(index, parse(octets), prefix_length, flags, scope, protocol[0], created)


def without_lifetimes(payload: bytes) -> bytes:
    """The payload about an address without what every renewal changes; equal ones say the same."""
    # The last place that looks like the attribute's header is that header, or within the attribute: the kernel puts it
    # behind all addresses. In the latter case the result is unique, and costs a second look.
    at = payload.rfind(_CACHEINFO_HEADER)
    return payload[:at] + payload[at + _CACHEINFO_SIZE :] if at >= 0 else payload


def encode_address(  # noqa: PLR0913 - one argument for each thing the kernel takes
    index: int,
    address: IPAddress,
    prefix_length: int,
    *,
    scope: int = 0,
    label: str | None = None,
    broadcast: IPAddress | None = None,
    dad: bool = True,
    prefix_route: bool = True,
    protocol: int = 0,
    preferred: int = FOREVER,
    valid: int = FOREVER,
) -> bytes:
    """The payload that adds, replaces or (with the first three) removes an address; lifetimes in seconds."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    flags = (0 if dad else _IFA_F_NODAD) | (0 if prefix_route else _IFA_F_NOPREFIXROUTE)
    parts = [
        _ADDRESS.pack(family, prefix_length, flags & 0xFF, scope, index),
        attribute(_IFA_LOCAL, address.packed),
        attribute(_IFA_ADDRESS, address.packed),
    ]
    if broadcast is not None:
        parts.append(attribute(_IFA_BROADCAST, broadcast.packed))
    if label is not None:
        parts.append(attribute(_IFA_LABEL, label.encode() + b"\0"))
    if flags:
        parts.append(attribute(_IFA_FLAGS, _U32.pack(flags)))
    if protocol:
        parts.append(attribute(_IFA_PROTO, bytes((protocol,))))
    if (preferred, valid) != (FOREVER, FOREVER):
        parts.append(attribute(_IFA_CACHEINFO, _LIFETIMES.pack(preferred, valid, 0, 0)))
    return b"".join(parts)


def address_query(index: int = 0, family: int = socket.AF_UNSPEC) -> bytes:
    """The payload that dumps the addresses of a link (of all before kernel 4.20) and of a family, or of all."""
    return _ADDRESS.pack(family, 0, 0, 0, index)


def link_query(name: str | None = None) -> bytes:
    """The payload that asks for a link by its name, or dumps all links."""
    parts = [_LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)]
    if name is not None:
        parts.append(attribute(_IFLA_IFNAME, name.encode() + b"\0"))
    parts.append(attribute(_IFLA_EXT_MASK, _U32.pack(_RTEXT_FILTER_SKIP_STATS)))
    return b"".join(parts)


def _number(content: bytes) -> int:
    return int(_U32.unpack(content)[0]) if len(content) == _U32.size else 0


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode(errors="replace")
