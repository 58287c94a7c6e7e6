"""What connects one virtual router to its interfaces: causes of fault, and the address it speaks from."""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.election import FaultCleared, FaultRaised, PrimaryAddressChanged
from vrrpkit.linux._link import Link
from vrrpkit.linux._links import LinkView
from vrrpkit.linux._virtual_device import VirtualDevice
from vrrpkit.runtime import VirtualRouter

__all__ = ["Member", "link_causes"]


def link_causes(views: Collection[LinkView], interface: str, source: IPAddress | None) -> frozenset[str]:
    """What the interfaces of a virtual router keep it from doing.

    Every interface that carries its advertisements or one of its addresses must be there and up, and the one of its
    advertisements must have an address to send from.
    """
    causes = {f"link:{view.name}" for view in views if not view.up}
    if source is None and f"link:{interface}" not in causes:
        causes.add(f"address:{interface}")
    return frozenset(causes)


@define(eq=False)
class Member:
    """A virtual router of a node, with what the node must look after for it.

    Attributes:
        router: The virtual router.
        link: Where its advertisements go.
        devices: Every interface it depends on.
        close: Undoes what was opened for it.
        virtual: What carries its MAC address, if it has one of its own.
    """

    router: VirtualRouter
    link: Link
    devices: frozenset[str]
    close: Callable[[], None]
    virtual: VirtualDevice | None = None
    _causes: frozenset[str] = field(factory=frozenset, init=False)
    _source: IPAddress | None = field(default=None, init=False)

    def review(self, views: Collection[LinkView]) -> None:
        """Tell the router what has changed on its interfaces."""
        source = self.link.primary_address
        causes = link_causes(views, self.link.interface, source)
        if self.virtual is not None:
            causes |= self.virtual.causes
        for cause in sorted(causes - self._causes):
            self.router.post(FaultRaised(cause))
        if source is not None and source != self._source:
            self.router.post(PrimaryAddressChanged(source))
        for cause in sorted(self._causes - causes):
            self.router.post(FaultCleared(cause))
        self._causes, self._source = causes, source
