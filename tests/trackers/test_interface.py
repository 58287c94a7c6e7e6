"""Interfaces as tracked things."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from tests.linux.support import LOOPS, namespace, run
from tests.trackers.support import becomes, connected, nothing_left, told
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.linux import LinkWatcher
from vrrpkit.trackers import TrackerNews
from vrrpkit.trackers._interface import InterfaceTracker

kernel = pytest.mark.kernel

IS_DOWN = "switched off, or without a carrier"


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_an_interface_is_up_while_it_can_carry_traffic(loop: str) -> None:
    async def scenario() -> None:
        async with nothing_left(), InterfaceTracker("eth0", netns=ns.name) as link:
            assert (link.name, *told(link)) == ("eth0", True, "")
            ns.ip("link set peer0 down")
            await becomes(link, False, IS_DOWN)
            ns.ip("link set peer0 up")
            await becomes(link, True)
            ns.ip("link set eth0 down")
            await becomes(link, False, IS_DOWN)

    with connected() as ns:
        run(scenario(), loop)


@kernel
def test_an_interface_that_is_not_there_is_down_and_may_come() -> None:
    async def scenario() -> None:
        async with InterfaceTracker("eth7", netns=ns.name) as link:
            assert told(link) == (False, "there is no eth7")
            ns.ip("link add eth7 type veth peer name peer7", "link set peer7 up", "link set eth7 up")
            await becomes(link, True, "")
            ns.ip("link delete eth7")
            await becomes(link, False, "there is no eth7")
            ns.ip("link set eth0 down", "link set eth0 name eth7", "link set eth7 up")
            await becomes(link, True, "")

    with connected() as ns:
        run(scenario())


@kernel
def test_a_change_of_addresses_is_no_news() -> None:
    async def scenario() -> list[TrackerNews]:
        async with InterfaceTracker("eth0", netns=ns.name) as link:
            ns.ip("addr add 192.0.2.1/24 dev eth0", "link set peer0 down")
            await becomes(link, False)
        return [news async for news in link.changes()]

    with connected() as ns:
        assert run(scenario()) == [TrackerNews("eth0", False, IS_DOWN)]


@kernel
def test_a_short_outage_is_not_believed() -> None:
    async def scenario() -> None:
        async with (
            InterfaceTracker("eth0", netns=ns.name) as quick,
            InterfaceTracker("eth0", name="slow", down_delay=0.3, netns=ns.name) as slow,
        ):
            ns.ip("link set peer0 down")
            await becomes(quick, False)
            assert slow.reading is True
            ns.ip("link set peer0 up")
            await becomes(quick, True)
            ns.ip("link set peer0 down")
            await becomes(slow, False, IS_DOWN)
            assert quick.reading is False

    with connected() as ns:
        run(scenario())


@kernel
def test_several_trackers_can_share_a_watcher_that_stays_open() -> None:
    async def scenario() -> None:
        async with nothing_left():
            watcher = LinkWatcher(ns.name)
            async with InterfaceTracker("eth0", watcher=watcher) as link:
                async with InterfaceTracker("peer0", watcher=watcher) as other:
                    assert (link.reading, other.reading) == (True, True)
                ns.ip("link set peer0 down")
                await becomes(link, False)
                assert other.reading is True
            assert not watcher.view("peer0").up
            watcher.close()

    with connected() as ns:
        run(scenario())


@kernel
def test_a_shared_watcher_forgets_a_closed_tracker() -> None:
    async def track(watcher: LinkWatcher) -> weakref.ref[InterfaceTracker]:
        async with InterfaceTracker("eth0", watcher=watcher) as link:
            return weakref.ref(link)

    async def scenario() -> None:
        watcher = LinkWatcher(ns.name)
        closed = await track(watcher)
        gc.collect()
        assert closed() is None
        watcher.close()

    with connected() as ns:
        run(scenario())


@kernel
def test_readers_see_every_change_and_the_end() -> None:
    async def scenario() -> list[bool]:
        seen: list[bool] = []

        async def read() -> None:
            async for news in link.changes():
                assert isinstance(news.reading, bool)
                seen.append(news.reading)

        async with asyncio.TaskGroup() as tasks, InterfaceTracker("eth0", netns=ns.name) as link:
            tasks.create_task(read())
            await asyncio.sleep(0)
            ns.ip("link set peer0 down")
            await becomes(link, False)
            ns.ip("link set peer0 up")
            await becomes(link, True)
        return seen

    with connected() as ns:
        assert run(scenario()) == [True, False, True]


@kernel
def test_an_unknown_namespace_is_refused_without_a_trace() -> None:
    async def scenario() -> None:
        async with nothing_left():
            with pytest.raises(KernelError, match="enter network namespace nowhere"):
                async with InterfaceTracker("eth0", netns="nowhere"):
                    pass

    with namespace():
        run(scenario())


def test_a_wrong_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="interface must be a name of 1-15 octets"):
        InterfaceTracker("far-too-long-for-a-link")
    with pytest.raises(ConfigError, match="name of a track must be a text without white space"):
        InterfaceTracker("eth0", name="up link")


@kernel
def test_a_watcher_has_its_own_namespace() -> None:
    async def scenario() -> None:
        watcher = LinkWatcher(ns.name)
        with pytest.raises(ConfigError, match="netns must be None with a watcher"):
            InterfaceTracker("eth0", watcher=watcher, netns=ns.name)
        watcher.close()

    with connected() as ns:
        run(scenario())
