"""Links and addresses by what the kernel has said so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from typing import Final, TypeAlias

from vrrpkit.addresses import Family, IPAddress, family_of
from vrrpkit.linux._link_view import LinkView
from vrrpkit.linux._rtnetlink import AddressFact, LinkFact, decode_address, index_of, without_lifetimes

__all__ = ["LinkTable"]

_Kept: TypeAlias = dict[tuple[IPAddress, int], AddressFact]

# How far an IPv6 address reaches, as the kernel ranks it (RFC 4291 section 2.7).
_LINK_LOCAL: Final = 2
_SITE_LOCAL: Final = 5
_GLOBAL: Final = 14

_SPARE: Final = 1000


class LinkTable:
    """All links, and the addresses of those that are followed.

    One dump and the news since then lead to the same view as another dump, with the addresses in the same order.
    """

    def __init__(self) -> None:
        self._links: dict[int, LinkFact] = {}
        self._indexes: dict[str, int] = {}
        self._addresses: dict[int, _Kept] = {}
        self._said: dict[bytes, AddressFact] = {}

    def index(self, name: str) -> int | None:
        """The number of the link of this name, if there is one."""
        return self._indexes.get(name)

    def name(self, index: int) -> str:
        """The name of the link of this number; empty if there is none."""
        link = self._links.get(index)
        return "" if link is None else link.name

    def link(self, name: str) -> LinkFact | None:
        """The link of this name, if there is one."""
        index = self._indexes.get(name)
        return None if index is None else self._links[index]

    def links(self) -> tuple[LinkFact, ...]:
        """All links."""
        return tuple(self._links.values())

    def follows(self, index: int) -> bool:
        """Whether this link's addresses are kept."""
        return index in self._addresses

    def follow(self, index: int, addresses: Iterable[bytes]) -> None:
        """Keep this link's addresses from now on; it has those of a dump that are its own."""
        facts = [fact for fact in map(decode_address, addresses) if fact is not None and fact.index == index]
        self._addresses[index] = {_key(fact): fact for fact in facts}

    def unfollow(self, index: int) -> None:
        """Forget this link's addresses."""
        self._addresses.pop(index, None)

    def put_link(self, fact: LinkFact) -> LinkFact | None:
        """Take a link as it is now; return what it was before."""
        before = self._forget_name(fact.index)
        self._links[fact.index] = fact
        self._indexes[fact.name] = fact.index
        return before

    def drop_link(self, index: int) -> LinkFact | None:
        """Forget a link that is no more; return what it was."""
        before = self._forget_name(index)
        self._links.pop(index, None)
        self.unfollow(index)
        return before

    def put_address(self, payload: bytes) -> AddressFact | None:
        """Take an address as it is now; return it, or None if it is known already or its link not followed."""
        kept = self._addresses.get(index_of(payload))
        if kept is None or self._is_known(payload, kept):
            return None
        fact = decode_address(payload)
        if fact is None:
            return None
        self._remember(payload, fact)
        before = kept.get(_key(fact))
        if before == fact:
            kept[_key(fact)] = fact  # the one that is remembered
            return None
        if before is not None and before.secondary and not fact.secondary:
            del kept[_key(fact)]  # promoted, and now the last of the primary addresses
        kept[_key(fact)] = fact
        return fact

    def drop_address(self, payload: bytes) -> AddressFact | None:
        """Forget an address that is no more; return it, or None if its link is not followed.

        It need not have been known: the kernel tells of a new IPv6 address only after it has examined it, and of one
        that is removed before that, only this.
        """
        kept = self._addresses.get(index_of(payload))
        fact = None if kept is None else decode_address(payload)
        return None if kept is None or fact is None else kept.pop(_key(fact), fact)

    def followed(self) -> Iterator[AddressFact]:
        """All addresses of the followed links."""
        for kept in self._addresses.values():
            yield from kept.values()

    def knows(self, fact: AddressFact) -> bool:
        """Whether this address is there, in whatever condition."""
        return _key(fact) in self._addresses.get(fact.index, {})

    def find(self, index: int, address: IPAddress) -> list[AddressFact]:
        """An address of a followed link: nothing, or once for each prefix length it has there."""
        kept = self._addresses.get(index, {})
        facts = (kept.get((address, length)) for length in range(address.max_prefixlen + 1))
        return [fact for fact in facts if fact is not None]

    def view(self, name: str) -> LinkView:
        """The link of this name; without addresses unless it is followed."""
        index = self._indexes.get(name)
        if index is None:
            return LinkView(name)
        link = self._links[index]
        return LinkView(name, index, link.up, link.mac, _listed(self._addresses.get(index, {})))

    def _is_known(self, payload: bytes, kept: _Kept) -> bool:
        """Whether this has been said before: at each renewal of a lease, of each address."""
        fact = self._said.get(without_lifetimes(payload))
        return fact is not None and kept.get(_key(fact)) is fact

    def _remember(self, payload: bytes, fact: AddressFact) -> None:
        if len(self._said) > 2 * sum(map(len, self._addresses.values())) + _SPARE:
            self._said.clear()
        self._said[without_lifetimes(payload)] = fact

    def _forget_name(self, index: int) -> LinkFact | None:
        before = self._links.get(index)
        if before is not None and self._indexes.get(before.name) == index:
            del self._indexes[before.name]
        return before


def _key(fact: AddressFact) -> tuple[IPAddress, int]:
    return fact.address, fact.prefix_length


def _listed(kept: _Kept) -> tuple[AddressFact, ...]:
    """All but the virtual ones, as the kernel would list them.

    IPv4: the primary addresses first, the narrowest scope before the wider ones, then the secondary ones; otherwise
    in the order in which they came. IPv6: the widest scope first, then the newest; in that order they do not come, as
    the kernel has an address examined before it tells of it.
    """
    ipv4: list[AddressFact] = []
    ipv6: list[AddressFact] = []
    for fact in kept.values():
        if not fact.virtual:
            (ipv4 if family_of(fact.address) is Family.IPV4 else ipv6).append(fact)
    ipv4.sort(key=lambda fact: (1, 0) if fact.secondary else (0, -fact.scope))
    ipv6.sort(key=lambda fact: (-_reach(fact.address), -fact.created, fact.address.packed))
    return (*ipv4, *ipv6)


def _reach(address: IPAddress) -> int:
    if address.is_link_local or address.is_loopback:
        return _LINK_LOCAL
    return _SITE_LOCAL if isinstance(address, IPv6Address) and address.is_site_local else _GLOBAL
