"""Many elections on one simulated network, in virtual time, without asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import define, field

from vrrpkit.addresses import IPAddress, family_of, parse_address
from vrrpkit.election import Election, ElectionConfig, State
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Datagram
from vrrpkit.testing._agenda import CALLS, Agenda
from vrrpkit.testing._ledger import Ledger, Span
from vrrpkit.testing._network import Network, Node
from vrrpkit.testing._picture import Lane
from vrrpkit.testing._simulated import SimulatedRouter, World
from vrrpkit.testing._timeline import Timeline
from vrrpkit.testing._transcript import INJECTED, Flight, Record, Transcript, What
from vrrpkit.testing._wire import Wire

__all__ = ["Simulation"]

_TAIL: Final = 20


@define(eq=False, repr=False)
class Simulation(Network):
    """Routers on one network, in virtual time.

    Every advertisement really is encoded, decoded and screened. The same seed and the same calls give the same
    transcript, in any process.

        sim = Simulation(seed=1, loss=0.1)
        a = sim.add("a", ElectionConfig(vrid=1, addresses=["192.0.2.1"], priority=200), address="198.51.100.1")
        b = sim.add("b", ElectionConfig(vrid=1, addresses=["192.0.2.1"]), address="198.51.100.2")
        sim.start()
        sim.at(10, a.kill)
        sim.run(until=20)

    Attributes:
        record: Whether to keep the transcript and the history of the addresses. Without it a simulation may run for
            virtual years in the same memory.
    """

    record: bool = field(default=True, kw_only=True)
    _agenda: Agenda = field(factory=Agenda, init=False)
    _routers: dict[str, SimulatedRouter] = field(factory=dict, init=False)
    _wire: Wire = field(init=False)
    _records: list[Record] = field(factory=list, init=False)
    _held: Ledger = field(init=False)
    _running: Ledger = field(init=False)
    _world: World = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin two ledgers: of all holders, and of those that run."""
        self._wire = Wire(self, self._agenda, self._routers, [] if self.record else None)
        self._held, self._running = Ledger(self.record), Ledger(self.record)
        self._world = World(self._agenda, self.transcript, self.note, self._wire.transmit, self._want, self._tenure)

    def __repr__(self) -> str:
        """The time, and who is what."""
        routers = ", ".join(f"{name} {router.state}" for name, router in self._routers.items())
        return f"<Simulation at {self.now:.3f} s: {routers}>"

    def add(
        self,
        name: str,
        config: ElectionConfig,
        *,
        address: str | IPAddress,
        peers: Iterable[str | IPAddress] = (),
    ) -> SimulatedRouter:
        """Put a router on the network; it takes part once it is started.

        Args:
            name: What the transcript calls it.
            config: Its settings.
            address: Its primary address.
            peers: With whom it exchanges unicast advertisements; the multicast group without any.

        Raises:
            ConfigError: The name is taken, or an address is none or of the wrong family.
        """
        primary = parse_address("address", address)
        others = tuple([parse_address("peers", peer) for peer in peers])
        for each in (primary, *others):
            if family_of(each) is not config.family:
                raise ConfigError(f"address and peers must be {config.family.name}, got {each}")
        if name in self._names:
            raise ConfigError(f"name must be new, got {name!r} again")
        self._names[name] = None
        router = SimulatedRouter(name, others, Election(config, primary))
        router._enter(self._world)  # noqa: SLF001 - a router is a part of its simulation
        self._routers[name] = router
        self._wire.joined()
        return router

    def start(self) -> None:
        """Start every router that is not running, those that were killed too."""
        for router in self._routers.values():
            if router.state is State.INITIALIZE:
                router.start()

    def at(self, time: float, call: Callable[..., object], *args: object) -> None:
        """Call something at a time, before whatever else happens at that moment.

        Raises:
            ConfigError: That time is past.
        """
        if time < self.now:
            raise ConfigError(f"time must be {self.now:g} or later, got {time!r}")
        self._agenda.add(time, CALLS, _call, (call, args))

    def inject(self, datagram: Datagram, to: Node | None = None) -> None:
        """Let a datagram come out of the wire now: replayed, forged or damaged.

        Args:
            datagram: What arrives.
            to: The router that receives it, whatever its destination; None for everybody who listens there.
        """
        self._note(f"{INJECTED}{datagram.source}")
        self._wire.inject(datagram, None if to is None else self._routers[self._known(to)])

    def step(self) -> bool:
        """Let the next thing happen; False when nothing will ever happen again."""
        return self._agenda.step()

    def run(self, until: float) -> None:
        """Let everything happen up to a time, that moment included."""
        if until < self.now:
            raise ConfigError(f"until must be {self.now:g} or later, got {until!r}")
        self._agenda.run(until)

    def run_for(self, seconds: float) -> None:
        """Let everything happen in the next seconds."""
        self.run(self.now + seconds)

    def run_until(self, predicate: Callable[[], bool], limit: float = 60.0) -> float:
        """Run until something is true; return the time at which it was.

        Raises:
            AssertionError: It was not within `limit` seconds; the text has the end of the transcript.
        """
        end = self.now + limit
        while not predicate():
            following = self._agenda.next_at()
            if following is None or following > end:
                self.run(end)
                raise AssertionError(self.explain(f"did not come true within {limit:g} s"))
            self.step()
        return self.now

    @property
    def now(self) -> float:
        """The virtual time, in seconds; begins at 0."""
        return self._agenda.now

    @property
    def routers(self) -> Mapping[str, SimulatedRouter]:
        """Every router by its name, in the order in which they were added."""
        return MappingProxyType(self._routers)

    @property
    def active(self) -> list[str]:
        """Who is Active, paused routers included."""
        return [name for name, router in self._routers.items() if router.state is State.ACTIVE]

    @property
    def transcript(self) -> Transcript:
        """What has happened so far; it grows. Empty when `record` is off."""
        return Transcript(self._records)

    @property
    def flights(self) -> list[Flight]:
        """What became of every advertisement, for each router of its virtual router; empty when `record` is off."""
        return list(self._wire.flights())

    def holders(self, address: str | IPAddress) -> list[str]:
        """Who holds an address now; those that were killed do not count, see `SimulatedRouter.left_behind`."""
        return list(self._held.holders(parse_address("address", address)))

    def overlaps(self, address: str | IPAddress | None = None, *, paused: bool = True) -> list[Span]:
        """When an address had two holders.

        Args:
            address: Which one; None for all.
            paused: Whether a paused router counts as a holder. Its kernel goes on answering for the address, but no
                protocol can make it stop.
        """
        ledger = self._held if paused else self._running
        return [span for each in self._wanted(address) for span in ledger.overlaps(each, self.now)]

    def gaps(self, address: str | IPAddress | None = None) -> list[Span]:
        """When an address had no holder, counted from the start of the first router that should hold it."""
        return [span for each in self._wanted(address) for span in self._held.gaps(each, self.now)]

    def timeline(self, *, begin: float = 0.0, end: float | None = None, width: int = 1000) -> Timeline:
        """A picture of what has happened; `save()` writes it, a notebook shows it as it is.

        Args:
            begin: Where it begins, in virtual seconds.
            end: Where it ends; now by default.
            width: Its width in pixels, 300-10000.

        Raises:
            ConfigError: `record` is off, or nothing is between begin and end.
        """
        if not self.record:
            raise ConfigError("record must be on for a timeline")
        several = len({router.config.vrid for router in self._routers.values()}) > 1
        return Timeline(
            lanes=tuple([_lane(router, several) for router in self._routers.values()]),
            transcript=self.transcript,
            flights=tuple(self._wire.flights()),
            begin=begin,
            end=self.now if end is None else end,
            width=width,
        )

    def explain(self, text: str) -> str:
        """A text for a failed test: the text, the time, and the end of the transcript."""
        lines = list(self.transcript[-2 * _TAIL :].lines())[-_TAIL:]
        return "\n".join([f"{text} (at {self.now:.3f} s)", *lines])

    def note(self, router: str, what: What) -> None:
        """Add a record of your own, or a router's."""
        if self.record:
            self._records.append(Record(self.now, router, what))

    def _repr_svg_(self) -> str | None:
        """For notebooks: everything so far, if there is anything to show."""
        return self.timeline().svg if self.record and self._routers and self.now > 0 else None

    def _note(self, text: str) -> None:
        self.note("", text)

    def _wanted(self, address: str | IPAddress | None) -> tuple[IPAddress, ...]:
        if not self.record:
            raise ConfigError("record must be on for a history of the addresses")
        return self._held.addresses if address is None else (parse_address("address", address),)

    def _want(self, addresses: tuple[IPAddress, ...]) -> None:
        for address in addresses:
            self._held.open(self.now, address)

    def _tenure(self, router: SimulatedRouter, addresses: tuple[IPAddress, ...], holds: bool) -> None:
        for address in addresses:
            self._held.change(self.now, address, router.name, holds=holds)
            self._running.change(self.now, address, router.name, holds=holds and not router.paused)


def _lane(router: SimulatedRouter, several: bool) -> Lane:
    rank = f"priority {router.config.priority}"
    return Lane(router.name, f"VRID {router.config.vrid}, {rank}" if several else rank)


def _call(called: tuple[Callable[..., object], tuple[object, ...]]) -> None:
    call, args = called
    call(*args)
