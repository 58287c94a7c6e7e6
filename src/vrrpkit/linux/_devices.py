"""The interfaces that a node's routers use: who follows what, opened by the first and closed by the last."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from attrs import define, field

from vrrpkit.addresses import Family, IPAddress, MACAddress
from vrrpkit.errors import ConfigError
from vrrpkit.linux._announcer import DeviceAnnouncer
from vrrpkit.linux._link import Link
from vrrpkit.linux._links import LinkView, LinkWatcher, primary_address
from vrrpkit.linux._member import Member
from vrrpkit.runtime import Driver, Seat
from vrrpkit.runtime._backoff import Backoff, BackoffDue, Event, Failed, Succeeded, TryAgain

__all__ = ["Devices"]

log = logging.getLogger("vrrpkit.link")

# The pauses before sockets are opened again that could not be: there were no file descriptors left, say.
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0


@define(eq=False)
class _Device:
    view: LinkView
    announcer: DeviceAnnouncer
    retry: Seat[Event, TryAgain]
    unwatch: Callable[[], None] = field(init=False)
    claims: int = 0
    complaint: str = ""

    def close(self) -> None:
        """Follow nothing any more."""
        self.unwatch()
        self.retry.leave()
        self.announcer.close()


@define(eq=False)
class _SharedLink:
    link: Link
    source: IPAddress | None
    claims: int = 0


class Devices:
    """Every interface in use, its links and its announcer, all following what the kernel says of it."""

    def __init__(self, driver: Driver, watcher: LinkWatcher, *, netns: str | None, gap: float) -> None:
        self._driver = driver
        self._watcher = watcher
        self._netns = netns
        self._gap = gap
        self._devices: dict[str, _Device] = {}
        self._links: dict[tuple[str, Family, IPAddress | None], _SharedLink] = {}
        self._virtual: Counter[IPAddress] = Counter()
        self._members: dict[Member, None] = {}

    def claim(self, name: str) -> None:
        """Use an interface.

        Raises:
            ConfigError: There is none of this name.
        """
        device = self._devices.get(name)
        if device is None:
            view = self._watcher.view(name)
            if view.index is None:
                raise ConfigError(f"interface must exist, got {name!r}")
            announcer = DeviceAnnouncer(self._driver, name, gap=self._gap, netns=self._netns)
            announcer.follow(view)
            retry: Seat[Event, TryAgain] = self._driver.seat(
                Backoff(_FIRST_RETRY, _LONGEST_RETRY),
                partial(self._try_again, name),
                tick=BackoffDue(),
                leeway=lambda: 0.0,
            )
            device = self._devices[name] = _Device(view, announcer, retry)
            device.unwatch = self._watcher.watch(name, self._changed)
        device.claims += 1

    def release(self, name: str) -> None:
        """Use it no longer."""
        device = self._devices[name]
        device.claims -= 1
        if not device.claims:
            del self._devices[name]
            device.close()

    def claim_virtual(self, addresses: Iterable[IPAddress]) -> None:
        """Never take these for a primary address."""
        self._virtual.update(addresses)
        self._refresh_sources()

    def release_virtual(self, addresses: Iterable[IPAddress]) -> None:
        """They may be ordinary addresses again."""
        self._virtual.subtract(addresses)
        self._virtual = +self._virtual

    def claim_link(
        self, interface: str, family: Family, source: IPAddress | None, *, only_from: MACAddress | None = None
    ) -> Link:
        """The sockets of a claimed interface; of a virtual router's own one hear only its MAC address.

        Raises:
            PermissionError: Without CAP_NET_RAW.
        """
        key = (interface, family, source)
        shared = self._links.get(key)
        if shared is None:
            link = Link(self._driver, interface, family, self._netns, only_from=only_from)
            shared = _SharedLink(link, source)
            self._follow_link(shared, self._devices[interface].view)
            self._links[key] = shared
        shared.claims += 1
        return shared.link

    def release_link(self, link: Link) -> None:
        """Use it no longer."""
        for key, shared in tuple(self._links.items()):
            if shared.link is link:
                shared.claims -= 1
                if not shared.claims:
                    del self._links[key]
                    link.close()

    def announcer(self, name: str) -> DeviceAnnouncer:
        """The announcer of a claimed interface."""
        return self._devices[name].announcer

    def follow(self, member: Member) -> None:
        """Tell a router about its interfaces, now and whenever they change."""
        self._members[member] = None
        self._review(member)

    def review(self, member: Member) -> None:
        """Tell a followed router what has changed."""
        if member in self._members:
            self._review(member)

    def unfollow(self, member: Member) -> None:
        """Stop telling it."""
        self._members.pop(member, None)

    def close(self) -> None:
        """Let go of everything that is still in use."""
        for shared in self._links.values():
            shared.link.close()
        for device in self._devices.values():
            device.close()
        self._links.clear()
        self._devices.clear()

    def _changed(self, view: LinkView) -> None:
        device = self._devices[view.name]
        device.view = view
        self._follow(device)
        for member in tuple(self._members):
            if view.name in member.devices:
                self._review(member)

    def _try_again(self, name: str, _action: TryAgain) -> None:
        self._changed(self._devices[name].view)

    def _follow(self, device: _Device) -> None:
        """Let all that is on an interface follow it; what the kernel refuses is a fault, and asked for again."""
        name = device.view.name
        links = [shared for shared in self._links.values() if shared.link.interface == name]
        try:
            device.announcer.follow(device.view)
            for shared in links:
                self._follow_link(shared, device.view)
        except OSError as error:
            for shared in links:
                shared.link.close()  # a link without sockets has no primary address: neither heard nor speaking
            if str(error) != device.complaint:
                log.warning("%s: cannot open sockets: %s", name, error)
            device.complaint = str(error)
            device.retry.post(Failed())
            return
        device.complaint = ""
        whole = all(shared.link.primary_address == self._source(shared, device.view) for shared in links)
        device.retry.post(Succeeded() if whole else Failed())

    def _refresh_sources(self) -> None:
        for shared in self._links.values():
            self._follow_link(shared, self._devices[shared.link.interface].view)

    def _follow_link(self, shared: _SharedLink, view: LinkView) -> None:
        shared.link.follow(view, self._source(shared, view))

    def _source(self, shared: _SharedLink, view: LinkView) -> IPAddress | None:
        if shared.source is None:
            return primary_address(view, shared.link.family, self._virtual)
        return shared.source if any(fact.address == shared.source for fact in view.addresses) else None

    def _review(self, member: Member) -> None:
        member.review([self._devices[name].view for name in sorted(member.devices)])
