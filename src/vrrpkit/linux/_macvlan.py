"""Making macvlans that carry virtual MAC addresses. Waits for the kernel."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field, frozen

from vrrpkit.addresses import MACAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._macvlan_wire import (
    ARP_ANNOUNCE,
    ARP_FILTER,
    ARP_IGNORE,
    GROUP,
    PROMOTE_SECONDARIES,
    RP_FILTER,
    RTM_SETLINK,
    decode_settings,
    encode_link,
    encode_macvlan,
    encode_no_link_local,
    encode_settings,
)
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._rtnetlink import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, LinkFact, decode_link, link_query
from vrrpkit.linux._wire import NLM_F_CREATE, NLM_F_EXCL

__all__ = ["Plan", "Workshop", "is_ours"]

log = logging.getLogger("vrrpkit.virtual_mac")

# Answer for addresses of one's own only, as the interface below would answer for them too; and let packets in whose
# way back is through the interface below.
_OF_DEVICE: Final = {ARP_IGNORE: 1, ARP_FILTER: 0, RP_FILTER: 2, PROMOTE_SECONDARIES: 1}
# The interface below must neither answer for the virtual addresses nor ask in their name: both would tell its own MAC
# address.
_OF_PARENT: Final = {ARP_IGNORE: 1, ARP_ANNOUNCE: 2}
# Only /proc has these: no address and no route because of what other routers advertise.
_IPV6_OFF: Final = ("accept_ra", "autoconf")
_GONE: Final = frozenset({errno.ENODEV, errno.ENXIO})


@frozen
class Plan:
    """A macvlan as it should be.

    Attributes:
        name: Its name.
        interface: The name of the interface below.
        mac: Its MAC address.
    """

    name: str
    interface: str
    mac: MACAddress


@define(eq=False)
class _Parent:
    """An interface whose settings were changed: what they were before, and for which of ours."""

    before: Mapping[int, int]
    users: set[str] = field(factory=set)


def is_ours(fact: LinkFact) -> bool:
    """Whether a link must have been made by this library, in this process or in another."""
    return fact.kind == "macvlan" and fact.group == GROUP


class Workshop:
    """Makes, switches and removes macvlans; one thread at a time may use it.

    Args:
        netns: The network namespace by name or path; None for the process's own.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(self, netns: str | None) -> None:
        self._netns = netns
        self._requests = Requests(netns=netns)
        self._parents: dict[int, _Parent] = {}

    def close(self) -> None:
        """Ask the kernel nothing any more."""
        self._requests.close()

    def make(self, plan: Plan, leftovers: Iterable[int] = ()) -> int:
        """Make it anew, switched off; return its number. One of ours that has its name is removed, and the leftovers.

        Raises:
            KernelError: The kernel refused, the name is taken, or there is no interface to put it on.
        """
        operation = f"add {plan.name} to {plan.interface}"
        parent = self._find(plan.interface)
        if parent is None:
            raise kernel_error(operation, errno.ENODEV, f"there is no {plan.interface}")
        before = self._find(plan.name)
        if before is not None and not is_ours(before):
            raise kernel_error(operation, errno.EEXIST, f"{plan.name} is there already, and not ours")
        for index in {*leftovers} | ({before.index} if before is not None else set()):
            self.discard(index)
        self._add(operation, plan, parent.index)
        made = self._find(plan.name)
        if made is None:
            raise kernel_error(operation, errno.ENODEV, f"{plan.name} was removed at once")
        try:
            self._set_up(made)
            self._prepare(parent, plan.name)
        except KernelError:
            self.discard(made.index)
            raise
        return made.index

    def switch(self, plan: Plan, *, up: bool) -> None:
        """Switch it on or off.

        Raises:
            KernelError: The kernel refused, or it is not there; which is as good as off.
        """
        operation = f"switch {plan.name} {'on' if up else 'off'}"
        made = self._find_ours(plan)
        if made is None:
            if up:
                raise kernel_error(operation, errno.ENODEV, f"there is no {plan.name}")
            return
        try:
            self._requests.request(operation, RTM_NEWLINK, 0, encode_link(made.index, up=up))
        except KernelError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            text = f"another device on {plan.interface} has {plan.mac.hex(':')}"
            raise kernel_error(operation, errno.EADDRINUSE, text) from error

    def remove(self, plan: Plan) -> None:
        """Remove it; the last one on an interface takes back what was set there.

        Raises:
            KernelError: The kernel refused.
        """
        made = self._find_ours(plan)
        if made is not None:
            self.discard(made.index)
        for index, parent in tuple(self._parents.items()):
            parent.users.discard(plan.name)
            if not parent.users:
                del self._parents[index]
                self._restore(index, parent.before)

    def discard(self, index: int) -> None:
        """Remove a link; one that is gone is no error.

        Raises:
            KernelError: The kernel refused.
        """
        self._unless_gone(f"remove link {index}", RTM_DELLINK, encode_link(index))

    def _add(self, operation: str, plan: Plan, parent: int) -> None:
        payload = encode_macvlan(plan.name, parent, plan.mac)
        try:
            self._requests.request(operation, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload)
        except KernelError as error:
            if error.errno != errno.EBUSY:
                raise
            text = f"{plan.interface} is a part of something else, such as a bridge"
            raise kernel_error(operation, errno.EBUSY, text) from error

    def _find(self, name: str) -> LinkFact | None:
        answer = self._query(name)
        return None if answer is None else decode_link(answer)

    def _find_ours(self, plan: Plan) -> LinkFact | None:
        found = self._find(plan.name)
        return found if found is not None and is_ours(found) else None

    def _query(self, name: str) -> bytes | None:
        try:
            return self._requests.request(f"find {name}", RTM_GETLINK, 0, link_query(name))
        except KernelError as error:
            if error.errno not in _GONE:
                raise
            return None

    def _set_up(self, made: LinkFact) -> None:
        operation = f"configure {made.name}"
        self._requests.request(operation, RTM_SETLINK, 0, encode_settings(made.index, _OF_DEVICE))
        try:
            self._requests.request(operation, RTM_SETLINK, 0, encode_no_link_local(made.index))
            in_netns(self._netns, lambda: _switch_off(made.name))
        except OSError as error:  # a kernel without IPv6, or a container that may not write to /proc/sys
            log.warning("%s: cannot keep IPv6 from configuring itself: %s", made.name, error)

    def _prepare(self, parent: LinkFact, user: str) -> None:
        """Let the interface below leave the virtual addresses alone; stricter settings stay."""
        known = self._parents.get(parent.index)
        if known is None:
            now = decode_settings(self._query(parent.name) or b"")
            before = {number: now.get(number, 0) for number, value in _OF_PARENT.items() if now.get(number, 0) < value}
            wanted = {number: _OF_PARENT[number] for number in before}
            if wanted:
                payload = encode_settings(parent.index, wanted)
                self._requests.request(f"configure {parent.name}", RTM_SETLINK, 0, payload)
                log.info("%s: set arp_ignore to 1 and arp_announce to 2, where they were less", parent.name)
            known = self._parents[parent.index] = _Parent(before)
        known.users.add(user)

    def _restore(self, index: int, before: Mapping[int, int]) -> None:
        if before:
            self._unless_gone(f"restore link {index}", RTM_SETLINK, encode_settings(index, before))

    def _unless_gone(self, operation: str, kind: int, payload: bytes) -> None:
        try:
            self._requests.request(operation, kind, 0, payload)
        except KernelError as error:
            if error.errno not in _GONE:
                raise


def _switch_off(name: str) -> None:
    for setting in _IPV6_OFF:
        with open(f"/proc/sys/net/ipv6/conf/{name}/{setting}", "w", encoding="ascii") as handle:  # noqa: PTH123 - a path of this thread's namespace
            handle.write("0")
