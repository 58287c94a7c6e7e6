"""One interface, one family: the sockets that all its virtual routers share."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Collection
from typing import Final

from vrrpkit.addresses import Family, IPAddress, MACAddress, vrrp_group
from vrrpkit.errors import ConfigError
from vrrpkit.linux._frame import multicast_frame
from vrrpkit.linux._links import LinkView
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._reader import Reader
from vrrpkit.linux._sockets import (
    SocketAddress,
    open_framer,
    open_receiver,
    open_sender,
    set_vrids,
    socket_address,
)
from vrrpkit.packet import Advertisement, Datagram, encode
from vrrpkit.runtime import Driver, Receiver

__all__ = ["Link", "LinkPort"]

log = logging.getLogger("vrrpkit.link")

# A link is busy when it is readable twice in so many seconds; then it is left alone for so many.
_BUSY: Final = 0.002
_REST: Final = 0.004


class Link:
    """The VRRP sockets of one interface and one family.

    The sockets follow the interface: when it is deleted they close, when one of the same name appears they open
    again, and when the primary address moves they send from the new one.

    Args:
        driver: The clock of the process; it drains the link before any machine ticks.
        interface: The interface's name.
        family: Whose messages.
        netns: The network namespace by name or path; None for the process's own.
        only_from: Hear only what was sent from this MAC address.

    Attributes:
        interface: The interface's name.
        family: Whose messages.
    """

    def __init__(
        self,
        driver: Driver,
        interface: str,
        family: Family,
        netns: str | None = None,
        *,
        only_from: MACAddress | None = None,
    ) -> None:
        self.interface: Final = interface
        self.family: Final = family
        self._driver = driver
        self._netns = netns
        self._only_from = only_from
        self._loop = asyncio.get_running_loop()
        self._ports: dict[int, LinkPort] = {}
        self._listeners: list[Callable[[Datagram], None]] = []
        self._index: int | None = None
        self._up = False
        self._source: IPAddress | None = None
        self._receiver: socket.socket | None = None
        self._reader: Reader | None = None
        self._sender: socket.socket | None = None
        self._framer: socket.socket | None = None
        self._read_at = 0.0
        self._resting: asyncio.TimerHandle | None = None

    @property
    def primary_address(self) -> IPAddress | None:
        """The address that advertisements leave from; None while there is none."""
        return self._source

    @property
    def index(self) -> int | None:
        """The interface's index; None while it does not exist."""
        return self._index

    def follow(self, view: LinkView, source: IPAddress | None) -> None:
        """Take note of the interface as it is now, and of the address to send from.

        Nothing is sent while it is down: the kernel would keep a resignation to a unicast peer, and deliver it when
        the link is back.

        Raises:
            PermissionError: Without CAP_NET_RAW.
        """
        came_up, self._up = view.up and not self._up, view.up
        if came_up and self._receiver is not None and self._resting is None:
            # uvloop does not look again at a descriptor that has had an error, such as that its link is down.
            self._loop.remove_reader(self._receiver)
            self._loop.add_reader(self._receiver, self._readable)
        if view.index != self._index:
            self._close_sockets()
            if view.index is not None:
                self._open_receiver(view.index)
        if source != self._source or self._sender is None:
            self._open_sender(source)

    def port(
        self,
        vrid: int,
        peers: Collection[IPAddress] = (),
        *,
        check_source: bool = True,
        mac: MACAddress | None = None,
    ) -> LinkPort:
        """A transport for one virtual router on this link.

        Args:
            vrid: Its identifier; one router of a VRID on a link.
            peers: Unicast peers; none for multicast.
            check_source: Whether to listen only to `peers`, when there are any.
            mac: The MAC address that multicast is sent from; the interface's own when None.

        Raises:
            ConfigError: The VRID is taken, or a peer is of the other family.
        """
        if vrid in self._ports:
            raise ConfigError(f"vrid must be unique on {self.interface} ({self.family.name}), got {vrid} twice")
        for peer in peers:
            if peer.version != self.family:
                raise ConfigError(f"peers must be {self.family.name} addresses, got {peer}")
        return LinkPort(self, vrid, tuple(peers), check_source=check_source, mac=mac)

    def listen(self, listener: Callable[[Datagram], None]) -> Callable[[], None]:
        """Hear every VRRP message on the link, of any VRID, undecoded; for monitors. Returns how to stop."""
        self._listeners.append(listener)
        self._changed()

        def stop() -> None:
            self._listeners.remove(listener)
            self._changed()

        return stop

    def close(self) -> None:
        """Close the sockets."""
        self._close_sockets()

    def register(self, port: LinkPort) -> None:
        """From a port: it opens."""
        self._ports[port.vrid] = port
        self._changed()

    def unregister(self, port: LinkPort) -> None:
        """From a port: it closes."""
        if self._ports.get(port.vrid) is port:
            del self._ports[port.vrid]
            self._changed()

    def transmit(self, messages: Collection[tuple[bytes, SocketAddress]]) -> None:
        """Send to every destination, even if one of them cannot be reached.

        Raises:
            OSError: At least one did not leave.
        """
        sender = self._sender
        if sender is None or not self._up:
            raise OSError(errno.ENETDOWN, f"{self.interface} is down")
        failure: OSError | None = None
        for octets, destination in messages:
            try:
                sender.sendto(octets, destination)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure

    def transmit_frame(self, frame: bytes) -> None:
        """Send a whole frame.

        Raises:
            OSError: It did not leave.
        """
        if self._sender is None or not self._up:
            raise OSError(errno.ENETDOWN, f"{self.interface} is down")
        if self._framer is None:
            self._framer = in_netns(self._netns, lambda: open_framer(self.interface))
        self._framer.send(frame)

    def _open_receiver(self, index: int) -> None:
        receiver = in_netns(self._netns, lambda: open_receiver(self.interface, index, self.family))
        self._index, self._receiver = index, receiver
        self._reader = Reader(receiver, self.family, self._ports)
        self._reader.listeners = self._listeners
        self._changed()
        self._loop.add_reader(receiver, self._readable)
        self._driver.add_source(self._reader.drain)

    def _readable(self) -> None:
        """Read at once, but on a busy link let some more come together before the next time.

        Nothing is missed by that: before a judgement the driver drains the link itself.
        """
        if self._receiver is None or self._reader is None:
            return
        busy = self._driver.now() - self._read_at < _BUSY
        self._read_at = self._driver.now()
        self._reader.drain()
        if busy:
            self._loop.remove_reader(self._receiver)
            self._resting = self._loop.call_later(_REST, self._resume)

    def _resume(self) -> None:
        self._resting = None
        if self._receiver is not None:
            self._loop.add_reader(self._receiver, self._readable)

    def _open_sender(self, source: IPAddress | None) -> None:
        if self._sender is not None:
            self._sender.close()
        self._sender, self._source = None, source
        index = self._index
        if source is None or index is None:
            return
        try:
            self._sender = in_netns(self._netns, lambda: open_sender(self.interface, index, source))
        except PermissionError:
            raise
        except OSError as error:
            # Without a sender there is no primary address, which is a fault; Active and not heard would be worse.
            self._source = None
            log.warning("%s: cannot send from %s: %s", self.interface, source, error)

    def _close_sockets(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._receiver is not None and self._reader is not None:
            self._loop.remove_reader(self._receiver)
            self._driver.remove_source(self._reader.drain)
            self._receiver.close()
        if self._sender is not None:
            self._sender.close()
        if self._framer is not None:
            self._framer.close()
        self._index = self._source = self._receiver = self._reader = self._sender = self._framer = None

    def _changed(self) -> None:
        if self._receiver is not None and self._reader is not None:
            self._reader.forget()
            vrids = None if self._listeners else self._ports.keys()
            set_vrids(self._receiver, self.family, vrids, self._only_from)


class LinkPort:
    """One virtual router's place on a link: a `vrrpkit.runtime.Transport`.

    Attributes:
        vrid: The virtual router's identifier.
    """

    def __init__(
        self, link: Link, vrid: int, peers: tuple[IPAddress, ...], *, check_source: bool, mac: MACAddress | None
    ) -> None:
        """See `Link.port()`."""
        self.vrid: Final = vrid
        self._link = link
        self._ears = [link]
        self._peers = peers
        self._check_source = check_source
        self._mac = None if peers else mac
        self._receiver: Receiver | None = None
        self._said: tuple[Advertisement, IPAddress, list[tuple[bytes, SocketAddress]]] | None = None

    @property
    def primary_address(self) -> IPAddress | None:
        """The link's."""
        return self._link.primary_address

    @property
    def receiver(self) -> Receiver:
        """Who gets what comes in; only an open port has one."""
        if self._receiver is None:
            raise RuntimeError(f"the port for VRID {self.vrid} is not open")
        return self._receiver

    def hear_on(self, link: Link) -> None:
        """Hear what comes in on another link, too; before it is opened."""
        self._ears.append(link)

    def open(self, receiver: Receiver) -> None:
        """Begin to deliver."""
        self._receiver = receiver
        for link in self._ears:
            link.register(self)

    def close(self) -> None:
        """Stop delivering."""
        for link in self._ears:
            link.unregister(self)

    def refuses(self, source: IPAddress, destination: IPAddress) -> str | None:
        """Multicast routers hear multicast, unicast routers their peers."""
        if destination.is_multicast != (not self._peers):
            return f"sent to {destination}, which this router does not use"
        if self._peers and self._check_source and source not in self._peers:
            return f"{source} is not one of the peers"
        return None

    def send(self, advert: Advertisement) -> None:
        """Send to the group, or to every peer.

        Raises:
            OSError: It did not leave, or not for every peer.
        """
        link, said = self._link, self._said
        source = link.primary_address
        if said is None or said[0] is not advert or said[1] is not source:
            said = self._said = self._encode(advert, source)
        if self._mac is None:
            link.transmit(said[2])
        else:
            for frame, _destination in said[2]:
                link.transmit_frame(frame)

    def _encode(
        self, advert: Advertisement, source: IPAddress | None
    ) -> tuple[Advertisement, IPAddress, list[tuple[bytes, SocketAddress]]]:
        """The messages that say this, kept until something else is said or the address moves."""
        link = self._link
        if source is None or link.index is None:
            raise OSError(errno.EADDRNOTAVAIL, f"{link.interface} has no address to send from")
        messages: list[tuple[bytes, SocketAddress]] = []
        for destination in self._peers or (vrrp_group(link.family),):
            datagram = encode(advert, source=source, destination=destination)
            octets = datagram.payload if self._mac is None else multicast_frame(self._mac, datagram)
            messages.append((octets, socket_address(destination, link.index)))
        return advert, source, messages
