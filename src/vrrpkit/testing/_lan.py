"""A link between virtual routers that exists in memory only."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable
from heapq import heappop, heappush

from attrs import define, field

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address, vrrp_group
from vrrpkit.election import AdvertReceived
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Datagram, Decoder, PacketError, Reject, encode
from vrrpkit.runtime import Receiver
from vrrpkit.testing._network import Network, Node, refusal

__all__ = ["MemoryLan", "MemoryTransport"]


@define(eq=False, repr=False)
class MemoryLan(Network):
    """A LAN for routers of the runtime, on any event loop; `run_virtual()` makes its delays cost nothing.

    Every advertisement really is encoded and decoded. Nodes are named by the text of their address, unless
    `attach()` gives another name. A LAN belongs to one event loop.
    """

    _transports: list[MemoryTransport] = field(factory=list, init=False)
    _flights: list[tuple[float, int, MemoryTransport, Datagram]] = field(factory=list, init=False)
    _serial: int = field(default=0, init=False)
    _decoder: Decoder = field(factory=Decoder, init=False)

    def __repr__(self) -> str:
        """Who is there."""
        return f"<MemoryLan: {', '.join(self._names)}>"

    def attach(
        self, vrid: int, address: str | IPAddress, peers: Iterable[str | IPAddress] = (), *, name: str | None = None
    ) -> MemoryTransport:
        """A transport for one virtual router on one node; a router that takes its place may open it again.

        Args:
            vrid: The virtual router's identifier.
            address: The node's primary address.
            peers: With whom it exchanges unicast advertisements; the multicast group without any.
            name: What `cut()` and the others call the node; the address when None. A node that runs several virtual
                routers has one transport for each, under one name.

        Raises:
            ConfigError: The node has a transport for this VRID already.
        """
        primary = parse_address("address", address)
        others = tuple([parse_address("peers", peer) for peer in peers])
        family = family_of(primary)
        if any(family_of(peer) is not family for peer in others):
            raise ConfigError(f"peers must be {family.name} as the address is")
        node = str(primary) if name is None else name
        if any((each.name, each.vrid, each.family) == (node, vrid, family) for each in self._transports):
            raise ConfigError(f"vrid must be unique on {node}, got {vrid} twice")
        self._names[node] = None
        transport = MemoryTransport(self, node, vrid, family, primary, others)
        self._transports.append(transport)
        return transport

    def inject(self, datagram: Datagram, to: Node | None = None) -> None:
        """Let a datagram come out of the wire now: replayed, forged or damaged.

        Args:
            datagram: What arrives.
            to: The node that receives it, whatever its destination; None for everybody who listens there.
        """
        node = None if to is None else self._known(to)
        for transport in tuple(self._transports):
            if transport.gets(datagram.destination) if node is None else transport.name == node:
                transport.take(datagram, self._decoder)

    def carry(self, sender: MemoryTransport, datagram: Datagram) -> None:
        """For transports: take a datagram to everybody who listens there."""
        self.mirror(datagram)
        loop = asyncio.get_running_loop()
        for transport in self._transports:
            if transport.name != sender.name and transport.gets(datagram.destination):
                for at in self.arrivals(sender.name, transport.name, loop.time()):
                    self._serial += 1
                    heappush(self._flights, (at, self._serial, transport, datagram))
                    loop.call_at(at, self._land)

    def _land(self) -> None:
        """One call for each flight, whichever has to land first: what one node sends to another stays in order."""
        _at, _serial, transport, datagram = heappop(self._flights)
        transport.take(datagram, self._decoder)


@define(eq=False, repr=False)
class MemoryTransport:
    """One virtual router's place on a `MemoryLan`; made by its `attach()`.

    Attributes:
        name: The node's name.
        vrid: The virtual router's identifier; other advertisements are not for it.
        family: The family of its addresses.
        primary_address: The address that advertisements leave from. None as long as the interface has lost it; sending
            fails then.
        peers: Unicast peers; empty for multicast.
    """

    _lan: MemoryLan
    name: str
    vrid: int
    family: Family
    primary_address: IPAddress | None
    peers: tuple[IPAddress, ...]
    _receiver: Receiver | None = field(default=None, init=False)
    _refusals: list[int] = field(factory=list, init=False)

    def __repr__(self) -> str:
        """The node and the VRID."""
        return f"<MemoryTransport {self.name} VRID {self.vrid}>"

    def open(self, receiver: Receiver) -> None:
        """Begin to deliver."""
        self._receiver = receiver

    def close(self) -> None:
        """Stop delivering. Closing twice is a no-op."""
        self._receiver = None

    def refuse(self, number: int, times: int = 1) -> None:
        """Let the next advertisements fail with an error number, `errno.ENETDOWN` for one."""
        self._refusals += [number] * times

    def send(self, advert: Advertisement) -> None:
        """Send to the group, or to every peer.

        Raises:
            OSError: There is no address to send from, or `refuse()` was called.
        """
        source = self.primary_address
        if source is None:
            raise OSError(errno.EADDRNOTAVAIL, f"{self.name} has no address to send from")
        if self._refusals:
            number = self._refusals.pop(0)
            raise OSError(number, os.strerror(number))
        for destination in self.peers or (vrrp_group(self.family),):
            self._lan.carry(self, encode(advert, source=source, destination=destination))

    def gets(self, destination: IPAddress) -> bool:
        """Whether a datagram sent there comes here."""
        if destination.is_multicast:
            return not self.peers and destination == vrrp_group(self.family)
        return destination == self.primary_address

    def take(self, datagram: Datagram, decoder: Decoder) -> None:
        """A datagram comes out of the wire; what is for another VRID is nobody's business here."""
        receiver = self._receiver
        if receiver is None or datagram.payload[1:2] != bytes((self.vrid,)):
            return
        try:
            advert = decoder.decode(datagram)
        except PacketError as error:
            receiver.rejected(error.reason, datagram.source, error.detail)
            return
        why = refusal(self.peers, datagram.source, datagram.destination)
        if why is None:
            receiver.heard(AdvertReceived(advert, datagram.source))
        else:
            receiver.rejected(Reject.UNKNOWN_PEER, datagram.source, why)
