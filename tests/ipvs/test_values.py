"""What services and servers can be, and what is said of those that cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from vrrpkit.addresses import Family
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import (
    Checksum,
    Connections,
    Endpoint,
    FirewallMark,
    Forwarding,
    L4Protocol,
    RealServer,
    SyncDaemon,
    Timeouts,
    Tunnel,
    TunnelKind,
    VirtualService,
    table,
)

WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
DNS: Final = Endpoint(L4Protocol.UDP, "192.0.2.10", 53)
ALL: Final = Endpoint("tcp", "192.0.2.10", 0)
MARK: Final = FirewallMark(7)
SERVER: Final = RealServer("10.1.0.1", 80)

KNOWN: Final = "dh, fo, lblc, lblcr, lc, mh, none, nq, ovf, rr, sed, sh, twos, wlc, wrr"


def service(*settings: Any, **more: Any) -> Callable[[], object]:
    return lambda: VirtualService(*settings, **more)


def server(*settings: Any, **more: Any) -> Callable[[], object]:
    return lambda: RealServer(*settings, **more)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Endpoint("icmp", "192.0.2.1", 80), "protocol must be TCP, UDP or SCTP, got 'icmp'"),
        (lambda: Endpoint("tcp", "192.0.2.1", 65536), "port must be 0-65535, got 65536"),
        (
            lambda: Endpoint("tcp", "nowhere", 80),
            "address must be an IPv4 or IPv6 address without a prefix length, got 'nowhere'",
        ),
        (lambda: FirewallMark(0), "mark must be 1-4294967295, got 0"),
        (service("web"), "key must be an Endpoint or a FirewallMark, got 'web'"),
        (
            service(WEB, scheduler="best"),
            f"scheduler must be one of {KNOWN}, got 'best'",
        ),
        (service(WEB, persistence=0), "persistence must be 1-2678400, got 0"),
        (service(WEB, persistence=2678401), "persistence must be 1-2678400, got 2678401"),
        (
            service(ALL),
            "persistence must be 1-2678400 seconds for tcp 192.0.2.10:0: port 0 needs it, got None",
        ),
        (
            service(WEB, persistence_prefix=24),
            "persistence must be 1-2678400 seconds with persistence_prefix, got None",
        ),
        (
            service(WEB, persistence_engine="sip"),
            "persistence must be 1-2678400 seconds with persistence_engine, got None",
        ),
        (
            service(WEB, persistence=60, persistence_prefix=33),
            "persistence_prefix must be 1-32 for tcp 192.0.2.10:80, got 33",
        ),
        (service(WEB, persistence=60, persistence_prefix=0), "persistence_prefix must be 1-128, got 0"),
        (
            service(WEB, persistence=60, persistence_engine="a name of sixteen"),
            "persistence_engine must be a name of 1-15 characters, such as sip, got 'a name of sixteen'",
        ),
        (
            service(WEB, one_packet=True),
            "one_packet must be False for tcp 192.0.2.10:80: only UDP and firewall marks have it",
        ),
        (service(DNS, one_packet=1), "one_packet must be True or False, got 1"),
        (
            service(WEB, servers=[SERVER, RealServer("10.1.0.1", 80, weight=7)]),
            "servers must differ in address or port, got 10.1.0.1:80 twice in tcp 192.0.2.10:80",
        ),
        (
            service(WEB, servers=[RealServer("2001:db8::1", 80)]),
            "address of a server of tcp 192.0.2.10:80 must be IPv4 unless tunnelled, got [2001:db8::1]:80",
        ),
        (
            service(WEB, servers=[RealServer("10.1.0.1", 81, forwarding=Forwarding.DIRECT)]),
            "port of a server of tcp 192.0.2.10:80 must be 80: its packets are not rewritten, got 10.1.0.1:81",
        ),
        (
            service(WEB, servers=[RealServer("10.1.0.1", 82, forwarding=Tunnel())]),
            "port of a server of tcp 192.0.2.10:80 must be 80: its packets are not rewritten, got 10.1.0.1:82",
        ),
        (server("10.1.0.1", -1), "port must be 0-65535, got -1"),
        (server("10.1.0.1", 80, weight=-1), "weight must be 0-2147483647, got -1"),
        (server("10.1.0.1", 80, weight=1 << 31), "weight must be 0-2147483647, got 2147483648"),
        (server("10.1.0.1", 80, weight=True), "weight must be 0-2147483647, got True"),
        (server("10.1.0.1", 80, upper_threshold=1 << 32), "upper_threshold must be 0-4294967295, got 4294967296"),
        (
            server("10.1.0.1", 80, upper_threshold=5, lower_threshold=6),
            "lower_threshold must be 0-5 (upper_threshold), got 6",
        ),
        (
            server("10.1.0.1", 80, forwarding=Forwarding.LOCAL),
            "forwarding must be Forwarding.NAT, Forwarding.DIRECT or a Tunnel, got <Forwarding.LOCAL: 1>",
        ),
        (
            server("10.1.0.1", 80, forwarding=0),
            "forwarding must be Forwarding.NAT, Forwarding.DIRECT or a Tunnel, got 0",
        ),
        (lambda: Tunnel(TunnelKind.GUE), "port must be 1-65535 for a GUE tunnel, got 0"),
        (lambda: Tunnel(TunnelKind.GRE, 6080), "port must be 0 for GRE, got 6080"),
        (lambda: Tunnel(checksum=Checksum.FULL), "checksum must be NONE for IPIP, got FULL"),
        (
            lambda: Tunnel(TunnelKind.GRE, checksum=Checksum.REMOTE),
            "checksum must be NONE or FULL for GRE, got REMOTE",
        ),
        (
            lambda: table([VirtualService(WEB), VirtualService(WEB, scheduler="rr")]),
            "services must differ in their keys, got tcp 192.0.2.10:80 twice",
        ),
        (lambda: SyncDaemon(""), "interface must be a name of 1-15 characters, got ''"),
        (lambda: SyncDaemon("eth0", sync_id=256), "sync_id must be 0-255, got 256"),
        (lambda: SyncDaemon("eth0", port=0), "port must be 1-65535, got 0"),
        (lambda: SyncDaemon("eth0", ttl=0), "ttl must be 1-255, got 0"),
        (lambda: SyncDaemon("eth0", group="192.0.2.1"), "group must be a multicast address, got 192.0.2.1"),
        (lambda: SyncDaemon("eth0", max_length=0), "max_length must be 1-65507, got 0"),
        (lambda: Timeouts(tcp=0), "tcp must be 1-2147483, got 0"),
        (lambda: Timeouts(udp=2147484), "udp must be 1-2147483, got 2147484"),
    ],
)
def test_what_cannot_be_is_refused_in_words(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == text


def test_servers_are_kept_in_the_order_of_their_addresses() -> None:
    six, high, low = RealServer("::1", 0, forwarding=Tunnel()), RealServer("10.1.0.1", 90), RealServer("10.1.0.1", 9)
    first, second = RealServer("10.1.0.2", 1), RealServer("9.9.9.9", 99)
    ordered = VirtualService(MARK, servers=(server for server in (six, first, high, second, low)))
    assert ordered.servers == (second, low, high, first, six)


def test_a_server_may_be_of_the_other_family_behind_a_tunnel() -> None:
    tunnelled = RealServer("2001:db8::1", 80, forwarding=Tunnel())
    assert VirtualService(WEB, servers=[tunnelled]).servers == (tunnelled,)


def test_a_mark_rewrites_no_ports() -> None:
    direct = RealServer("10.1.0.1", 81, forwarding=Forwarding.DIRECT)
    assert VirtualService(MARK, servers=[direct]).servers == (direct,)


@pytest.mark.parametrize(("key", "prefix"), [(WEB, 32), (FirewallMark(7, Family.IPV6), 128)])
def test_a_prefix_that_is_all_of_the_address_is_none(key: Endpoint | FirewallMark, prefix: int) -> None:
    whole = VirtualService(key, persistence=60, persistence_prefix=prefix)
    assert whole == VirtualService(key, persistence=60)
    assert VirtualService(FirewallMark(7, Family.IPV6), persistence=60, persistence_prefix=32).persistence_prefix == 32


def test_keys_are_told_by_what_clients_see() -> None:
    assert [str(key) for key in (WEB, Endpoint("sctp", "2001:db8::1", 9), MARK, FirewallMark(7, Family.IPV6))] == [
        "tcp 192.0.2.10:80",
        "sctp [2001:db8::1]:9",
        "mark 7",
        "mark 7 of IPv6",
    ]


def test_what_a_server_still_has_is_active_and_inactive() -> None:
    assert Connections(active=3, inactive=4, persistent=5).total == 7
