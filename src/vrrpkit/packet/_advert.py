"""The VRRP advertisement as a value."""

from __future__ import annotations

import enum
from typing import Final

from attrs import field, frozen

from vrrpkit._cheap import value
from vrrpkit.addresses import Family, IPAddress, family_of
from vrrpkit.errors import ConfigError, Whole, check_count

__all__ = ["Advertisement", "ChecksumForm", "Datagram", "Version"]

MAX_ADDRESSES: Final = 255
MAX_PASSWORD: Final = 8
MAX_INTERVAL_V2: Final = 255
MAX_CENTISECONDS: Final = 0xFFF


class Version(enum.IntEnum):
    """A protocol version."""

    V2 = 2
    V3 = 3


def to_version(value: int) -> Version:
    """A version from its number, or a `ConfigError`."""
    if value not in (2, 3):
        raise ConfigError(f"version must be 2 or 3, got {value!r}")
    return Version(value)


class ChecksumForm(enum.Enum):
    """Two checksums live on VRRPv3-over-IPv4 wires; IPv6 and version 2 have one each.

    Routers that disagree about it are both Active, so either is accepted; the form to send is a setting.
    """

    PSEUDO_HEADER = "pseudo-header"
    """A reading of RFC 5798, and what keepalived, FRR and MikroTik compute."""
    MESSAGE_ONLY = "message-only"
    """RFC 9568 section 5.2.8, and what Cisco, Juniper and Arista compute."""


@value
class Datagram:
    """An IP payload plus the header facts that RFC 9568 section 7.1 makes a receiver check."""

    payload: bytes = field(repr=lambda octets: f"<{len(octets)} octets>")  # version 2 has a password in it
    source: IPAddress
    destination: IPAddress
    hop_limit: int = 255


@frozen(kw_only=True)
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
    version: Version = field(default=Version.V3, converter=to_version)
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

    @property
    def has_form_choice(self) -> bool:
        """Whether `form` means anything: version 3 over IPv4."""
        return self.version is Version.V3 and self.family is Family.IPV4


def check_interval(name: str, value: float, version: Version) -> None:
    """Raise `ConfigError` unless the wire can carry this interval."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number of seconds, got {value!r}")
    if version is Version.V2:
        if not (1 <= value <= MAX_INTERVAL_V2 and value == int(value)):
            text = f"{name} must be 1-255 whole seconds in version 2, got {value!r}"
            raise ConfigError(text)
    elif not (0.01 <= value <= MAX_CENTISECONDS / 100 and abs(value * 100 - round(value * 100)) < 1e-6):
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
