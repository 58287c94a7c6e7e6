"""How one virtual address is put on an interface."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from math import ceil, inf
from typing import Final

from attrs import field, frozen

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.errors import ConfigError, Whole
from vrrpkit.linux._rtnetlink import FOREVER, PROTOCOL, encode_address

__all__ = ["Placement"]

_SCOPES: Final[Mapping[str, int]] = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
_LONGEST_NAME: Final = 15
_UNSET: Final = -1


def _to_address(value: str | IPAddress) -> IPAddress:
    """An address; of "192.0.2.10/24" an `ipaddress` interface, which is an address with a prefix length."""
    if not isinstance(value, str) or "/" not in value:
        return parse_address("address", value)
    parse_address("address", value.partition("/")[0])
    try:
        return ip_interface(value)
    except ValueError as error:
        raise ConfigError(f"address must be like 192.0.2.10/24, got {value!r}") from error


def _to_prefix_length(value: int | None) -> int:
    return _UNSET if value is None else value


def _to_broadcast(value: str | IPAddress | None) -> str | IPAddress | None:
    return value if value is None or value == "+" else parse_address("broadcast", value)


def _to_scope(value: str | int) -> int:
    if not isinstance(value, str):
        return value
    scope = _SCOPES.get(value)
    if scope is None:
        raise ConfigError(f"scope must be a number or one of {', '.join(_SCOPES)}, got {value!r}")
    return scope


@frozen(kw_only=True)
class Placement:
    """How one virtual address is put on an interface, checked at construction.

    Attributes:
        address: The address, as text or `ipaddress` object; text may end in the prefix length: `192.0.2.10/24`.
        prefix_length: 0-32 or 0-128; None for 32 or 128, which adds no route to neighbours.
        device: The interface by its name; None for the router's own.
        broadcast: IPv4's broadcast address, "+" for the last address of the network, None for none.
        scope: `global`, `site`, `link`, `host`, `nowhere` or the number.
        label: IPv4's name for the address, such as `eth0:vip`, at most 15 characters.
        dad: Whether IPv6 looks for duplicates before the address can be used. Off, as otherwise a take-over would
            wait a second or two for it. A duplicate that is found is removed by the kernel, if there is a lease.
        noprefixroute: Add no route to the address's network.
        preferred_lifetime: Seconds for which new connections may leave from the address, `math.inf` for ever; each
            renewal of the lease counts anew. None follows keepalived: 0 for a /128, else for ever.

    Raises:
        ConfigError: A field is out of its range, or two do not fit together.
    """

    address: IPAddress = field(converter=_to_address)
    prefix_length: int = field(default=None, converter=_to_prefix_length)
    device: str | None = None
    broadcast: str | IPAddress | None = field(default=None, converter=_to_broadcast)
    scope: int = field(default=0, converter=_to_scope, validator=Whole(0, 255))
    label: str | None = None
    dad: bool = False
    noprefixroute: bool = False
    preferred_lifetime: float | None = None

    def __attrs_post_init__(self) -> None:
        """Derive the prefix length, and check what one field alone cannot tell."""
        given = self.address
        if isinstance(given, IPv4Interface | IPv6Interface):
            if self.prefix_length not in {_UNSET, given.network.prefixlen}:
                raise ConfigError(f"prefix_length must be that of {given}, got {self.prefix_length}")
            object.__setattr__(self, "address", given.ip)
            object.__setattr__(self, "prefix_length", given.network.prefixlen)
        elif self.prefix_length == _UNSET:
            object.__setattr__(self, "prefix_length", given.max_prefixlen)
        self._check_address()
        self._check_names()
        if self.preferred_lifetime is not None and not self.preferred_lifetime >= 0:
            raise ConfigError(f"preferred_lifetime must be 0 or more seconds, got {self.preferred_lifetime!r}")

    def _check_address(self) -> None:
        if self.address.is_multicast or self.address.is_unspecified:
            raise ConfigError(f"address must be a unicast address, got {self.address}")
        longest = self.address.max_prefixlen
        length: object = self.prefix_length
        if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= longest:
            raise ConfigError(f"prefix_length must be 0-{longest}, got {length!r}")
        if self.broadcast is not None and (
            isinstance(self.address, IPv6Address) or isinstance(self.broadcast, IPv6Address)
        ):
            raise ConfigError(f"broadcast must be left to IPv4, got {self.broadcast} for {self.address}")

    def _check_names(self) -> None:
        if self.label is not None and isinstance(self.address, IPv6Address):
            raise ConfigError(f"label must be left to IPv4, got {self.label!r} for {self.address}")
        for name, value in (("label", self.label), ("device", self.device)):
            if value is not None and not 1 <= len(value.encode()) <= _LONGEST_NAME:
                raise ConfigError(f"{name} must have 1-{_LONGEST_NAME} octets, got {value!r}")

    def __str__(self) -> str:
        """As ip(8) writes it: `192.0.2.10/24`."""
        return f"{self.address}/{self.prefix_length}"

    def addition(self, index: int, lease: float | None) -> bytes:
        """The netlink payload that adds the address to a link, or renews its lease, in seconds."""
        valid = FOREVER if lease is None else ceil(lease)
        return encode_address(
            index,
            self.address,
            self.prefix_length,
            scope=self.scope,
            label=self.label,
            broadcast=self._broadcast_address(),
            dad=self.dad,
            prefix_route=not self.noprefixroute,
            protocol=PROTOCOL,
            preferred=min(self._preferred(), valid),
            valid=valid,
        )

    def removal(self, index: int) -> bytes:
        """The netlink payload that removes the address from a link."""
        return encode_address(index, self.address, self.prefix_length)

    def _broadcast_address(self) -> IPAddress | None:
        if isinstance(self.broadcast, str):
            return IPv4Interface((self.address, self.prefix_length)).network.broadcast_address
        return self.broadcast

    def _preferred(self) -> int:
        if self.preferred_lifetime is None:
            is_host = isinstance(self.address, IPv6Address) and self.prefix_length == self.address.max_prefixlen
            return 0 if is_host else FOREVER
        return FOREVER if self.preferred_lifetime == inf else ceil(self.preferred_lifetime)
