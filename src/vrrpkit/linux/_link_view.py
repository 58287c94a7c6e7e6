"""One link as a virtual router sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vrrpkit._cheap import value
from vrrpkit.addresses import Family, IPAddress, MACAddress, family_of
from vrrpkit.linux._rtnetlink import NO_MAC, AddressFact

__all__ = ["LinkView", "primary_address"]


@value
class LinkView:
    """The link of a name, whichever link that is at the moment.

    Attributes:
        name: Its name.
        index: Its number; None while there is none of this name.
        up: There, switched on and able to carry traffic.
        mac: Its Ethernet address; all zero without one.
        addresses: Its addresses in the kernel's order, the newest IPv6 ones first. Those that this library has put
            there are left out, where the kernel tells (5.18): thousands of them may come and go in a moment, and
            nobody else needs to look.
    """

    name: str
    index: int | None = None
    up: bool = False
    mac: MACAddress = NO_MAC
    addresses: tuple[AddressFact, ...] = ()


def primary_address(view: LinkView, family: Family, exclude: Collection[IPAddress]) -> IPAddress | None:
    """The address to send advertisements from (RFC 9568 section 1.7), or None while there is none.

    For IPv4 the first address of the interface; a secondary one only for want of another, as it would be if a virtual
    address had come first. For IPv6 the link-local address that has been there longest.

    Args:
        view: The interface.
        family: That of the advertisements.
        exclude: Addresses that are virtual here.
    """
    own = [
        fact
        for fact in view.addresses
        if family_of(fact.address) is family and fact.usable and fact.address not in exclude
    ]
    if family is Family.IPV4:
        return _first(fact.address for fact in sorted(own, key=lambda fact: fact.secondary))
    # The newest come first, but another one that is added must not change who we are.
    return _first(fact.address for fact in reversed(own) if fact.address.is_link_local)


def _first(addresses: Iterable[IPAddress]) -> IPAddress | None:
    return next(iter(addresses), None)
