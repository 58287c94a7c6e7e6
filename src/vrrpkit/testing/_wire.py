"""Advertisements on their way between simulated routers, as octets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import TypeAlias

from attrs import define, field

from vrrpkit.addresses import Family, IPAddress, family_of, vrrp_group
from vrrpkit.election import AdvertReceived
from vrrpkit.packet import Advertisement, Datagram, Decoder, PacketError, Reject, encode
from vrrpkit.testing._agenda import ARRIVALS, Agenda
from vrrpkit.testing._network import Network, refusal
from vrrpkit.testing._simulated import Heard, SimulatedRouter
from vrrpkit.testing._transcript import Flight, Rejected

__all__ = ["Wire"]

Audience: TypeAlias = tuple[SimulatedRouter, ...]
Landing: TypeAlias = tuple[Heard, Audience, SimulatedRouter | None]
Said: TypeAlias = tuple[Advertisement, IPAddress, list[tuple[Datagram, Heard]]]
Launch: TypeAlias = tuple[float, SimulatedRouter, Advertisement, Audience, list[tuple[float, ...]]]  # for each, or all


@define(eq=False)
class Wire:
    """Encodes what one router says, and decodes it for those who hear it.

    An Active Router says the same thing again and again, and all hear the same octets: each is worked out once.

    Args:
        network: Its faults.
        agenda: Where arrivals are entered.
        routers: Who is on it, by name.
        launches: Where to remember what became of every advertisement; None for nowhere.
    """

    _network: Network
    _agenda: Agenda
    _routers: Mapping[str, SimulatedRouter]
    _launches: list[Launch] | None
    _groups: dict[IPAddress, Audience] = field(factory=dict, init=False)
    _said: dict[str, Said] = field(factory=dict, init=False)
    _decoder: Decoder = field(factory=Decoder, init=False)

    def joined(self) -> None:
        """Somebody is new."""
        self._groups.clear()

    def transmit(self, sender: SimulatedRouter, advert: Advertisement, source: IPAddress) -> None:
        """Send to the group, or to every peer."""
        network, now, launches = self._network, self._agenda.now, self._launches
        for datagram, heard in self._encoded(sender, advert, source):
            network.mirror(datagram)
            audience = self._audience(datagram.destination)
            if not sender.peers and network.is_faultless():
                at = now + network.delay
                self._agenda.add(at, ARRIVALS, _land, (heard, audience, sender))
                if launches is not None:
                    launches.append((now, sender, advert, audience, [(at,)]))
                continue
            fates: list[tuple[float, ...]] = []
            for router in audience:
                arrivals = network.arrivals(sender.name, router.name, now) if router is not sender else ()
                here = _unless_refused(heard, router, datagram) if sender.peers else heard
                for at in arrivals:
                    self._agenda.add(at, ARRIVALS, _land, (here, (router,), None))
                fates.append(arrivals)
            if launches is not None:
                launches.append((now, sender, advert, audience, fates))

    def flights(self) -> Iterator[Flight]:
        """What became of every advertisement, for each router that it was meant for."""
        for sent, sender, advert, audience, fates in self._launches or ():
            for router, arrivals in zip(audience, cycle(fates), strict=False):
                if router is not sender and router.config.vrid == advert.vrid:
                    yield Flight(sent, sender.name, router.name, advert.priority, arrivals)

    def inject(self, datagram: Datagram, to: SimulatedRouter | None) -> None:
        """Let a datagram arrive now, at one router or at everybody who listens there."""
        heard = self._judge(datagram)
        for router in self._audience(datagram.destination) if to is None else (to,):
            router.hear(_unless_refused(heard, router, datagram))

    def _encoded(
        self, sender: SimulatedRouter, advert: Advertisement, source: IPAddress
    ) -> list[tuple[Datagram, Heard]]:
        """What leaves, and what it will be to those who hear it."""
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

    def _audience(self, destination: IPAddress) -> Audience:
        """Whose sockets get what is sent there."""
        audience = self._groups.get(destination)
        if audience is not None:
            return audience
        routers = self._routers.values()
        if not destination.is_multicast:
            return tuple([router for router in routers if router.address == destination])
        families = [family for family in Family if vrrp_group(family) == destination]
        audience = tuple([router for router in routers if not router.peers and router.config.family in families])
        self._groups[destination] = audience
        return audience


def _land(landing: Landing) -> None:
    heard, audience, sender = landing
    for router in audience:
        if router is not sender:
            router.hear(heard)


def _unless_refused(heard: Heard, router: SimulatedRouter, datagram: Datagram) -> Heard:
    """What a datagram is to a router that may not listen to its sender; other errors come first."""
    why = refusal(router.peers, datagram.source, datagram.destination)
    if why is None or isinstance(heard, Rejected):
        return heard
    return Rejected(Reject.UNKNOWN_PEER, datagram.source, why)
