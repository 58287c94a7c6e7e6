"""Pools and routers that go together, in virtual time."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest
from attrs import define, field

from tests.lvs.support import Server, Stage, now, play
from tests.runtime.test_router import VIRTUAL, Lab
from vrrpkit import ConfigError, ElectionConfig, State, StateChanged, VirtualRouter
from vrrpkit.ipvs import SyncDaemon, SyncRole
from vrrpkit.lvs import OnClose, QuorumTracker, SyncFollower
from vrrpkit.runtime import Moment, RouterGroup

DAEMON = SyncDaemon("eth1", sync_id=7)


def router(lab: Lab, *, name: str = "VI_1", group: RouterGroup | None = None, vrid: int = 51) -> VirtualRouter:
    return VirtualRouter(
        ElectionConfig(vrid=vrid, addresses=[VIRTUAL]),
        transport=lab.lan.attach(vrid, "192.0.2.1"),
        addresses=lab.addresses,
        announcer=lab.announcer,
        name=name,
        group=group,
    )


def watch(one: VirtualRouter, stage: Stage) -> list[str]:
    """Write down at every moment whether the service is in the table."""
    told: list[str] = []

    def at(moment: Moment) -> None:
        async def hook(_change: StateChanged) -> None:
            told.append(f"{moment}: {stage.shown() is not None}")

        one.hook(moment, hook)

    for moment in Moment:
        at(moment)
    return told


def test_the_services_come_before_the_addresses_and_go_after_them() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        async with router(lab) as one, stage.pool("web1") as pool:
            pool.follow(one)
            told = watch(one, stage)
            await asyncio.sleep(2)
            assert (stage.shown(), len(stage.servers["web1"].asked)) == (None, 2)
            assert pool.snapshot().withdrawn == ("VI_1 is not Active",)
            await one.until(State.ACTIVE)
            assert stage.shown() == {"10.1.0.1": 1}
            one.step_down()
            await one.until(State.BACKUP)
            await pool.settled()
            assert stage.shown() is None
            assert told == [
                "before-adding: True",
                "after-adding: True",
                "before-removing: True",
                "after-removing: True",
            ]

    play(scenario)


def test_a_pool_that_follows_an_active_router_goes_on_and_one_that_stops_following_is_active_whatever_happens() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        async with router(lab) as one, stage.pool("web1", on_close=OnClose.LEAVE) as pool:
            await one.until(State.ACTIVE)
            stop = pool.follow(one)
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1}
            with pytest.raises(ConfigError, match="web must follow VI_1 once only"):
                pool.follow(one)
            one.stay_away()
            await one.until(State.FAULT)
            await pool.settled()
            assert stage.shown() is None
            stop()
            stop()
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1}
            one.come_back()
            await one.until(State.ACTIVE)
            one.stay_away()
            await one.until(State.FAULT)
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_an_operators_wish_outlives_the_routers_state() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        async with router(lab) as one, stage.pool("web1") as pool:
            pool.follow(one)
            pool.withdraw()
            await one.until(State.ACTIVE)
            await pool.settled()
            assert stage.shown() is None
            pool.restore()
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_a_suspended_pool_keeps_its_table_and_asks_nobody() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            async with router(lab) as one:
                pool.follow(one, suspend=True)
                stage.servers["web1"].ok = False
                await asyncio.sleep(3)
                assert (stage.shown(), stage.servers["web1"].asked) == ({"10.1.0.1": 1}, [0.0])
                assert pool.snapshot().suspended == ("VI_1 is not Active",)
                await one.until(State.ACTIVE)
                await asyncio.sleep(0.1)
                assert stage.shown() == {}

    play(scenario)


def test_a_pool_may_follow_a_sync_group() -> None:
    async def scenario(stage: Stage) -> None:
        lab, group = Lab(), RouterGroup("VG_1")
        async with router(lab, group=group) as one, stage.pool("web1") as pool:
            pool.follow(group)
            group.start()
            await one.until(State.ACTIVE)
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.1": 1}
            group.stay_away()
            await one.until(State.FAULT)
            await asyncio.sleep(0.1)
            assert stage.shown() is None
        group.close()

    play(scenario)


def test_a_pool_may_follow_a_router_before_both_are_started_and_end_before_it() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        pool = stage.pool("web1", on_close=OnClose.LEAVE)
        one = router(lab)
        pool.follow(one)
        async with one:
            async with pool:
                await one.until(State.ACTIVE)
                assert stage.shown() == {"10.1.0.1": 1}
            one.step_down()
            await one.until(State.BACKUP)
            assert (stage.shown(), pool.snapshot().withdrawn) == ({"10.1.0.1": 1}, ())

    play(scenario)


def test_a_router_depends_on_the_quorum_of_a_pool() -> None:
    async def scenario(stage: Stage) -> None:
        lab = Lab()
        async with stage.pool("web1", "web2", quorum=2) as pool, QuorumTracker(pool) as quorum, router(lab) as one:
            one.track(quorum)
            assert one.snapshot().causes == {"waiting:web"}
            await one.until(State.ACTIVE)
            stage.servers["web2"].ok = False
            await one.until(State.FAULT)
            assert one.snapshot().causes == {"track:web"}
            assert quorum.detail == "quorum lost: 1 of 2"
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_the_quorum_is_not_known_before_it_is_held_or_all_have_their_first_verdict() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web1"] = Server(ok=False)
        pool = stage.pool("web1", "web2")
        async with QuorumTracker(pool, name="quorum", weight=-50) as quorum:
            assert quorum.is_open
            pool.pause_checks("web2")
            async with pool:
                await asyncio.sleep(0.5)
                readings = [quorum.reading]
                stage.servers["web2"].ok = False
                pool.resume_checks("web2")
                await asyncio.sleep(0.1)
                readings.append(quorum.reading)
                stage.add(pool, "web3")
                readings.append(quorum.reading)
                await asyncio.sleep(0.1)
                readings.append(quorum.reading)
                assert readings == [None, False, False, True]
        assert not quorum.is_open

    play(scenario)


def test_an_empty_pool_has_no_quorum_and_one_with_a_sorry_server_says_so_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool() as pool, QuorumTracker(pool) as quorum:
            assert quorum.reading is False

    play(scenario)


def test_the_quorum_is_known_at_once_whatever_the_kernel_does() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table.refuse = lambda _operation: errno.EPERM
        async with stage.pool("web1") as pool, QuorumTracker(pool) as quorum:
            assert await quorum.known() is True
            assert now() == 0.0

    play(scenario)


@define(eq=False)
class Daemons:
    """The kernel's sync threads in memory."""

    running: dict[SyncRole, SyncDaemon] = field(factory=dict)
    log: list[str] = field(factory=list)
    broken: bool = False
    delay: float = 0.0

    async def start_daemon(self, role: SyncRole, daemon: SyncDaemon) -> None:
        await asyncio.sleep(self.delay)
        if self.broken:
            raise OSError(errno.ENODEV, "no such device")
        if self.running.get(role) != daemon:
            self.log.append(f"start {role.name}")
            self.running[role] = daemon

    async def stop_daemon(self, role: SyncRole) -> None:
        await asyncio.sleep(self.delay)
        if self.running.pop(role, None) is not None:
            self.log.append(f"stop {role.name}")


def test_the_sync_daemon_follows_the_router() -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons()
        async with router(lab) as one, SyncFollower(one, daemons, DAEMON) as sync:
            held: list[tuple[str, bool]] = []

            async def note(change: StateChanged) -> None:
                held.append((str(change.new), bool(lab.addresses.held)))

            one.hook(Moment.AFTER_ADDING, note)
            one.hook(Moment.AFTER_REMOVING, note)
            assert (daemons.running, sync.role) == ({SyncRole.BACKUP: DAEMON}, SyncRole.BACKUP)
            await one.until(State.ACTIVE)
            assert (daemons.running, sync.role) == ({SyncRole.ACTIVE: DAEMON}, SyncRole.ACTIVE)
            one.stay_away()
            await one.until(State.FAULT)
            assert daemons.running == {SyncRole.BACKUP: DAEMON}
            one.come_back()
            await one.until(State.ACTIVE)
            assert daemons.running == {SyncRole.ACTIVE: DAEMON}
        assert (daemons.running, sync.role) == ({}, None)
        assert daemons.log == [
            *("start BACKUP", "stop BACKUP", "start ACTIVE", "stop ACTIVE", "start BACKUP"),
            *("stop BACKUP", "start ACTIVE", "stop ACTIVE"),
        ]
        assert held == [("active", True), ("fault", False), ("active", True), ("initialize", False)]

    play(scenario)


def test_one_that_follows_an_active_router_tells_at_once_and_removes_what_a_killed_program_left() -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons(running={SyncRole.BACKUP: SyncDaemon("eth9")})
        async with router(lab) as one:
            await one.until(State.ACTIVE)
            async with SyncFollower(one, daemons, DAEMON):
                assert daemons.running == {SyncRole.ACTIVE: DAEMON}
            one.stay_away()
            await one.until(State.FAULT)
            assert daemons.running == {}

    play(scenario)


def test_the_sync_id_is_the_routers_vrid_unless_it_is_given() -> None:
    async def scenario(_stage: Stage) -> None:
        one = router(Lab())
        assert SyncFollower(one, Daemons(), SyncDaemon("eth1")).daemon == SyncDaemon("eth1", sync_id=51)
        assert SyncFollower(one, Daemons(), DAEMON).daemon == DAEMON
        async with one:
            pass

    play(scenario)


def test_what_the_kernel_refuses_is_tried_again_and_the_router_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons(broken=True)
        async with router(lab) as one, SyncFollower(one, daemons, DAEMON) as sync:
            await one.until(State.ACTIVE)
            await asyncio.sleep(30)
            assert (sync.role, sync.error) == (None, f"[Errno {errno.ENODEV}] no such device")
            daemons.broken = False
            await asyncio.sleep(60)
            assert (sync.role, sync.error) == (SyncRole.ACTIVE, None)

    with caplog.at_level(logging.ERROR, "vrrpkit.pool"):
        play(scenario)
    assert [message for message in caplog.messages if "sync" in message] == [
        f"VI_1: the sync daemon: [Errno {errno.ENODEV}] no such device"
    ]


def test_a_kernel_that_is_slow_holds_the_addresses_up_for_no_longer_than_the_hooks_may_take() -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons()
        async with router(lab) as one, SyncFollower(one, daemons, DAEMON):
            await one.until(State.ACTIVE)
            daemons.delay = 10
            began = now()
            one.stay_away()
            await one.until(State.FAULT)
            assert (now() - began, lab.addresses.held) == (2.0, [])
            await asyncio.sleep(30)
            assert daemons.running == {SyncRole.BACKUP: DAEMON}

    play(scenario)


def test_the_last_of_several_wishes_counts() -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons(delay=5)
        async with router(lab) as one, SyncFollower(one, daemons, DAEMON):
            assert (one.state, now()) == (State.ACTIVE, 20.0)  # it became Active before it was known to be Backup
            assert daemons.running == {SyncRole.ACTIVE: DAEMON}

    play(scenario)


def test_a_router_that_was_active_for_a_moment_only_never_tells() -> None:
    async def scenario(_stage: Stage) -> None:
        lab, daemons = Lab(), Daemons()
        lab.addresses.slow(1.0)
        async with router(lab) as one, SyncFollower(one, daemons, DAEMON):
            await asyncio.sleep(4)
            assert one.state is State.ACTIVE
            one.stay_away()
            await asyncio.sleep(10)
            assert daemons.log == ["start BACKUP"]

    play(scenario)


def test_a_group_cannot_be_followed_and_a_follower_is_opened_once() -> None:
    async def scenario(_stage: Stage) -> None:
        with pytest.raises(ConfigError, match="router must be a VirtualRouter: of a group one of its members, got"):
            SyncFollower(RouterGroup("VG_1"), Daemons(), DAEMON)  # type: ignore[arg-type]  # that is the point
        async with router(Lab()) as one, SyncFollower(one, Daemons(), DAEMON) as sync:
            with pytest.raises(RuntimeError, match="the sync follower of VI_1 has been opened already"):
                await sync.__aenter__()

    play(scenario)
