"""Addresses of this machine as tracked things."""

from __future__ import annotations

import asyncio

import pytest

from tests.linux.support import LOOPS, Namespace, eventually, namespace, run
from tests.trackers.support import becomes, connected, nothing_left, told
from vrrpkit.addresses import parse_address
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.linux._address_follower import Addresses, AddressFollower
from vrrpkit.linux._dumps import find_link
from vrrpkit.linux._netlink import Change, Requests
from vrrpkit.linux._rtnetlink import PROTOCOL, RTM_NEWADDR, encode_address
from vrrpkit.linux._wire import NLM_F_CREATE
from vrrpkit.trackers._address import AddressTracker

kernel = pytest.mark.kernel

ABSENT = (False, "there is no such address")
DOUBTFUL = (False, "duplicate address detection is running, or has failed")


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_an_address_is_up_while_it_is_anywhere(loop: str) -> None:
    async def scenario() -> None:
        async with nothing_left(), AddressTracker("192.0.2.10", netns=ns.name) as address:
            assert (address.name, *told(address)) == ("192.0.2.10", *ABSENT)
            ns.ip("addr add 192.0.2.10/24 dev eth0")
            await becomes(address, True, "")
            ns.ip("addr add 192.0.2.10/32 dev peer0", "addr del 192.0.2.10/24 dev eth0")
            ns.ip("addr add 192.0.2.11/32 dev peer0")
            await eventually(lambda: "192.0.2.11/32" in ns.shown("peer0"), "later news")
            assert address.reading is True
            ns.ip("addr del 192.0.2.10/32 dev peer0")
            await becomes(address, *ABSENT)

    with connected() as ns:
        run(scenario(), loop)


@kernel
def test_an_address_can_be_wanted_on_one_interface() -> None:
    async def scenario() -> None:
        async with AddressTracker("192.0.2.10", interface="eth0", netns=ns.name) as address:
            assert (address.name, *told(address)) == ("192.0.2.10%eth0", *ABSENT)
            ns.ip("addr add 192.0.2.10/24 dev eth0", "addr del 192.0.2.10/24 dev peer0")
            await becomes(address, True)
            ns.ip("addr add 192.0.2.10/24 dev peer0", "addr del 192.0.2.10/24 dev eth0")
            await becomes(address, *ABSENT)

    with connected() as ns:
        ns.ip("addr add 192.0.2.10/24 dev peer0")
        run(scenario())


@kernel
@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::10"])
def test_its_interface_may_come_go_and_change_its_name(address: str) -> None:
    async def scenario() -> None:
        async with AddressTracker(address, interface="eth7", netns=ns.name) as tracker:
            assert told(tracker) == (False, "there is no eth7")
            ns.ip(
                "link add eth7 type bridge",
                "link set eth7 up",
                f"addr add {address}/32 dev eth7" + (" nodad" if ":" in address else ""),
            )
            await becomes(tracker, True)
            ns.ip("link set eth7 name eth8")
            await becomes(tracker, False, "there is no eth7")
            ns.ip("link set eth8 name eth7")
            await becomes(tracker, True)
            ns.ip("link delete eth7")
            await becomes(tracker, False, "there is no eth7")

    with connected() as ns:
        run(scenario())


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_what_happens_while_the_table_is_read_is_not_missed(loop: str) -> None:
    async def scenario() -> None:
        for name, other in (("eth7", "eth8"), ("eth8", "eth7")):
            tracker = AddressTracker("2001:db8::10", interface=name, netns=ns.name)
            opening = asyncio.create_task(tracker.__aenter__())
            await asyncio.sleep(0)
            ns.ip(f"link set {name} name {other}")  # the table has been read by the time that this returns
            await opening
            await becomes(tracker, False, f"there is no {name}")
            await tracker.__aexit__(None, None, None)

    with connected() as ns:
        ns.ip("link add eth7 type bridge", "link set eth7 up", "addr add 2001:db8::10/64 dev eth7 nodad")
        run(scenario(), loop)


@kernel
def test_what_this_library_has_put_there_counts_like_any_other() -> None:
    async def scenario() -> None:
        async with AddressTracker("192.0.2.10", netns=ns.name) as address:
            with Requests(netns=ns.name) as requests:
                octets = encode_address(index(ns), parse_address("it", "192.0.2.10"), 32, protocol=PROTOCOL)
                requests.request("add", RTM_NEWADDR, NLM_F_CREATE, octets)
            await becomes(address, True)

    with connected() as ns:
        run(scenario())


@kernel
def test_an_ipv6_address_counts_when_it_is_no_duplicate() -> None:
    async def scenario() -> None:
        async with AddressTracker("2001:db8::10", netns=ns.name) as address:
            ns.ip("addr add 2001:db8::10/64 dev eth0")
            await becomes(address, *DOUBTFUL)
            await becomes(address, True, "")
            ns.ip("link set eth0 down")
            await becomes(address, *ABSENT)

    with connected() as ns:
        ns.sysctl("ipv6.conf.eth0.accept_dad", 1)
        run(scenario())


@kernel
def test_an_ipv6_address_that_another_has_does_not_count() -> None:
    async def scenario() -> None:
        async with AddressTracker("2001:db8::10", interface="eth0", netns=ns.name) as address:
            ns.ip("addr add 2001:db8::10/64 dev eth0")
            await eventually(lambda: "dadfailed" in ns.addresses()["2001:db8::10/64"], "it has failed")
            assert told(address) == DOUBTFUL
            ns.ip("addr del 2001:db8::10/64 dev eth0", "addr add 2001:db8::10/64 dev eth0 nodad")
            await becomes(address, True)

    with connected() as ns, namespace() as other:
        other.ip("link del eth0")
        ns.ip(f"link set peer0 netns {other.name}")
        other.ip("link set peer0 up", "addr add 2001:db8::10/64 dev peer0 nodad")
        ns.sysctl("ipv6.conf.eth0.accept_dad", 1)
        run(scenario())


@kernel
def test_the_interface_may_be_down() -> None:
    async def scenario() -> None:
        async with AddressTracker("192.0.2.10", netns=ns.name) as address:
            assert address.reading is True

    with connected() as ns:
        ns.ip("addr add 192.0.2.10/24 dev eth0", "link set eth0 down")
        run(scenario())


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_missed_when_news_was_lost(loop: str) -> None:
    async def scenario() -> None:
        found: list[bool] = []

        def take(addresses: Addresses) -> None:
            found.append(bool(addresses.facts))

        wanted = parse_address("it", "192.0.2.10")
        follower = AddressFollower(wanted, None, on_read=take, netns=ns.name, receive_buffer=4096)
        await follower.read()
        assert found == [False]
        for round_ in range(6):
            flood(ns, round_)
            ns.ip(f"addr {'del' if round_ % 2 else 'add'} 192.0.2.10/24 dev eth0")
            await eventually(lambda: len(found) > 1 and found[-1] is (round_ % 2 == 0), f"round {round_}")  # noqa: B023
        follower.close()
        follower.close()

    with connected() as ns:
        run(scenario(), loop)


@kernel
def test_closing_before_it_has_been_read_is_quiet() -> None:
    async def scenario() -> None:
        async with nothing_left():
            for _ in range(20):
                AddressFollower(parse_address("it", "::1"), "lo", on_read=print, netns=ns.name).close()

    with connected() as ns:
        run(scenario())


@kernel
def test_an_unknown_namespace_is_refused_without_a_trace() -> None:
    async def scenario() -> None:
        async with nothing_left():
            with pytest.raises(KernelError, match="enter network namespace nowhere"):
                async with AddressTracker("192.0.2.10", netns="nowhere"):
                    pass

    with namespace():
        run(scenario())


@pytest.mark.parametrize("address", ["192.0.2.10/24", "fe80::1%eth0", "x", ""])
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="address must be an"):
        AddressTracker(address)


def test_a_wrong_interface_or_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="interface must be a name of 1-15 octets"):
        AddressTracker("192.0.2.10", interface="")
    with pytest.raises(ConfigError, match="name of a track must be a text without white space"):
        AddressTracker("192.0.2.10", name="")


def flood(ns: Namespace, round_: int) -> None:
    """Many changes at once."""
    first = parse_address("it", f"10.{round_}.0.0")
    link = index(ns)
    with Requests(netns=ns.name) as requests:
        changes = [Change(RTM_NEWADDR, NLM_F_CREATE, encode_address(link, first + n, 32)) for n in range(300)]
        assert requests.batch("add", changes) == []


def index(ns: Namespace) -> int:
    """The number of eth0."""
    with Requests(netns=ns.name) as requests:
        found = find_link(requests, "eth0")
    assert found is not None
    return found
