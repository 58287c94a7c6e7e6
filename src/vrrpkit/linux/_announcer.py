"""Send gratuitous ARP and unsolicited Neighbor Advertisements from one interface."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Hashable, Iterable

from vrrpkit.addresses import IPAddress, MACAddress
from vrrpkit.announce import (
    Announce,
    AnnouncementDue,
    AnnouncementsBegun,
    AnnouncementsCeased,
    AnnouncePolicy,
    AnnounceSchedule,
    Event,
)
from vrrpkit.linux._links import LinkView
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._sockets import raw_socket
from vrrpkit.packet import announcement_frame
from vrrpkit.runtime import Driver, Seat

__all__ = ["DeviceAnnouncer", "RouterAnnouncer"]

log = logging.getLogger("vrrpkit.announcer")

_NO_MAC = MACAddress(bytes(6))


class DeviceAnnouncer:
    """Everything that one interface announces, for all virtual routers on it.

    Args:
        driver: The clock of the process.
        device: The interface's name.
        gap: Seconds between any two frames; see `AnnounceSchedule`.
        netns: The network namespace by name or path; None for the process's own.
    """

    def __init__(self, driver: Driver, device: str, *, gap: float = 0.0, netns: str | None = None) -> None:
        self._device = device
        self._netns = netns
        self._seat: Seat[Event, Announce] = driver.seat(
            AnnounceSchedule(gap), self._send, tick=AnnouncementDue(), leeway=lambda: 0.0
        )
        self._socket: socket.socket | None = None
        self._index: int | None = None
        self._mac = _NO_MAC

    def follow(self, view: LinkView) -> None:
        """Take note of the interface as it is now."""
        self._mac = MACAddress(view.mac)
        if view.index != self._index:
            self._close_socket()
            if view.index is not None:
                self._socket = in_netns(self._netns, self._open)
                self._index = view.index

    def begin(self, owner: Hashable, addresses: tuple[IPAddress, ...], policy: AnnouncePolicy) -> None:
        """Announce from now on in the name of an owner."""
        self._seat.post(AnnouncementsBegun(owner, addresses, policy))

    def cease(self, owner: Hashable) -> None:
        """Stop announcing in the name of an owner."""
        self._seat.post(AnnouncementsCeased(owner))

    def close(self) -> None:
        """Stop everything."""
        self._seat.leave()
        self._close_socket()

    def _open(self) -> socket.socket:
        announcer = raw_socket(socket.AF_PACKET, 0)  # protocol 0 receives nothing
        announcer.bind((self._device, 0))
        return announcer

    def _send(self, action: Announce) -> None:
        if self._socket is None or self._mac == _NO_MAC:  # gone, or a link without addresses of its own
            return
        try:
            self._socket.send(announcement_frame(self._mac, action.address))
        except OSError as error:
            log.warning("%s: cannot announce %s: %s", self._device, action.address, error)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._index = None


class RouterAnnouncer:
    """One virtual router's `vrrpkit.runtime.Announcer`: each address on the interface that it lives on."""

    def __init__(self, device_of: Callable[[IPAddress], DeviceAnnouncer], policy: AnnouncePolicy) -> None:
        """Find each address's interface by `device_of`."""
        self._device_of = device_of
        self._policy = policy
        self._busy: set[DeviceAnnouncer] = set()

    def announce(self, addresses: Iterable[IPAddress]) -> None:
        """Begin a burst now, and what follows it; replaces what was running."""
        self.cease()
        shares: dict[DeviceAnnouncer, list[IPAddress]] = {}
        for address in addresses:
            shares.setdefault(self._device_of(address), []).append(address)
        for device, share in shares.items():
            device.begin(self, tuple(share), self._policy)
        self._busy = set(shares)

    def cease(self) -> None:
        """Stop at once."""
        for device in self._busy:
            device.cease(self)
        self._busy.clear()
