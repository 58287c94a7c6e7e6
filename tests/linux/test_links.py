"""Following links: views of names, in the kernel's order, complete even after news was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Any

import pytest

from tests.linux.support import LOOPS, Namespace, eventually, namespace, run
from vrrpkit.addresses import Family, IPAddress, MACAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux._link_table import LinkTable
from vrrpkit.linux._links import LinkView, LinkWatcher, primary_address
from vrrpkit.linux._netlink import Change, Requests
from vrrpkit.linux._rereader import Rereader
from vrrpkit.linux._rtnetlink import (
    NO_MAC,
    PROTOCOL,
    RTM_DELADDR,
    RTM_NEWADDR,
    AddressFact,
    encode_address,
)
from vrrpkit.linux._wire import NLM_F_CREATE, NLM_F_REPLACE, Message

kernel = pytest.mark.kernel

SECONDARY, DADFAILED, TENTATIVE, PERMANENT = 0x01, 0x08, 0x40, 0x80


# Which address to send from -------------------------------------------------------------------------------------------


def view_of(*addresses: str, **flags: int) -> LinkView:
    """A view with these addresses, in this order; flags by the address with underscores."""
    facts = []
    for text in addresses:
        name = "a" + text.replace(".", "_").replace(":", "_")
        facts.append(AddressFact(3, ip_address(text), 24, flags.get(name, PERMANENT), 0, 0))
    return LinkView("eth0", 3, True, NO_MAC, tuple(facts))


def primary(view: LinkView, family: Family, *virtual: str) -> str | None:
    """The primary address as text."""
    address = primary_address(view, family, frozenset(map(ip_address, virtual)))
    return None if address is None else str(address)


@pytest.mark.conforms("9568 5.1.1.1-1")
def test_the_first_ipv4_address_is_primary() -> None:
    assert primary(view_of("192.0.2.1", "192.0.2.2", "fe80::1"), Family.IPV4) == "192.0.2.1"


@pytest.mark.conforms("9568 5.1.1.1-1")
def test_a_virtual_address_is_never_primary() -> None:
    assert primary(view_of("192.0.2.1", "192.0.2.2"), Family.IPV4, "192.0.2.1") == "192.0.2.2"
    assert primary(view_of("192.0.2.1"), Family.IPV4, "192.0.2.1") is None
    assert primary(view_of("fe80::1", "fe80::2"), Family.IPV6, "fe80::2") == "fe80::1"


def test_a_secondary_address_serves_only_for_want_of_another() -> None:
    both = view_of("192.0.2.1", "198.51.100.1", a192_0_2_1=SECONDARY | PERMANENT)
    assert primary(both, Family.IPV4) == "198.51.100.1"
    assert primary(both, Family.IPV4, "198.51.100.1") == "192.0.2.1"


@pytest.mark.conforms("9568 5.1.2.1-1")
def test_for_ipv6_the_oldest_link_local_address_is_primary() -> None:
    assert primary(view_of("2001:db8::1", "fe80::9", "fe80::1"), Family.IPV6) == "fe80::1"
    assert primary(view_of("2001:db8::1", "192.0.2.1"), Family.IPV6) is None


@pytest.mark.parametrize("flag", [TENTATIVE, DADFAILED])
def test_an_address_that_may_be_a_duplicate_is_not_primary(flag: int) -> None:
    assert primary(view_of("fe80::1", afe80__1=PERMANENT | flag), Family.IPV6) is None


def test_an_absent_link_has_no_primary_address() -> None:
    assert primary(LinkView("eth0"), Family.IPV4) is None


# Watching -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(
    ns: Namespace, name: str = "eth0", *, receive_buffer: int = 8 << 20
) -> AsyncIterator[tuple[LinkWatcher, list[LinkView]]]:
    """A watcher, and the views of one name: the first as it is now, then each change."""
    watcher = LinkWatcher(ns.name, receive_buffer=receive_buffer)
    views = [watcher.view(name)]
    watcher.watch(name, views.append)
    try:
        yield watcher, views
    finally:
        watcher.close()
        watcher.close()


def truth(ns: Namespace) -> LinkView:
    """What somebody sees who looks for the first time."""
    fresh = LinkWatcher(ns.name)
    try:
        return fresh.view("eth0")
    finally:
        fresh.close()


def texts(view: LinkView) -> list[str]:
    """The addresses of a view, without IPv6 link-local ones, in order."""
    return [
        f"{fact.address}/{fact.prefix_length}"
        for fact in view.addresses
        if fact.address.version == 4 or not fact.address.is_link_local
    ]


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_addresses_come_and_go(loop: str) -> None:
    async def scenario() -> None:
        async with watching(ns) as (watcher, views):
            assert views[0].up
            assert views[0].mac != NO_MAC
            assert texts(views[0]) == ["192.0.2.1/24"]
            ns.ip("addr add 192.0.2.2/24 dev eth0")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.1/24", "192.0.2.2/24"], "it came")
            assert [fact.secondary for fact in views[-1].addresses if fact.address.version == 4] == [False, True]
            assert watcher.view("eth0") == views[-1]
            ns.ip("addr del 192.0.2.2/24 dev eth0")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.1/24"], "it went")
            assert len(views) == 3

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario(), loop)


@kernel
def test_a_link_is_up_only_while_it_can_carry_traffic() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            ns.ip("link set peer0 down")
            await eventually(lambda: not views[-1].up, "no carrier")
            ns.ip("link set peer0 up")
            await eventually(lambda: views[-1].up, "carrier")
            ns.ip("link set eth0 down")
            await eventually(lambda: not views[-1].up, "switched off")
            ns.ip("link set eth0 up")
            await eventually(lambda: views[-1].up, "switched on")

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_view_follows_the_name() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            first = views[0].index
            ns.ip("link set eth0 down", "link set eth0 name other")
            await eventually(lambda: views[-1] == LinkView("eth0"), "the name is free")
            ns.ip("link add eth0 type bridge", "addr add 192.0.2.9/24 dev eth0", "link set eth0 up")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.9/24"], "another link has the name")
            assert views[-1].index not in (None, first)
            ns.ip("link delete eth0")
            await eventually(lambda: views[-1] == LinkView("eth0"), "the name is free again")
            ns.ip("link set other name eth0", "link set eth0 up")
            await eventually(lambda: views[-1].index == first and views[-1].up, "the first link has it back")
            assert texts(views[-1]) == ["192.0.2.1/24"]

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario())


@kernel
def test_a_link_that_is_deleted_and_made_anew_is_found_again() -> None:
    async def scenario() -> None:
        async with watching(ns) as (watcher, views):
            first = views[0].index
            ns.ip(
                "link delete eth0", "link add eth0 type veth peer name peer0", "link set peer0 up", "link set eth0 up"
            )
            await eventually(lambda: views[-1].up and views[-1].index != first, "there is a new one")
            assert watcher.index("eth0") == views[-1].index

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_link_that_moves_to_another_namespace_is_gone() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            ns.ip(f"link set eth0 netns {other.name}")
            await eventually(lambda: views[-1] == LinkView("eth0"), "it is gone")

    with namespace() as ns, namespace() as other:
        other.ip("link delete eth0")
        run(scenario())


@kernel
def test_a_link_that_leaves_a_bridge_is_not_gone() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            ns.ip("link add bridge0 type bridge", "link set eth0 master bridge0", "link set eth0 nomaster")
            ns.ip("addr add 192.0.2.7/24 dev eth0")
            await eventually(lambda: "192.0.2.7/24" in texts(views[-1]), "later news is told")
            assert {view.index for view in views} == {views[0].index}

    with namespace() as ns:
        run(scenario())


@kernel
def test_the_link_address_is_followed() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            ns.ip("link set eth0 address 02:00:00:00:00:09")
            mac = MACAddress(bytes.fromhex("020000000009"))
            await eventually(lambda: views[-1].mac == mac, "it has changed")

    with namespace() as ns:
        run(scenario())


@kernel
def test_for_ipv6_the_newest_address_of_the_widest_scope_comes_first() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            await eventually(lambda: primary_address(views[-1], Family.IPV6, ()), "there is a link-local address")
            oldest = primary_address(views[-1], Family.IPV6, ())
            for address in ("fe80::1/64", "2001:db8::1/64", "2001:db8::2/64", "fe80::2/64"):
                ns.ip(f"addr add {address} dev eth0 nodad")
                await asyncio.sleep(0.02)  # ages are told in hundredths of a second
            await eventually(lambda: len(views[-1].addresses) == 5, "all are there")
            order = ["2001:db8::2", "2001:db8::1", "fe80::2", "fe80::1", str(oldest)]
            assert [str(fact.address) for fact in views[-1].addresses] == order
            assert primary_address(views[-1], Family.IPV6, ()) == oldest

    with namespace() as ns:
        run(scenario())


@kernel
def test_what_changes_nothing_is_not_reported() -> None:
    async def scenario() -> None:
        async with watching(ns) as (_watcher, views):
            await eventually(lambda: any(fact.address.version == 6 for fact in views[-1].addresses), "link-local")
            ns.ip("addr change 192.0.2.1/24 dev eth0 valid_lft 100 preferred_lft 100")
            await eventually(lambda: not views[-1].addresses[0].permanent, "it has a lifetime now")
            count = len(views)
            for seconds in range(101, 111):
                ns.ip(f"addr change 192.0.2.1/24 dev eth0 valid_lft {seconds} preferred_lft {seconds}")
            ns.ip("addr add 192.0.2.1/24 dev peer0", "link set lo mtu 60000")
            ns.ip("link set eth0 alias told")  # news of the link that a view does not show
            ns.ip("addr add 192.0.2.2/24 dev eth0")
            await eventually(lambda: "192.0.2.2/24" in texts(views[-1]), "this is news")
            assert len(views) == count + 1

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario())


@kernel
def test_our_own_virtual_addresses_are_not_in_the_view() -> None:
    async def scenario() -> None:
        async with watching(ns) as (watcher, views):
            index = views[0].index or 0
            with Requests(netns=ns.name) as requests:
                virtual = encode_address(index, IPv4Address("192.0.2.10"), 24, protocol=PROTOCOL)
                requests.request("add", RTM_NEWADDR, NLM_F_CREATE, virtual)
            ns.ip("addr add 192.0.2.1/24 dev eth0")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.1/24"], "the other one is")
            assert [fact.prefix_length for fact in watcher.find("eth0", IPv4Address("192.0.2.10"))] == [24]
            assert primary_address(views[-1], Family.IPV4, ()) == IPv4Address("192.0.2.1")

    with namespace() as ns:
        run(scenario())


@kernel
def test_an_address_that_disappears_is_told_with_the_socket_that_asked_for_it() -> None:
    async def scenario() -> None:
        async with watching(ns) as (watcher, views):
            gone: list[tuple[str, int]] = []
            stop = watcher.on_address_gone(lambda fact, port: gone.append((str(fact.address), port)))
            with Requests(netns=ns.name) as requests:
                removal = encode_address(views[0].index or 0, IPv4Address("192.0.2.1"), 24)
                requests.request("remove", RTM_DELADDR, 0, removal)
            # The secondary address goes along with the primary one.
            await eventually(lambda: len(gone) == 2, "two are gone")
            assert gone == [("192.0.2.2", requests.port), ("192.0.2.1", requests.port)]
            ns.ip("addr add 192.0.2.3/24 dev eth0 valid_lft 1 preferred_lft 1")
            await eventually(lambda: len(gone) == 3, "its lifetime is over")
            assert gone[2] == ("192.0.2.3", 0)
            stop()
            stop()
            ns.ip("addr add 192.0.2.4/24 dev eth0", "addr del 192.0.2.4/24 dev eth0", "addr add 192.0.2.5/24 dev eth0")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.5/24"], "news goes on")
            assert len(gone) == 3

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "addr add 192.0.2.2/24 dev eth0")
        run(scenario())


@kernel
def test_views_are_reported_before_the_addresses_that_are_gone() -> None:
    async def scenario() -> None:
        order: list[str] = []
        watcher = LinkWatcher(ns.name)
        watcher.watch("eth0", lambda view: order.append("up" if view.up else "down"))
        watcher.on_address_gone(lambda fact, _port: order.append(str(fact.address)))
        ns.ip("link delete eth0")
        await eventually(lambda: "192.0.2.1" in order, "everything is gone")
        assert order.index("down") < order.index("192.0.2.1")
        watcher.close()

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario())


@kernel
def test_who_stops_watching_hears_nothing_more_and_the_others_do() -> None:
    async def scenario() -> None:
        async with watching(ns) as (watcher, views):
            mine: list[LinkView] = []
            stop = watcher.watch("eth0", mine.append)
            ns.ip("addr add 192.0.2.1/24 dev eth0")
            await eventually(lambda: len(mine) == 1, "both hear it")
            assert mine == views[-1:]
            stop()
            stop()
            ns.ip("addr add 192.0.2.2/24 dev eth0")
            await eventually(lambda: texts(views[-1]) == ["192.0.2.1/24", "192.0.2.2/24"], "one hears it")
            assert len(mine) == 1

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_name_that_nobody_watches_any_more_is_read_when_asked_for() -> None:
    async def scenario() -> None:
        watcher = LinkWatcher(ns.name)
        stop = watcher.watch("eth0", fail)
        stop()
        assert watcher.find("eth0", IPv4Address("192.0.2.1")) == []
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        assert texts(watcher.view("eth0")) == ["192.0.2.1/24"]
        assert watcher.view("eth9") == LinkView("eth9")
        watcher.close()

    with namespace() as ns:
        run(scenario())


def fail(_view: LinkView) -> None:
    raise AssertionError("nobody watches")


@kernel
def test_a_listener_with_a_defect_does_not_silence_the_others() -> None:
    async def scenario() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        watcher = LinkWatcher(ns.name)
        views: list[LinkView] = []
        watcher.watch("eth0", fail)
        watcher.watch("eth0", views.append)
        ns.ip("link set eth0 mtu 1400", "addr add 192.0.2.1/24 dev eth0")
        await eventually(lambda: views and texts(views[-1]) == ["192.0.2.1/24"], "the other one hears it")
        assert complaints
        assert all(isinstance(context["exception"], AssertionError) for context in complaints)
        watcher.close()

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_link_made_a_moment_ago_has_an_index_already() -> None:
    async def scenario() -> None:
        watcher = LinkWatcher(ns.name)
        ns.ip("link add bridge0 type bridge")
        # The event loop has not run since.
        assert watcher.view("bridge0").index is None
        assert watcher.index("bridge0") is not None
        assert watcher.index("bridge9") is None
        watcher.close()

    with namespace() as ns:
        run(scenario())


def test_a_missing_namespace_is_named() -> None:
    async def scenario() -> None:
        LinkWatcher("nowhere")

    with pytest.raises(KernelError, match="there is no /run/netns/nowhere"):
        run(scenario())


# The kernel's order, and completeness ---------------------------------------------------------------------------------


def disorder(random: Random, steps: int) -> list[str]:
    """Lines of ip(8) that add, change and remove addresses of every kind; some will fail."""
    lines = []
    for _ in range(steps):
        address, options = random.choice(
            [
                (f"192.0.2.{random.randint(1, 6)}/{random.choice([24, 25, 32])}", ""),
                (f"192.0.3.{random.randint(1, 4)}/24", "scope link"),
                (f"192.0.4.{random.randint(1, 4)}/24", ""),
                (f"198.51.100.{random.randint(1, 3)}/24", "scope host"),
                (f"2001:db8::{random.randint(1, 4)}/64", random.choice(["", "nodad"])),
                (f"fd00::{random.randint(1, 2)}/128", ""),
                (f"fe80::{random.randint(1, 3)}/64", ""),
            ]
        )
        verb = random.choice(["add", "add", "del", "replace"])
        lines.append(f"addr {verb} {address} dev eth0 {options if verb != 'del' else ''}")
    return lines


@kernel
@pytest.mark.parametrize("promote", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_news_leads_to_the_very_view_that_a_dump_gives(seed: int, promote: int) -> None:
    async def scenario() -> None:
        random = Random(seed)  # noqa: S311 - a test wants the same disorder every time
        async with watching(ns) as (_watcher, views):
            for _ in range(12):
                ns.ip(*disorder(random, 15), force=True)
                await eventually(lambda: views[-1] == truth(ns), "the view is the truth")

    with namespace() as ns:
        ns.sysctl("ipv4.conf.eth0.promote_secondaries", promote)
        run(scenario())


def flood(ns: Namespace, index: int, network: str, count: int, *, removed: int = 0) -> None:
    """Add many addresses at once, and remove some of them."""
    first = IPv4Address(network)
    with Requests(netns=ns.name) as requests:
        adding = [Change(RTM_NEWADDR, NLM_F_CREATE, encode_address(index, first + n, 32)) for n in range(count)]
        removing = [Change(RTM_DELADDR, 0, encode_address(index, first + n, 32)) for n in range(removed)]
        assert requests.batch("add", adding) == []
        assert requests.batch("remove", removing) == []


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_after_lost_news_the_view_is_complete_again(loop: str) -> None:
    async def scenario() -> None:
        async with watching(ns, receive_buffer=4096) as (watcher, views):
            gone: set[IPAddress] = set()
            watcher.on_address_gone(lambda fact, _port: gone.add(fact.address))
            index = views[0].index or 0
            flood(ns, index, "10.1.0.0", 600)
            ns.ip("addr del 192.0.2.1/24 dev eth0")
            await eventually(lambda: len(views[-1].addresses) >= 600, "all have come")
            assert IPv4Address("192.0.2.1") in gone
            flood(ns, index, "10.2.0.0", 300, removed=150)
            ns.ip("link set eth0 address 02:00:00:00:00:09", "link set peer0 down")
            await eventually(lambda: views[-1] == truth(ns), "it is the truth again")
            assert not views[-1].up
            ns.ip("addr add 192.0.2.3/24 dev eth0")
            await eventually(lambda: "192.0.2.3/24" in texts(views[-1]), "news is told again")

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        run(scenario(), loop)


@kernel
def test_what_happens_while_everything_is_read_anew_is_not_lost() -> None:
    async def scenario() -> None:
        async with watching(ns, receive_buffer=4096) as (_watcher, views):
            index = views[0].index or 0
            flood(ns, index, "10.9.0.0", 1000)
            for number in range(30):
                flood(ns, index, f"10.{number // 10}.{number % 10}.0", 60, removed=50 + number % 2 * 10)
                for last in range(100, 106):
                    await asyncio.sleep(0.0005)
                    flood(ns, index, f"10.{number // 10}.{number % 10}.{last}", 1)
            await eventually(lambda: views[-1] == truth(ns), "it is the truth again")

    with namespace() as ns:
        run(scenario())


@kernel
def test_rereading_tells_what_happened_meanwhile_and_begins_anew_when_told() -> None:
    async def scenario() -> None:
        told: list[list[Message]] = []
        rereader = Rereader(lambda dumps, news: told.append([*news, *([] if all(dumps) else news)]), ns.name)
        old, new = Message(16, 0, 1, 0, b""), Message(16, 0, 2, 0, b"")
        rereader.begin()
        assert rereader.busy
        rereader.keep([old])
        rereader.begin()
        await asyncio.sleep(0)
        rereader.keep([old])
        # The first reading ends, and the second begins, only when the event loop runs again.
        await eventually(lambda: not rereader.busy, "it has read")
        assert told == [[]]
        rereader.begin()
        rereader.keep([new])
        await eventually(lambda: not rereader.busy, "it has read again")
        assert told == [[], [new]]
        rereader.begin()
        rereader.close()
        rereader.close()
        rereader.begin()
        assert len(told) == 2

    with namespace() as ns:
        run(scenario())


@kernel
def test_closing_while_everything_is_read_anew_is_quiet() -> None:
    async def scenario() -> None:
        async with watching(ns, receive_buffer=4096) as (_watcher, views):
            flood(ns, views[0].index or 0, "10.1.0.0", 500)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    with namespace() as ns:
        run(scenario())


@kernel
def test_news_of_others_is_cheap() -> None:
    async def scenario() -> None:
        async with watching(ns, "eth0") as (watcher, views):
            peer = watcher.index("peer0") or 0
            flood(ns, peer, "10.1.0.0", 500)
            with Requests(netns=ns.name) as requests:
                again = [
                    Change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, encode_address(peer, IPv4Address("10.1.0.1"), 32))
                ] * 500
                requests.batch("renew", again)
            ns.ip("addr add 192.0.2.2/24 dev eth0")
            await eventually(lambda: "192.0.2.2/24" in texts(views[-1]), "this is news")
            assert watcher.find("peer0", IPv4Address("10.1.0.1")) == []

    with namespace() as ns:
        run(scenario())


def test_an_address_that_goes_before_the_kernel_has_told_of_it_is_missed_all_the_same() -> None:
    table = LinkTable()
    table.follow(7, [])
    gone = encode_address(7, IPv6Address("2001:db8::10"), 128)
    told = table.drop_address(gone)
    assert told is not None
    assert (told.index, told.address, told.prefix_length) == (7, IPv6Address("2001:db8::10"), 128)
    assert table.drop_address(encode_address(8, IPv6Address("2001:db8::10"), 128)) is None
