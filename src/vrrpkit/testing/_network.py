"""What a network does to datagrams: delay, loss, duplicates, overtaking, cuts and partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Final, Protocol, TypeAlias

from attrs import Factory, define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import ConfigError, InRange
from vrrpkit.packet import Datagram

__all__ = ["Named", "Network", "Node", "refusal"]

_SECONDS: Final = InRange(0, 3600, "seconds")
_PROBABILITY: Final = InRange(0, 1)


class Named(Protocol):
    """Whatever has the name of a node."""

    @property
    def name(self) -> str:
        """The name."""
        ...


Node: TypeAlias = str | Named


def _seeded(network: Network) -> Random:
    return Random(network.seed)  # noqa: S311 - faults must repeat, not surprise


@define(eq=False)
class Network:
    """A network with faults, which are drawn from a seed: the same seed and the same calls give the same faults.

    All attributes but the seed may be changed at any time; what is under way is not affected.

    Attributes:
        seed: Where the draws begin.
        delay: Seconds from a sender to a receiver, 0-3600.
        jitter: Up to this many seconds more, evenly drawn. What one node sends to another stays in order.
        loss: Probability, 0-1, that a receiver misses a datagram; drawn for each receiver.
        duplication: Probability that a receiver gets it twice.
        reordering: Probability that it is held up, so that later ones overtake it.
        lateness: For up to how many seconds it is held up then.
    """

    seed: int = 0
    delay: float = field(default=0.0005, validator=_SECONDS, kw_only=True)
    jitter: float = field(default=0.0, validator=_SECONDS, kw_only=True)
    loss: float = field(default=0.0, validator=_PROBABILITY, kw_only=True)
    duplication: float = field(default=0.0, validator=_PROBABILITY, kw_only=True)
    reordering: float = field(default=0.0, validator=_PROBABILITY, kw_only=True)
    lateness: float = field(default=0.1, validator=_SECONDS, kw_only=True)
    _random: Random = field(default=Factory(_seeded, takes_self=True), init=False, repr=False)
    _names: dict[str, None] = field(factory=dict, init=False, repr=False)
    _islands: dict[str, int] = field(factory=dict, init=False, repr=False)
    _losses: dict[tuple[str, str], float] = field(factory=dict, init=False, repr=False)
    _latest: dict[tuple[str, str], float] = field(factory=dict, init=False, repr=False)
    _listeners: dict[int, Callable[[Datagram], object]] = field(factory=dict, init=False, repr=False)

    def partition(self, *groups: Node | Iterable[Node]) -> None:
        """Split the network: from now on nodes hear only their own group.

        A group is one node or several; the nodes that are not named make one group more. Replaces the last partition.
        """
        members = [self._members(group) for group in groups]
        islands = {name: number for number, names in enumerate(members) for name in names}
        if len(islands) < sum(map(len, members)):
            raise ConfigError(f"groups must not overlap, got {members}")
        self._islands = islands
        self._note("partition " + " | ".join(",".join(names) for names in members))

    def cut(self, sender: Node, receiver: Node) -> None:
        """Let nothing through from one node to another; the other direction is not affected."""
        self.lose(sender, receiver, 1.0)

    def lose(self, sender: Node, receiver: Node, probability: float) -> None:
        """Set the loss of one direction, in place of `loss`."""
        pair = (self._known(sender), self._known(receiver))
        if not 0 <= probability <= 1:
            raise ConfigError(f"probability must be 0-1, got {probability!r}")
        self._losses[pair] = probability
        self._note(f"{pair[0]} -> {pair[1]} loses {probability:g}")

    def restore(self, sender: Node, receiver: Node) -> None:
        """End the loss of one direction that `cut()` or `lose()` began."""
        pair = (self._known(sender), self._known(receiver))
        if self._losses.pop(pair, None) is not None:
            self._note(f"{pair[0]} -> {pair[1]} restored")

    def heal(self) -> None:
        """End the partition and all losses of one direction; the general `loss` stays as it is."""
        self._islands, self._losses = {}, {}
        self._note("healed")

    def listen(self, callback: Callable[[Datagram], object]) -> Callable[[], None]:
        """Call back with every datagram that is sent, as a mirror port would; returns what ends it.

        Faults do not reach the listener: it hears each datagram once, at the moment it is sent. It should only look;
        what it wants to do belongs to a later moment.
        """
        key = max(self._listeners, default=0) + 1
        self._listeners[key] = callback

        def stop() -> None:
            self._listeners.pop(key, None)

        return stop

    def is_faultless(self) -> bool:
        """Whether everybody hears everything once, after the same delay."""
        return not (self._islands or self._losses or self.loss or self.jitter or self.duplication or self.reordering)

    def arrivals(self, sender: str, receiver: str, now: float) -> tuple[float, ...]:
        """For those who carry datagrams: when what is sent now reaches a receiver, once, never, or twice."""
        if self._islands and self._islands.get(sender) != self._islands.get(receiver):
            return ()
        pair = (sender, receiver)
        if self._happens(self._losses.get(pair, self.loss)):
            return ()
        copies = 2 if self._happens(self.duplication) else 1
        return tuple([self._arrival(pair, now) for _ in range(copies)])

    def mirror(self, datagram: Datagram) -> None:
        """For those who carry datagrams: tell the listeners."""
        for callback in tuple(self._listeners.values()):
            callback(datagram)

    def _known(self, node: Node) -> str:
        name = node if isinstance(node, str) else node.name
        if name not in self._names:
            raise ConfigError(f"node must be one of {', '.join(self._names) or '(none)'}, got {name!r}")
        return name

    def _members(self, group: Node | Iterable[Node]) -> list[str]:
        nodes: Iterable[Node] = group if isinstance(group, Iterable) and not isinstance(group, str) else (group,)
        return [self._known(node) for node in nodes]

    def _note(self, text: str) -> None:
        """For those who keep a record."""

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _arrival(self, pair: tuple[str, str], now: float) -> float:
        at = now + self.delay + self.jitter * self._random.random()
        if self._happens(self.reordering):
            return at + self.lateness * self._random.random()
        at = self._latest[pair] = max(at, self._latest.get(pair, at))
        return at


def refusal(peers: Collection[IPAddress], source: IPAddress, destination: IPAddress) -> str | None:
    """Why a router does not listen to a datagram, in words: multicast routers hear multicast, unicast ones peers."""
    if destination.is_multicast != (not peers):
        return f"sent to {destination}, which this router does not use"
    if peers and source not in peers:
        return f"{source} is not one of the peers"
    return None
