"""The kernel's tables of links and addresses, whole or not at all."""

from __future__ import annotations

import socket
from typing import TypeAlias

from vrrpkit.errors import KernelError
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._rtnetlink import (
    RTM_GETADDR,
    RTM_GETLINK,
    address_query,
    decode_link,
    index_of,
    link_query,
)

__all__ = ["Dumps", "find_link", "read_addresses", "read_tables"]

Dumps: TypeAlias = tuple[list[bytes], list[bytes]]


def read_tables(requests: Requests) -> Dumps:
    """All links and all addresses of a network namespace.

    Raises:
        KernelError: The tables never stood still.
    """
    links = requests.dump("read the links", RTM_GETLINK, link_query())
    return links, requests.dump("read the addresses", RTM_GETADDR, address_query())


def read_addresses(requests: Requests, index: int) -> list[bytes]:
    """The addresses of one link.

    Of a single link's the kernel (6.18) does not say that they changed while they were read, and does leave some out
    then: what does not fit into one datagram, about 350 addresses, is picked out of everything.

    Raises:
        KernelError: There is no such link, or the table never stood still.
    """
    entries: list[bytes] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        part = requests.dump_at_once("read the addresses of a link", RTM_GETADDR, address_query(index, family))
        if part is None:
            everything = requests.dump("read the addresses", RTM_GETADDR, address_query())
            return [entry for entry in everything if index_of(entry) == index]
        entries += part
    return entries


def find_link(requests: Requests, name: str) -> int | None:
    """The number of the link of this name; None if there is none."""
    try:
        answer = requests.request(f"find {name}", RTM_GETLINK, 0, link_query(name))
    except KernelError:
        return None
    link = decode_link(answer or b"")
    return None if link is None else link.index
