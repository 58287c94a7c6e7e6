"""Addresses in the form the protocol uses them."""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NewType, TypeAlias

from vrrpkit.errors import ConfigError

__all__ = [
    "VRRP_GROUP_V4",
    "VRRP_GROUP_V6",
    "VRRP_PROTOCOL",
    "Family",
    "IPAddress",
    "MACAddress",
    "family_of",
    "parse_address",
    "virtual_mac",
    "vrrp_group",
]

IPAddress: TypeAlias = IPv4Address | IPv6Address
MACAddress = NewType("MACAddress", bytes)

VRRP_PROTOCOL: Final = 112
VRRP_GROUP_V4: Final = IPv4Address("224.0.0.18")
VRRP_GROUP_V6: Final = IPv6Address("ff02::12")


class Family(enum.IntEnum):
    """An address family, by its IP version number."""

    IPV4 = 4
    IPV6 = 6


def family_of(address: IPAddress) -> Family:
    """The family an address belongs to."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


def vrrp_group(family: Family) -> IPAddress:
    """The multicast group all VRRP routers of a family listen on (RFC 9568 section 5.1)."""
    return VRRP_GROUP_V4 if family is Family.IPV4 else VRRP_GROUP_V6


def virtual_mac(vrid: int, family: Family) -> MACAddress:
    """The virtual router's MAC address, 00-00-5E-00-01-VRID or 00-00-5E-00-02-VRID (RFC 9568 section 7.3)."""
    return MACAddress(bytes((0, 0, 0x5E, 0, 1 if family is Family.IPV4 else 2, vrid)))


def parse_address(field: str, value: str | IPAddress) -> IPAddress:
    """An address from text, or a `ConfigError` that names the field it was meant for.

    A zone (`%eth0`) is refused: the wire carries none, and the interface is said elsewhere.
    """
    if isinstance(value, IPv4Address):
        return value
    try:
        address = ip_address(value)
    except ValueError as error:
        raise ConfigError(f"{field} must be an IPv4 or IPv6 address without a prefix length, got {value!r}") from error
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ConfigError(f"{field} must be an address without a zone, got {address}")
    return address
