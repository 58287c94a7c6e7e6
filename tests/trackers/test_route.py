"""Routes of this machine as tracked things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linux.support import LOOPS, Namespace, eventually, namespace, run
from tests.trackers.support import becomes, connected, nothing_left, told
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.linux._monitor import Monitor
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._route_follower import RouteFollower, Routes
from vrrpkit.linux._routes import (
    ROUTE_NEWS,
    RTM_GETROUTE,
    IPNetwork,
    NextHop,
    RouteFact,
    decode_route,
    route_query,
    sieve,
)
from vrrpkit.linux._wire import Message, attribute
from vrrpkit.runtime import Driver
from vrrpkit.trackers._route import RouteTracker, judge

kernel = pytest.mark.kernel

ABSENT = (False, "there is no such route")
DOWN = (False, "its next hop is down")
HOST, DEFAULT, NETWORK6 = map(ip_network, ("198.51.100.7/32", "0.0.0.0/0", "2001:db8:1::/48"))
A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")


# Octets ---------------------------------------------------------------------------------------------------------------


def header(destination: IPNetwork, *, kind: int = 1, flags: int = 0, source: int = 0, tos: int = 0) -> bytes:
    """The header of a route in the main table."""
    family = 2 if destination.version == 4 else 10
    return bytes((family, destination.prefixlen, source, tos, 254, 4, 0, kind)) + flags.to_bytes(4, "little")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


TO_HOST = header(HOST) + attribute(1, HOST.network_address.packed)


@given(st.binary(max_size=200), st.sampled_from([HOST, DEFAULT, NETWORK6]))
def test_no_octets_upset_the_codec(octets: bytes, destination: IPNetwork) -> None:
    decode_route(octets, destination)
    decode_route(header(destination) + octets, destination)
    decode_route(header(destination) + attribute(9, octets), destination)
    decode_route(header(destination) + attribute(18, octets), destination)
    sieve(destination)(octets)


def test_a_plain_route_has_one_way() -> None:
    octets = TO_HOST + attribute(5, A.packed) + attribute(4, u32(3)) + attribute(7, B.packed)
    assert decode_route(octets, HOST) == RouteFact(254, 1, (NextHop(3, A, True),), B, False)


def test_a_large_table_number_is_in_its_attribute() -> None:
    octets = TO_HOST + attribute(15, u32(100000)) + attribute(30, u32(5))
    assert decode_route(octets, HOST) == RouteFact(100000, 1, (), None, True)


@pytest.mark.parametrize("flag", [0x1, 0x10])
def test_a_dead_way_and_one_without_link_are_not_alive(flag: int) -> None:
    octets = header(DEFAULT, flags=flag) + attribute(4, u32(3))
    assert decode_route(octets, DEFAULT) == RouteFact(254, 1, (NextHop(3, None, False),), None, False)


def test_a_route_can_have_several_ways_of_both_families() -> None:
    gateway = IPv6Address("fe80::1")
    first = attribute(5, A.packed)
    second = attribute(18, (10).to_bytes(2, "little") + gateway.packed)
    ways = (
        (8 + len(first)).to_bytes(2, "little")
        + bytes((0x10, 0))
        + u32(3)
        + first
        + (8 + len(second)).to_bytes(2, "little")
        + bytes((0, 4))
        + u32(4)
        + second
    )
    expected = (NextHop(3, A, False), NextHop(4, gateway, True))
    assert decode_route(TO_HOST + attribute(9, ways), HOST) == RouteFact(254, 1, expected, None, False)
    assert decode_route(TO_HOST + attribute(9, ways[:-1]), HOST) == RouteFact(254, 1, expected[:1], None, False)


@pytest.mark.parametrize(
    "octets",
    [
        header(DEFAULT),
        header(ip_network("198.51.100.7/31", strict=False)) + attribute(1, HOST.network_address.packed),
        header(HOST) + attribute(1, A.packed),
        header(HOST) + attribute(1, A.packed) + attribute(5, HOST.network_address.packed),
        header(HOST, source=32) + attribute(1, HOST.network_address.packed),
        header(HOST, tos=16) + attribute(1, HOST.network_address.packed),
        header(HOST, flags=0x200) + attribute(1, HOST.network_address.packed),
        TO_HOST[:11],
    ],
    ids=["wider", "another-length", "another", "only-the-gateway", "source", "tos", "cloned", "cut"],
)
def test_any_other_route_is_none(octets: bytes) -> None:
    assert decode_route(octets, HOST) is None


@kernel
def test_the_kernel_can_read_what_we_ask_for() -> None:
    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "route add 198.51.100.0/24 via 192.0.2.9 table 1000")
        with Requests(netns=ns.name) as requests:
            entries = requests.dump("read", RTM_GETROUTE, route_query(ip_network("198.51.100.0/24"), 1000))
        facts = [decode_route(entry, ip_network("198.51.100.0/24")) for entry in entries]
        assert [fact and fact.table for fact in facts] == [1000]


# Judging --------------------------------------------------------------------------------------------------------------


def fact(*hops: NextHop, kind: int = 1, by_object: bool = False) -> RouteFact:
    return RouteFact(254, kind, hops, None, by_object)


@pytest.mark.parametrize(
    ("routes", "gateway", "index", "verdict"),
    [
        ([], None, 0, ABSENT),
        ([fact(NextHop(3, A, True))], None, 0, (True, "via 192.0.2.1")),
        ([fact(NextHop(3, None, True))], None, 0, (True, "direct")),
        ([fact(NextHop(3, A, True))], A, 3, (True, "via 192.0.2.1")),
        ([fact(NextHop(3, A, True))], B, 0, (False, "it goes elsewhere: via 192.0.2.1")),
        ([fact(NextHop(3, A, True))], A, 4, (False, "it goes elsewhere: via 192.0.2.1")),
        (
            [fact(NextHop(3, A, True), NextHop(4, B, True))],
            A,
            4,
            (False, "it goes elsewhere: via 192.0.2.1, via 192.0.2.2"),
        ),
        ([fact(NextHop(3, A, False), NextHop(4, B, True))], None, 0, (True, "via 192.0.2.1, via 192.0.2.2")),
        ([fact(NextHop(3, A, False), NextHop(4, B, True))], A, 0, DOWN),
        ([fact(NextHop(3, A, False)), fact(NextHop(3, A, True))], A, 0, (True, "via 192.0.2.1")),
        ([fact(kind=6)], None, 0, (False, "it is of the kind blackhole")),
        ([fact(NextHop(1, None, True), kind=7)], None, 0, (False, "it is of the kind unreachable")),
        ([fact(kind=6), fact(NextHop(3, A, True))], None, 0, (True, "via 192.0.2.1")),
        ([fact(by_object=True)], None, 0, (True, "by a next hop object that the kernel does not show")),
        (
            [fact(by_object=True)],
            A,
            0,
            (False, "it goes elsewhere: by a next hop object that the kernel does not show"),
        ),
    ],
)
def test_one_way_that_fits_and_lives_is_enough(
    routes: list[RouteFact], gateway: IPv4Address | None, index: int, verdict: tuple[bool, str]
) -> None:
    assert judge(routes, gateway, index) == verdict


# Following the kernel -------------------------------------------------------------------------------------------------


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_route_comes_and_goes(loop: str) -> None:
    async def scenario() -> None:
        async with nothing_left(), RouteTracker("198.51.100.0/24", netns=ns.name) as route:
            assert (route.name, *told(route)) == ("198.51.100.0/24", *ABSENT)
            ns.ip("route add 198.51.100.0/25 via 192.0.2.9", "route add 198.51.0.0/16 via 192.0.2.9")
            ns.ip("route add 198.51.100.0/24 via 192.0.2.9")
            await becomes(route, True, "via 192.0.2.9")
            ns.ip("route change 198.51.100.0/24 via 192.0.2.8")
            await becomes(route, True, "via 192.0.2.8")
            ns.ip("route del 198.51.100.0/24")
            await becomes(route, *ABSENT)

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario(), loop)


def lose_carrier(ns: Namespace) -> None:
    ns.ip("link set peer0 down")


def switch_off(ns: Namespace) -> None:
    ns.ip("link set eth0 down")


def delete_link(ns: Namespace) -> None:
    ns.ip("link delete eth0")


def delete_last_address(ns: Namespace) -> None:
    ns.ip("addr del 192.0.2.1/24 dev eth0")


def delete_next_hop(ns: Namespace) -> None:
    ns.ip("nexthop del id 7")


@kernel
@pytest.mark.parametrize(
    ("line", "lose"),
    [
        ("via 192.0.2.9", switch_off),
        ("via 192.0.2.9", delete_link),
        ("via 192.0.2.9", delete_last_address),
        ("nhid 7", delete_next_hop),
    ],
    ids=["switched-off", "link-deleted", "last-address", "next-hop-object"],
)
@pytest.mark.parametrize("loop", LOOPS)
def test_an_ipv4_route_that_vanishes_without_news_is_missed(
    loop: str, line: str, lose: Callable[[Namespace], None]
) -> None:
    async def scenario() -> None:
        heard: list[Message] = []
        monitor = Monitor((7,), heard.extend, pytest.fail, netns=ns.name)
        with closing(monitor):
            async with RouteTracker("198.51.100.0/24", netns=ns.name) as route:
                assert route.reading is True
                lose(ns)
                await becomes(route, *ABSENT)
        ours = sieve(ip_network("198.51.100.0/24"))
        assert [news for news in heard if news.kind in ROUTE_NEWS and ours(news.payload)] == []

    with connected() as ns:
        ns.ip("addr add 203.0.113.1/32 dev lo", "addr add 192.0.2.1/24 dev eth0")
        ns.ip("nexthop add id 7 via 192.0.2.9 dev eth0", f"route add 198.51.100.0/24 {line}")
        run(scenario(), loop)


@kernel
def test_an_ipv4_route_goes_with_the_address_that_it_sends_from() -> None:
    async def scenario() -> None:
        async with RouteTracker("198.51.100.0/24", netns=ns.name) as route:
            assert route.reading is True
            ns.ip("addr del 203.0.113.1/32 dev lo")
            await becomes(route, *ABSENT)

    with connected() as ns:
        ns.ip("addr add 203.0.113.1/32 dev lo", "addr add 192.0.2.1/24 dev eth0")
        ns.ip("route add 198.51.100.0/24 via 192.0.2.9 src 203.0.113.1")
        run(scenario())


@kernel
@pytest.mark.parametrize(
    ("destination", "gateway"), [("198.51.100.0/24", "192.0.2.9"), ("2001:db8:1::/48", "2001:db8::9")]
)
def test_a_route_whose_link_has_no_carrier_does_not_count(destination: str, gateway: str) -> None:
    async def scenario() -> None:
        async with RouteTracker(destination, netns=ns.name) as route:
            assert told(route) == (True, f"via {gateway}")
            lose_carrier(ns)
            await becomes(route, *DOWN)
            ns.ip("link set peer0 up")
            await becomes(route, True)
            ns.ip("link set eth0 down")
            await becomes(route, *ABSENT)

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0 nodad")
        ns.ip(f"route add {destination} via {gateway}")
        run(scenario())


@kernel
def test_a_default_route_is_of_the_family_of_its_gateway() -> None:
    async def scenario() -> None:
        async with (
            RouteTracker("default", netns=ns.name) as route4,
            RouteTracker("default", gateway="2001:db8::9", name="default6", netns=ns.name) as route6,
            RouteTracker("::/0", netns=ns.name) as any6,
        ):
            assert route4.destination == ip_network("0.0.0.0/0")
            assert route6.destination == any6.destination == ip_network("::/0")
            assert route4.name == "default"
            ns.ip("route add default via 192.0.2.9")
            await becomes(route4, True)
            assert (any6.reading, route6.reading) == (False, False)
            ns.ip("route add ::/0 via 2001:db8::8")
            await becomes(any6, True)
            await becomes(route6, False, "it goes elsewhere: via 2001:db8::8")
            ns.ip("route replace ::/0 via 2001:db8::9")
            await becomes(route6, True)

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0 nodad")
        run(scenario())


@kernel
def test_a_route_in_another_table_is_another_route() -> None:
    async def scenario() -> None:
        async with (
            RouteTracker("198.51.100.0/24", name="main", netns=ns.name) as main,
            RouteTracker("198.51.100.0/24", name="ten", table=10, netns=ns.name) as ten,
            RouteTracker("198.51.100.0/24", name="many", table=100000, netns=ns.name) as many,
        ):
            assert (told(main), told(ten), told(many)) == (ABSENT, ABSENT, ABSENT)
            ns.ip("route add 198.51.100.0/24 via 192.0.2.9 table 10")
            await becomes(ten, True)
            ns.ip("route add 198.51.100.0/24 via 192.0.2.8 table 100000")
            await becomes(many, True)
            assert main.reading is False
            ns.ip("route flush table 10")
            await becomes(ten, *ABSENT)
            assert many.reading is True

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario())


@kernel
@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit", "throw"])
@pytest.mark.parametrize("destination", ["198.51.100.0/24", "2001:db8:1::/48"])
def test_a_route_to_nowhere_does_not_count(destination: str, kind: str) -> None:
    async def scenario() -> None:
        async with RouteTracker(destination, netns=ns.name) as route:
            assert told(route) == (False, f"it is of the kind {kind}")

    with connected() as ns:
        ns.ip(f"route add {kind} {destination}")
        run(scenario())


@kernel
def test_one_of_several_ways_is_enough() -> None:
    async def scenario() -> None:
        async with (
            RouteTracker("198.51.100.0/24", netns=ns.name) as either,
            RouteTracker("198.51.100.0/24", name="first", interface="eth0", netns=ns.name) as first,
            RouteTracker("198.51.100.0/24", name="second", gateway="203.0.113.9", netns=ns.name) as second,
        ):
            assert told(either) == (True, "via 192.0.2.9, via 203.0.113.9")
            await becomes(second, True)
            ns.ip("link set peer0 down")
            await becomes(first, *DOWN)
            assert (either.reading, second.reading) == (True, True)
            ns.ip("link set peer1 down")
            await becomes(either, *DOWN)
            await becomes(second, *DOWN)

    with connected() as ns:
        ns.ip("link add eth1 type veth peer name peer1", "link set eth1 up", "link set peer1 up")
        ns.ip("addr add 192.0.2.1/24 dev eth0", "addr add 203.0.113.1/24 dev eth1")
        ns.ip("route add 198.51.100.0/24 nexthop via 192.0.2.9 nexthop via 203.0.113.9")
        run(scenario())


@kernel
def test_its_interface_may_come_later_and_change_its_name() -> None:
    async def scenario() -> None:
        async with RouteTracker("198.51.100.0/24", interface="eth7", netns=ns.name) as route:
            assert told(route) == (False, "there is no eth7")
            ns.ip("link add eth7 type bridge")
            await becomes(route, False, "it goes elsewhere: via 192.0.2.9")
            ns.ip("link delete eth7")
            await becomes(route, False, "there is no eth7")
            ns.ip("link set eth0 name eth7")
            await becomes(route, True, "via 192.0.2.9")

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "route add 198.51.100.0/24 via 192.0.2.9")
        run(scenario())


@kernel
def test_an_ipv4_route_can_have_an_ipv6_gateway() -> None:
    async def scenario() -> None:
        async with RouteTracker("198.51.100.0/24", gateway="2001:db8::9", netns=ns.name) as route:
            assert told(route) == (True, "via 2001:db8::9")

    with connected() as ns:
        ns.ip("addr add 2001:db8::1/64 dev eth0 nodad", "route add 198.51.100.0/24 via inet6 2001:db8::9 dev eth0")
        run(scenario())


@kernel
def test_a_next_hop_object_that_is_not_shown_counts_unless_it_matters() -> None:
    async def scenario() -> None:
        async with (
            RouteTracker("198.51.100.0/24", netns=ns.name) as anyhow,
            RouteTracker("198.51.100.0/24", gateway="192.0.2.9", netns=ns.name) as exact,
        ):
            assert (anyhow.reading, exact.reading) == (True, False)
            ns.ip("nexthop del id 7")
            await becomes(anyhow, *ABSENT)

    with connected() as ns:
        ns.sysctl("ipv4.nexthop_compat_mode", 0)
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        ns.ip("nexthop add id 7 via 192.0.2.9 dev eth0", "route add 198.51.100.0/24 nhid 7")
        run(scenario())


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_missed_when_news_was_lost(loop: str) -> None:
    async def scenario() -> None:
        found: list[Routes] = []
        driver = Driver()
        destination = ip_network("198.51.100.0/24")
        follower = RouteFollower(
            destination, 254, None, driver, on_read=found.append, netns=ns.name, receive_buffer=4096
        )
        await follower.read()
        for round_ in range(4):
            verb = "del" if round_ % 2 else "add"
            flood = [f"route {verb} 10.{n >> 8}.{n & 255}.0/24 via 192.0.2.9" for n in range(1000)]
            ns.ip(*flood, f"route {verb} 198.51.100.0/24 via 192.0.2.9")
            await eventually(lambda: bool(found[-1].routes) is (round_ % 2 == 0), f"round {round_}")  # noqa: B023
        follower.close()
        follower.close()
        driver.close()

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario(), loop)


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_what_happens_while_the_table_is_read_is_not_missed(loop: str) -> None:
    async def scenario() -> None:
        for _ in range(5):
            route = RouteTracker("198.51.100.0/24", netns=ns.name)
            opening = asyncio.create_task(route.__aenter__())
            await asyncio.sleep(0)
            ns.ip("link set eth0 down")  # the table has been read by the time that this returns
            await opening
            await becomes(route, *ABSENT)
            await route.__aexit__(None, None, None)
            ns.ip("link set eth0 up", "route add 198.51.100.0/24 via 192.0.2.9")

    with connected() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "route add 198.51.100.0/24 via 192.0.2.9")
        run(scenario(), loop)


@kernel
def test_an_unknown_namespace_is_refused_without_a_trace() -> None:
    async def scenario() -> None:
        async with nothing_left():
            with pytest.raises(KernelError, match="enter network namespace nowhere"):
                async with RouteTracker("default", netns="nowhere"):
                    pass

    with namespace():
        run(scenario())


@pytest.mark.parametrize("destination", ["198.51.100.7/24", "x", "", "192.0.2.0/33", "DEFAULT"])
def test_what_is_no_network_is_refused(destination: str) -> None:
    with pytest.raises(ConfigError, match="destination must be a network such as"):
        RouteTracker(destination)


@pytest.mark.parametrize("table", ["local", 0, -1, 2**32, True, None, 1.0])
def test_what_is_no_table_is_refused(table: int) -> None:
    with pytest.raises(ConfigError, match="table must be 'main' or 1-4294967295, got"):
        RouteTracker("default", table=table)


def test_other_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="gateway must be an"):
        RouteTracker("default", gateway="192.0.2.0/24")
    with pytest.raises(ConfigError, match="interface must be a name of 1-15 octets"):
        RouteTracker("default", interface="a/b")


def test_an_address_is_a_network_of_one() -> None:
    assert RouteTracker("198.51.100.7").destination == ip_network("198.51.100.7/32")
