"""How long things may take, by the rules of the protocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from attrs import field, frozen

from vrrpkit.election import ElectionConfig
from vrrpkit.errors import InRange
from vrrpkit.testing._network import Network
from vrrpkit.testing._simulation import Simulation

__all__ = ["Bounds", "bounds_of", "longest_latency"]

_RATE: Final = InRange(0.01, 100)


@frozen(kw_only=True)
class Bounds:
    """What VRRP promises to the routers of one virtual router, in true seconds.

    Let I be the longest interval that any of them is configured with, since a Backup learns the interval of whom it
    hears, dead ones too. Let n be the largest `down_timer_adverts`, L the latency, and s the slowest clock's rate.
    A skew is at most one interval (version 2: one second, which is not more), so no silence limit is longer than
    W = (n + 1) I / s.

    Attributes:
        latency: After how many seconds nothing that was sent is still under way.
        slowest: Local seconds in a true one, by the slowest clock, 0.01-100.
        fastest: The same for the fastest.
    """

    latency: float
    slowest: float = field(default=1.0, validator=_RATE)
    fastest: float = field(default=1.0, validator=_RATE)

    def silence(self, configs: Collection[ElectionConfig]) -> float:
        """W: no Backup believes in an Active router for longer than this without hearing one."""
        adverts = max(config.down_timer_adverts for config in configs)
        return (adverts + 1) * self.interval(configs)

    def interval(self, configs: Collection[ElectionConfig]) -> float:
        """I / s: an Active router says so in every such time."""
        return max(config.advert_interval for config in configs) / self.slowest

    def rivalry(self, configs: Collection[ElectionConfig]) -> float:
        """I / s + L: for how long two running routers can both be Active while nothing is lost.

        The one that wins the comparison says so within I / s, the other hears it L later and yields. A priority that
        changes meanwhile may turn the comparison round: then it counts from there again.
        """
        return self.interval(configs) + self.latency

    def takeover(self, configs: Collection[ElectionConfig]) -> float:
        """L + W + the longest `startup_delay` / s: for how long a running Backup lets nobody be Active.

        It re-arms its timer only for what it hears; when the last Active router is gone, that is for L at most.
        """
        return self.latency + self.silence(configs) + self._longest([config.startup_delay for config in configs])

    def settling(self, configs: Collection[ElectionConfig]) -> float:
        """After this time on a whole network, one router is Active, and it is the right one.

        First, within the takeover time, somebody is Active. A router that preempts has followed a lower one since
        then, for the longest `preempt_delay` / s and a silence limit more. What it heard last may be old by an
        interval, if the Active router's priority has changed since. Then there are rivals, for one rivalry. A message
        takes L at each of these steps.
        """
        delays = self._longest([config.preempt_delay for config in configs])
        waits = self.takeover(configs) + self.silence(configs) + delays
        return waits + self.interval(configs) + self.rivalry(configs) + 2 * self.latency

    def _longest(self, delays: Collection[float]) -> float:
        return max(delays) / self.slowest


def bounds_of(sim: Simulation) -> Bounds:
    """By the network and the clocks as they are now."""
    rates = [router.skew for router in sim.routers.values()] or [1.0]
    return Bounds(latency=longest_latency(sim), slowest=min(rates), fastest=max(rates))


def longest_latency(network: Network) -> float:
    """After how many seconds nothing that was sent is still under way."""
    return network.delay + network.jitter + (network.lateness if network.reordering else 0.0)
