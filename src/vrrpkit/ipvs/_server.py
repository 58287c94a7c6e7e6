"""Real servers, and how packets get to them."""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

from attrs import field, frozen

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.errors import ConfigError, Whole

__all__ = ["MAX_WEIGHT", "Checksum", "Forwarding", "RealServer", "Tunnel", "TunnelKind", "Way", "with_port"]

#: The kernel takes any positive number of 31 bits; keepalived and its checkers stop at 65535.
MAX_WEIGHT: Final = 0x7FFFFFFF
_U32: Final = 0xFFFFFFFF


class Forwarding(enum.IntEnum):
    """How packets get to a real server, but for tunnels; the numbers are the kernel's."""

    NAT = 0
    """Addresses and ports are rewritten, both ways; answers must come back through this machine. Also masquerading."""
    LOCAL = 1
    """The kernel's own word for a server on this machine; only ever found, never asked for."""
    DIRECT = 3
    """The packet goes unchanged to the server's MAC address (DR); the server holds the service's address as well."""


class TunnelKind(enum.IntEnum):
    """What a packet is wrapped in; the numbers are the kernel's."""

    IPIP = 0
    GUE = 1
    GRE = 2


class Checksum(enum.IntEnum):
    """The outer checksum of GUE and GRE; the numbers are the kernel's."""

    NONE = 0
    FULL = 1
    REMOTE = 2
    """Remote checksum offload; GUE alone."""


@frozen
class Tunnel:
    """Packets are wrapped and sent to the server, which may be of the other address family (TUN).

    Attributes:
        kind: What they are wrapped in.
        port: The UDP port of GUE, 1-65535; 0 for the others.
        checksum: The outer checksum; IPIP has none.

    Raises:
        ConfigError: The parts do not fit together.
    """

    kind: TunnelKind = field(default=TunnelKind.IPIP, converter=TunnelKind)
    port: int = field(default=0, validator=Whole(0, 0xFFFF))
    checksum: Checksum = field(default=Checksum.NONE, converter=Checksum)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        if (self.kind is TunnelKind.GUE) != bool(self.port):
            wanted = "1-65535 for a GUE tunnel" if self.kind is TunnelKind.GUE else f"0 for {self.kind.name}"
            raise ConfigError(f"port must be {wanted}, got {self.port}")
        allowed = {TunnelKind.IPIP: 0, TunnelKind.GRE: 1, TunnelKind.GUE: 2}[self.kind]
        if self.checksum > allowed:
            names = " or ".join(Checksum(number).name for number in range(allowed + 1))
            raise ConfigError(f"checksum must be {names} for {self.kind.name}, got {self.checksum.name}")


Way: TypeAlias = Forwarding | Tunnel
"""How packets get to a real server."""


def _to_address(value: str | IPAddress) -> IPAddress:
    return parse_address("address", value)


@frozen
class RealServer:
    """A server as the kernel's table has it.

    Its address and port are what it is known by within a service; everything else can be changed in place.

    Attributes:
        address: Where it is.
        port: 0-65535; 0 in services of a firewall mark or of all ports, where the port of the packet stays.
        weight: Its share of new connections, 0-2147483647; 0 takes none, and keeps those that it has.
        forwarding: How packets get to it.
        upper_threshold: Connections beyond which it gets no new ones, 0-4294967295; 0 for no limit.
        lower_threshold: Connections below which it gets new ones again, at most `upper_threshold`; the kernel takes
            three quarters of that when 0.

    Raises:
        ConfigError: A setting is out of its range.
    """

    address: IPAddress = field(converter=_to_address)
    port: int = field(validator=Whole(0, 0xFFFF))
    weight: int = field(default=1, kw_only=True, validator=Whole(0, MAX_WEIGHT))
    forwarding: Way = field(default=Forwarding.NAT, kw_only=True)
    upper_threshold: int = field(default=0, kw_only=True, validator=Whole(0, _U32))
    lower_threshold: int = field(default=0, kw_only=True, validator=Whole(0, _U32))

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        given: object = self.forwarding
        if not isinstance(given, Forwarding | Tunnel) or given is Forwarding.LOCAL:
            raise ConfigError(f"forwarding must be Forwarding.NAT, Forwarding.DIRECT or a Tunnel, got {given!r}")
        if self.lower_threshold > self.upper_threshold:
            raise ConfigError(
                f"lower_threshold must be 0-{self.upper_threshold} (upper_threshold), got {self.lower_threshold}"
            )

    @property
    def family(self) -> Family:
        """The family of its address."""
        return family_of(self.address)

    @property
    def place(self) -> tuple[IPAddress, int]:
        """What it is known by within a service."""
        return self.address, self.port

    def __str__(self) -> str:
        """`10.1.0.1:80` or `[2001:db8::1]:80`."""
        return with_port(self.address, self.port)


def with_port(address: IPAddress, port: int) -> str:
    """`10.1.0.1:80` or `[2001:db8::1]:80`."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
