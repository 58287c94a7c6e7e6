"""Pools and sync daemons of the real kernel that follow a router, on both event loops."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.linux.support import LOOPS, eventually, run
from tests.lvs.support import Server
from vrrpkit import ElectionConfig, State, VirtualRouter
from vrrpkit.ipvs import Endpoint, SyncDaemon, SyncRole, VirtualService
from vrrpkit.linux import IPVSManager
from vrrpkit.lvs import QuorumTracker, ServerPool, SyncFollower
from vrrpkit.pool import Member, PoolConfig
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan

pytestmark = pytest.mark.uml

SERVICE: Final = VirtualService(Endpoint("tcp", "10.96.0.10", 80), scheduler="rr")


@pytest.fixture
def netns() -> Iterator[str]:
    name = f"following-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    for line in ("link add dummy0 type dummy", "address add 10.96.0.1/24 dev dummy0", "link set dummy0 up"):
        subprocess.run(["ip", "-n", name, *line.split()], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def shown(netns: str) -> list[str]:
    """What ipvsadm shows."""
    command = ["ip", "netns", "exec", netns, "ipvsadm", "-Sn"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def router() -> VirtualRouter:
    """One that becomes Active at once."""
    return VirtualRouter(
        ElectionConfig(vrid=51, addresses=["192.0.2.10"], priority=255),
        transport=MemoryLan().attach(51, "192.0.2.10"),
        addresses=FakeAddresses(),
        announcer=FakeAnnouncer(),
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_the_kernels_table_and_its_sync_daemon_follow_a_router_that_depends_on_the_quorum(
    loop: str, netns: str
) -> None:
    async def scenario() -> None:
        server = Server()
        async with IPVSManager(netns=netns) as ipvs:
            one = router()
            pool = ServerPool("web", PoolConfig(services=SERVICE), ipvs)
            pool.add(Member("10.96.0.2", 80, name="web1"), {"fake": server})
            pool.follow(one)
            sync = SyncFollower(one, ipvs, SyncDaemon("dummy0"))
            async with sync, pool, QuorumTracker(pool) as quorum:
                assert list(await ipvs.daemons()) == [SyncRole.BACKUP]
                assert shown(netns) == []
                one.track(quorum)
                async with one:
                    await one.until(State.ACTIVE)
                    assert shown(netns) == [
                        "-A -t 10.96.0.10:80 -s rr",
                        "-a -t 10.96.0.10:80 -r 10.96.0.2:80 -m -w 1",
                    ]
                    running = await ipvs.daemons()
                    assert [(role, daemon.sync_id) for role, daemon in running.items()] == [(SyncRole.ACTIVE, 51)]

                    server.ok = False
                    pool.check_now()
                    await one.until(State.FAULT)
                    assert list(await ipvs.daemons()) == [SyncRole.BACKUP]
                    await eventually(lambda: shown(netns) == [], "the service has gone")

                    server.ok = True
                    pool.check_now()
                    await one.until(State.ACTIVE)
                    assert len(shown(netns)) == 2
                assert list(await ipvs.daemons()) == [SyncRole.BACKUP]
            assert dict(await ipvs.daemons()) == {}
            assert shown(netns) == []

    run(scenario(), loop)


def test_a_sync_daemon_that_cannot_run_keeps_no_router_from_anything(
    netns: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=netns) as ipvs:
            one = router()
            async with SyncFollower(one, ipvs, SyncDaemon("nosuch")) as sync, one:
                await one.until(State.ACTIVE)
                assert sync.role is None
                assert sync.error is not None

    asyncio.run(scenario())
    told = [record.message for record in caplog.records if "sync daemon" in record.message]
    assert [message.split("start the ")[1].split()[0] for message in told] == ["BACKUP", "ACTIVE", "BACKUP"]
