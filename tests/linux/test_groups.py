"""Sync groups and tracks on real links and a real kernel."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack

import pytest

from tests.linux.support import Namespace, eventually, namespace, run
from tests.linux.wire import Wire, wire_of
from vrrpkit import ConfigError, ElectionConfig, State
from vrrpkit.checks import Schedule
from vrrpkit.commands import Command
from vrrpkit.linux import Node
from vrrpkit.notifications import fifo_line
from vrrpkit.runtime import Notice, RouterGroup
from vrrpkit.sync import dual_stack
from vrrpkit.trackers import InterfaceTracker, ScriptTracker

pytestmark = pytest.mark.kernel


def two_links(net: Namespace) -> None:
    """`eth0` as it is, and `eth1` beside it, both with an address of their own."""
    net.ip(
        "addr add 10.0.0.1/24 dev eth0",
        "link add eth1 type veth peer name peer1",
        "link set peer1 up",
        "link set eth1 up",
        "addr add 10.1.0.1/24 dev eth1",
    )


def shown(net: Namespace) -> set[str]:
    return net.shown("eth0") | net.shown("eth1")


async def becomes(group: RouterGroup, state: State) -> None:
    async with asyncio.timeout(15):
        await group.until(state)


def test_two_links_move_together_and_leave_nothing() -> None:
    async def scenario(net: Namespace) -> None:
        async with Node(netns=net.name) as node:
            group = node.add_group("VG_1")
            inside = ElectionConfig(vrid=1, addresses=["10.0.0.100"], advert_interval=0.1)
            outside = ElectionConfig(vrid=2, addresses=["10.1.0.100"], advert_interval=0.1)
            await node.add_router("eth0", inside, name="inside", group=group)
            await node.add_router("eth1", outside, name="outside", group=group)
            assert group.state is State.INITIALIZE
            group.start()
            await becomes(group, State.ACTIVE)
            assert shown(net) == {"10.0.0.1/24", "10.0.0.100/32", "10.1.0.1/24", "10.1.0.100/32"}
            net.ip("link set eth1 down")
            await becomes(group, State.FAULT)
            causes = {router.name: router.snapshot().causes for router in node.routers}
            assert causes["inside"] == {"sync:outside"}
            assert "link:eth1" in causes["outside"]
            assert shown(net) == {"10.0.0.1/24", "10.1.0.1/24"}
            net.ip("link set eth1 up")
            await becomes(group, State.ACTIVE)
        assert shown(net) == {"10.0.0.1/24", "10.1.0.1/24"}

    with namespace() as net:
        two_links(net)
        run(scenario(net))


def test_a_dual_stack_router_holds_both_families_or_none() -> None:
    async def scenario(net: Namespace) -> None:
        configs = dual_stack(vrid=7, addresses=["10.0.0.100", "fe80::100", "2001:db8::100"], advert_interval=0.1)
        async with Node(netns=net.name) as node:
            group = await node.add_dual_stack("eth0", configs)
            assert [router.name for router in node.routers] == ["eth0/7/ipv4", "eth0/7/ipv6"]
            await becomes(group, State.ACTIVE)
            assert net.shown() == {"10.0.0.1/24", "10.0.0.100/32", "2001:db8::100/128"}
            net.ip("addr flush dev eth0 scope link")
            await becomes(group, State.FAULT)
            assert net.shown() == {"10.0.0.1/24"}

    with namespace() as net, wire_of(net.name):
        net.ip("addr add 10.0.0.1/24 dev eth0")
        run(scenario(net))


def test_a_group_is_removed_with_its_members_while_the_node_lives_on() -> None:
    async def scenario(net: Namespace) -> None:
        notices: list[Notice] = []

        class Notes:
            def tell(self, notice: Notice) -> None:
                notices.append(notice)

        configs = dual_stack(vrid=7, addresses=["10.0.0.100", "fe80::100"], advert_interval=0.1)
        async with Node(netns=net.name) as node:
            group = await node.add_dual_stack("eth0", configs, notify=[Notes()])
            await becomes(group, State.ACTIVE)
            await node.remove_group(group)
            assert (node.routers, node.groups, net.shown()) == ((), (), {"10.0.0.1/24"})
        assert fifo_line(notices[-1]) == 'GROUP "eth0/7" DELETED 0\n'

    with namespace() as net:
        net.ip("addr add 10.0.0.1/24 dev eth0")
        run(scenario(net))


def test_a_dual_stack_router_that_cannot_be_started_leaves_nothing() -> None:
    async def scenario(net: Namespace) -> None:
        four, six = dual_stack(vrid=7, addresses=["10.0.0.100", "fe80::100"])
        async with Node(netns=net.name) as node:
            with pytest.raises(ConfigError, match=r"got 'not an address'"):
                await node.add_dual_stack("eth0", (four, six), peers=["10.0.0.9", "not an address"])
            with pytest.raises(ConfigError, match="must"):
                await node.add_dual_stack("eth0", (four, four))
            assert (node.routers, node.groups) == ((), ())

    with namespace() as net:
        net.ip("addr add 10.0.0.1/24 dev eth0")
        run(scenario(net))


def test_an_interface_and_a_script_decide_who_takes_part() -> None:
    async def scenario(net: Namespace) -> None:
        async with (
            Node(netns=net.name) as node,
            InterfaceTracker("eth1", watcher=node.links, driver=node.driver, weight=-50) as uplink,
            ScriptTracker("flag", Command(["/bin/true"]), Schedule(interval=0.2), driver=node.driver) as script,
        ):
            config = ElectionConfig(vrid=1, addresses=["10.0.0.100"], advert_interval=0.1)
            router = await node.add_router("eth0", config, tracks=[uplink, script])
            async with asyncio.timeout(15):
                await router.until(State.ACTIVE)
            assert router.standing.explanation == "priority 100 = 100 +0 (eth1 up) +0 (flag up)"
            net.ip("link set eth1 down")
            await eventually(lambda: router.snapshot().priority == 50, "the weight of a link that is down")

    with namespace() as net:
        two_links(net)
        run(scenario(net))


def test_scripts_that_misbehave_leave_nothing_behind_while_the_router_advertises() -> None:
    async def scenario(net: Namespace, wire: Wire) -> None:
        lines = {
            "hangs": "sleep 47.11e2",
            "deaf": "trap '' TERM; sleep 47.11e2",
            "forks": "sleep 47.11e2 & sleep 47.11e2 & wait",
            "prints": "yes",
            "dies": "kill -SEGV $$",
        }
        async with Node(netns=net.name) as node, AsyncExitStack() as stack:
            config = ElectionConfig(vrid=1, addresses=["10.0.0.100"], advert_interval=0.2)
            router = await node.add_router("eth0", config)
            for name, line in lines.items():
                script = ScriptTracker(
                    name, Command.shell(line), Schedule(interval=0.3), weight=1, grace=0.2, driver=node.driver
                )
                router.track(await stack.enter_async_context(script))
            async with asyncio.timeout(15):
                await router.until(State.ACTIVE)
            await eventually(lambda: len(wire.adverts()) > 20, "twenty advertisements")
            assert router.standing.explanation == (
                "priority 100 = 100 +0 (hangs down) +0 (deaf down) +0 (forks down) +0 (prints down) +0 (dies down)"
            )
            assert router.state is State.ACTIVE
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with namespace() as net, wire_of(net.name) as wire:
        net.ip("addr add 10.0.0.1/24 dev eth0")
        run(scenario(net, wire))
    left = subprocess.run(["pgrep", "-f", "^sleep 47.11e2"], capture_output=True, text=True, check=False)
    assert left.stdout == ""
