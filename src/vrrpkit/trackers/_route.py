"""A route of this machine, as a tracked thing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Final

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.errors import ConfigError
from vrrpkit.linux._route_follower import RouteFollower, Routes
from vrrpkit.linux._routes import DEAD_ENDS, IPNetwork, NextHop, RouteFact
from vrrpkit.runtime import Driver
from vrrpkit.trackers._finder import SettlingFinder, check_interface

__all__ = ["RouteTracker", "judge"]

_MAIN: Final = 254
_LAST_TABLE: Final = 0xFFFFFFFF


class RouteTracker(SettlingFinder):
    """Up while the kernel has a route.

        async with RouteTracker("default", gateway="192.0.2.254", weight=-20) as uplink:
            router.track(uplink)

    The route must be to exactly this destination: what is reachable by a wider route only is down. Routes that lead
    nowhere (blackhole, unreachable, prohibit, throw) do not count, nor do those for certain senders or kinds of
    service only. Of a route with several ways one that fits is enough; a way does not count while the kernel holds it
    for dead, or its link for down.

    IPv4 routes vanish without news when their interface goes down or loses its last address, so that news makes this
    tracker read the table, too. It is read in a thread; 100,000 routes take about 0.15 s.

    Args:
        destination: A network such as `198.51.100.0/24`, an address, or `default`. That is `::/0` if the gateway is
            an IPv6 address, else `0.0.0.0/0`.
        gateway: Whom the packets must be handed to; anybody when None.
        interface: The interface they must take; any when None. One that is not there may come at any time.
        table: The routing table, `main` or its number, 1-4294967295.
        name: What causes, logs and explanations call it; the destination when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        up_delay: Seconds, 0-3600, that being up must last.
        down_delay: Seconds, 0-3600, that being down must last.
        netns: The network namespace by name or path; None for the process's own.
        driver: The clock that it shares; its own when None.

    Attributes:
        destination: The network.
        gateway: Whom the packets must be handed to, or None.
        interface: The interface they must take, or None.
        table: The number of the routing table.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        destination: str | IPNetwork,
        *,
        gateway: str | IPAddress | None = None,
        interface: str | None = None,
        table: str | int = "main",
        name: str | None = None,
        weight: int = 0,
        reverse: bool = False,
        up_delay: float = 0.0,
        down_delay: float = 0.0,
        netns: str | None = None,
        driver: Driver | None = None,
    ) -> None:
        self.gateway: Final = None if gateway is None else parse_address("gateway", gateway)
        self.destination: Final = _parse_destination(destination, self.gateway)
        self.table: Final = _parse_table(table)
        self.interface: Final = interface
        if interface is not None:
            check_interface("interface", interface)
        super().__init__(
            str(destination) if name is None else name,
            weight=weight,
            reverse=reverse,
            up_delay=up_delay,
            down_delay=down_delay,
            driver=driver,
        )
        self._netns = netns

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await super()._open(driver, stack)
        follower = RouteFollower(
            self.destination, self.table, self.interface, driver, on_read=self._judge, netns=self._netns
        )
        stack.callback(follower.close)
        await follower.read()

    def _judge(self, found: Routes) -> None:
        if found.index is None:
            self._observe(False, f"there is no {self.interface}")
        else:
            self._observe(*judge(found.routes, self.gateway, found.index))


def judge(routes: Iterable[RouteFact], gateway: IPAddress | None, index: int) -> tuple[bool, str]:
    """Whether one of the routes to a destination will do, and why.

    Args:
        routes: All of them.
        gateway: Whom the packets must be handed to; anybody when None.
        index: The link that they must take; any when 0.
    """
    why = "there is no such route"
    for route in routes:
        if route.kind in DEAD_ENDS:
            why = f"it is of the kind {DEAD_ENDS[route.kind]}"
            continue
        fitting = [hop for hop in route.hops if gateway in {None, hop.gateway} and index in {0, hop.index}]
        if any(hop.alive for hop in fitting) or _is_untold(route, gateway, index):
            return True, _ways(route.hops)
        why = "its next hop is down" if fitting else f"it goes elsewhere: {_ways(route.hops)}"
    return False, why


def _is_untold(route: RouteFact, gateway: IPAddress | None, index: int) -> bool:
    """Whether the kernel does not tell where it goes, and anywhere will do."""
    return route.by_object and not route.hops and gateway is None and index == 0


def _ways(hops: Iterable[NextHop]) -> str:
    """`via 192.0.2.254, via 192.0.2.253`."""
    ways = ", ".join("direct" if hop.gateway is None else f"via {hop.gateway}" for hop in hops)
    return ways or "by a next hop object that the kernel does not show"


def _parse_destination(destination: str | IPNetwork, gateway: IPAddress | None) -> IPNetwork:
    if destination == "default":
        destination = "::/0" if gateway is not None and gateway.version == 6 else "0.0.0.0/0"
    try:
        return ip_network(destination)
    except ValueError as error:
        raise ConfigError(
            f"destination must be a network such as 198.51.100.0/24, or 'default', got {destination!r}"
        ) from error


def _parse_table(table: object) -> int:
    if table == "main":
        return _MAIN
    if isinstance(table, bool) or not isinstance(table, int) or not 1 <= table <= _LAST_TABLE:
        raise ConfigError(f"table must be 'main' or 1-{_LAST_TABLE}, got {table!r}")
    return table
