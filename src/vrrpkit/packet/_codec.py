"""Octets of a VRRP advertisement: RFC 9568 section 5.2 for version 3, RFC 3768 section 5.3 for version 2."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit.addresses import VRRP_PROTOCOL, IPAddress
from vrrpkit.packet._advert import (
    MAX_CENTISECONDS,
    MAX_PASSWORD,
    Advertisement,
    ChecksumForm,
    Datagram,
    Version,
)
from vrrpkit.packet._reject import PacketError, Reject

__all__ = ["decode", "encode"]

_HEADER: Final = struct.Struct("!BBBBHH")
_TYPE_ADVERTISEMENT: Final = 1
_AUTH_NONE: Final = 0
_AUTH_TEXT: Final = 1
_HOP_LIMIT: Final = 255
# Ethernet pads a frame's payload to 46 octets; behind an IPv4 header of 20 that leaves 26 for us.
_PADDED: Final = 26

# Looking a member up in its enum costs as much as an addition does; these are for every datagram.
_V2: Final = Version.V2
_KINDS: Final = {version << 4 | _TYPE_ADVERTISEMENT: version for version in Version}
_MESSAGE_ONLY: Final = ChecksumForm.MESSAGE_ONLY
_PSEUDO_HEADER: Final = ChecksumForm.PSEUDO_HEADER

# The same few addresses come in every advertisement, and making an address costs more than all the rest.
_ipv4 = lru_cache(8192)(IPv4Address)
_ipv6 = lru_cache(8192)(IPv6Address)
_new = object.__new__
_set = object.__setattr__


@lru_cache(256)
def _ipv4_message(count: int) -> struct.Struct:
    return struct.Struct(f"!BBBBHH{count}I")


def encode(advert: Advertisement, *, source: IPAddress, destination: IPAddress) -> Datagram:
    """Build the datagram to send.

    Cannot fail for a constructed `Advertisement` between two addresses of its family.
    """
    addresses = advert.addresses
    numbers = [*map(int, addresses)]
    version, count = advert.version, len(numbers)
    # A number's 16-bit words add up to the number modulo 0xFFFF, so the checksum needs no octets yet.
    total = sum(numbers)
    trailer = b""
    ipv6 = destination.version == 6
    if version is _V2:
        timing = int(advert.interval)
        if advert.password is not None:
            timing |= _AUTH_TEXT << 8
        trailer = (advert.password or b"").ljust(MAX_PASSWORD, b"\0")
        total += int.from_bytes(trailer, "big")
    else:
        timing = round(advert.interval * 100)
        if ipv6 or advert.form is _PSEUDO_HEADER:
            total += int(source) + int(destination) + VRRP_PROTOCOL + 8 + count * (16 if ipv6 else 4)
    kind, vrid, priority = version << 4 | _TYPE_ADVERTISEMENT, advert.vrid, advert.priority
    checksum = -(total + (kind << 8) + vrid + (priority << 8) + count + timing) % 0xFFFF
    if ipv6:
        head = _HEADER.pack(kind, vrid, priority, count, timing, checksum)
        return Datagram(head + b"".join([address.packed for address in addresses]), source, destination)
    message = _ipv4_message(count).pack(kind, vrid, priority, count, timing, checksum, *numbers)
    return Datagram(message + trailer, source, destination)


def decode(datagram: Datagram) -> Advertisement:
    """Parse untrusted octets, in the order of RFC 9568 section 7.1; accepts either IPv4 checksum form.

    A hop limit of 255 is asked of multicast only: unicast peers may be routers away, and their link checks the
    source instead. Ethernet padding behind a short IPv4 message is ignored, as keepalived does.

    Raises:
        PacketError: For anything wrong, and nothing else for any octets.
    """
    payload = datagram.payload
    if datagram.hop_limit != _HOP_LIMIT and datagram.destination.is_multicast:
        raise PacketError(Reject.HOP_LIMIT, f"hop limit must be 255, got {datagram.hop_limit}")
    if len(payload) < _HEADER.size:
        raise PacketError(Reject.TRUNCATED, f"{len(payload)} octets are less than a header of 8")
    kind, count = payload[0], payload[3]
    ipv6 = datagram.source.version == 6
    version = _KINDS.get(kind)
    if version is None or (ipv6 and version is _V2):
        raise _unknown_kind(kind, ipv6=ipv6)
    size = 8 + count * (16 if ipv6 else 4) + (MAX_PASSWORD if version is _V2 else 0)
    if len(payload) != size:
        payload = _without_padding(payload, count, size, ipv6=ipv6)
    if count == 0 and version is not _V2:  # erratum 8299
        raise PacketError(Reject.LENGTH, "an advertisement of version 3 has at least one address")
    form = _verify_checksum(payload, datagram, version, ipv6=ipv6)
    addresses: tuple[IPAddress, ...]
    if ipv6:
        _kind, vrid, priority, _count, timing, _checksum = _HEADER.unpack_from(payload)
        addresses = tuple([_ipv6(payload[at : at + 16]) for at in range(8, size, 16)])
    else:
        _kind, vrid, priority, _count, timing, _checksum, *numbers = _ipv4_message(count).unpack_from(payload)
        addresses = tuple(map(_ipv4, numbers))
    if vrid == 0:
        raise PacketError(Reject.VRID, "virtual router identifier must be 1-255, got 0")
    password = None
    if version is _V2:
        interval, password = _version_2_fields(payload, timing)
    else:
        interval = _version_3_interval(timing)
    # The octets have been checked, and the constructor's checks would cost more than all of them.
    advert = _new(Advertisement)
    _set(advert, "vrid", vrid)
    _set(advert, "priority", priority)
    _set(advert, "interval", interval)
    _set(advert, "addresses", addresses)
    _set(advert, "version", version)
    _set(advert, "password", password)
    _set(advert, "form", form)
    return advert


def _unknown_kind(kind: int, *, ipv6: bool) -> PacketError:
    version, type_ = kind >> 4, kind & 0xF
    if version not in (2, 3):
        return PacketError(Reject.VERSION, f"version must be 2 or 3, got {version}")
    if version == 2 and ipv6:
        return PacketError(Reject.VERSION, "version 2 has no IPv6")
    return PacketError(Reject.TYPE, f"type must be 1, got {type_}")


def _without_padding(payload: bytes, count: int, size: int, *, ipv6: bool) -> bytes:
    if len(payload) < size:
        raise PacketError(Reject.LENGTH, f"{count} addresses make {size} octets, got {len(payload)}")
    if ipv6 or len(payload) > _PADDED:
        raise PacketError(Reject.LENGTH, f"{len(payload) - size} octets behind a message of {size}")
    return payload[:size]


def _verify_checksum(message: bytes, datagram: Datagram, version: Version, *, ipv6: bool) -> ChecksumForm:
    total = int.from_bytes(message, "big")
    if version is not _V2:
        pseudo_header = int(datagram.source) + int(datagram.destination) + VRRP_PROTOCOL + len(message)
        if (total + pseudo_header) % 0xFFFF == 0:
            return _PSEUDO_HEADER
    if not ipv6 and total % 0xFFFF == 0:
        return _MESSAGE_ONLY
    raise PacketError(Reject.CHECKSUM, f"checksum 0x{message[6:8].hex()} is wrong")


def _version_2_fields(message: bytes, timing: int) -> tuple[float, bytes | None]:
    auth, interval = timing >> 8, timing & 0xFF
    if interval == 0:
        raise PacketError(Reject.INTERVAL, "interval must be 1-255 s, got 0")
    if auth == _AUTH_NONE:
        return float(interval), None
    if auth == _AUTH_TEXT:
        return float(interval), message[-MAX_PASSWORD:].rstrip(b"\0")
    raise PacketError(Reject.AUTH_TYPE, f"authentication type must be 0 or 1, got {auth}")


def _version_3_interval(timing: int) -> float:
    centiseconds = timing & MAX_CENTISECONDS  # the upper four bits are reserved and ignored
    if centiseconds == 0:
        raise PacketError(Reject.INTERVAL, "interval must be 0.01-40.95 s, got 0")
    return centiseconds / 100
