"""Virtual addresses in the kernel: added, kept, renewed and removed; and gone by themselves when their holder dies."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

import vrrpkit
from tests.linux.support import LOOPS, Namespace, eventually, namespace, run, without_capabilities
from vrrpkit.addresses import IPAddress
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.keeping import ForeignDeletion
from vrrpkit.linux._address_changes import Verb, is_leftover, is_ours
from vrrpkit.linux._address_worker import AddressWorker
from vrrpkit.linux._addresses import AddressKeeper, NetlinkAddressManager, Placement
from vrrpkit.linux._dumps import find_link
from vrrpkit.linux._holding import Condition, Device, Holding
from vrrpkit.linux._links import LinkWatcher
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._rtnetlink import PROTOCOL, RTM_NEWADDR, AddressFact, encode_address
from vrrpkit.linux._wire import NLM_F_CREATE
from vrrpkit.runtime import Driver

kernel = pytest.mark.kernel

V4 = IPv4Address("192.0.2.10")
V6 = IPv6Address("2001:db8::10")


# Placements -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"address": "192.0.2.10"}, "192.0.2.10/32"),
        ({"address": V4, "prefix_length": 24}, "192.0.2.10/24"),
        ({"address": "192.0.2.10/24"}, "192.0.2.10/24"),
        ({"address": "192.0.2.10/24", "prefix_length": 24}, "192.0.2.10/24"),
        ({"address": "192.0.2.10/255.255.255.0"}, "192.0.2.10/24"),
        ({"address": "2001:db8::10"}, "2001:db8::10/128"),
        ({"address": "2001:db8::10/64"}, "2001:db8::10/64"),
    ],
)
def test_a_placement_reads_addresses_in_every_usual_form(given: dict[str, Any], text: str) -> None:
    placement = Placement(**given)
    assert str(placement) == text
    assert type(placement.address) in (IPv4Address, IPv6Address)


def test_equal_placements_are_equal_however_they_were_given() -> None:
    assert Placement(address="192.0.2.10/24") == Placement(address=V4, prefix_length=24)
    assert Placement(address=V4, scope="link") == Placement(address=V4, scope=253)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"address": "192.0.2.10", "prefix_length": 33}, "prefix_length must be 0-32, got 33"),
        ({"address": "2001:db8::10", "prefix_length": 129}, "prefix_length must be 0-128, got 129"),
        ({"address": "192.0.2.10", "prefix_length": True}, "prefix_length must be 0-32, got True"),
        ({"address": "192.0.2.10", "prefix_length": "24"}, "prefix_length must be 0-32, got '24'"),
        ({"address": "192.0.2.10/24", "prefix_length": 25}, "prefix_length must be that of 192.0.2.10/24, got 25"),
        ({"address": "192.0.2.10/33"}, "address must be like 192.0.2.10/24, got '192.0.2.10/33'"),
        ({"address": "eth0"}, "address must be an IPv4 or IPv6 address without a prefix length, got 'eth0'"),
        ({"address": "224.0.0.18"}, "address must be a unicast address, got 224.0.0.18"),
        ({"address": "::"}, "address must be a unicast address, got ::"),
        ({"address": "fe80::1%eth0"}, "address must be an address without a zone, got fe80::1%eth0"),
        (
            {"address": V4, "scope": "everywhere"},
            "scope must be a number or one of global, site, link, host, nowhere, got 'everywhere'",
        ),
        ({"address": V4, "scope": 256}, "scope must be 0-255, got 256"),
        ({"address": V4, "label": "eth0:0123456789a"}, "label must have 1-15 octets, got 'eth0:0123456789a'"),
        ({"address": V4, "label": ""}, "label must have 1-15 octets, got ''"),
        ({"address": V6, "label": "eth0:1"}, "label must be left to IPv4, got 'eth0:1' for 2001:db8::10"),
        ({"address": V4, "device": "0123456789abcdef"}, "device must have 1-15 octets, got '0123456789abcdef'"),
        ({"address": V6, "broadcast": "+"}, "broadcast must be left to IPv4, got + for 2001:db8::10"),
        ({"address": V4, "broadcast": "2001:db8::1"}, "broadcast must be left to IPv4, got 2001:db8::1 for 192.0.2.10"),
        (
            {"address": V4, "broadcast": "all"},
            "broadcast must be an IPv4 or IPv6 address without a prefix length, got 'all'",
        ),
        ({"address": V4, "preferred_lifetime": -1}, "preferred_lifetime must be 0 or more seconds, got -1"),
        ({"address": V4, "preferred_lifetime": float("nan")}, "preferred_lifetime must be 0 or more seconds, got nan"),
    ],
)
def test_a_placement_that_cannot_be_is_refused_with_its_field_and_value(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Placement(**given)
    assert str(caught.value) == text


# The kernel -----------------------------------------------------------------------------------------------------------


class Machinery:
    """A driver, a watcher and a keeper in one namespace."""

    def __init__(self, ns: Namespace, lease: float | None, receive_buffer: int) -> None:
        self.driver = Driver()
        self.watcher = LinkWatcher(ns.name, receive_buffer=receive_buffer)
        self.keeper = AddressKeeper(self.driver, self.watcher, netns=ns.name, lease=lease)

    def manager(
        self, *placements: Placement, policy: ForeignDeletion = ForeignDeletion.RESTORE
    ) -> NetlinkAddressManager:
        """One virtual router's addresses on `eth0`."""
        return NetlinkAddressManager(self.keeper, "eth0", placements, foreign_deletion=policy)


@asynccontextmanager
async def machinery(
    ns: Namespace, lease: float | None = 30.0, receive_buffer: int = 8 << 20
) -> AsyncIterator[Machinery]:
    """The same, closed in the end."""
    made = Machinery(ns, lease, receive_buffer)
    try:
        yield made
    finally:
        made.keeper.close()
        made.watcher.close()
        made.driver.close()


def many(count: int, network: str = "10.1.0.0") -> list[IPAddress]:
    """The first addresses of a network."""
    return [ip_address(network) + n for n in range(count)]


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_addresses_are_added_and_removed(loop: str) -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager(Placement(address="192.0.2.10/24"))
            await manager.acquire([V4, V6])
            assert ns.shown() == {"192.0.2.10/24", "2001:db8::10/128"}
            assert manager.held == {V4, V6}
            assert manager.foreign == frozenset()
            await manager.release([V4])
            assert ns.shown() == {"2001:db8::10/128"}
            await manager.release([V4, V6])
            assert ns.shown() == set()
            assert manager.held == frozenset()

    with namespace() as ns:
        run(scenario(), loop)


@kernel
def test_acquiring_and_releasing_twice_is_no_error() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            await manager.release([V4])
            await manager.acquire([V4])
            await manager.acquire([V4, V6])
            assert ns.shown() == {"192.0.2.10/32", "2001:db8::10/128"}
            ns.ip("addr del 192.0.2.10/32 dev eth0")
            await manager.release([V4, V6])
            await manager.release([V4, V6])
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_every_part_of_a_placement_reaches_the_kernel() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            placements = [
                Placement(address="192.0.2.10/24", broadcast="+", scope="link", label="eth0:vip"),
                Placement(address="192.0.3.11/24", broadcast="192.0.3.99", noprefixroute=True, preferred_lifetime=0),
                Placement(address="198.51.100.1/24", device="peer0"),
                Placement(address="2001:db8::11/64", preferred_lifetime=7),
                Placement(address="2001:db8::12", preferred_lifetime=float("inf")),
                Placement(address="2001:db8::13/64", dad=True),
            ]
            await made.manager(*placements).acquire([placement.address for placement in placements])
            assert ns.shown("peer0") == {"198.51.100.1/24"}
            shown = ns.addresses()
            first, second = shown["192.0.2.10/24"], shown["192.0.3.11/24"]
            assert (first["broadcast"], first["scope"], first["label"]) == ("192.0.2.255", "link", "eth0:vip")
            assert (second["broadcast"], second["noprefixroute"], second["preferred_life_time"]) == (
                "192.0.3.99",
                True,
                0,
            )
            assert shown["2001:db8::11/64"]["nodad"]
            assert 5 <= shown["2001:db8::11/64"]["preferred_life_time"] <= 7
            assert shown["2001:db8::12/128"]["preferred_life_time"] > 25
            assert "nodad" not in shown["2001:db8::13/64"]

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_host_address_of_ipv6_is_no_source_for_new_connections_unless_told() -> None:
    async def scenario(lease: float | None) -> None:
        async with machinery(ns, lease) as made:
            manager = made.manager(Placement(address="2001:db8::11/64"))
            await manager.acquire([V6, IPv6Address("2001:db8::11"), V4])
            shown = ns.addresses()
            assert shown["2001:db8::10/128"]["preferred_life_time"] == 0
            assert shown["2001:db8::11/64"]["preferred_life_time"] > 25
            assert shown["192.0.2.10/32"]["preferred_life_time"] > 25
            await manager.release([V6, IPv6Address("2001:db8::11"), V4])

    with namespace() as ns:
        run(scenario(30.0))
        run(scenario(None))


@kernel
def test_addresses_carry_our_mark() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            await made.manager().acquire([V4, V6])
            assert {fact.protocol for address in (V4, V6) for fact in await found(made, address)} == {112}

    with namespace() as ns:
        run(scenario())


async def found(made: Machinery, address: IPAddress) -> list[Any]:
    """An address, once the watcher has heard of it."""
    return await eventually(lambda: made.watcher.find("eth0", address), f"{address} is known")


@kernel
def test_an_address_that_was_there_before_stays() -> None:
    async def scenario() -> None:
        async with machinery(ns, 3.0) as made:
            manager = made.manager(Placement(address="192.0.2.10/24"), Placement(address="2001:db8::10/64"))
            await manager.acquire([V4, V6])
            assert manager.foreign == {V4, V6}
            assert manager.held == frozenset()
            await asyncio.sleep(1.2)  # a renewal would have made it temporary
            assert ns.addresses() == before
            await manager.release([V4, V6])
            assert ns.addresses() == before

    with namespace() as ns:
        ns.ip("addr add 192.0.2.10/24 dev eth0", "addr add 2001:db8::10/64 dev eth0 nodad")
        before = ns.addresses()
        run(scenario())


@kernel
def test_what_the_kernel_refuses_is_told_and_the_rest_is_done() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager(Placement(address="192.0.2.11/24", device="eth9"))
            with pytest.raises(KernelError) as caught:
                await manager.acquire([V4, IPv4Address("192.0.2.11"), V6])
            assert caught.value.errno == errno.ENODEV
            assert str(caught.value) == "add 192.0.2.11/24 to eth9: ipv4: Device not found (errno 19)"
            assert manager.held == {V4, V6}
            # Once the interface is there, it works.
            ns.ip("link add eth9 type bridge")
            await manager.acquire([V4, IPv4Address("192.0.2.11"), V6])
            assert ns.shown("eth9") == {"192.0.2.11/24"}
            await manager.release([V4, IPv4Address("192.0.2.11"), V6])
            assert ns.shown() | ns.shown("eth9") == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_where_ipv6_is_off_the_error_says_so() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            with pytest.raises(KernelError) as caught:
                await manager.acquire([V6])
            assert caught.value.errno == errno.EACCES
            assert str(caught.value).startswith("add 2001:db8::10/128 to eth0: ")
            assert "IPv6 is disabled on" in str(caught.value)
            await manager.release([V6])

    with namespace() as ns:
        ns.sysctl("ipv6.conf.eth0.disable_ipv6", 1)
        run(scenario())


@kernel
def test_releasing_after_ipv6_was_turned_off_or_the_interface_deleted_is_no_error() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            await manager.acquire([V4, V6])
            ns.sysctl("ipv6.conf.eth0.disable_ipv6", 1)
            await manager.release([V6])
            ns.ip("link delete eth0")
            await manager.release([V4])

    with namespace() as ns:
        run(scenario())


# Against others -------------------------------------------------------------------------------------------------------


@kernel
@pytest.mark.parametrize("lease", [30.0, None])
def test_an_address_that_somebody_else_removes_is_put_back(lease: float | None) -> None:
    async def scenario() -> None:
        async with machinery(ns, lease) as made:
            manager = made.manager(Placement(address="192.0.2.10/24"))
            await manager.acquire([V4, V6])
            ns.ip("addr del 192.0.2.10/24 dev eth0", "addr del 2001:db8::10/128 dev eth0")
            await eventually(lambda: ns.shown() == {"192.0.2.10/24", "2001:db8::10/128"}, "both are back", 5)
            ns.ip("addr del 192.0.2.10/24 dev eth0")
            await eventually(lambda: "192.0.2.10/24" in ns.shown(), "it is back again", 5)
            await manager.release([V4, V6])
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_what_is_removed_while_news_is_lost_is_put_back() -> None:
    async def scenario() -> None:
        async with machinery(ns, None, receive_buffer=4096) as made:
            manager = made.manager()
            await manager.acquire(many(300))
            await found(made, IPv4Address("10.1.1.43"))
            ns.ip(*(f"addr del {address}/32 dev eth0" for address in many(200)))
            await eventually(lambda: len(ns.shown()) == 300, "all are back")
            await manager.release(many(300))
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_an_address_can_be_yielded() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager(policy=ForeignDeletion.YIELD)
            yielded: list[bool] = []
            manager.on_yield = lambda: yielded.append(True)
            await manager.acquire([V4, V6])
            ns.ip("addr del 192.0.2.10/32 dev eth0")
            await eventually(lambda: yielded, "it is told")
            assert manager.held == {V6}
            await manager.release([V4, V6])
            assert ns.shown() == set()
            assert yielded == [True]
            await manager.acquire([V4])
            assert ns.shown() == {"192.0.2.10/32"}

    with namespace() as ns:
        run(scenario())


@kernel
def test_an_address_can_be_left_removed() -> None:
    async def scenario() -> None:
        async with machinery(ns, 3.0) as made:
            manager = made.manager(policy=ForeignDeletion.IGNORE)
            await manager.acquire([V4, V6])
            await found(made, V4)
            ns.ip("addr del 192.0.2.10/32 dev eth0")
            await eventually(lambda: not made.watcher.find("eth0", V4), "it is gone")
            await asyncio.sleep(1.2)  # a renewal is over
            assert ns.shown() == {"2001:db8::10/128"}
            await manager.release([V4, V6])
            await manager.acquire([V4])
            assert ns.shown() == {"192.0.2.10/32"}

    with namespace() as ns:
        run(scenario())


@kernel
@pytest.mark.parametrize("policy", ForeignDeletion)
@pytest.mark.parametrize("promote", [0, 1])
def test_releasing_a_primary_address_does_not_take_others_down(policy: ForeignDeletion, promote: int) -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            placements = [Placement(address=f"192.0.2.{n}/24") for n in (10, 11, 12)]
            first, *others = (made.manager(placement, policy=policy) for placement in placements)
            for manager in others:
                manager.on_yield = lambda: pytest.fail("yielded")
            for manager, placement in zip((first, *others), placements, strict=True):
                await manager.acquire([placement.address])
            await first.release([placements[0].address])
            await eventually(lambda: ns.shown() == {"192.0.2.11/24", "192.0.2.12/24"}, "both are there", 1)
            await others[0].release([placements[1].address])
            await eventually(lambda: ns.shown() == {"192.0.2.12/24"}, "one is there", 1)

    with namespace() as ns:
        ns.sysctl("ipv4.conf.eth0.promote_secondaries", promote)
        run(scenario())


@kernel
def test_releasing_all_of_a_network_at_once_leaves_nothing() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            managers = [made.manager(Placement(address=f"192.0.2.{n}/24")) for n in range(1, 101)]
            addresses = [IPv4Address(f"192.0.2.{n}") for n in range(1, 101)]
            pairs = list(zip(managers, addresses, strict=True))
            await asyncio.gather(*(manager.acquire([address]) for manager, address in pairs))
            assert len(ns.shown()) == 100
            await asyncio.gather(*(manager.release([address]) for manager, address in pairs))
            ns.ip("addr add 203.0.113.1/32 dev eth0")
            await found(made, IPv4Address("203.0.113.1"))  # so all earlier news is known, too
            await made.manager().release([V4])
            assert ns.shown() == {"203.0.113.1/32"}

    with namespace() as ns:
        run(scenario())


@kernel
def test_an_interface_that_is_made_anew_gets_its_addresses_back() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager(Placement(address="192.0.2.10/24"))
            await manager.acquire([V4, V6])
            ns.ip("link delete eth0")
            await eventually(lambda: made.watcher.view("eth0").index is None, "it is gone")
            ns.ip("link add eth0 type bridge")
            await eventually(lambda: ns.shown() == {"192.0.2.10/24", "2001:db8::10/128"}, "both are back", 5)
            await manager.release([V4, V6])
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_an_address_of_two_managers_goes_with_the_second() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            one, two = made.manager(), made.manager()
            await asyncio.gather(one.acquire([V4]), two.acquire([V4]))
            assert one.held == two.held == {V4}
            await one.release([V4])
            assert ns.shown() == {"192.0.2.10/32"}
            await two.release([V4])
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_manager_that_is_closed_lets_go() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            await manager.acquire([V4])
            manager.close()
            manager.close()
            await eventually(lambda: ns.shown() == set(), "it is removed")

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_closed_keeper_says_so_and_does_nothing() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            made.keeper.close()
            with pytest.raises(RuntimeError, match="the keeper of these addresses is closed"):
                await manager.acquire([V4])
            with pytest.raises(RuntimeError, match="the keeper of these addresses is closed"):
                await manager.sweep([V4])
        assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


def test_two_placements_for_one_address_are_refused() -> None:
    async def scenario() -> None:
        driver = Driver()
        watcher = LinkWatcher()
        keeper = AddressKeeper(driver, watcher)
        text = "placements must be one for each address, got two for 192.0.2.10"
        try:
            with pytest.raises(ConfigError, match=text):
                NetlinkAddressManager(keeper, "lo", [Placement(address=V4), Placement(address="192.0.2.10/24")])
            with pytest.raises(ConfigError, match="lease must be 3-86400 seconds, got 1"):
                AddressKeeper(driver, watcher, lease=1)
        finally:
            keeper.close()
            watcher.close()
            driver.close()

    run(scenario())


# Cancellation ---------------------------------------------------------------------------------------------------------


@kernel
def test_a_cancelled_acquire_is_undone_by_a_release() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            for _ in range(20):
                acquiring = asyncio.create_task(manager.acquire([V4, V6]))
                await asyncio.sleep(0)
                acquiring.cancel()
                await asyncio.wait([acquiring])
                assert acquiring.cancelled()
                await manager.release([V4, V6])
                assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_cancelled_acquire_can_be_repeated() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            acquiring = asyncio.create_task(manager.acquire([V4, V6]))
            await asyncio.sleep(0)
            acquiring.cancel()
            await manager.acquire([V4, V6])
            assert manager.held == {V4, V6}
            assert ns.shown() == {"192.0.2.10/32", "2001:db8::10/128"}

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_refusal_that_comes_late_does_not_concern_the_next_holder() -> None:
    async def scenario() -> None:
        async with machinery(ns, None) as made:
            placement = Placement(address=V4, device="eth9")
            one, two = made.manager(placement), made.manager(placement)
            acquiring = asyncio.create_task(one.acquire([V4]))
            await asyncio.sleep(0)
            time.sleep(0.1)  # noqa: ASYNC251 - let the thread work, and the event loop not know yet
            acquiring.cancel()
            one.close()
            ns.ip("link add eth9 type bridge")
            await two.acquire([V4])
            await eventually(lambda: made.watcher.find("eth9", V4), "it is known")
            ns.ip("addr del 192.0.2.10/32 dev eth9")
            await eventually(lambda: ns.shown("eth9") == {"192.0.2.10/32"}, "it is back")

    with namespace() as ns:
        run(scenario())


@kernel
def test_what_is_asked_for_while_the_thread_is_busy_is_done_in_order() -> None:
    async def scenario() -> None:
        worker = AddressWorker(fail, ns.name)
        index = await worker.call(lambda requests: find_link(requests, "eth0") or 0)
        busy = threading.Event()
        waiting = asyncio.create_task(worker.call(lambda _requests: busy.wait(10)))
        await asyncio.sleep(0)
        device = Device("eth0", index)
        come_and_gone, come, late = (Holding(Placement(address=f"192.0.2.{n}"), device, None) for n in (10, 11, 12))
        told: list[str] = []
        changes = [
            worker.change(Verb.ADD, [come_and_gone, come], lambda: told.append("added")),
            worker.change(Verb.REMOVE, [come_and_gone], lambda: told.append("removed")),
            worker.change(Verb.ADD, [late], lambda: told.append("added another")),
        ]
        worker.renew([come_and_gone, come, late])
        busy.set()
        await asyncio.gather(waiting, *changes)
        assert told == ["added", "removed", "added another"]
        assert ns.shown() == {"192.0.2.11/32", "192.0.2.12/32"}
        assert come_and_gone.condition is Condition.REMOVED
        worker.close()

    with namespace() as ns:
        run(scenario())


def fail(holding: Holding) -> None:
    raise AssertionError(holding)


# Leases ---------------------------------------------------------------------------------------------------------------


@kernel
def test_a_held_address_outlives_its_lease_without_ever_being_gone() -> None:
    async def scenario() -> None:
        async with machinery(ns, 3.0) as made:
            manager = made.manager(Placement(address="192.0.2.10/24"))
            gone: list[str] = []
            made.watcher.on_address_gone(lambda fact, _port: gone.append(str(fact.address)))
            await manager.acquire([V4, V6])
            lifetimes = []
            end = time.monotonic() + 4.5
            while time.monotonic() < end:
                shown = ns.addresses()
                lifetimes += [shown[name]["valid_life_time"] for name in ("192.0.2.10/24", "2001:db8::10/128")]
                await asyncio.sleep(0.1)
            assert min(lifetimes) >= 1
            assert max(lifetimes) == 3
            assert gone == []

    with namespace() as ns:
        run(scenario())


@kernel
def test_without_a_lease_an_address_stays_for_ever() -> None:
    async def scenario() -> None:
        async with machinery(ns, None) as made:
            manager = made.manager()
            await manager.acquire([V4, V6])
            assert {info["valid_life_time"] for info in ns.addresses().values()} == {0xFFFFFFFF}

    with namespace() as ns:
        run(scenario())


HOLDER = """
import asyncio, sys
from ipaddress import ip_address
from vrrpkit.linux._address_changes import Verb, is_leftover, is_ours
from vrrpkit.linux._address_worker import AddressWorker
from vrrpkit.linux._addresses import AddressKeeper, NetlinkAddressManager
from vrrpkit.linux._dumps import find_link
from vrrpkit.linux._holding import Condition, Device, Holding
from vrrpkit.linux._links import LinkWatcher
from vrrpkit.runtime import Driver

async def main(netns, lease, *addresses):
    watcher = LinkWatcher(netns)
    keeper = AddressKeeper(Driver(), watcher, netns=netns, lease=float(lease) if lease else None)
    await NetlinkAddressManager(keeper, "eth0").acquire(map(ip_address, addresses))
    print("held", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def hold_and_be_killed(ns: Namespace, lease: str, *addresses: IPAddress) -> None:
    """Another process holds addresses until it is killed, and does not live to remove them."""
    source = str(Path(vrrpkit.__path__[0]).parent)
    command = [sys.executable, "-c", HOLDER, ns.name, lease, *map(str, addresses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)


@kernel
def test_the_addresses_of_a_killed_process_go_by_themselves() -> None:
    async def scenario() -> None:
        await eventually(lambda: ns.shown() == {"192.0.2.1/24"}, "they are gone", 6)
        assert time.monotonic() - killed < 3 + 1.5

    with namespace() as ns:
        ns.ip("addr add 192.0.2.1/24 dev eth0")
        hold_and_be_killed(ns, "3", V4, V6)
        killed = time.monotonic()
        assert ns.shown() == {"192.0.2.1/24", "192.0.2.10/32", "2001:db8::10/128"}
        run(scenario())


@kernel
def test_a_renewal_does_not_disturb_connections() -> None:
    async def scenario() -> None:
        async with machinery(ns, 3.0) as made:
            await made.manager().acquire([V4, V6])
            connections = []
            for address in (V4, V6):
                # The kernel says that an IPv6 address is there a moment before it can be connected to.
                await eventually(partial(can_connect, ns, address), f"{address} answers")
                connections.append(connect(ns, address))
            end = time.monotonic() + 3.5
            while time.monotonic() < end:
                for client, server in connections:
                    await asyncio.to_thread(client.sendall, b"ping")
                    assert await asyncio.to_thread(server.recv, 4) == b"ping"
                await asyncio.sleep(0.05)
            for pair in connections:
                for end_point in pair:
                    end_point.close()

    with namespace() as ns:
        run(scenario())


def connect(ns: Namespace, address: IPAddress) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection to an address of this namespace."""

    def connected() -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.create_server((str(address), 0), family=family) as server:
            client = socket.create_connection(server.getsockname()[:2], timeout=5)
            accepted, _peer = server.accept()
            accepted.settimeout(5)
            return client, accepted

    return in_netns(ns.name, connected)


def can_connect(ns: Namespace, address: IPAddress) -> bool:
    """Whether a connection to an address comes about."""
    try:
        ends = connect(ns, address)
    except OSError:
        return False
    for end in ends:
        end.close()
    return True


# What an earlier run has left -----------------------------------------------------------------------------------------


@kernel
@pytest.mark.parametrize("lease", ["30", ""])
def test_leftovers_are_swept_and_nothing_else(lease: str) -> None:
    async def scenario() -> None:
        async with machinery(ns, float(lease) if lease else None) as made:
            manager = made.manager()
            assert set(await manager.sweep([V4, V6, IPv4Address("192.0.2.2")])) == {V4, V6}
            assert ns.shown() == {"192.0.2.2/32", "10.9.9.9/32"}
            assert await manager.sweep([V4, V6, IPv4Address("192.0.2.2")]) == ()

    with namespace() as ns:
        hold_and_be_killed(ns, lease, V4, V6, IPv4Address("10.9.9.9"))
        ns.ip("addr add 192.0.2.2/32 dev eth0")
        run(scenario())


@kernel
def test_what_is_held_here_is_no_leftover() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            one, two = made.manager(), made.manager()
            await one.acquire([V4])
            await found(made, V4)
            assert await two.sweep([V4]) == ()
            assert ns.shown() == {"192.0.2.10/32"}

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_leftover_that_is_acquired_is_ours_again() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager(Placement(address="2001:db8::10/64"))
            await manager.acquire([V4, V6])
            assert manager.held == {V4, V6}
            assert ns.shown() == {"192.0.2.10/32", "2001:db8::10/64"}
            assert {info["valid_life_time"] for info in ns.addresses().values()} <= {29, 30}
            await manager.release([V4, V6])
            assert ns.shown() == set()

    with namespace() as ns:
        hold_and_be_killed(ns, "1000", V4, V6)
        run(scenario())


@kernel
def test_a_live_keepaliveds_addresses_are_not_ours() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            index = made.watcher.index("eth0") or 0
            with Requests(netns=ns.name) as requests:
                keepalived = encode_address(index, V4, 32, protocol=18)
                requests.request("add", RTM_NEWADDR, NLM_F_CREATE, keepalived)
            manager = made.manager()
            await found(made, V4)
            assert await manager.sweep([V4]) == ()
            await manager.acquire([V4])
            assert manager.foreign == {V4}

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_sweep_without_rights_names_the_capability() -> None:
    async def scenario() -> None:
        driver = Driver()
        watcher = LinkWatcher(None)
        keeper = AddressKeeper(driver, watcher)
        try:
            await NetlinkAddressManager(keeper, "eth0").sweep([V4])
        finally:
            keeper.close()
            watcher.close()
            driver.close()

    with namespace() as ns, pytest.raises(PermissionError) as caught:
        in_netns(ns.name, lambda: without_capabilities(lambda: asyncio.run(scenario())))
    assert str(caught.value) == "change addresses: this needs CAP_NET_ADMIN (errno 1)"


PERMANENT = 0x80


@pytest.mark.parametrize(
    ("flags", "protocol", "marked", "ours"),
    [
        (0, PROTOCOL, True, True),
        (PERMANENT, PROTOCOL, True, True),
        (0, 0, True, False),
        (0, 18, True, False),
        (0, 0, False, True),
        (PERMANENT, 0, False, False),
    ],
)
def test_an_address_is_ours_by_its_mark_or_where_there_is_none_by_its_lease(
    flags: int, protocol: int, *, marked: bool, ours: bool
) -> None:
    assert is_ours(AddressFact(3, V4, 32, flags, 0, protocol), marked=marked) is ours


@pytest.mark.parametrize(
    ("length", "flags", "protocol", "lease", "marked", "left"),
    [
        (32, 0, PROTOCOL, None, True, True),
        (24, PERMANENT, PROTOCOL, 30.0, True, True),
        (32, 0, 18, 30.0, True, False),
        (32, 0, 0, 30.0, False, True),
        (24, 0, 0, 30.0, False, False),
        (32, PERMANENT, 0, 30.0, False, False),
        (32, PERMANENT, 0, None, False, True),
        (32, 0, 0, None, False, False),
    ],
)
def test_where_there_are_no_marks_a_leftover_is_exactly_what_we_would_add(
    length: int, flags: int, protocol: int, lease: float | None, *, marked: bool, left: bool
) -> None:
    fact = AddressFact(3, V4, length, flags, 0, protocol)
    assert is_leftover(fact, Placement(address=V4), lease, marked=marked) is left


# Thousands ------------------------------------------------------------------------------------------------------------


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_thousands_of_addresses_of_thousands_of_managers(loop: str) -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            pairs = [(made.manager(), address) for address in many(2000)]
            await asyncio.gather(*(manager.acquire([address]) for manager, address in pairs))
            assert len(ns.shown()) == 2000
            await asyncio.gather(*(manager.release([address]) for manager, address in pairs))
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario(), loop)


@kernel
def test_a_crowd_is_renewed_and_put_back() -> None:
    async def scenario() -> None:
        async with machinery(ns, 3.0) as made:
            manager = made.manager()
            await manager.acquire(many(1000))
            # ip-address(8) flushes one by one, and fast enough to meet what is put back.
            ns.ip("addr flush dev eth0 to 10.1.2.0/24")
            await asyncio.sleep(3.5)
            await eventually(lambda: len(ns.shown()) == 1000, "all are there")
            assert min(info["valid_life_time"] for info in ns.addresses().values()) >= 1
            await manager.release(many(1000))
            assert ns.shown() == set()

    with namespace() as ns:
        run(scenario())


@kernel
def test_the_event_loop_goes_on_while_the_kernel_works() -> None:
    async def scenario() -> None:
        async with machinery(ns) as made:
            manager = made.manager()
            acquiring = asyncio.create_task(manager.acquire(many(500, "2001:db8::1")))
            turns = 0
            while not acquiring.done():
                turns += 1
                await asyncio.sleep(0)
            assert turns > 10
            await acquiring

    with namespace() as ns:
        run(scenario())
