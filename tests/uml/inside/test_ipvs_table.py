"""The real kernel's table of virtual services becomes what it should be, and ipvsadm sees the same."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.ipvs.strategies import successors, tables
from tests.linux.support import LOOPS, namespace, run, without_capabilities
from tests.uml.inside.balancing import ipvsadm, lines_of, restored, saved
from vrrpkit.addresses import Family
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.ipvs import (
    MAX_WEIGHT,
    SCHEDULERS,
    AddServer,
    AddService,
    ApplyError,
    Checksum,
    Counters,
    Endpoint,
    FirewallMark,
    Forwarding,
    RealServer,
    Refused,
    RemoveServer,
    RemoveService,
    SchedulerFlags,
    ServiceKey,
    SetServer,
    SyncDaemon,
    SyncRole,
    Table,
    Timeouts,
    Tunnel,
    TunnelKind,
    VirtualService,
    plan,
    table,
)
from vrrpkit.linux import IPVSManager
from vrrpkit.linux._ipvs_daemons import read_daemons, start_daemon, stop_daemon
from vrrpkit.linux._ipvs_socket import IPVSSocket

pytestmark = pytest.mark.uml

HERE: Final = SCHEDULERS - {"twos"}  # which User-Mode Linux has not
FEW: Final = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
DNS: Final = Endpoint("udp", "192.0.2.10", 53)
FOREIGN: Final = Endpoint("tcp", "192.0.2.99", 80)
A, B, C = (RealServer(f"10.1.0.{number}", 80) for number in (1, 2, 3))


@pytest.fixture
def netns() -> Iterator[str]:
    """A network namespace, and so a table, of one's own."""
    with namespace() as made:
        yield made.name


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """One for all random tables."""
    with namespace() as made:
        yield made.name


# Tables ---------------------------------------------------------------------------------------------------------------


@FEW
@given(st.data(), tables(schedulers=HERE))
def test_any_table_becomes_any_other(shared: str, data: st.DataObject, before: Table) -> None:
    after = data.draw(tables(schedulers=HERE) | successors(before, schedulers=HERE))

    async def scenario() -> None:
        async with IPVSManager(netns=shared) as manager:
            await manager.reconcile(before.values())
            assert await manager.current() == before
            planned = await manager.plan(after.values())
            assert await manager.reconcile(after.values()) == planned
            assert await manager.current() == after
            assert await manager.read(list(after)) == after
            assert await manager.reconcile(after.values()) == ()

    asyncio.run(scenario())
    assert saved(shared) == lines_of(after)


@FEW
@given(tables(schedulers=HERE))
def test_ipvsadm_does_what_we_say_in_its_words(shared: str, wanted: Table) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=shared) as manager:
            await manager.flush()
            restored(shared, wanted)
            assert await manager.current() == wanted

    asyncio.run(scenario())


@pytest.mark.conforms("keyword program/LVS")
def test_everything_that_can_be_said_is_kept(netns: str) -> None:
    gue = Tunnel(TunnelKind.GUE, 6080, Checksum.REMOTE)
    wanted = table(
        [
            VirtualService(
                Endpoint("sctp", "192.0.2.10", 5060),
                scheduler="mh",
                flags=SchedulerFlags.FALLBACK | SchedulerFlags.PORT | SchedulerFlags.FLAG_3,
                persistence=2678400,
                persistence_prefix=1,
                persistence_engine="sip",
                servers=[
                    evolve(A, port=1, weight=MAX_WEIGHT, upper_threshold=0xFFFFFFFF, lower_threshold=0xFFFFFFFF),
                    evolve(B, port=5060, weight=0, forwarding=gue),
                    evolve(C, port=5060, forwarding=Tunnel(TunnelKind.GRE, checksum=Checksum.FULL)),
                    RealServer("2001:db8::1", 5060, forwarding=Tunnel()),
                ],
            ),
            VirtualService(FirewallMark(0xFFFFFFFF), one_packet=True, servers=[evolve(A, port=0)]),
            VirtualService(
                FirewallMark(0xFFFFFFFF, Family.IPV6),
                scheduler="sh",
                persistence=1,
                persistence_prefix=127,
                servers=[RealServer("2001:db8::1", 0, forwarding=Forwarding.DIRECT), evolve(A, forwarding=Tunnel())],
            ),
            *(VirtualService(Endpoint("udp", "2001:db8::10", 1 + n), scheduler=s) for n, s in enumerate(sorted(HERE))),
        ]
    )

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            await manager.reconcile(wanted.values())
            assert await manager.current() == wanted
            assert await manager.counters() == dict.fromkeys(wanted, Counters())
            assert await manager.reconcile(wanted.values()) == ()

    asyncio.run(scenario())
    # ipvsadm takes large marks, and shows them as negative numbers.
    assert sorted(line.replace("-f -1 ", "-f 4294967295 ") for line in saved(netns)) == lines_of(wanted)


def test_what_we_would_refuse_is_read_and_put_right(netns: str) -> None:
    ipvsadm(netns, "-A", "-t", "192.0.2.10:80", "-s", "rr", "-p", "60", "-M", "255.0.255.0")
    ipvsadm(netns, "-a", "-t", "192.0.2.10:80", "-r", "10.1.0.1:80", "-g")

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            found = (await manager.current())[WEB]
            assert found.persistence_prefix == -0xFF00FF00
            wanted = VirtualService(WEB, servers=[A])
            assert await manager.reconcile([wanted]) != ()
            assert await manager.current() == table([wanted])

    asyncio.run(scenario())


def test_what_is_not_ours_is_neither_read_nor_touched(netns: str) -> None:
    ipvsadm(netns, "-A", "-t", "192.0.2.99:80", "-s", "rr")
    ipvsadm(netns, "-a", "-t", "192.0.2.99:80", "-r", "10.9.0.1:80", "-m", "-w", "9")
    theirs = saved(netns)

    def ours(key: ServiceKey) -> bool:
        return key in {WEB, DNS}

    async def scenario() -> None:
        async with IPVSManager(netns=netns, owns=ours) as manager:
            assert await manager.current() == {}
            assert await manager.counters() == {}
            wanted = [VirtualService(WEB, servers=[A]), VirtualService(DNS, servers=[evolve(A, port=53)])]
            await manager.reconcile(wanted)
            assert saved(netns) == sorted([*theirs, *lines_of(table(wanted))])
            await manager.zero()
            await manager.reconcile(wanted[:1])
            await refused(manager)
            await manager.flush()
            assert saved(netns) == theirs

    async def refused(manager: IPVSManager) -> None:
        text = r"^service must be one that this IPVSManager owns, got tcp 192\.0\.2\.99:80$"
        for attempt in (
            manager.reconcile([VirtualService(WEB), VirtualService(FOREIGN)]),
            manager.plan([VirtualService(FOREIGN)]),
            manager.apply([RemoveService(WEB), AddServer(FOREIGN, A)]),
            manager.apply([AddService(VirtualService(FOREIGN))]),
            manager.read([FOREIGN]),
            manager.connections(FOREIGN),
            manager.zero(FOREIGN),
        ):
            with pytest.raises(ConfigError, match=text):
                await attempt
        assert list(await manager.current()) == [WEB]

    asyncio.run(scenario())


# Failure --------------------------------------------------------------------------------------------------------------


def test_what_is_refused_is_told_and_all_else_is_done(netns: str) -> None:
    group = RealServer("224.0.0.1", 80)
    lost = VirtualService(DNS, scheduler="twos", servers=[evolve(A, port=53)])
    web = VirtualService(WEB, servers=[A, B, group])

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            with pytest.raises(ApplyError) as caught:
                await manager.reconcile([lost, web])
            error = caught.value
            lacking = "the kernel has no scheduler twos (modprobe ip_vs_twos)"
            assert error.refused == (
                Refused(AddService(evolve(lost, servers=())), errno.ENOENT, lacking),
                Refused(AddServer(DNS, evolve(A, port=53)), errno.ESRCH, "there is no such service"),
                Refused(AddServer(WEB, group), errno.EINVAL, "the kernel wants the address of one machine"),
            )
            assert error.done == (AddService(evolve(web, servers=())), AddServer(WEB, A), AddServer(WEB, B))
            assert str(error) == f"add udp 192.0.2.10:53 by twos: {lacking} (errno 2); 3 of 6 operations refused"
            assert await manager.current() == table([evolve(web, servers=[A, B])])

    asyncio.run(scenario())


def test_what_is_there_is_set_and_what_is_gone_is_fine(netns: str) -> None:
    heavy = evolve(A, weight=9)
    hashed = VirtualService(WEB, scheduler="mh", servers=[heavy, B])

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            await manager.reconcile([hashed])
            steps = await manager.plan([evolve(hashed, servers=[A, C])])
            await manager.apply(steps)
            await manager.apply(steps)
            assert await manager.current() == table([evolve(hashed, servers=[A, C])])
            await manager.apply([RemoveServer(WEB, B), RemoveServer(DNS, B), RemoveService(DNS)])
            # As a plan from nothing is; the scheduler is set last.
            bare = evolve(hashed, servers=())
            await manager.apply([AddService(evolve(bare, scheduler="none")), AddServer(WEB, heavy), AddServer(WEB, B)])
            assert (await manager.current())[WEB].scheduler == "none"
            assert {server.place: server for server in (await manager.current())[WEB].servers}[A.place] == heavy
            with pytest.raises(ApplyError) as caught:
                await manager.apply([SetServer(WEB, RealServer("10.1.0.9", 80)), AddServer(WEB, A)])
            assert [refused.text for refused in caught.value.refused] == ["the service has no such server"]
            assert caught.value.done == (AddServer(WEB, A),)

    asyncio.run(scenario())


def test_a_plan_can_be_carried_out_twice(netns: str) -> None:
    hashed = VirtualService(WEB, scheduler="mh", servers=[A, B])
    steps = plan({}, table([hashed]))

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            for _ in range(2):
                await manager.apply(steps)
                assert await manager.current() == table([hashed])

    asyncio.run(scenario())


def test_what_cannot_be_set_instead_is_refused(netns: str) -> None:
    web, lost = VirtualService(WEB), VirtualService(WEB, scheduler="twos")

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            await manager.reconcile([web])
            with pytest.raises(ApplyError) as caught:
                await manager.apply([AddServer(WEB, A), AddService(lost)])
            assert [(refused.operation, refused.errno) for refused in caught.value.refused] == [
                (AddService(lost), errno.ENOENT)
            ]
            assert await manager.current() == table([evolve(web, servers=[A])])

    asyncio.run(scenario())


def test_without_rights_nothing_is_opened() -> None:
    def attempt() -> None:
        asyncio.run(opened(IPVSManager()))

    with pytest.raises(PermissionError) as caught:
        without_capabilities(attempt)
    assert str(caught.value) == "open IPVS: this needs CAP_NET_ADMIN (errno 1)"


async def opened(manager: IPVSManager) -> None:
    async with manager:
        pass


def test_a_namespace_that_is_not_there_is_named() -> None:
    with pytest.raises(KernelError, match=r"^enter network namespace nowhere: there is no /run/netns/nowhere "):
        asyncio.run(opened(IPVSManager(netns="nowhere")))


# The thread -----------------------------------------------------------------------------------------------------------

MANY: Final = [RealServer(f"10.2.{n >> 8}.{n & 255}", 80) for n in range(2000)]


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_runs_on_and_nothing_is_left_half_done(loop: str, netns: str) -> None:
    crowd = VirtualService(WEB, scheduler="rr", servers=MANY)

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            loading = asyncio.create_task(manager.reconcile([crowd]))
            turns = 0
            while not loading.done():
                await asyncio.sleep(0.001)
                turns += 1
            assert turns > 2
            assert len(loading.result()) == 2001
            weighted = evolve(crowd, servers=[evolve(server, weight=2) for server in MANY])
            changing = asyncio.create_task(manager.reconcile([weighted]))
            await asyncio.sleep(0)
            changing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await changing
            # Calls are carried out in their order.
            assert await manager.current() == table([weighted])
            manager_closed = asyncio.create_task(manager.reconcile([crowd]))
            await asyncio.sleep(0)
        assert manager_closed.done()
        async with IPVSManager(netns=netns) as manager:
            assert await manager.reconcile([crowd]) == ()

    run(scenario(), loop)


def test_a_manager_can_be_opened_again_but_not_twice(netns: str) -> None:
    async def scenario() -> None:
        manager = IPVSManager(netns=netns)
        async with manager:
            with pytest.raises(RuntimeError, match=r"^this IPVSManager is open$"):
                await manager.__aenter__()
            assert await manager.current() == {}
        async with manager:
            assert await manager.current() == {}
        with pytest.raises(RuntimeError, match=r"^this IPVSManager is not open: "):
            await manager.current()

    asyncio.run(scenario())


# What is one for the whole namespace ----------------------------------------------------------------------------------


def test_timeouts_are_set_one_by_one(netns: str) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            assert await manager.timeouts() == Timeouts(tcp=900, tcp_fin=120, udp=300)
            await manager.set_timeouts(Timeouts(udp=77))
            await manager.set_timeouts(Timeouts(tcp=901, tcp_fin=2147483))
            assert await manager.timeouts() == Timeouts(tcp=901, tcp_fin=2147483, udp=77)
        assert "901 2147483 77" in ipvsadm(netns, "-L", "--timeout")

    asyncio.run(scenario())


def test_sync_daemons_start_change_and_stop(netns: str) -> None:
    active = SyncDaemon("eth0", sync_id=51)
    backup = SyncDaemon("peer0", sync_id=52, port=8849, ttl=3, group="224.0.0.82", max_length=1400)

    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            assert await manager.daemons() == {}
            await manager.stop_daemon(SyncRole.ACTIVE)
            await manager.start_daemon(SyncRole.ACTIVE, active)
            await manager.start_daemon(SyncRole.BACKUP, backup)
            running = {SyncRole.ACTIVE: evolve(active, max_length=1472), SyncRole.BACKUP: backup}
            assert await manager.daemons() == running
            assert "master sync daemon (mcast=eth0, syncid=51, maxlen=1472" in ipvsadm(netns, "-L", "--daemon")
            await manager.start_daemon(SyncRole.ACTIVE, active)
            assert await manager.daemons() == running
            changed = SyncDaemon("peer0", sync_id=53, group="ff02::81", max_length=900)
            for role in SyncRole:
                await manager.start_daemon(role, changed)
            assert await manager.daemons() == {
                SyncRole.ACTIVE: changed,
                SyncRole.BACKUP: evolve(changed, max_length=1024),  # the kernel's least
            }
            for role in SyncRole:
                await manager.stop_daemon(role)
            await manager.stop_daemon(SyncRole.BACKUP)
            assert await manager.daemons() == {}

    asyncio.run(scenario())


def test_a_sync_daemon_that_has_hardly_begun_can_be_stopped(netns: str) -> None:
    with closing(IPVSSocket(netns)) as ipvs:
        for _ in range(20):
            assert start_daemon(ipvs, SyncRole.BACKUP, SyncDaemon("eth0"))
            assert stop_daemon(ipvs, SyncRole.BACKUP)
            assert read_daemons(ipvs) == {}


def test_a_sync_daemon_that_cannot_run_says_why(netns: str) -> None:
    async def scenario() -> None:
        async with IPVSManager(netns=netns) as manager:
            with pytest.raises(KernelError) as caught:
                await manager.start_daemon(SyncRole.ACTIVE, SyncDaemon("eth9"))
            told = "start the ACTIVE sync daemon on eth9: there is no interface eth9 (errno 19)"
            assert str(caught.value) == told
            six = RealServer("2001:db8::1", 80, forwarding=Tunnel())
            await manager.reconcile([VirtualService(WEB, servers=[six])])
            with pytest.raises(KernelError) as caught:
                await manager.start_daemon(SyncRole.BACKUP, SyncDaemon("eth0"))
            assert str(caught.value) == (
                "start the BACKUP sync daemon on eth0:"
                " the kernel runs none while a server is of another family than its service (errno 22)"
            )
            await manager.flush()
            await manager.start_daemon(SyncRole.BACKUP, SyncDaemon("eth0"))
            with pytest.raises(ApplyError) as refused:
                await manager.reconcile([VirtualService(WEB, servers=[six])])
            assert refused.value.strerror == ("a server of the other family needs a tunnel, and no sync daemon to run")
            await manager.stop_daemon(SyncRole.BACKUP)

    asyncio.run(scenario())
