"""Numbers, names and addresses in the attributes of IPVS. Most numbers are in host order; ports are not."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit.addresses import Family, IPAddress
from vrrpkit.linux._wire import attribute

__all__ = ["KERNEL_FAMILIES", "address_of", "name_of", "network16", "number_of", "text", "u8", "u16", "u32"]

KERNEL_FAMILIES: Final[Mapping[Family, int]] = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}

_U8: Final = struct.Struct("=HHBxxx")
_U16: Final = struct.Struct("=HHHxx")
_U32: Final = struct.Struct("=HHI")


def u8(kind: int, number: int) -> bytes:
    """An octet."""
    return _U8.pack(5, kind, number)


def u16(kind: int, number: int) -> bytes:
    """16 bits in host order."""
    return _U16.pack(6, kind, number)


def network16(kind: int, number: int) -> bytes:
    """16 bits in network order, as almost every port."""
    return _U16.pack(6, kind, socket.htons(number))


def u32(kind: int, number: int) -> bytes:
    """32 bits in host order."""
    return _U32.pack(8, kind, number)


def text(kind: int, words: str) -> bytes:
    """A name that ends in a zero."""
    return attribute(kind, words.encode() + b"\0")


def number_of(octets: bytes) -> int:
    """A number in host order, of 8 octets at most."""
    return int.from_bytes(octets[:8], sys.byteorder)


def name_of(octets: bytes) -> str:
    """A name up to its zero, whatever is in it."""
    return octets.partition(b"\0")[0].decode(errors="replace")


def address_of(family: int, octets: bytes) -> IPAddress:
    """An address of a family of the kernel's numbers; of IPv4 the first four octets.

    Raises:
        ValueError: There are too few octets, or it is another family.
    """
    if family == socket.AF_INET:
        return IPv4Address(octets[:4])
    if family == socket.AF_INET6:
        return IPv6Address(octets[:16])
    raise ValueError(f"address family {family}")
