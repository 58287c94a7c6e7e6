"""What a pool of real servers is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.errors import ConfigError, InRange, Whole, check_count, check_flag
from vrrpkit.ipvs import Endpoint, Forwarding, RealServer, ServiceKey, VirtualService, Way
from vrrpkit.ipvs._server import with_port
from vrrpkit.ipvs._service import check_fit

__all__ = ["MAX_POOL_WEIGHT", "Member", "PoolConfig", "port_of"]

#: As keepalived's and the checkers' weights.
MAX_POOL_WEIGHT: Final = 65535
_WEIGHT: Final = Whole(0, MAX_POOL_WEIGHT)
_U32: Final = 0xFFFFFFFF


def _to_address(value: str | IPAddress) -> IPAddress:
    return parse_address("address", value)


def _check_name(_instance: object, _attribute: object, name: str) -> None:
    given: object = name
    if not isinstance(given, str) or name.split() not in ([name], []):
        raise ConfigError(f"name must be a word, got {name!r}")


@frozen
class Member:
    """A real server of a pool, for all services of that pool.

    Attributes:
        address: Where it is.
        port: 1-65535; that of each service when None.
        name: What logs, news and explanations call it; address and port when empty.
        weight: Its share of new connections, 0-65535, and what it counts towards the quorum.
        forwarding: How packets get to it.
        upper_threshold: Connections beyond which it gets no new ones; 0 for no limit.
        lower_threshold: Connections below which it gets new ones again.
        inhibit: Whether it stays in the table with weight 0 when it is down; as the pool says when None.
        needed: How many of its checks must be up; all when None.

    Raises:
        ConfigError: A setting is out of its range.
    """

    address: IPAddress = field(converter=_to_address)
    port: int | None = field(default=None, validator=optional(Whole(1, 0xFFFF)))
    name: str = field(default="", kw_only=True, validator=_check_name)
    weight: int = field(default=1, kw_only=True, validator=_WEIGHT)
    forwarding: Way = field(default=Forwarding.NAT, kw_only=True)
    upper_threshold: int = field(default=0, kw_only=True, validator=Whole(0, _U32))
    lower_threshold: int = field(default=0, kw_only=True, validator=Whole(0, _U32))
    inhibit: bool | None = field(default=None, kw_only=True, validator=optional(check_flag))
    needed: int | None = field(default=None, kw_only=True, validator=optional(Whole(1, 1000)))

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell, and find a name."""
        self.to_server(None, self.weight)
        if not self.name:
            name = str(self.address) if self.port is None else with_port(self.address, self.port)
            object.__setattr__(self, "name", name)

    def to_server(self, key: ServiceKey | None, weight: int) -> RealServer:
        """The same as an entry of the kernel's table, in one service, with a weight."""
        return RealServer(
            self.address,
            port_of(key) if self.port is None else self.port,
            weight=weight,
            forwarding=self.forwarding,
            upper_threshold=self.upper_threshold,
            lower_threshold=self.lower_threshold,
        )


def port_of(key: ServiceKey | None) -> int:
    """The port of a service; 0 if it has none."""
    return key.port if isinstance(key, Endpoint) else 0


def _to_services(services: VirtualService | Iterable[VirtualService]) -> tuple[VirtualService, ...]:
    return (services,) if isinstance(services, VirtualService) else tuple(services)


@frozen(kw_only=True)
class PoolConfig:
    """How a pool of real servers is put into the kernel's table.

    Attributes:
        services: The virtual services that its members serve, 1-1000, without servers; one will do without a list.
        quorum: The weight of live members that is needed, 1-4294967295.
        hysteresis: How far the live weight must be from `quorum` to change the verdict: it is held from
            `quorum + hysteresis` on, and lost below `quorum - hysteresis`, or with nobody live; below `quorum`.
        sorry_server: Serves alone while the quorum is lost.
        sorry_inhibit: Whether the sorry server is always in the table, with weight 0 while it is not needed.
        inhibit: Whether members that are down stay in the table with weight 0, instead of being removed.
        trust_unchecked: Whether a member is in service before its first verdict, as with keepalived.
        slow_start: Seconds, 0-3600, in which a member that was down gets its full weight, in ten steps.
        minimum_share: 0-1, the share of members in service below which no member is taken out because of its checks:
            those that failed last stay in service.

    Raises:
        ConfigError: A setting is out of its range, or does not fit another one.
    """

    services: tuple[VirtualService, ...] = field(converter=_to_services)
    quorum: int = field(default=1, validator=Whole(1, _U32))
    hysteresis: int = field(default=0, validator=Whole(0, _U32))
    sorry_server: Member | None = None
    sorry_inhibit: bool = field(default=False, validator=check_flag)
    inhibit: bool = field(default=False, validator=check_flag)
    trust_unchecked: bool = field(default=False, validator=check_flag)
    slow_start: float = field(default=0.0, validator=InRange(0, 3600, "seconds"))
    minimum_share: float = field(default=0.0, validator=InRange(0, 1))

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        check_count("services", self.services, 1, 1000)
        if len(set(self.keys)) != len(self.services):
            raise ConfigError(f"services must differ in their keys, got {', '.join(map(str, self.keys))}")
        for service in self.services:
            if service.servers:
                raise ConfigError(f"servers must be none in {service.key}: members are what a pool serves with")
        if self.hysteresis >= self.quorum:
            raise ConfigError(f"hysteresis must be 0-{self.quorum - 1} (less than quorum), got {self.hysteresis}")
        if self.sorry_server is not None:
            if not self.sorry_server.weight:
                raise ConfigError(f"weight of the sorry server must be 1-{MAX_POOL_WEIGHT}, got 0")
            self.check_member(self.sorry_server)

    @property
    def ports(self) -> frozenset[int]:
        """What a member without a port of its own stands for; 0 where the port of the packet stays."""
        return frozenset(map(port_of, self.keys))

    @property
    def keys(self) -> tuple[ServiceKey, ...]:
        """What its services are known by."""
        return tuple(service.key for service in self.services)

    def check_member(self, member: Member) -> None:
        """Raise `ConfigError` unless this member can serve every service."""
        for key in self._kinds:
            check_fit(key, member.to_server(key, member.weight))

    @property
    def _kinds(self) -> Iterable[ServiceKey]:
        """The first service of each kind, as far as it matters to members."""
        kinds: dict[tuple[type[ServiceKey], int, int], ServiceKey] = {}
        for key in self.keys:
            kinds.setdefault((type(key), key.family, port_of(key)), key)
        return kinds.values()
