"""Following the routes to one destination."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial

from vrrpkit._cheap import value
from vrrpkit.errors import KernelError
from vrrpkit.linux._dumps import find_link
from vrrpkit.linux._inquiry import Inquiry
from vrrpkit.linux._monitor import RECEIVE_BUFFER, Monitor
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._routes import (
    NEXTHOP_GROUP,
    NEXTHOP_NEWS,
    ROUTE_NEWS,
    RTM_GETROUTE,
    IPNetwork,
    RouteFact,
    decode_route,
    route_group,
    route_query,
    sieve,
)
from vrrpkit.linux._rtnetlink import RTM_DELADDR, RTM_DELLINK, RTM_NEWLINK, RTNL_GROUPS, decode_link, index_of
from vrrpkit.linux._second_look import Hinted, Look, LookDue, SecondLook
from vrrpkit.linux._wire import Message
from vrrpkit.runtime import Driver, Seat

__all__ = ["RouteFollower", "Routes"]


@value
class Routes:
    """What there is.

    Attributes:
        index: The link that was asked for: 0 for none, None if it is not there.
        routes: The routes to the destination, by whatever link.
    """

    index: int | None
    routes: tuple[RouteFact, ...]


class RouteFollower:
    """Reads the routes to one destination whenever they may have changed, in a thread.

    News is only a hint, for much happens without: IPv4 routes vanish unannounced when their link goes down or is
    deleted, when it loses its last address, when their next hop object is deleted, and in older kernels when the
    address is deleted that they send from. And no route's news says that its link has lost its carrier.

    Args:
        destination: The destination.
        table: The number of the table.
        interface: A link whose number is wanted, too.
        driver: The clock.
        on_read: Told, on the event loop, what there is after each reading.
        netns: The network namespace by name or path; None for the process's own.
        receive_buffer: For news that waits, in octets.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(
        self,
        destination: IPNetwork,
        table: int,
        interface: str | None,
        driver: Driver,
        *,
        on_read: Callable[[Routes], None],
        netns: str | None = None,
        receive_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._destination = destination
        self._may_be_ours = sieve(destination)
        self._table = table
        self._interface = interface
        self._on_read = on_read
        self._links: frozenset[int] = frozenset()
        self._sources: frozenset[bytes] = frozenset()
        self._by_object = False
        self._requests = Requests(netns=netns)
        self._inquiry = Inquiry(self._read, self._take, self._requests.close)
        # The kernel tells of most things a moment before it does them.
        self._looks: Seat[Hinted | LookDue, Look] = driver.seat(
            SecondLook(), self._look, tick=LookDue(), leeway=lambda: 0.0
        )
        self._monitor = self._subscribe(netns, receive_buffer)

    def close(self) -> None:
        """Tell nothing any more; twice is a no-op."""
        self._monitor.close()
        self._looks.leave()
        self._inquiry.close()

    async def read(self) -> None:
        """Wait until `on_read` has been told what is there after this moment.

        Raises:
            KernelError: The table could not be read.
        """
        await self._inquiry.answered()

    def _subscribe(self, netns: str | None, receive_buffer: int) -> Monitor:
        subscribe = partial(
            Monitor,
            on_messages=self._hear,
            on_overrun=self._hint,
            netns=netns,
            receive_buffer=receive_buffer,
        )
        groups = (*RTNL_GROUPS, route_group(self._destination))
        try:
            return subscribe((*groups, NEXTHOP_GROUP))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return subscribe(groups)  # before kernel 5.3

    def _hear(self, news: Iterable[Message]) -> None:
        if any(map(self._is_hint, news)):
            self._hint()

    def _hint(self) -> None:
        self._looks.post(Hinted())

    def _is_hint(self, message: Message) -> bool:
        kind, payload = message.kind, message.payload
        if kind in ROUTE_NEWS:
            return self._may_be_ours(payload)
        if kind in {RTM_NEWLINK, RTM_DELLINK}:
            return self._uses(payload) or self._is_named(payload)
        if kind == RTM_DELADDR:
            return self._uses(payload) or any(source in payload for source in self._sources)
        return kind in NEXTHOP_NEWS and (self._by_object or self._inquiry.busy)

    def _uses(self, payload: bytes) -> bool:
        """Whether a link matters; while the table is being read, any may."""
        return self._inquiry.busy or index_of(payload) in self._links

    def _is_named(self, payload: bytes) -> bool:
        link = None if self._interface is None else decode_link(payload)
        return link is not None and link.name == self._interface

    def _look(self, _look: Look) -> None:
        self._inquiry.begin()

    def _read(self) -> Routes:
        """In a thread."""
        index = 0 if self._interface is None else find_link(self._requests, self._interface)
        query = route_query(self._destination, self._table)
        try:
            entries = self._requests.dump("read the routes", RTM_GETROUTE, query)
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise
            entries = []  # there is no such table, for there is nothing in it
        routes = (decode_route(entry, self._destination) for entry in filter(self._may_be_ours, entries))
        return Routes(index, tuple(route for route in routes if route is not None and route.table == self._table))

    def _take(self, found: Routes) -> None:
        routes = found.routes
        hops = {hop.index for route in routes for hop in route.hops}
        self._links = frozenset(hops if found.index is None else hops | {found.index}) - {0}
        self._sources = frozenset(route.source.packed for route in routes if route.source is not None)
        self._by_object = any(route.by_object for route in routes)
        self._on_read(found)
