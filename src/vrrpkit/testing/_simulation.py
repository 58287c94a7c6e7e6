"""Many elections on one simulated network, in virtual time, without asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import define, field

from vrrpkit.addresses import IPAddress, family_of, parse_address, vrrp_group
from vrrpkit.election import AdvertReceived, Election, ElectionConfig, State
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Datagram, Decoder, PacketError, encode
from vrrpkit.testing._agenda import ARRIVALS, CALLS, Agenda
from vrrpkit.testing._ledger import Ledger, Span
from vrrpkit.testing._network import Network, Node
from vrrpkit.testing._simulated import Heard, SimulatedRouter
from vrrpkit.testing._transcript import Record, Rejected, Transcript, What

__all__ = ["Simulation"]

_TAIL: Final = 20

Router: TypeAlias = SimulatedRouter
Audience: TypeAlias = tuple[Router, ...]
Flight: TypeAlias = tuple[Heard, Audience, Router | None]


@define(eq=False)
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
    _routers: dict[str, Router] = field(factory=dict, init=False)
    _audiences: dict[IPAddress, Audience] = field(factory=dict, init=False)
    _said: dict[str, tuple[Advertisement, IPAddress, list[tuple[Datagram, Heard]]]] = field(
        factory=dict, init=False
    )
    _decoder: Decoder = field(factory=Decoder, init=False)
    _records: list[Record] = field(factory=list, init=False)
    _held: Ledger = field(init=False)
    _running: Ledger = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin two ledgers: of all holders, and of those that run."""
        self._held, self._running = Ledger(self.record), Ledger(self.record)

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
        self._join(name)
        router = SimulatedRouter(name, others, Election(config, primary), self._agenda, self)
        self._routers[name] = router
        self._audiences.clear()
        return router

    def start(self) -> None:
        """Start every router that has not started."""
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
        audience = self._audience(datagram.destination) if to is None else (self._routers[self._known(to)],)
        self._land((self._judge(datagram), audience, None))

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
                raise AssertionError(self.explain(f"did not happen within {limit:g} s: {predicate}"))
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
    def active(self) -> tuple[str, ...]:
        """Who is Active, paused routers included."""
        return tuple([name for name, router in self._routers.items() if router.state is State.ACTIVE])

    @property
    def transcript(self) -> Transcript:
        """What has happened so far; it grows. Empty when `record` is off."""
        return Transcript(self._records)

    def holders(self, address: str | IPAddress) -> tuple[str, ...]:
        """Who holds an address now; those that were killed do not count, see `SimulatedRouter.left_behind`."""
        return self._held.holders(parse_address("address", address))

    def overlaps(self, address: str | IPAddress | None = None, *, paused: bool = True) -> tuple[Span, ...]:
        """When an address had two holders.

        Args:
            address: Which one; None for all.
            paused: Whether a paused router counts as a holder. Its kernel goes on answering for the address, but no
                protocol can make it stop.
        """
        ledger = self._held if paused else self._running
        return tuple([span for each in self._wanted(address) for span in ledger.overlaps(each, self.now)])

    def gaps(self, address: str | IPAddress | None = None) -> tuple[Span, ...]:
        """When an address had no holder, counted from the start of the first router that should hold it."""
        return tuple([span for each in self._wanted(address) for span in self._held.gaps(each, self.now)])

    def explain(self, text: str) -> str:
        """A text for a failed test: the text, the time, and the end of the transcript."""
        lines = list(self.transcript[-2 * _TAIL :].lines())[-_TAIL:]
        return "\n".join([f"{text} (at {self.now:.3f} s)", *lines])

    def transmit(self, sender: SimulatedRouter, advert: Advertisement) -> None:
        """For routers: put an advertisement on the wire."""
        now, source = self._agenda.now, sender.address
        if source is None:
            self.note(sender.name, "cannot send without an address")
            return
        for datagram, heard in self._encoded(sender, advert, source):
            self._mirror(datagram)
            audience = self._audience(datagram.destination)
            if self._is_plain():
                self._agenda.add(now + self.delay, ARRIVALS, self._land, (heard, audience, sender))
                continue
            for router in audience:
                for at in self._arrivals(sender.name, router.name, now) if router is not sender else ():
                    self._agenda.add(at, ARRIVALS, self._land, (heard, (router,), None))

    def note(self, router: str, what: What) -> None:
        """Add a record of your own, or a router's."""
        if self.record:
            self._records.append(Record(self.now, router, what))

    def want(self, addresses: tuple[IPAddress, ...]) -> None:
        """For routers: from now on somebody should hold these addresses."""
        for address in addresses:
            self._held.open(self.now, address)

    def tenure(self, router: SimulatedRouter, addresses: tuple[IPAddress, ...], *, holds: bool) -> None:
        """For routers: addresses have been taken or given back, or their holder stopped or went on."""
        for address in addresses:
            self._held.change(self.now, address, router.name, holds=holds)
            self._running.change(self.now, address, router.name, holds=holds and not router.paused)

    def _note(self, text: str) -> None:
        self.note("", text)

    def _wanted(self, address: str | IPAddress | None) -> tuple[IPAddress, ...]:
        if not self.record:
            raise ConfigError("record must be on for a history of the addresses")
        return self._held.addresses if address is None else (parse_address("address", address),)

    def _audience(self, destination: IPAddress) -> Audience:
        """Who listens there: a router with peers to its address, the others to their multicast group."""
        audience = self._audiences.get(destination)
        if audience is None:
            audience = tuple([
                router
                for router in self._routers.values()
                if destination == (router.address if router.peers else vrrp_group(router.config.family))
            ])
            self._audiences[destination] = audience
        return audience

    def _encoded(
        self, sender: SimulatedRouter, advert: Advertisement, source: IPAddress
    ) -> list[tuple[Datagram, Heard]]:
        """What leaves, and what it will be to those who hear it; the same advertisement is worked out once."""
        said = self._said.get(sender.name)
        if said is None or said[0] is not advert or said[1] is not source:
            destinations = sender.peers or (vrrp_group(family_of(source)),)
            datagrams = [encode(advert, source=source, destination=each) for each in destinations]
            said = (advert, source, [(datagram, self._judge(datagram)) for datagram in datagrams])
            self._said[sender.name] = said
        return said[2]

    def _judge(self, datagram: Datagram) -> Heard:
        """What the octets alone say; the same for every receiver."""
        try:
            return AdvertReceived(self._decoder.decode(datagram), datagram.source)
        except PacketError as error:
            return Rejected(error.reason, datagram.source, str(error))

    def _land(self, flight: Flight) -> None:
        heard, audience, sender = flight
        for router in audience:
            if router is not sender:
                router.hear(heard)


def _call(called: tuple[Callable[..., object], tuple[object, ...]]) -> None:
    call, args = called
    call(*args)
