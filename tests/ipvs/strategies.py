"""Services, servers and tables at random."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from attrs import evolve
from hypothesis import strategies as st

from vrrpkit.addresses import Family, IPAddress
from vrrpkit.ipvs import (
    MAX_WEIGHT,
    SCHEDULERS,
    Checksum,
    Endpoint,
    FirewallMark,
    Forwarding,
    L4Protocol,
    RealServer,
    SchedulerFlags,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
    Tunnel,
    TunnelKind,
    VirtualService,
    table,
)

__all__ = ["daemons", "keys", "servers", "services", "successors", "tables", "timeouts"]

#: So few places that two tables have many in common.
_NEAR: Final[dict[Family, st.SearchStrategy[IPAddress]]] = {
    Family.IPV4: st.integers(1, 4).map(lambda number: IPv4Address(0x0A010000 + number)),
    Family.IPV6: st.integers(1, 4).map(lambda number: IPv6Address((0x20010DB8 << 96) + number)),
}
_NEAR_PORTS: Final = st.sampled_from((53, 80))
_FAMILIES: Final = st.sampled_from(Family)
_PORTS: Final = st.integers(1, 0xFFFF)
_MOST_OF_IPVSADM: Final = 0x7FFFFFFF


def _addresses(family: Family, *, near: bool) -> st.SearchStrategy[IPAddress]:
    return _NEAR[family] if near else st.ip_addresses(v=4 if family is Family.IPV4 else 6)


# Near is what tables are made of, and what ipvsadm can say.


@st.composite
def keys(draw: st.DrawFn, *, near: bool = False) -> ServiceKey:
    """An endpoint or a mark, of any family."""
    family = draw(_FAMILIES)
    if draw(st.integers(0, 3)) == 0:
        return FirewallMark(draw(st.integers(1, 2 if near else 0xFFFFFFFF)), family)
    port = draw(st.just(0) | (_NEAR_PORTS if near else _PORTS))
    return Endpoint(draw(st.sampled_from(L4Protocol)), draw(_addresses(family, near=near)), port)


@st.composite
def tunnels(draw: st.DrawFn) -> Tunnel:
    """IPIP, GUE or GRE."""
    kind = draw(st.sampled_from(TunnelKind))
    if kind is TunnelKind.IPIP:
        return Tunnel()
    if kind is TunnelKind.GRE:
        return Tunnel(kind, checksum=draw(st.sampled_from((Checksum.NONE, Checksum.FULL))))
    return Tunnel(kind, draw(_PORTS), draw(st.sampled_from(Checksum)))


@st.composite
def servers(draw: st.DrawFn, key: ServiceKey, *, near: bool = False) -> RealServer:
    """A server that fits a service."""
    way = draw(st.sampled_from((Forwarding.NAT, Forwarding.DIRECT)) | tunnels())
    family = draw(_FAMILIES) if isinstance(way, Tunnel) else key.family
    fixed = isinstance(key, Endpoint) and way is not Forwarding.NAT
    port = key.port if isinstance(key, Endpoint) and fixed else draw(st.just(0) | (_NEAR_PORTS if near else _PORTS))
    upper = draw(st.just(0) | st.integers(0, _MOST_OF_IPVSADM if near else 0xFFFFFFFF))
    return RealServer(
        draw(_addresses(family, near=near)),
        port,
        weight=draw(st.integers(0, 3) | st.integers(0, MAX_WEIGHT)),
        forwarding=way,
        upper_threshold=upper,
        lower_threshold=draw(st.integers(0, upper)),
    )


@st.composite
def services(
    draw: st.DrawFn, key: ServiceKey | None = None, *, near: bool = False, schedulers: Iterable[str] = SCHEDULERS
) -> VirtualService:
    """A service with a few servers."""
    key = draw(keys(near=near)) if key is None else key
    needs_persistence = isinstance(key, Endpoint) and key.port == 0
    may_be_single = isinstance(key, FirewallMark) or key.protocol is L4Protocol.UDP
    persistence = draw(st.integers(1, 31 * 86400) if needs_persistence else st.none() | st.integers(1, 31 * 86400))
    longest = 32 if key.family is Family.IPV4 else 128
    prefix = None if persistence is None else draw(st.none() | st.integers(1, longest))
    return VirtualService(
        key,
        scheduler=draw(st.sampled_from(sorted(schedulers))),
        flags=SchedulerFlags(draw(st.integers(0, 7)) << 3),
        persistence=persistence,
        persistence_prefix=prefix,
        persistence_engine=None if persistence is None else draw(st.sampled_from((None, "sip"))),
        one_packet=draw(st.booleans()) if may_be_single else False,
        servers=draw(st.lists(servers(key, near=near), max_size=5, unique_by=lambda server: server.place)),
    )


@st.composite
def tables(draw: st.DrawFn, *, schedulers: Iterable[str] = SCHEDULERS) -> Table:
    """A table of a few services, which often are those of another such table, too."""
    chosen = draw(st.lists(keys(near=True), max_size=5, unique=True))
    return table(draw(services(key, near=True, schedulers=schedulers)) for key in chosen)


@st.composite
def successors(draw: st.DrawFn, before: Table, *, schedulers: Iterable[str] = SCHEDULERS) -> Table:
    """A table that another one may become: what stays is much the same."""
    after: list[VirtualService] = []
    for key, service in before.items():
        kept = [server for server in service.servers if draw(st.booleans())]
        weight = draw(st.integers(0, 3))
        changed = [evolve(server, weight=weight) if draw(st.booleans()) else server for server in kept]
        other = draw(services(key, near=True, schedulers=schedulers))
        after += draw(st.sampled_from(((), (service,), (other,), (evolve(service, servers=changed),))))
    return table(after)


@st.composite
def daemons(draw: st.DrawFn) -> SyncDaemon:
    """A sync daemon."""
    groups = st.ip_addresses(network="224.0.0.0/4") | st.ip_addresses(network="ff00::/8")
    return SyncDaemon(
        draw(st.sampled_from(("eth0", "bond0.100", "a-name-of-15-ch"))),
        sync_id=draw(st.integers(0, 255)),
        port=draw(_PORTS),
        ttl=draw(st.integers(1, 255)),
        group=draw(groups),
        max_length=draw(st.none() | st.integers(1, 65507)),
    )


@st.composite
def timeouts(draw: st.DrawFn) -> Timeouts:
    """Some timeouts, or all."""
    seconds = st.none() | st.integers(1, 2147483)
    return Timeouts(tcp=draw(seconds), tcp_fin=draw(seconds), udp=draw(seconds))
