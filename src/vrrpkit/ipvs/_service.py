"""Virtual services: what clients connect to."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.errors import ConfigError, Whole, check_flag
from vrrpkit.ipvs._server import Forwarding, RealServer, Tunnel, with_port

__all__ = [
    "SCHEDULERS",
    "Endpoint",
    "FirewallMark",
    "L4Protocol",
    "SchedulerFlags",
    "ServiceKey",
    "Table",
    "VirtualService",
    "table",
]

#: The schedulers of Linux by name; `none` sends nothing anywhere, and fills a table quickly.
SCHEDULERS: Final = frozenset(
    ("dh", "fo", "lblc", "lblcr", "lc", "mh", "none", "nq", "ovf", "rr", "sed", "sh", "twos", "wlc", "wrr")
)
_LONGEST_PERSISTENCE: Final = 31 * 86400
_LONGEST_NAME: Final = 15


class L4Protocol(enum.IntEnum):
    """What a service speaks; the numbers are those of the IP header."""

    TCP = 6
    UDP = 17
    SCTP = 132


def _to_protocol(value: L4Protocol | str) -> L4Protocol:
    given: object = value
    for protocol in L4Protocol:
        if given is protocol or (isinstance(given, str) and given.upper() == protocol.name):
            return protocol
    raise ConfigError(f"protocol must be TCP, UDP or SCTP, got {value!r}")


def _to_address(value: str | IPAddress) -> IPAddress:
    return parse_address("address", value)


@frozen
class Endpoint:
    """A service of one protocol, address and port.

    Attributes:
        protocol: TCP, UDP or SCTP; a word in any case will do.
        address: The virtual address.
        port: 0-65535; 0 for all ports, which needs persistence.

    Raises:
        ConfigError: A part is out of its range.
    """

    protocol: L4Protocol = field(converter=_to_protocol)
    address: IPAddress = field(converter=_to_address)
    port: int = field(validator=Whole(0, 0xFFFF))

    @property
    def family(self) -> Family:
        """The family of the address."""
        return family_of(self.address)

    def __str__(self) -> str:
        """`tcp 192.0.2.10:80`."""
        return f"{self.protocol.name.lower()} {with_port(self.address, self.port)}"


@frozen
class FirewallMark:
    """A service of all packets that the firewall has given a mark.

    Attributes:
        mark: 1-4294967295.
        family: IPv4 and IPv6 packets of one mark are two services.

    Raises:
        ConfigError: A part is out of its range.
    """

    mark: int = field(validator=Whole(1, 0xFFFFFFFF))
    family: Family = field(default=Family.IPV4, converter=Family)

    def __str__(self) -> str:
        """`mark 7`, or `mark 7 of IPv6`."""
        return f"mark {self.mark}{' of IPv6' if self.family is Family.IPV6 else ''}"


ServiceKey: TypeAlias = Endpoint | FirewallMark
"""What a service is known by."""


class SchedulerFlags(enum.IntFlag):
    """What is asked of a scheduler besides its name; `sh` and `mh` have two, by their own names."""

    NONE = 0
    FLAG_1 = 0x08
    FLAG_2 = 0x10
    FLAG_3 = 0x20
    FALLBACK = FLAG_1
    """`sh`, `mh`: choose another server when the chosen one takes no connections."""
    PORT = FLAG_2
    """`sh`, `mh`: the client's port counts as well as its address."""


def _check_scheduler(_instance: object, _attribute: object, name: str) -> None:
    if name not in SCHEDULERS:
        raise ConfigError(f"scheduler must be one of {', '.join(sorted(SCHEDULERS))}, got {name!r}")


def _check_engine(_instance: object, _attribute: object, name: str | None) -> None:
    given: object = name
    if given is not None and not (isinstance(given, str) and given.isascii() and 1 <= len(given) <= _LONGEST_NAME):
        raise ConfigError(
            f"persistence_engine must be a name of 1-{_LONGEST_NAME} characters, such as sip, got {name!r}"
        )


def in_order(servers: Iterable[RealServer]) -> tuple[RealServer, ...]:
    """Servers by their addresses and ports, IPv4 before IPv6."""
    return tuple(sorted(servers, key=_rank))


def _rank(server: RealServer) -> tuple[int, int, int]:
    return server.address.version, int(server.address), server.port


@frozen
class VirtualService:
    """A service with its real servers, as the kernel's table has it.

    Attributes:
        key: What it is known by; everything else can be changed in place.
        scheduler: How a server is chosen for a new connection, one of `SCHEDULERS`.
        flags: What is asked of the scheduler besides.
        persistence: Seconds, 1-2678400, for which a client stays with its server after its last connection.
        persistence_prefix: How much of a client's address tells it from others: 1-32 or 1-128; all of it when None,
            which 32 and 128 become. Read from the kernel, a mask that is none of these is a negative number.
        persistence_engine: What tells clients apart instead of their address: `sip` is the kernel's only one.
        one_packet: Choose a server for each packet anew; UDP and firewall marks only.
        servers: The real servers, in the order of their addresses whatever order they are given in.

    Raises:
        ConfigError: A setting is out of its range, or does not fit another one.
    """

    key: ServiceKey
    scheduler: str = field(default="wlc", kw_only=True, validator=_check_scheduler)
    flags: SchedulerFlags = field(default=SchedulerFlags.NONE, kw_only=True, converter=SchedulerFlags)
    persistence: int | None = field(default=None, kw_only=True, validator=optional(Whole(1, _LONGEST_PERSISTENCE)))
    persistence_prefix: int | None = field(default=None, kw_only=True, validator=optional(Whole(1, 128)))
    persistence_engine: str | None = field(default=None, kw_only=True, validator=_check_engine)
    one_packet: bool = field(default=False, kw_only=True, validator=check_flag)
    servers: tuple[RealServer, ...] = field(default=(), kw_only=True, converter=in_order)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        key: object = self.key
        if not isinstance(key, Endpoint | FirewallMark):
            raise ConfigError(f"key must be an Endpoint or a FirewallMark, got {key!r}")
        _check_persistence(self)
        if self.persistence_prefix == _whole(self.family):
            object.__setattr__(self, "persistence_prefix", None)
        if self.one_packet and isinstance(key, Endpoint) and key.protocol is not L4Protocol.UDP:
            raise ConfigError(f"one_packet must be False for {key}: only UDP and firewall marks have it")
        before: RealServer | None = None
        for server in self.servers:
            if before is not None and before.place == server.place:
                raise ConfigError(f"servers must differ in address or port, got {server} twice in {key}")
            check_fit(self.key, server)
            before = server

    @property
    def family(self) -> Family:
        """The family of its clients."""
        return self.key.family


def _check_persistence(service: VirtualService) -> None:
    key, longest = service.key, _whole(service.family)
    if service.persistence_prefix is not None and service.persistence_prefix > longest:
        raise ConfigError(f"persistence_prefix must be 1-{longest} for {key}, got {service.persistence_prefix}")
    if service.persistence is not None:
        return
    if isinstance(key, Endpoint) and key.port == 0:
        raise ConfigError(f"persistence must be 1-{_LONGEST_PERSISTENCE} seconds for {key}: port 0 needs it, got None")
    for name in ("persistence_prefix", "persistence_engine"):
        if getattr(service, name) is not None:
            raise ConfigError(f"persistence must be 1-{_LONGEST_PERSISTENCE} seconds with {name}, got None")


def _whole(family: Family) -> int:
    return 32 if family is Family.IPV4 else 128


def check_fit(key: ServiceKey, server: RealServer) -> None:
    """Raise `ConfigError` unless the kernel can send this service's packets to that server."""
    if server.family is not key.family and not isinstance(server.forwarding, Tunnel):
        raise ConfigError(f"address of a server of {key} must be IPv{key.family:d} unless tunnelled, got {server}")
    unchanged = isinstance(server.forwarding, Tunnel) or server.forwarding is Forwarding.DIRECT
    if unchanged and isinstance(key, Endpoint) and server.port != key.port:
        raise ConfigError(f"port of a server of {key} must be {key.port}: its packets are not rewritten, got {server}")


Table: TypeAlias = Mapping[ServiceKey, VirtualService]
"""Services by what they are known by."""


def table(services: Iterable[VirtualService]) -> Table:
    """A table of services.

    Raises:
        ConfigError: Two of them are known by the same.
    """
    made: dict[ServiceKey, VirtualService] = {}
    for service in services:
        if service.key in made:
            raise ConfigError(f"services must differ in their keys, got {service.key} twice")
        made[service.key] = service
    return made
