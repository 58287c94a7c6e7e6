"""Two routers for one virtual router on two nodes, and what has to be true whenever they have settled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeVar

from attrs import define, evolve, field, frozen

from tests.support.capture import SeenAdvert, only, overlaps, reigns
from tests.support.lab import Keepalived, Lab, Node, Router, RouterSpec, VrrpkitRouter
from vrrpkit.addresses import Family, IPAddress

__all__ = ["IPV4", "IPV6", "PAIRS", "SHARED", "VARIANTS", "Duel", "Pair", "Variant", "check_reason", "named"]

R = TypeVar("R", bound=Router)

IPV4: Final = ("10.77.0.100/24",)
IPV6: Final = ("fe80::7:100/64", "fd77::7:100/64")

SHARED: Final = "s3cret"

# What separates two clocks and two roundings of one timer.
_ROUNDING: Final = 0.005


@frozen
class Pair:
    """Who runs on node `one`, and who on node `two`."""

    one: type[Router]
    two: type[Router]

    def __str__(self) -> str:
        return f"{_called(self.one)}-and-{_called(self.two)}"


def _called(kind: type[Router]) -> str:
    return "keepalived" if kind is Keepalived else "vrrpkit"


PAIRS: Final = (Pair(VrrpkitRouter, Keepalived), Pair(Keepalived, VrrpkitRouter))


@frozen(kw_only=True)
class Variant:
    """A dialect of the protocol, and the times that follow from it for a Backup of priority 100.

    Attributes:
        name: What the test is called.
        spec: The virtual router.
        interval: The interval of priority 200, in seconds; `spec` has that of priority 100.
        silence: How long priority 100 waits for priority 200: three intervals and a skew.
        skew: How long priority 100 waits after a resignation.
        unicast: Whether the two are told each other's address.
    """

    name: str
    spec: RouterSpec
    interval: float
    silence: float
    skew: float
    unicast: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def asked(self) -> IPAddress:
        """The address that clients use."""
        if self.spec.family is Family.IPV4:
            return IPv4Address("10.77.0.100")
        return IPv6Address("fd77::7:100")


_V2: Final = RouterSpec(version=2, interval=1.0, addresses=IPV4)
_V3: Final = RouterSpec(version=3, interval=0.2, addresses=IPV4)

# Skews of priority 100: 156/256 s in version 2, 156/256 of the other's interval in version 3.
VARIANTS: Final = (
    Variant(name="v2", spec=_V2, interval=1.0, silence=3.609375, skew=0.609375),
    Variant(name="v2-password", spec=evolve(_V2, password=SHARED), interval=1.0, silence=3.609375, skew=0.609375),
    Variant(name="v2-unicast", spec=_V2, interval=1.0, silence=3.609375, skew=0.609375, unicast=True),
    Variant(name="v3", spec=_V3, interval=0.2, silence=0.721875, skew=0.121875),
    Variant(name="v3-ipv6", spec=evolve(_V3, addresses=IPV6), interval=0.2, silence=0.721875, skew=0.121875),
    Variant(name="v3-unicast", spec=_V3, interval=0.2, silence=0.721875, skew=0.121875, unicast=True),
    Variant(
        name="v3-ipv6-unicast",
        spec=evolve(_V3, addresses=IPV6),
        interval=0.2,
        silence=0.721875,
        skew=0.121875,
        unicast=True,
    ),
    Variant(
        name="v3-ipv6-global",
        spec=evolve(_V3, addresses=IPV6[1:], link_local_first=False),
        interval=0.2,
        silence=0.721875,
        skew=0.121875,
    ),
    Variant(name="v3-two-intervals", spec=_V3, interval=0.4, silence=1.44375, skew=0.24375),
)


def named(*names: str) -> tuple[Variant, ...]:
    """Some of the variants."""
    return tuple(variant for variant in VARIANTS if variant.name in names)


@define
class Duel:
    """Router processes for one virtual router, one a node."""

    lab: Lab
    variant: Variant
    _left: dict[str, frozenset[IPAddress]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.lab.client.ask(self.variant.asked)

    def start(self, node: Node, kind: type[R], priority: int, *, preempt: bool = True, preempt_delay: float = 0.0) -> R:
        """Start a router with what the variant says; priority 200 has its own interval."""
        spec = evolve(self.variant.spec, priority=priority, preempt=preempt, preempt_delay=preempt_delay)
        if priority == 200:
            spec = evolve(spec, interval=self.variant.interval)
        if self.variant.unicast:
            ipv4 = spec.family is Family.IPV4
            others = [other for other in self.lab.nodes if other is not node]
            spec = evolve(spec, peers=tuple(other.ipv4 if ipv4 else other.link_local for other in others))
        self._left.pop(node.name, None)
        return node.start(kind, spec)

    def kill(self, router: Router) -> None:
        """Kill a router; what its node then holds stays out of account until another is started there."""
        router.kill()
        self._left[router.node.name] = frozenset(router.node.held())

    @contextmanager
    def frozen(self, router: Router) -> Iterator[None]:
        """Freeze a router; what its node holds meanwhile stays out of account."""
        with router.frozen():
            self._left[router.node.name] = frozenset(router.node.held())
            yield
        del self._left[router.node.name]

    @property
    def adverts(self) -> tuple[SeenAdvert, ...]:
        """The virtual router's advertisements so far."""
        return self.lab.capture.adverts(self.variant.spec.vrid, self.variant.spec.family)

    def settle(self, active: Router) -> None:
        """Wait until one router is Active and everybody agrees: the wire, the processes, the kernels, a client."""
        node, spec = active.node, self.variant.spec
        until = self.lab.until
        until(lambda: active.state() == "active", f"{node.name} is Active")
        awake = [router for router in self.lab.routers if router.running and router.node.name not in self._left]
        others = [router for router in awake if router is not active]
        until(lambda: all(router.state() in ("backup", "fault") for router in others), "nobody else is Active")
        until(lambda: self._last_sender() == node.name, f"{node.name} is the last to have advertised")
        expected = {other.name: frozenset[IPAddress]() for other in self.lab.nodes}
        expected |= self._left | {node.name: spec.plain_addresses}
        until(lambda: self._held() == expected, f"addresses are where they belong: {expected}")
        began = [reign.start for reign in reigns(self.adverts) if reign.node == node.name][-1]
        until(lambda: self.lab.capture.announced(node.name, began) == spec.plain_addresses, f"{node.name} announces")
        until(lambda: self.lab.client.reaches(self.variant.asked) == node.name, f"the client reaches {node.name}")

    def _last_sender(self) -> str | None:
        spoken = [seen.node for seen in self.adverts if seen.advert.priority]
        return spoken[-1] if spoken else None

    def _held(self) -> dict[str, frozenset[IPAddress]]:
        return {node.name: frozenset(node.held()) for node in self.lab.nodes}

    def further(self, router: Router, adverts: int) -> None:
        """Wait until a router has sent so many more advertisements: time by the protocol's own clock."""
        sent = self._sent(router) + adverts
        self.lab.until(lambda: self._sent(router) >= sent, f"{adverts} more advertisements")

    def _sent(self, router: Router) -> int:
        return sum(seen.node == router.node.name for seen in self.adverts)

    def check_silence(self, router: Router, at_least: float, below: float | None = None) -> None:
        """Fail unless the router's latest reign began so long after the last advertisement of anybody else.

        A loaded machine makes silences longer, so only a bound from another rule of the protocol limits them above.
        """
        node, adverts = router.node.name, self.adverts
        began = [reign.start for reign in reigns(adverts) if reign.node == node][-1]
        silence = began - max(seen.at for seen in adverts if seen.node != node and seen.at < began)
        assert silence >= at_least - _ROUNDING
        if below is not None:
            assert silence < below

    def conclude(self, *, whole_since: float = 0.0) -> None:
        """End everything, and look back: nobody overlapped, nothing is left, all octets made sense."""
        for router in self.lab.routers:
            if router.running:
                router.stop()
        assert self._held() == {node.name: frozenset() for node in self.lab.nodes}
        assert overlaps(only(self.adverts, since=whole_since)) == ()
        assert self.lab.capture.garbage == ()


def check_reason(router: Router, reason: str) -> None:
    """vrrpkit says why its state is what it is; keepalived does not."""
    if isinstance(router, VrrpkitRouter):
        assert router.changes[-1].reason == reason
