"""Whatever is wrong is told before anything has changed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.pool.helpers import HTTPS, WEB, lab, member, up
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import Endpoint, Forwarding, VirtualService
from vrrpkit.pool import (
    CheckChanged,
    ChecksReplaced,
    ConnectionsCounted,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    Member,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    PoolConfig,
    PoolReconfigured,
)

BARE = Member("10.1.0.8", name="bare")
NOBODY = "member must be one of a, b, bare, got 'x'"
DIRECT = Member("10.1.0.1", 80, name="a", forwarding=Forwarding.DIRECT)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (CheckChanged("x", "ping", True), NOBODY),
        (ChecksReplaced("x", []), NOBODY),
        (MemberRemoved("x"), NOBODY),
        (MemberReplaced(Member("10.1.0.1", 80, name="x")), NOBODY),
        (DrainBegan("x"), NOBODY),
        (MaintenanceBegan("x"), NOBODY),
        (MaintenanceEnded("x"), NOBODY),
        (CheckChanged("a", "http", True), "check of a must be one of ping, got 'http'"),
        (CheckChanged("bare", "http", True), "check of bare must be one of (none), got 'http'"),
        (MemberAdded(Member("10.1.0.9", name="a")), "name must be new to the pool, got 'a' again"),
        (
            MemberAdded(Member("10.1.0.1", 80, name="c")),
            "address and port must be new to the pool, got those of a again for c",
        ),
        (
            MemberAdded(Member("10.1.0.1", name="c")),
            "address and port must be new to the pool, got those of a again for c",
        ),
        (
            MemberAdded(Member("10.1.0.8", 443, name="c")),
            "address and port must be new to the pool, got those of bare again for c",
        ),
        (
            MemberAdded(Member("10.1.0.99", name="c")),
            "address and port of c must not be those of the sorry server, got sorry",
        ),
        (
            MemberAdded(Member("2001:db8::1", 80, name="c")),
            "address of a server of tcp 192.0.2.10:80 must be IPv4 unless tunnelled, got [2001:db8::1]:80",
        ),
        (MemberAdded(Member("10.1.0.3", 80, name="c"), "ping"), "checks of c must be names, got 'ping'"),
        (MemberAdded(Member("10.1.0.3", 80, name="c"), [""]), "checks of c must be names, got ['']"),
        (
            MemberAdded(Member("10.1.0.3", 80, name="c"), ["x", "x"]),
            "checks of c must differ in their names, got x, x",
        ),
        (
            MemberAdded(Member("10.1.0.3", 80, name="c", needed=2), ["x"]),
            "needed of c must be at most 1, its checks, got 2",
        ),
        (ChecksReplaced("a", ["x", "x"]), "checks of a must differ in their names, got x, x"),
        (MemberReplaced(member("a", needed=2)), "needed of a must be at most 1, its checks, got 2"),
        (
            MemberReplaced(Member("10.1.0.1", 81, name="a")),
            "address and port of a must stay 10.1.0.1 and 80 (remove it and add another), got 10.1.0.1 and 81",
        ),
        (
            MemberReplaced(Member("10.1.0.3", 80, name="a")),
            "address and port of a must stay 10.1.0.1 and 80 (remove it and add another), got 10.1.0.3 and 80",
        ),
        (
            MemberReplaced(DIRECT),
            "port of a server of tcp 192.0.2.10:443 must be 443: its packets are not rewritten, got 10.1.0.1:80",
        ),
        (
            PoolReconfigured(PoolConfig(services=WEB, sorry_server=Member("10.1.0.1", name="new"))),
            "address and port of a must not be those of the sorry server, got new",
        ),
    ],
)
def test_bad_events_change_nothing(event: Event, text: str) -> None:
    pool = lab("ab", services=[WEB, VirtualService(HTTPS)], sorry=True)
    pool.do(MemberAdded(BARE))
    before = pool.pool.desired, dict(pool.pool.members), pool.pool.config, pool.pool.deadline
    with pytest.raises(ConfigError) as raised:
        pool.do(event)
    assert str(raised.value) == text
    assert (pool.pool.desired, dict(pool.pool.members), pool.pool.config, pool.pool.deadline) == before
    assert pool.do(up("a")) == ()


def test_other_services_must_fit_all_members() -> None:
    pool = lab()
    pool.do(MemberAdded(BARE))
    pool.do(MemberAdded(Member("10.1.0.8", 8080, name="other")))
    alternative = PoolConfig(services=VirtualService(Endpoint("tcp", "192.0.2.10", 8080)))
    text = "services must not give bare the address and port of other, got port 8080"
    with pytest.raises(ConfigError) as raised:
        pool.do(PoolReconfigured(alternative))
    assert str(raised.value) == text
    ipv6 = PoolConfig(services=VirtualService(Endpoint("udp", "2001:db8::5", 53)))
    text = "address of a server of udp [2001:db8::5]:53 must be IPv6 unless tunnelled, got 10.1.0.8:53"
    with pytest.raises(ConfigError) as raised:
        pool.do(PoolReconfigured(ipv6))
    assert str(raised.value) == text
    assert pool.pool.config == PoolConfig(services=WEB)


def test_members_of_one_address_may_have_other_ports() -> None:
    pool = lab()
    pool.do(MemberAdded(Member("10.1.0.1", 8080)))
    pool.do(MemberAdded(Member("10.1.0.1", 8081)))
    pool.do(MemberAdded(Member("10.1.0.1")))
    assert list(pool.pool.members) == ["10.1.0.1:8080", "10.1.0.1:8081", "10.1.0.1"]


def test_a_sorry_server_may_live_beside_a_member() -> None:
    pool = lab(sorry=True)
    pool.do(MemberAdded(Member("10.1.0.99", 8080)))
    assert list(pool.pool.members) == ["10.1.0.99:8080"]


def test_many_names_are_not_told_one_by_one() -> None:
    pool = lab("abcdefghij")
    with pytest.raises(ConfigError, match=r"^member must be one of a, b, c, d, e, f, g, h and 2 more, got 'x'$"):
        pool.do(MemberRemoved("x"))


def bad(value: Any) -> Any:
    """What a caller without a type checker passes."""
    return value


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CheckChanged("a", "ping", bad("yes")), "up must be True or False, got 'yes'"),
        (lambda: CheckChanged("a", "ping", True, 65536), "weight must be 0-65535, got 65536"),
        (lambda: CheckChanged("a", "ping", True, -1), "weight must be 0-65535, got -1"),
        (lambda: DrainBegan("a", limit=-1), "limit must be 0-604800 seconds, got -1"),
        (lambda: DrainBegan("a", remove=bad(None)), "remove must be True or False, got None"),
        (lambda: ConnectionsCounted("a", -1), "total must be 0-9223372036854775807, got -1"),
        (
            lambda: PoolConfig(services=WEB, sorry_server=Member("10.1.0.99", weight=0)),
            "weight of the sorry server must be 1-65535, got 0",
        ),
        (lambda: PoolConfig(services=[]), "services must have 1-1000 entries, got 0"),
        (
            lambda: PoolConfig(services=[WEB, WEB]),
            "services must differ in their keys, got tcp 192.0.2.10:80, tcp 192.0.2.10:80",
        ),
        (lambda: PoolConfig(services=WEB, quorum=0), "quorum must be 1-4294967295, got 0"),
        (
            lambda: PoolConfig(services=WEB, quorum=2, hysteresis=2),
            "hysteresis must be 0-1 (less than quorum), got 2",
        ),
        (lambda: PoolConfig(services=WEB, slow_start=3601), "slow_start must be 0-3600 seconds, got 3601"),
        (lambda: PoolConfig(services=WEB, minimum_share=1.5), "minimum_share must be 0-1, got 1.5"),
        (
            lambda: PoolConfig(services=WEB, sorry_server=Member("2001:db8::1")),
            "address of a server of tcp 192.0.2.10:80 must be IPv4 unless tunnelled, got [2001:db8::1]:80",
        ),
        (
            lambda: PoolConfig(services=lab("a").kernel.table.values()),
            "servers must be none in tcp 192.0.2.10:80: members are what a pool serves with",
        ),
        (lambda: Member("10.1.0.1", name="two words"), "name must be a word, got 'two words'"),
        (lambda: Member("10.1.0.1", 0), "port must be 1-65535, got 0"),
        (lambda: Member("10.1.0.1", weight=70000), "weight must be 0-65535, got 70000"),
        (lambda: Member("10.1.0.1", needed=0), "needed must be 1-1000, got 0"),
    ],
)
def test_what_is_out_of_range_is_told_at_the_door(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert str(raised.value) == text
