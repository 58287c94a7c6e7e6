"""Real connections through the real kernel: who gets them, what is counted, and what a killed process leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import pytest
from attrs import evolve

from tests.uml.inside.balancing import ANSWERS, VIRTUAL, Site, site
from vrrpkit.ipvs import Connections, Counters, Endpoint, SetServer, VirtualService
from vrrpkit.linux import IPVSManager

pytestmark = pytest.mark.uml

FIRST, SECOND = ANSWERS
BALANCED: Final = VirtualService(VIRTUAL, scheduler="rr", servers=[FIRST, SECOND])
IDLE: Final = VirtualService(Endpoint("tcp", "10.90.0.10", 81))


@pytest.fixture
def network() -> Iterator[Site]:
    """New for each test: a server that is removed and comes back still has the connections that it had."""
    with site() as made:
        yield made


@pytest.mark.conforms("keyword program/LVS")
def test_servers_take_turns_and_one_without_weight_keeps_what_it_has(network: Site) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=network.director) as manager:
            await manager.reconcile([BALANCED])
            assert network.answers(6) == [b"1", b"1", b"1", b"2", b"2", b"2"]
            kept = {answer: client for client in (network.connect(), network.connect()) for answer in [client.answer()]}
            assert sorted(kept) == [b"1", b"2"]

            drained = evolve(BALANCED, servers=[evolve(FIRST, weight=0), SECOND])
            assert await manager.reconcile([drained]) == (SetServer(VIRTUAL, evolve(FIRST, weight=0)),)
            assert network.answers(4) == [b"2"] * 4
            assert [client.ask() for client in kept.values()] == list(kept)
            assert (await manager.connections(VIRTUAL))[FIRST.place].active == 1

            await manager.reconcile([evolve(BALANCED, servers=[SECOND])])
            assert network.answers(4) == [b"2"] * 4
            assert kept[b"2"].ask() == b"2"
            assert list(await manager.connections(VIRTUAL)) == [SECOND.place]

            await manager.reconcile([evolve(BALANCED, servers=[FIRST])])
            assert network.answers(2) == [b"1", b"1"]
            await manager.flush()
            with pytest.raises(OSError, match="refused"):
                network.connect()

    asyncio.run(scenario())


async def counted(manager: IPVSManager, connections: int) -> Counters:
    """The virtual server's counters once so many connections are in them: the kernel adds up every two seconds."""
    deadline = time.monotonic() + 15.0
    while (counters := (await manager.counters())[VIRTUAL]).connections != connections:
        assert time.monotonic() < deadline, counters
        await asyncio.sleep(0.1)
    return counters


def test_what_goes_through_is_counted_until_it_is_zeroed(network: Site) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=network.director) as manager:
            await manager.reconcile([BALANCED, IDLE])
            assert await manager.connections(VIRTUAL) == {FIRST.place: Connections(), SECOND.place: Connections()}
            clients = [network.connect() for _ in range(3)]
            assert sorted(client.answer() for client in clients) in ([b"1", b"1", b"2"], [b"1", b"2", b"2"])
            servers = list((await manager.connections(VIRTUAL)).values())
            assert sorted((server.active, server.inactive) for server in servers) == [(1, 0), (2, 0)]
            assert sum(server.total for server in servers) == 3

            seen = await counted(manager, 3)
            assert (await manager.counters())[IDLE.key] == Counters()
            parts = [server.counters for server in (await manager.connections(VIRTUAL)).values()]
            assert sorted(part.connections for part in parts) == [1, 2]
            assert seen.incoming_packets == sum(part.incoming_packets for part in parts) >= 9
            assert seen.outgoing_packets == sum(part.outgoing_packets for part in parts) >= 6
            assert seen.incoming_octets > seen.incoming_packets * 40
            assert seen.outgoing_octets > seen.outgoing_packets * 40

            await manager.zero(IDLE.key)
            await manager.zero(Endpoint("udp", "10.90.0.10", 9))
            assert (await manager.counters())[VIRTUAL].connections == 3
            await manager.zero(VIRTUAL)
            zeroed = await manager.connections(VIRTUAL)
            assert [server.counters.connections for server in zeroed.values()] == [0, 0]
            assert sum(server.active for server in zeroed.values()) == 3
            assert network.connect().answer() in ANSWERS.values()
            await counted(manager, 1)
            await manager.zero()
            assert (await manager.counters())[VIRTUAL].connections == 0
            assert await manager.connections(Endpoint("udp", "10.90.0.10", 9)) == {}

    asyncio.run(scenario())


HOLDER: Final = """
import asyncio, sys
from tests.uml.inside.test_ipvs_traffic import BALANCED, IDLE, IPVSManager

async def hold() -> None:
    async with IPVSManager(netns=sys.argv[1]) as manager:
        await manager.reconcile([BALANCED, IDLE])
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


def test_a_killed_process_leaves_what_the_next_one_finds(network: Site) -> None:
    command = [sys.executable, "-c", HOLDER, network.director]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        client = network.connect()
        server = client.answer()
        os.kill(holder.pid, signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
    assert client.ask() == server

    async def scenario() -> None:
        async with IPVSManager(netns=network.director) as manager:
            assert await manager.reconcile([BALANCED, IDLE]) == ()
            assert client.ask() == server
            assert network.answers(2) == [b"1", b"2"]
            await manager.reconcile([BALANCED])
            assert client.ask() == server

    asyncio.run(scenario())


def test_a_client_that_persists_stays_with_its_server(network: Site) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=network.director) as manager:
            await manager.reconcile([evolve(BALANCED, persistence=60)])
            assert len(set(network.answers(4))) == 1
            templates = [server.persistent for server in (await manager.connections(VIRTUAL)).values()]
            assert sorted(templates) == [0, 1]

    asyncio.run(scenario())


def test_a_server_that_comes_back_has_its_connections(network: Site) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=network.director) as manager:
            await manager.reconcile([BALANCED, IDLE])
            client = network.connect()
            server = client.answer()
            for without in ([evolve(BALANCED, servers=[]), IDLE], [IDLE]):
                await manager.reconcile(without)
                assert client.ask(patience=0.5) == b""
                await manager.reconcile([BALANCED, IDLE])
                assert client.answer() == server
            assert sum(has.active for has in (await manager.connections(VIRTUAL)).values()) == 1
            await manager.flush()  # without any service, packets are the machine's own
            with pytest.raises(ConnectionResetError):
                client.ask()

    asyncio.run(scenario())
