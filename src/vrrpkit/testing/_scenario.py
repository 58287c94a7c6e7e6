"""Machines, their virtual routers, a network, and what befalls them: one run of a simulation, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from attrs import field, frozen
from attrs.validators import instance_of

from vrrpkit.addresses import Family, IPAddress
from vrrpkit.election import ElectionConfig
from vrrpkit.errors import ConfigError, InRange, check_count, check_flag
from vrrpkit.testing._bounds import Bounds
from vrrpkit.testing._mishaps import Drift, Mishap, machines_of

__all__ = ["Machine", "Scenario", "router_name"]

_FIRST: Final[dict[Family, IPAddress]] = {
    Family.IPV4: IPv4Address("198.51.100.1"),
    Family.IPV6: IPv6Address("fe80::a:1"),
}
_SECONDS: Final = InRange(0, 3600, "seconds")
_PROBABILITY: Final = InRange(0, 1)


def _to_configs(routers: Iterable[ElectionConfig]) -> tuple[ElectionConfig, ...]:
    return tuple(routers)


def _to_machines(machines: Iterable[Machine]) -> tuple[Machine, ...]:
    return tuple(machines)


def _to_mishaps(mishaps: Iterable[Mishap]) -> tuple[Mishap, ...]:
    """In the order of time."""
    return tuple(sorted(mishaps, key=lambda mishap: mishap.at))


@frozen(kw_only=True)
class Machine:
    """One machine, and the virtual routers that it runs.

    Attributes:
        name: What the transcript calls its router; one of several has its VRID behind that.
        routers: Their settings; each of another VRID, or of another family.
        skew: How fast its clock runs; 1.01 is 1 % fast.
    """

    name: str = field(validator=instance_of(str))
    routers: tuple[ElectionConfig, ...] = field(converter=_to_configs)
    skew: float = field(default=1.0, validator=InRange(0.01, 100))

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        check_count("routers", self.routers, 1, 255)
        names = [router_name(self, config) for config in self.routers]
        if len(set(names)) < len(names):
            raise ConfigError(f"routers must differ in VRID or family, got {', '.join(names)}")


@frozen(kw_only=True)
class Scenario:
    """One run of a simulation, from its seed to its last mishap; to be given to `play()`.

    The machines' primary addresses follow their order: 198.51.100.1 and fe80::a:1 are those of the first.

    Attributes:
        machines: Who takes part, 1-250 machines; all start at 0.
        mishaps: What befalls them, in order of time.
        seed: From which the network's faults are drawn.
        delay: Seconds from a sender to a receiver, 0-3600.
        jitter: Up to this many seconds more.
        loss: Probability, 0-1, that a receiver misses a datagram, up to the last mishap.
        duplication: Probability that a receiver gets it twice.
        reordering: Probability that it is held up.
        lateness: For up to how many seconds it is held up then.
        unicast: Whether each machine sends to every other, and not to the group.

    Raises:
        ConfigError: A field is out of its range, two machines have one name, or a mishap names an unknown one.
    """

    machines: tuple[Machine, ...] = field(converter=_to_machines)
    mishaps: tuple[Mishap, ...] = field(default=(), converter=_to_mishaps)
    seed: int = 0
    delay: float = field(default=0.0005, validator=_SECONDS)
    jitter: float = field(default=0.0, validator=_SECONDS)
    loss: float = field(default=0.0, validator=_PROBABILITY)
    duplication: float = field(default=0.0, validator=_PROBABILITY)
    reordering: float = field(default=0.0, validator=_PROBABILITY)
    lateness: float = field(default=0.1, validator=_SECONDS)
    unicast: bool = field(default=False, validator=check_flag)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        check_count("machines", self.machines, 1, 250)
        names = [machine.name for machine in self.machines]
        if len(set(names)) < len(names):
            raise ConfigError(f"machines must have names of their own, got {', '.join(names)}")
        for mishap in self.mishaps:
            unknown = [name for name in machines_of(mishap) if name not in names]
            if unknown:
                raise ConfigError(f"mishaps must befall one of {', '.join(names)}, got {unknown[0]!r}")

    @property
    def bounds(self) -> Bounds:
        """What the protocol promises on this network, with these clocks."""
        rates = [machine.skew for machine in self.machines]
        rates += [mishap.rate for mishap in self.mishaps if isinstance(mishap, Drift)]
        latency = self.delay + self.jitter + (self.lateness if self.reordering else 0.0)
        return Bounds(latency=latency, slowest=min(rates), fastest=max(rates))

    @property
    def settling(self) -> float:
        """For how long its network is whole before it is judged, in seconds: the longest that any VRID needs."""
        return max(map(self.bounds.settling, self.virtual_routers.values()))

    @property
    def virtual_routers(self) -> dict[tuple[int, Family], list[ElectionConfig]]:
        """The settings of all machines, by VRID and family."""
        groups: dict[tuple[int, Family], list[ElectionConfig]] = {}
        for machine in self.machines:
            for config in machine.routers:
                groups.setdefault((config.vrid, config.family), []).append(config)
        return groups

    def address(self, machine: Machine, family: Family) -> IPAddress:
        """A machine's primary address."""
        return _FIRST[family] + self.machines.index(machine)


def router_name(machine: Machine, config: ElectionConfig) -> str:
    """What the transcript calls one router of a machine."""
    if len(machine.routers) == 1:
        return machine.name
    return f"{machine.name}/{config.vrid}{'v6' if config.family is Family.IPV6 else ''}"
