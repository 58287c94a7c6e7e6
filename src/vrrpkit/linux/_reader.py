"""Drain one link's receive socket: every datagram to the virtual router it is for."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

from vrrpkit.addresses import Family, IPAddress
from vrrpkit.election import AdvertReceived
from vrrpkit.packet import Datagram, PacketError, Reject, decode
from vrrpkit.runtime import Receiver

__all__ = ["Addressee", "Reader"]

log = logging.getLogger("vrrpkit.link")

_IPV6_PKTINFO: Final = 50
_IPV6_HOPLIMIT: Final = 52
# More than the receive buffer holds, so that one call hears everything that came while the process was stopped.
_BUDGET: Final = 16384
_CAPACITY: Final = 8192
# Octets of payload in all that is known; with its addresses each takes up to 25 octets of memory. The advertisements of
# 2,040 routers with 20 addresses take 200 KB, or 700 KB for IPv6.
_ROOM: Final = 1 << 20


class Addressee(Protocol):
    """One virtual router on the link."""

    @property
    def receiver(self) -> Receiver:
        """Who gets what comes in."""
        ...

    def refuses(self, source: IPAddress, destination: IPAddress) -> str | None:
        """Why this sender or this destination is not listened to, in words; None if it is."""
        ...


class Reader:
    """Reads one socket for all virtual routers of a link.

    An Active router sends the same octets again and again. What was found good once is known by its octets, from
    the source address to the end, and costs one look-up from then on.
    """

    def __init__(self, receiver: socket.socket, family: Family, ports: Mapping[int, Addressee]) -> None:
        """Read from a socket for the virtual routers in `ports`, by VRID."""
        self._socket = receiver
        self._ports = ports
        self._known: dict[
            bytes | tuple[bytes, str, bytes], tuple[Callable[[AdvertReceived], None], AdvertReceived]
        ] = {}
        self._known_octets = 0
        self.listeners: list[Callable[[Datagram], None]] = []
        self.drain: Final = self._drain_ipv4 if family is Family.IPV4 else self._drain_ipv6

    def forget(self) -> None:
        """Who listens to what has changed."""
        self._known.clear()
        self._known_octets = 0

    def _drain_ipv4(self) -> None:
        """Raw IPv4 sockets deliver the IP header too: TTL, source and destination need no ancillary data."""
        receive, known = self._socket.recv, self._known
        for _ in range(_BUDGET):
            try:
                packet = receive(2048)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("receiving failed: %s", error)
                return
            found = known.get(packet[12:])
            if found is not None and packet[8] == 255 and not self.listeners:
                found[0](found[1])
            else:
                source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
                payload = packet[(packet[0] & 15) * 4 :]
                self._examine(packet[12:], Datagram(payload, source, destination, packet[8]))

    def _drain_ipv6(self) -> None:
        receive, known = self._socket.recvmsg, self._known
        for _ in range(_BUDGET):
            try:
                payload, ancillary, _flags, sender = receive(8192, 128)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("receiving failed: %s", error)
                return
            destination, hop_limit = b"", 0
            for _level, kind, data in ancillary:
                if kind == _IPV6_PKTINFO:
                    destination = data[:16]
                elif kind == _IPV6_HOPLIMIT:
                    hop_limit = int.from_bytes(data, "little")
            key = (payload, sender[0], destination)
            found = known.get(key)
            if found is not None and hop_limit == 255 and not self.listeners:
                found[0](found[1])
            else:
                source = IPv6Address(sender[0].partition("%")[0])
                self._examine(key, Datagram(payload, source, IPv6Address(destination), hop_limit))

    def _examine(self, key: bytes | tuple[bytes, str, bytes], datagram: Datagram) -> None:
        for listener in self.listeners:
            listener(datagram)
        port = self._ports.get(datagram.payload[1]) if len(datagram.payload) > 1 else None
        if port is None:
            return
        source = datagram.source
        try:
            advert = decode(datagram)
        except PacketError as error:
            port.receiver.rejected(error.reason, source, error.detail)
            return
        refusal = port.refuses(source, datagram.destination)
        if refusal is not None:
            port.receiver.rejected(Reject.UNKNOWN_PEER, source, refusal)
            return
        event = AdvertReceived(advert, source)
        if len(self._known) >= _CAPACITY or self._known_octets > _ROOM:
            self.forget()
        self._known_octets += len(datagram.payload)
        heard = port.receiver.heard
        self._known[key] = heard, event
        heard(event)
