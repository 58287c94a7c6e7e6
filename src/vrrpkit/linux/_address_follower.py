"""Following one address, wherever it is."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress
from vrrpkit.linux._dumps import find_link
from vrrpkit.linux._inquiry import Inquiry
from vrrpkit.linux._monitor import RECEIVE_BUFFER, Monitor
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._rtnetlink import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTNL_GROUPS,
    AddressFact,
    address_query,
    decode_address,
    decode_link,
)
from vrrpkit.linux._wire import Message

__all__ = ["AddressFollower", "Addresses"]

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


@value
class Addresses:
    """Where the address is.

    Attributes:
        index: The link that was asked for: 0 for none, None if it is not there.
        facts: The address on that link, or on all; once for each prefix length it has there.
    """

    index: int | None
    facts: tuple[AddressFact, ...]


class AddressFollower:
    """Reads where an address is whenever that may have changed, in a thread.

    Args:
        address: The address.
        interface: Where it counts; everywhere when None.
        on_read: Told, on the event loop, what there is after each reading.
        netns: The network namespace by name or path; None for the process's own.
        receive_buffer: For news that waits, in octets.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(
        self,
        address: IPAddress,
        interface: str | None,
        *,
        on_read: Callable[[Addresses], None],
        netns: str | None = None,
        receive_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._address = address
        self._interface = interface
        self._on_read = on_read
        self._index: int | None = None
        self._requests = Requests(netns=netns)
        self._inquiry = Inquiry(self._read, self._take, self._requests.close)
        self._monitor = Monitor(
            RTNL_GROUPS, self._hear, self._inquiry.begin, netns=netns, receive_buffer=receive_buffer
        )

    def close(self) -> None:
        """Tell nothing any more; twice is a no-op."""
        self._monitor.close()
        self._inquiry.close()

    async def read(self) -> None:
        """Wait until `on_read` has been told what is there after this moment.

        Raises:
            KernelError: The table could not be read.
        """
        await self._inquiry.answered()

    def _hear(self, news: Iterable[Message]) -> None:
        if any(map(self._is_hint, news)):
            self._inquiry.begin()

    def _is_hint(self, message: Message) -> bool:
        if message.kind in {RTM_NEWADDR, RTM_DELADDR}:
            return self._address.packed in message.payload
        if self._interface is None or message.kind not in {RTM_NEWLINK, RTM_DELLINK}:
            return False
        link = decode_link(message.payload)
        return link is not None and (link.name == self._interface or link.index == self._index or self._inquiry.busy)

    def _read(self) -> Addresses:
        """In a thread."""
        index = 0 if self._interface is None else find_link(self._requests, self._interface)
        if index is None:
            return Addresses(None, ())
        query = address_query(family=_FAMILIES[self._address.version])
        entries = self._requests.dump("read the addresses", RTM_GETADDR, query)
        facts = (decode_address(entry) for entry in entries if self._address.packed in entry)
        ours = (fact for fact in facts if fact is not None and fact.address == self._address)
        return Addresses(index, tuple(fact for fact in ours if index in {0, fact.index}))

    def _take(self, found: Addresses) -> None:
        self._index = found.index
        self._on_read(found)
