"""The VRRP advertisement: RFC 9568 section 5.2 for version 3, RFC 3768 section 5.3 for version 2."""

from __future__ import annotations

import enum
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from attrs import field, frozen

from vrrpkit.addresses import Family, IPAddress, family_of
from vrrpkit.errors import ConfigError, Whole, check_count
from vrrpkit.packet._checksum import internet_checksum, pseudo_header_sum
from vrrpkit.packet._reject import PacketError, Reject

__all__ = ["Advertisement", "ChecksumForm", "Datagram", "Version", "decode", "encode"]

MAX_ADDRESSES: Final = 255
MAX_PASSWORD: Final = 8
MAX_INTERVAL_V2: Final = 255
MAX_CENTISECONDS: Final = 0xFFF

_HEADER: Final = struct.Struct("!BBBBHH")
_TYPE_ADVERTISEMENT: Final = 1
_AUTH_NONE: Final = 0
_AUTH_TEXT: Final = 1
_HOP_LIMIT: Final = 255
# Ethernet pads a frame's payload to 46 octets; behind an IPv4 header of 20 that leaves 26 for us.
_PADDED: Final = 26


class Version(enum.IntEnum):
    """A protocol version."""

    V2 = 2
    V3 = 3


class ChecksumForm(enum.Enum):
    """Two checksums live on VRRPv3-over-IPv4 wires; IPv6 and version 2 have one each.

    Routers that disagree about it are both Active, so either is accepted; the form to send is a setting.
    """

    PSEUDO_HEADER = "pseudo-header"
    """A reading of RFC 5798, and what keepalived, FRR and MikroTik compute."""
    MESSAGE_ONLY = "message-only"
    """RFC 9568 section 5.2.8, and what Cisco, Juniper and Arista compute."""


@frozen
class Datagram:
    """An IP payload plus the header facts that RFC 9568 section 7.1 makes a receiver check."""

    payload: bytes = field(repr=bytes.hex)
    source: IPAddress
    destination: IPAddress
    hop_limit: int = 255


@frozen(kw_only=True, cache_hash=True)
class Advertisement:
    """A VRRP advertisement (RFC 9568 section 5.2; RFC 3768 section 5.3).

    Count, length and checksum are not fields: they follow from these.

    Attributes:
        vrid: Virtual router identifier, 1-255.
        priority: 0 resigns, 1-254 ranks, 255 owns the addresses.
        interval: Seconds between advertisements; version 3 in steps of 0.01 up to 40.95, version 2 whole, 1-255.
        addresses: Virtual addresses, all of one family, at most 255; version 3 has at least one.
        version: The protocol version; version 2 is IPv4 only.
        password: Version 2's simple text authentication, at most 8 octets without trailing zeros; None for none.
        form: Which checksum a version 3 IPv4 advertisement carries, or carried; of no meaning elsewhere, and no part
            of equality.

    Raises:
        ConfigError: A field is out of its range.
    """

    vrid: int = field(validator=Whole(1, 255))
    priority: int = field(validator=Whole(0, 255))
    interval: float = 1.0
    addresses: tuple[IPAddress, ...] = ()
    version: Version = Version.V3
    password: bytes | None = field(default=None, repr=False)
    form: ChecksumForm = field(default=ChecksumForm.PSEUDO_HEADER, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        check_interval("interval", self.interval, self.version)
        check_addresses("addresses", self.addresses, self.version)
        check_password("password", self.password, self.version)

    @property
    def family(self) -> Family:
        """The family of the addresses; an empty list is IPv4's."""
        return family_of(self.addresses[0]) if self.addresses else Family.IPV4


def encode(advert: Advertisement, *, source: IPAddress, destination: IPAddress) -> Datagram:
    """Build the datagram to send.

    Cannot fail for a constructed `Advertisement` between two addresses of its family.
    """
    body = b"".join([address.packed for address in advert.addresses])
    if advert.version is Version.V2:
        auth = _AUTH_NONE if advert.password is None else _AUTH_TEXT
        timing = auth << 8 | int(advert.interval)
        body += (advert.password or b"").ljust(MAX_PASSWORD, b"\0")
    else:
        timing = round(advert.interval * 100)
    kind = advert.version << 4 | _TYPE_ADVERTISEMENT
    fields = (kind, advert.vrid, advert.priority, len(advert.addresses), timing)
    message = _HEADER.pack(*fields, 0) + body
    extra = 0
    if _has_pseudo_header(advert, destination):
        extra = pseudo_header_sum(source, destination, len(message))
    payload = _HEADER.pack(*fields, internet_checksum(message, extra)) + body
    return Datagram(payload, source, destination)


def _has_pseudo_header(advert: Advertisement, destination: IPAddress) -> bool:
    if advert.version is Version.V2:
        return False
    return isinstance(destination, IPv6Address) or advert.form is ChecksumForm.PSEUDO_HEADER


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
    if kind >> 4 not in (Version.V2, Version.V3):
        raise PacketError(Reject.VERSION, f"version must be 2 or 3, got {kind >> 4}")
    version = Version(kind >> 4)
    ipv6 = isinstance(datagram.source, IPv6Address)
    if version is Version.V2 and ipv6:
        raise PacketError(Reject.VERSION, "version 2 has no IPv6")
    if kind & 0xF != _TYPE_ADVERTISEMENT:
        raise PacketError(Reject.TYPE, f"type must be 1, got {kind & 0xF}")
    message = _complete_message(payload, version, count, ipv6=ipv6)
    form = _verify_checksum(message, datagram, version, ipv6=ipv6)
    if vrid == 0:
        raise PacketError(Reject.VRID, "virtual router identifier must be 1-255, got 0")
    if version is Version.V2:
        interval, password = _version_2_fields(message, timing)
    else:
        interval, password = _version_3_interval(timing), None
    return Advertisement(
        vrid=vrid,
        priority=priority,
        interval=interval,
        addresses=_addresses(message, count, ipv6=ipv6),
        version=version,
        password=password,
        form=form,
    )


def _complete_message(payload: bytes, version: Version, count: int, *, ipv6: bool) -> bytes:
    if count == 0 and version is Version.V3:  # erratum 8299
        raise PacketError(Reject.LENGTH, "an advertisement of version 3 has at least one address")
    size = _HEADER.size + count * (16 if ipv6 else 4) + (MAX_PASSWORD if version is Version.V2 else 0)
    if len(payload) < size:
        raise PacketError(Reject.LENGTH, f"{count} addresses make {size} octets, got {len(payload)}")
    if len(payload) > size and (ipv6 or len(payload) > _PADDED):
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
        return tuple([IPv6Address(message[at : at + 16]) for at in range(8, 8 + 16 * count, 16)])
    return tuple([IPv4Address(word) for word in struct.unpack_from(f"!{count}I", message, 8)])


def check_interval(name: str, value: float, version: Version) -> None:
    """Raise `ConfigError` unless the wire can carry this interval."""
    if version is Version.V2:
        if not (1 <= value <= MAX_INTERVAL_V2 and value == int(value)):
            text = f"{name} must be 1-255 whole seconds in version 2, got {value!r}"
            raise ConfigError(text)
    elif not (0.01 <= value <= MAX_CENTISECONDS / 100 and abs(value * 100 - round(value * 100)) < 1e-6):  # noqa: PLR2004
        text = f"{name} must be 0.01-40.95 seconds in steps of 0.01, got {value!r}"
        raise ConfigError(text)


def check_addresses(name: str, value: tuple[IPAddress, ...], version: Version) -> None:
    """Raise `ConfigError` unless the addresses make one list of one family."""
    check_count(name, value, 0 if version is Version.V2 else 1, MAX_ADDRESSES)
    families = {address.version for address in value}
    if len(families) > 1:
        text = f"{name} must be all IPv4 or all IPv6, got both"
        raise ConfigError(text)
    if version is Version.V2 and Family.IPV6 in families:
        text = f"{name} must be IPv4 in version 2, got {value[0]}"
        raise ConfigError(text)


def check_password(name: str, value: bytes | None, version: Version) -> None:
    """Raise `ConfigError` unless the wire can carry this password; the text never shows it."""
    if value is None:
        return
    if version is not Version.V2:
        text = f"{name} needs version 2: version 3 has no authentication (RFC 9568 section 9)"
        raise ConfigError(text)
    if len(value) > MAX_PASSWORD or value.endswith(b"\0"):
        text = f"{name} must be 0-{MAX_PASSWORD} octets without trailing zeros, got {len(value)}"
        raise ConfigError(text)
