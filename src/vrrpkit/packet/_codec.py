"""Octets of a VRRP advertisement: RFC 9568 section 5.2 for version 3, RFC 3768 section 5.3 for version 2."""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from vrrpkit.addresses import IPAddress
from vrrpkit.packet._advert import (
    MAX_CENTISECONDS,
    MAX_PASSWORD,
    Advertisement,
    ChecksumForm,
    Datagram,
    Version,
)
from vrrpkit.packet._checksum import internet_checksum, pseudo_header_sum
from vrrpkit.packet._reject import PacketError, Reject

__all__ = ["decode", "encode"]

_HEADER: Final = struct.Struct("!BBBBHH")
_TYPE_ADVERTISEMENT: Final = 1
_AUTH_NONE: Final = 0
_AUTH_TEXT: Final = 1
_HOP_LIMIT: Final = 255
# Ethernet pads a frame's payload to 46 octets; behind an IPv4 header of 20 that leaves 26 for us.
_PADDED: Final = 26

# The same few addresses come in every advertisement, and making an address costs more than all the rest.
_ipv4 = lru_cache(8192)(IPv4Address)
_ipv6 = lru_cache(8192)(IPv6Address)
_set = object.__setattr__


@lru_cache(256)
def _ipv4_message(count: int) -> struct.Struct:
    return struct.Struct(f"!BBBBHH{count}I")


def encode(advert: Advertisement, *, source: IPAddress, destination: IPAddress) -> Datagram:
    """Build the datagram to send.

    Cannot fail for a constructed `Advertisement` between two addresses of its family.
    """
    addresses = advert.addresses
    numbers = [int(address) for address in addresses]
    kind = advert.version << 4 | _TYPE_ADVERTISEMENT
    count = len(numbers)
    ipv6 = isinstance(destination, IPv6Address)
    trailer = b""
    pseudo_header = 0
    if advert.version is Version.V2:
        trailer = (advert.password or b"").ljust(MAX_PASSWORD, b"\0")
        timing = (_AUTH_NONE if advert.password is None else _AUTH_TEXT) << 8 | int(advert.interval)
    else:
        timing = round(advert.interval * 100)
        if ipv6 or advert.form is ChecksumForm.PSEUDO_HEADER:
            pseudo_header = pseudo_header_sum(source, destination, 8 + count * (16 if ipv6 else 4))
    # A number's 16-bit words add up to the number modulo 0xFFFF, so the sum needs no octets yet.
    total = (kind << 8 | advert.vrid) + (advert.priority << 8 | count) + timing + sum(numbers) + pseudo_header
    checksum = internet_checksum(trailer, total)
    if ipv6:
        head = _HEADER.pack(kind, advert.vrid, advert.priority, count, timing, checksum)
        return Datagram(head + b"".join([address.packed for address in addresses]), source, destination)
    message = _ipv4_message(count).pack(kind, advert.vrid, advert.priority, count, timing, checksum, *numbers)
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
    kind, vrid, priority, count, timing, _checksum = _HEADER.unpack_from(payload)
    ipv6 = isinstance(datagram.source, IPv6Address)
    version = _version(kind, ipv6=ipv6)
    message = _complete_message(payload, version, count, ipv6=ipv6)
    form = _verify_checksum(message, datagram, version, ipv6=ipv6)
    if vrid == 0:
        raise PacketError(Reject.VRID, "virtual router identifier must be 1-255, got 0")
    password = None
    if version is Version.V2:
        interval, password = _version_2_fields(message, timing)
    else:
        interval = _version_3_interval(timing)
    # The octets have been checked, and the constructor's checks would cost more than all of them.
    advert = Advertisement.__new__(Advertisement)
    _set(advert, "vrid", vrid)
    _set(advert, "priority", priority)
    _set(advert, "interval", interval)
    _set(advert, "addresses", _addresses(message, count, ipv6=ipv6))
    _set(advert, "version", version)
    _set(advert, "password", password)
    _set(advert, "form", form)
    return advert


def _version(kind: int, *, ipv6: bool) -> Version:
    version = kind >> 4
    if version not in (Version.V2, Version.V3):
        raise PacketError(Reject.VERSION, f"version must be 2 or 3, got {version}")
    if kind & 0xF != _TYPE_ADVERTISEMENT:
        raise PacketError(Reject.TYPE, f"type must be 1, got {kind & 0xF}")
    if version == Version.V3:
        return Version.V3
    if ipv6:
        raise PacketError(Reject.VERSION, "version 2 has no IPv6")
    return Version.V2


def _complete_message(payload: bytes, version: Version, count: int, *, ipv6: bool) -> bytes:
    if count == 0 and version is Version.V3:  # erratum 8299
        raise PacketError(Reject.LENGTH, "an advertisement of version 3 has at least one address")
    size = 8 + count * (16 if ipv6 else 4) + (MAX_PASSWORD if version is Version.V2 else 0)
    if len(payload) == size:
        return payload
    if len(payload) < size:
        raise PacketError(Reject.LENGTH, f"{count} addresses make {size} octets, got {len(payload)}")
    if ipv6 or len(payload) > _PADDED:
        raise PacketError(Reject.LENGTH, f"{len(payload) - size} octets behind a message of {size}")
    return payload[:size]


def _verify_checksum(message: bytes, datagram: Datagram, version: Version, *, ipv6: bool) -> ChecksumForm:
    if version is Version.V3:
        extra = pseudo_header_sum(datagram.source, datagram.destination, len(message))
        if internet_checksum(message, extra) == 0:
            return ChecksumForm.PSEUDO_HEADER
    if not ipv6 and internet_checksum(message) == 0:
        return ChecksumForm.MESSAGE_ONLY
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


def _addresses(message: bytes, count: int, *, ipv6: bool) -> tuple[IPAddress, ...]:
    if ipv6:
        return tuple([_ipv6(message[at : at + 16]) for at in range(8, 8 + 16 * count, 16)])
    return tuple([_ipv4(number) for number in _ipv4_message(count).unpack_from(message)[6:]])
