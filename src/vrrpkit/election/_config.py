"""What one router knows about one virtual router."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.errors import ConfigError, InRange, Whole, check_count, check_flag
from vrrpkit.packet import ChecksumForm, Version
from vrrpkit.packet._advert import MAX_ADDRESSES, check_addresses, check_interval, check_password, to_version

__all__ = ["ElectionConfig"]

OWNER_PRIORITY: Final = 255


def _to_addresses(value: Iterable[str | IPAddress]) -> tuple[IPAddress, ...]:
    return _address_list("addresses", value)


def _to_unadvertised(value: Iterable[str | IPAddress]) -> tuple[IPAddress, ...]:
    return _address_list("unadvertised", value)


def _address_list(name: str, value: Iterable[str | IPAddress]) -> tuple[IPAddress, ...]:
    if isinstance(value, str):
        raise ConfigError(f"{name} must be a list of addresses, got the text {value!r}")
    return tuple(parse_address(name, item) for item in value)


def _to_octets(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


@frozen(kw_only=True)
class ElectionConfig:
    """What one router knows about one virtual router (RFC 9568 section 6.1), checked at construction.

    Attributes:
        vrid: Virtual router identifier, 1-255; the same on every router of the group.
        addresses: The virtual addresses, 1-255 of one family, as text or as `ipaddress` objects. For IPv6 the first
            must be link-local (RFC 9568 section 5.2.9) unless `link_local_first` is off.
        unadvertised: Further addresses to hold and announce while Active, of any family, that no advertisement
            lists; keepalived's `virtual_ipaddress_excluded`.
        priority: 1-254 ranks; 255 is for the address owner, which is Active whenever it can be.
        version: The protocol version; version 2 is IPv4 only.
        advert_interval: Seconds between own advertisements; version 3: 0.01-40.95 in steps of 0.01, version 2: 1-255,
            whole, and the same on every router.
        preempt: Whether to take over from a lower priority. An owner always does. False also makes an Active router
            step aside after a stall long enough for another to have taken over.
        preempt_delay: Seconds, 0-1000, for which a Backup goes on following a lower priority, counted from the first
            advertisement heard from it; then the silence limit runs as usual.
        down_timer_adverts: How many advertisements may be missed before taking over, 1-100. The RFC's number is 3;
            another one must be the same on every router.
        startup_delay: Seconds, 0-1000, after `Startup` in which this router listens and does not take over.
        higher_prio_send_advert: Send one last advertisement before yielding to a higher priority, so that the winner
            sees a loser and announces its addresses again.
        lower_prio_no_advert: Whether to leave a lower priority's advertisement unanswered. None follows the version:
            RFC 9568 answers at once, RFC 3768 does not.
        password: Version 2's simple text authentication, at most 8 octets; sent in the clear, never shown by `repr`.
        checksum_form: Which checksum to send in version 3 over IPv4; either is accepted.
        link_local_first: For IPv6, refuse lists whose first address is not link-local, own and heard (RFC 9568
            section 5.2.9, erratum 8300). keepalived's default does not care: turn it off to form a virtual router
            with a keepalived that has only global addresses.

    Raises:
        ConfigError: A field is out of its range, or two do not fit together.
    """

    vrid: int = field(validator=Whole(1, 255))
    addresses: tuple[IPAddress, ...] = field(converter=_to_addresses)
    unadvertised: tuple[IPAddress, ...] = field(default=(), converter=_to_unadvertised)
    priority: int = field(default=100, validator=Whole(1, 255, "255 is for the address owner"))
    version: Version = field(default=Version.V3, converter=to_version)
    advert_interval: float = 1.0
    preempt: bool = field(default=True, validator=check_flag)
    preempt_delay: float = field(default=0.0, validator=InRange(0, 1000, "seconds"))
    down_timer_adverts: int = field(default=3, validator=Whole(1, 100))
    startup_delay: float = field(default=0.0, validator=InRange(0, 1000, "seconds"))
    higher_prio_send_advert: bool = field(default=False, validator=check_flag)
    lower_prio_no_advert: bool | None = None
    password: bytes | None = field(default=None, converter=_to_octets, repr=False)
    checksum_form: ChecksumForm = ChecksumForm.PSEUDO_HEADER
    link_local_first: bool = field(default=True, validator=check_flag)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        check_count("addresses", self.addresses, 1, MAX_ADDRESSES)
        check_addresses("addresses", self.addresses, self.version)
        check_interval("advert_interval", self.advert_interval, self.version)
        check_password("password", self.password, self.version)
        self._check_distinct()
        if self.family is Family.IPV6 and self.link_local_first and not self.addresses[0].is_link_local:
            text = (
                f"addresses must begin with a link-local address for IPv6 (RFC 9568 section 5.2.9), "
                f"got {self.addresses[0]} first; link_local_first=False turns this rule off"
            )
            raise ConfigError(text)

    def _check_distinct(self) -> None:
        seen: set[IPAddress] = set()
        for address in self.all_addresses:
            if address in seen or address.is_multicast or address.is_unspecified:
                text = f"addresses must be distinct unicast addresses, got {address}"
                raise ConfigError(text)
            seen.add(address)

    @property
    def family(self) -> Family:
        """The family of the advertised addresses, and of the advertisements."""
        return family_of(self.addresses[0])

    @property
    def is_owner(self) -> bool:
        """Whether this router owns the addresses (priority 255)."""
        return self.priority == OWNER_PRIORITY

    @property
    def answers_losers(self) -> bool:
        """Whether an Active Router answers a lower priority at once (RFC 9568 section 6.4.3)."""
        if self.lower_prio_no_advert is None:
            return self.version is Version.V3
        return not self.lower_prio_no_advert

    @property
    def all_addresses(self) -> tuple[IPAddress, ...]:
        """Everything held while Active: the advertised addresses, then the others."""
        return self.addresses + self.unadvertised
