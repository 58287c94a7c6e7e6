"""Two sync groups of two links each, and who is Active on which link."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, evolve, field

from tests.support.capture import SeenAdvert, only, overlaps, reigns
from tests.support.lab import Keepalived, Lab, Node, Router, RouterSpec, VrrpkitRouter
from vrrpkit.addresses import IPAddress

__all__ = ["DOWN_INTERVAL", "LINKS", "GroupDuel", "KeepalivedGroup", "VrrpkitGroup", "splits", "states"]

R = TypeVar("R", bound=Router)

_PROGRAM: Final = Path(__file__).parent / "run_group.py"

INTERVAL: Final = 0.2
DOWN_INTERVAL: Final = 0.721875  # of priority 100: three intervals, and 156/256 of one
LINKS: Final = (
    RouterSpec(interface="eth0", vrid=51, addresses=("10.77.0.100/24",), interval=INTERVAL),
    RouterSpec(interface="eth1", vrid=52, addresses=("10.78.0.100/24",), interval=INTERVAL),
)
_ADDRESSES: Final = frozenset[IPAddress]().union(*(spec.plain_addresses for spec in LINKS))


@define(eq=False)
class VrrpkitGroup(VrrpkitRouter):
    """vrrpkit's: `run_group.py`."""

    def _prepare(self, folder: Path) -> Sequence[str]:
        super()._prepare(folder)
        links = [f"{spec.interface}/{spec.vrid}/{spec.addresses[0]}" for spec in self.specs]
        (priority,) = {str(spec.priority) for spec in self.specs}
        return [sys.executable, str(_PROGRAM), "--priority", priority, "--interval", f"{INTERVAL:g}", *links]


@define(eq=False)
class KeepalivedGroup(Keepalived):
    """keepalived's: a `vrrp_sync_group`."""

    def _prepare(self, folder: Path) -> Sequence[str]:
        command = super()._prepare(folder)
        with (folder / "keepalived.conf").open("a") as config:
            names = "\n".join(f"VR_{spec.vrid}_IPV4" for spec in self.specs)
            config.write(f"vrrp_sync_group VG_1 {{\ngroup {{\n{names}\n}}\n}}\n")
        return command


@define
class GroupDuel:
    """A sync group on each of two nodes."""

    lab: Lab
    _left: dict[str, frozenset[IPAddress]] = field(factory=dict, init=False)

    def start(self, node: Node, kind: type[R], priority: int) -> R:
        """Start one."""
        self._left.pop(node.name, None)
        return node.start(kind, *(evolve(spec, priority=priority) for spec in LINKS))

    def kill(self, group: Router) -> None:
        """Kill one; what its node then holds stays out of account until another is started there."""
        group.kill()
        self._left[group.node.name] = frozenset(group.node.held())

    def settle(self, active: Router) -> None:
        """Wait until one group is Active on both links, and all agree: the wire, the processes, the kernels."""
        until, node = self.lab.until, active.node
        until(lambda: states(active) == {"active"}, f"{node.name} is Active on both links")
        others = [router for router in self.lab.routers if router.running and router is not active]
        until(lambda: all("active" not in states(router) for router in others), "nobody else is on any")
        until(lambda: self._last_senders() == [node.name, node.name], f"{node.name} is the last to have advertised")
        expected = {other.name: frozenset[IPAddress]() for other in self.lab.nodes}
        expected |= self._left | {node.name: _ADDRESSES}
        until(lambda: self._held() == expected, f"addresses are where they belong: {expected}")

    def adverts(self, link: int) -> tuple[SeenAdvert, ...]:
        """What was advertised on a link; the nodes are called by their names alone."""
        seen = self.lab.capture.adverts(LINKS[link].vrid)
        return tuple(evolve(advert, node=advert.node.partition(".")[0]) for advert in seen)

    def resignations(self, node: Node) -> list[int]:
        """On which links a node has resigned so far."""
        both = [(link, seen) for link in range(2) for seen in self.adverts(link)]
        return [link for link, seen in both if seen.node == node.name and not seen.advert.priority]

    def longest_split(self, since: float = 0.0) -> float:
        """For how many seconds at most the two links have had different Active Routers since then."""
        first, second = (only(self.adverts(link), since=since) for link in range(2))
        return max(splits(first, second), default=0.0)

    def lasting_sender(self, adverts: int) -> str | None:
        """The node that has sent the latest advertisements on both links, so many on each; None if there is no such."""
        latest = {seen.node for link in range(2) for seen in self.adverts(link)[-adverts:]}
        return latest.pop() if len(latest) == 1 else None

    def further(self, group: Router, adverts: int) -> None:
        """Wait until a group has sent so many more advertisements on its first link."""
        sent = self._sent(group) + adverts
        self.lab.until(lambda: self._sent(group) >= sent, f"{adverts} more advertisements")

    def conclude(self) -> None:
        """End everything, and look back: the links went together, nobody overlapped, nothing is left."""
        for router in self.lab.routers:
            if router.running:
                router.stop()
        assert self._held() == {node.name: frozenset() for node in self.lab.nodes}
        assert self.longest_split() < DOWN_INTERVAL
        assert [overlaps(self.adverts(link)) for link in range(2)] == [(), ()]
        assert self.lab.capture.garbage == ()

    def _last_senders(self) -> list[str]:
        spoken = [[seen.node for seen in self.adverts(link) if seen.advert.priority] for link in range(2)]
        return [nodes[-1] for nodes in spoken if nodes]

    def _sent(self, group: Router) -> int:
        return sum(seen.node == group.node.name for seen in self.adverts(0))

    def _held(self) -> dict[str, frozenset[IPAddress]]:
        return {node.name: frozenset(node.held()) for node in self.lab.nodes}


def states(group: Router) -> set[str]:
    """The states of a group's routers: one, unless it is on its way to another."""
    return {group.state(spec.vrid) for spec in LINKS}


def splits(first: Iterable[SeenAdvert], second: Iterable[SeenAdvert]) -> tuple[float, ...]:
    """For how many seconds, each time, one node was Active on one link while another was on the other."""
    pairs = [(one, two) for one in reigns(first) for two in reigns(second) if one.node != two.node]
    together = [min(one.end, two.end) - max(one.start, two.start) for one, two in pairs]
    return tuple(seconds for seconds in together if seconds > 0)
