"""A pool with checks on a table, in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.lvs.support import KEY, SERVICE, Notes, Server, Stage, now, play
from vrrpkit.checks import HTTPChecker, Schedule
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import Endpoint, RealServer, VirtualService, table
from vrrpkit.lvs import OnClose, ServerPool
from vrrpkit.lvs._monitor import Monitor, Probe
from vrrpkit.pool import CheckChanged, Condition, Member, MemberMoved, PoolConfig, QuorumMoved
from vrrpkit.runtime import Driver
from vrrpkit.testing import FakeServices, run_virtual
from vrrpkit.tracking import FirstResult


def found(**weights: int) -> FakeServices:
    """A table with servers."""
    servers = [RealServer(f"10.1.0.{name[-1]}", 80, weight=weight) for name, weight in weights.items()]
    return FakeServices(table([VirtualService(KEY, scheduler="rr", servers=servers)]))


def test_nobody_is_in_service_before_a_good_verdict() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web2"] = Server(ok=False)
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": 1}
            assert stage.notes.told == [
                "web1: new -> unknown (added)",
                "web2: new -> unknown (added)",
                "web1: unknown -> up (http: fine)",
                "quorum held: 1 of 1",
                "web2: unknown -> down (http: 503)",
            ]
            assert pool.quorum_held

    play(scenario)


def test_unchecked_members_are_in_service_if_that_is_asked_for() -> None:
    async def scenario(stage: Stage) -> None:
        schedule = Schedule(interval=5, warmup=4)
        async with stage.pool("web1", "web2", trust_unchecked=True, schedule=schedule) as pool:
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
            assert pool.quorum is True

    play(scenario)


@pytest.mark.parametrize("first", FirstResult)
def test_what_a_schedule_assumes_before_the_first_result_puts_nobody_in_service_and_takes_nobody_out(
    first: FirstResult,
) -> None:
    async def scenario(stage: Stage) -> None:
        schedule = Schedule(interval=5, warmup=4, first=first)
        stage.table = found(web1=1)
        async with stage.pool("web1", "web2", schedule=schedule) as pool:
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1}
            await asyncio.sleep(5)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}

    play(scenario)


def test_a_server_that_fails_is_removed_and_comes_back() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2", schedule=Schedule(interval=1, fall=2, rise=2)):
            await asyncio.sleep(0.5)
            stage.servers["web1"].ok = False
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.2": 1}
            stage.servers["web1"].ok = True
            await asyncio.sleep(2)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}

    play(scenario)


def test_a_server_may_wish_for_another_weight_while_its_verdict_stays() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2"):
            stage.servers["web1"].weight = 30
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": 30, "10.1.0.2": 1}
            stage.servers["web1"].weight = 0
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 0, "10.1.0.2": 1}
            stage.servers["web1"].weight = None
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}

    play(scenario)


@pytest.mark.parametrize(("wish", "weight"), [(-5, 0), (70000, 65535)])
def test_a_wish_out_of_range_is_the_nearest_weight(wish: int, weight: int) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1"):
            stage.servers["web1"].weight = wish
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": weight}

    play(scenario)


def test_the_sorry_server_serves_while_the_quorum_is_lost() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web2"] = Server(ok=False)
        async with stage.pool("web1", "web2", quorum=2, sorry_server=Member("10.1.0.9", 80)):
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.9": 1}
            stage.servers["web2"].ok = True
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
            stage.servers["web1"].ok = False
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.9": 1}
            stage.servers["web1"].ok = True
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
        assert [news for news in stage.notes.told if "quorum" in news] == [
            "quorum lost: 0 of 2",
            "quorum held: 2 of 2",
            "quorum lost: 1 of 2",
            "quorum held: 2 of 2",
        ]

    play(scenario)


def test_closing_removes_the_services_or_leaves_them() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", on_close=OnClose.LEAVE):
            await asyncio.sleep(0.5)
        assert stage.shown() == {"10.1.0.1": 1}
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)
        assert stage.shown() is None
        asked = list(stage.servers["web1"].asked)
        await asyncio.sleep(5)
        assert stage.servers["web1"].asked == asked

    play(scenario)


def test_a_pool_that_is_started_again_changes_nothing_before_it_knows_better() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2", "web3", on_close=OnClose.LEAVE):
            await asyncio.sleep(0.5)
        stage.table.log.clear()
        stage.servers["web3"].ok = False
        async with stage.pool("web1", "web2", "web3", on_close=OnClose.LEAVE):
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
        assert list(map(str, stage.table.log)) == ["remove 10.1.0.3:80 from tcp 192.0.2.10:80"]

    play(scenario)


def test_strangers_in_the_table_are_removed_at_the_start() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = found(web1=1, web7=1)
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_omega_tells_that_all_have_gone() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web2"] = Server(ok=False)
        async with stage.pool("web1", "web2", omega=True):
            await asyncio.sleep(0.5)
            stage.notes.told.clear()
        assert stage.notes.told == ["web1: up -> gone (the pool was closed)", "quorum lost: 0 of 1"]

    play(scenario)


def test_closing_tells_nothing_otherwise() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)
            stage.notes.told.clear()
        assert stage.notes.told == []

    play(scenario)


def test_members_come_and_go_at_run_time() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            stage.add(pool, "web2", weight=3)
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 3}
            pool.remove("web1")
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.2": 3}
            asked = len(stage.servers["web1"].asked)
            await asyncio.sleep(5)
            assert len(stage.servers["web1"].asked) == asked
            assert list(pool.members) == ["web2"]
            stage.add(pool, "web1")
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 3}

    play(scenario)


def test_a_member_that_leaves_at_once_is_never_checked() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1")
        pool.remove("web1")
        async with pool:
            stage.add(pool, "web2")
            pool.remove("web2")
            await asyncio.sleep(3)
            assert (stage.servers["web1"].asked, list(pool.members)) == ([], [])
            assert len(stage.servers["web2"].asked) <= 1

    play(scenario)


def test_another_weight_takes_effect_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            pool.replace(Member("10.1.0.1", 80, name="web1", weight=9, upper_threshold=100))
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 9}
            assert stage.table.table[KEY].servers[0].upper_threshold == 100
            assert pool.snapshot().members["web1"].member.weight == 9

    play(scenario)


def test_draining_waits_until_the_connections_have_ended() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            stage.connect("web1", 2)
            draining = asyncio.create_task(pool.drain("web1"))
            await asyncio.sleep(3.2)
            assert (stage.shown(), draining.done()) == ({"10.1.0.1": 0, "10.1.0.2": 1}, False)
            stage.connect("web1", 0)
            assert (await draining, now()) == (0, 4.5)
            assert (stage.shown(), list(pool.members)) == ({"10.1.0.2": 1}, ["web2"])

    play(scenario)


def test_draining_ends_at_its_limit_and_tells_how_many_connections_were_left() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            stage.connect("web1", 2)
            assert (await pool.drain("web1", limit=5, remove=False), now()) == (2, 5.5)
            assert pool.members["web1"].condition is Condition.MAINTENANCE

    play(scenario)


def test_draining_ends_when_it_is_called_off_and_when_the_pool_is_closed() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            for name in ("web1", "web2"):
                stage.connect(name, 2)
            first = asyncio.create_task(pool.drain("web1"))
            second = asyncio.create_task(pool.drain("web2"))
            await asyncio.sleep(1.5)
            pool.end_maintenance("web1")
            assert await first == 2
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 0}
        assert await second == 2

    play(scenario)


def test_who_is_in_no_table_is_drained_already() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web1"] = Server(ok=False)
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            pool.begin_maintenance("web1")
            assert await pool.drain("web1", remove=False) == 0
            assert await pool.drain("web1") == 0
            assert list(pool.members) == []

    play(scenario)


def test_connections_that_cannot_be_counted_hold_the_draining_up(caplog: pytest.LogCaptureFixture) -> None:
    class Uncountable(FakeServices):
        async def connections(self, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as in FakeServices
            raise PermissionError(1, "not allowed")

    async def scenario(stage: Stage) -> None:
        stage.table = Uncountable()
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            await pool.drain("web1", limit=5)
            assert now() == 5.5
        assert [message for message in caplog.messages if "counted" in message] == [
            "web: connections cannot be counted: [Errno 1] not allowed"
        ]

    play(scenario)


def test_maintenance_takes_a_member_out_whatever_its_checks_say() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            pool.begin_maintenance("web1")
            await asyncio.sleep(2)
            assert stage.shown() == {"10.1.0.1": 0, "10.1.0.2": 1}
            pool.end_maintenance("web1")
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}

    play(scenario)


def test_checks_can_be_changed_and_those_that_stay_are_not_disturbed() -> None:
    async def scenario(stage: Stage) -> None:
        kept, old, new = Server(), Server(), Server(ok=False)
        pool = stage.pool()
        pool.add(Member("10.1.0.1", 80, name="web1"), {"kept": kept, "old": old})
        async with pool:
            await asyncio.sleep(1.5)
            pool.set_checks("web1", {"kept": kept, "new": new})
            await asyncio.sleep(1.2)
            assert (kept.asked, old.asked, new.asked) == ([0.0, 1.0, 2.0], [0.0, 1.0], [1.5, 2.5])
            assert (stage.shown(), pool.members["web1"].down) == ({}, ("new",))
            pool.set_checks("web1", None)
            await asyncio.sleep(1)
            assert (stage.shown(), len(kept.asked)) == ({"10.1.0.1": 1}, 3)

    play(scenario)


def test_checks_can_be_changed_before_the_start() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1")
        pool.set_checks("web1", {"other": Server(ok=False)})
        async with pool:
            await asyncio.sleep(0.5)
            assert (stage.shown(), stage.servers["web1"].asked) == ({}, [])

    play(scenario)


def test_another_check_of_the_same_name_takes_its_verdict_over_until_it_has_its_own() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1", schedule=Schedule(interval=1))
        async with pool:
            await asyncio.sleep(0.5)
            other = Server()
            pool.set_checks("web1", {"http": other}, schedule=Schedule(interval=3, warmup=2.9))
            await asyncio.sleep(0)
            assert (stage.shown(), other.asked) == ({"10.1.0.1": 1}, [])
            other.ok = False
            await asyncio.sleep(3)
            assert (stage.shown(), len(other.asked)) == ({}, 1)

    play(scenario)


def test_one_check_is_called_after_its_class_and_several_have_schedules_of_their_own() -> None:
    async def scenario(stage: Stage) -> None:
        one, two = Server(), Server()
        pool = stage.pool(schedule=Schedule(interval=1))
        pool.add(Member("10.1.0.1", 80, name="web1"), HTTPChecker(host="127.0.0.1", port=9))
        pool.add(Member("10.1.0.2", 80), one, schedule=Schedule(interval=2))
        pool.add(Member("10.1.0.3", 80), {"a": one, "b": (two, Schedule(interval=4))})
        members = pool.snapshot().members
        assert list(members) == ["web1", "10.1.0.2:80", "10.1.0.3:80"]
        assert pool.members["web1"].unknown == ("http",)
        assert pool.members["10.1.0.2:80"].unknown == ("server",)
        pool.remove("web1")
        async with pool:
            await asyncio.sleep(5)
            assert (one.asked, two.asked) == ([0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0], [0.0, 4.0])

    play(scenario)


def test_a_member_without_checks_is_up() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool()
        pool.add(Member("10.1.0.1", 80))
        async with pool:
            await pool.settled()
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_checks_are_paused_and_go_on() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            pool.pause_checks()
            pool.pause_checks("web2")
            stage.add(pool, "web3")
            pool.check_now()
            for server in stage.servers.values():
                server.ok = False
            await asyncio.sleep(3)
            assert (stage.shown(), stage.servers["web3"].asked) == ({"10.1.0.1": 1, "10.1.0.2": 1}, [])
            assert pool.snapshot().suspended == ("an operator wants it",)
            pool.resume_checks()
            await asyncio.sleep(0.1)
            assert (stage.shown(), pool.snapshot().suspended) == ({}, ())
            pool.pause_checks("web1")
            stage.servers["web1"].ok = True
            await asyncio.sleep(3)
            assert stage.shown() == {}
            pool.resume_checks("web1")
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.1": 1}

    play(scenario)


def test_a_check_can_be_had_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2", schedule=Schedule(interval=60)) as pool:
            await asyncio.sleep(0.5)
            stage.servers["web1"].ok = False
            pool.check_now("web1")
            await asyncio.sleep(0.1)
            assert stage.shown() == {"10.1.0.2": 1}
            assert [len(server.asked) for server in stage.servers.values()] == [2, 1]

    play(scenario)


def test_other_settings_take_effect_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        other = VirtualService(Endpoint("tcp", "192.0.2.11", 80), scheduler="rr")
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            pool.reconfigure(PoolConfig(services=[SERVICE, other], quorum=2, sorry_server=Member("10.1.0.9", 80)))
            await pool.settled()
            assert stage.shown() == {"10.1.0.9": 1}
            assert [str(key) for key in stage.table.table] == ["tcp 192.0.2.10:80", "tcp 192.0.2.11:80"]
            pool.reconfigure(PoolConfig(services=other))
            await pool.settled()
            assert {str(key): list(map(str, one.servers)) for key, one in stage.table.table.items()} == {
                "tcp 192.0.2.11:80": ["10.1.0.1:80"]
            }

    play(scenario)


def test_services_are_withdrawn_and_restored() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            pool.withdraw()
            pool.withdraw()
            await asyncio.sleep(2)
            assert (stage.shown(), len(stage.servers["web1"].asked)) == (None, 3)
            assert pool.snapshot().withdrawn == ("an operator wants it",)
            pool.restore()
            pool.restore()
            await pool.settled()
            assert (stage.shown(), pool.snapshot().withdrawn) == ({"10.1.0.1": 1}, ())

    play(scenario)


def test_one_that_is_withdrawn_before_the_start_clears_the_table() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = found(web1=1)
        pool = stage.pool("web1")
        pool.withdraw()
        async with pool:
            await asyncio.sleep(0.5)
            assert stage.shown() is None

    play(scenario)


def test_changes_are_told_to_readers_from_the_latest_on_and_end_with_the_pool() -> None:
    async def scenario(stage: Stage) -> None:
        async def read() -> list[object]:
            return [news async for news in pool.changes()]

        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
            stage.servers["web1"].ok = False
            await asyncio.sleep(1)
        assert await reader == [
            QuorumMoved(held=True, live_weight=1, quorum=1, hysteresis=0),
            MemberMoved(member="web1", old=Condition.UP, new=Condition.DOWN, why="http: 503"),
            QuorumMoved(held=False, live_weight=0, quorum=1, hysteresis=0),
        ]

    play(scenario)


def test_notifiers_come_and_go_and_a_defect_in_one_keeps_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def tell(self, notice: object) -> None:
            raise ValueError(notice)

    async def scenario(stage: Stage) -> None:
        late = Notes()
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            stop_broken, stop = pool.notify(Broken()), pool.notify(late)
            pool.begin_maintenance("web1")
            await pool.settled()
            stop_broken()
            stop()
            pool.end_maintenance("web1")
            await pool.settled()
        assert late.told == ["web1: up -> maintenance (maintenance began)", "quorum lost: 0 of 1"]
        assert [notice.member and notice.member.name for notice in late.notices] == ["web1", None]
        assert [record.levelname for record in caplog.records if "could not be told" in record.message] == ["ERROR"] * 2

    play(scenario)


def test_a_snapshot_tells_everything_and_is_ready_for_json() -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web2"] = Server(ok=False)
        async with stage.pool("web1", "web2", sorry_server=Member("10.1.0.9", 80, name="sorry")) as pool:
            stage.servers["web1"].weight = 4
            await asyncio.sleep(0.5)
            told = json.loads(json.dumps(pool.snapshot().to_dict()))
            explanations = [member.pop("explanation") for member in told["members"].values()]
            assert all(explanations)
            assert told == {
                "name": "web",
                "services": ["tcp 192.0.2.10:80"],
                "quorum": 1,
                "hysteresis": 0,
                "quorum_held": True,
                "live_weight": 4,
                "explanation": pool.explanation,
                "sorry_server": "sorry",
                "sorry_serves": False,
                "members": {
                    "web1": {
                        "address": "10.1.0.1",
                        "port": 80,
                        "condition": "up",
                        "in_service": True,
                        "weight": 4,
                        "effective_weight": 4,
                        "configured_weight": 1,
                        "checks": {"http": {"reading": "up", "detail": "fine", "wish": 4, "paused": False}},
                    },
                    "web2": {
                        "address": "10.1.0.2",
                        "port": 80,
                        "condition": "down",
                        "in_service": False,
                        "weight": None,
                        "effective_weight": 1,
                        "configured_weight": 1,
                        "checks": {"http": {"reading": "down", "detail": "503", "wish": None, "paused": False}},
                    },
                },
                "table": {"tcp 192.0.2.10:80": {"10.1.0.1:80": 4}},
                "withdrawn": [],
                "suspended": [],
                "error": None,
            }

    play(scenario)


def test_what_is_refused_changes_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1")
        before = pool.snapshot()
        cases: list[tuple[Callable[[], None], str]] = [
            (lambda: stage.add(pool, "web1"), "name of a member must differ from all others, got 'web1' twice"),
            (lambda: pool.add(Member("10.1.0.1", 80, name="other")), "address and port must be new to the pool"),
            (lambda: pool.add(Member("2001:db8::1", 80)), "must be IPv4 unless tunnelled"),
            (lambda: pool.add(Member("10.1.0.5", 80), {"a b": Server()}), "without white space"),
            (lambda: pool.remove("nobody"), "nobody"),
            (lambda: pool.replace(Member("10.1.0.7", 80, name="web1")), "10.1.0.7"),
            (lambda: pool.set_checks("nobody", Server()), "name must be one of web1, got 'nobody'"),
            (lambda: pool.check_now("nobody"), "name must be one of web1, got 'nobody'"),
            (lambda: pool.begin_maintenance("nobody"), "nobody"),
        ]
        for refused, text in cases:
            with pytest.raises(ConfigError, match=text):
                refused()
        assert pool.snapshot() == before
        pool.add(Member("10.1.0.5", 80, name="other"))

    play(scenario)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"name": "two words"}, "name must be a word, got 'two words'"),
        ({"name": ""}, "name must be a word, got ''"),
        ({"resync": 0.5}, "resync must be 1-86400 seconds, got 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        ServerPool(**{"name": "web", "config": PoolConfig(services=SERVICE), "table": FakeServices(), **settings})
    assert str(raised.value) == text


def test_a_pool_is_opened_once_and_closing_twice_is_fine() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1")
        with pytest.raises(RuntimeError, match="web must be open to drain web1"):
            await pool.drain("web1")
        async with pool:
            with pytest.raises(RuntimeError, match="web has been opened already"):
                await pool.__aenter__()
        await pool.aclose()
        with pytest.raises(RuntimeError, match="web has been opened already"):
            await pool.__aenter__()

    play(scenario)


def test_one_that_was_never_opened_can_be_closed_and_its_readers_end() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool("web1")
        await pool.aclose()
        assert [news async for news in pool.changes()] == []
        assert stage.table.log == []

    play(scenario)


def test_a_kernel_that_does_not_show_its_table_is_an_error_of_the_start() -> None:
    class Closed(FakeServices):
        async def read(self, keys):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as in FakeServices
            raise PermissionError(1, "not allowed")

    async def scenario(stage: Stage) -> None:
        stage.table = Closed()
        with pytest.raises(PermissionError, match="not allowed"):
            await stage.pool("web1").__aenter__()

    play(scenario)


def test_a_cancelled_program_still_removes_its_services() -> None:
    async def scenario(stage: Stage) -> None:
        async def program() -> None:
            async with stage.pool("web1"):
                await asyncio.sleep(3600)

        running = asyncio.create_task(program())
        await asyncio.sleep(0.5)
        assert stage.shown() == {"10.1.0.1": 1}
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert stage.shown() is None

    play(scenario)


def test_many_members_share_one_clock_and_begin_when_their_schedule_says() -> None:
    async def scenario(stage: Stage) -> None:
        driver = Driver()
        pool = stage.pool(schedule=Schedule(interval=10, warmup=10), driver=driver)
        servers = [Server() for _ in range(400)]
        for number, server in enumerate(servers):
            pool.add(Member(f"10.1.{number // 250}.{number % 250 + 1}", 80), server)
        async with pool:
            await asyncio.sleep(5)
            begun = sum(bool(server.asked) for server in servers)
            assert 140 < begun < 260
            await asyncio.sleep(5)
            assert [len(server.asked) for server in servers] == [1] * 400
            assert len(stage.table.table[KEY].servers) == 400
        driver.close()

    play(scenario)


def test_every_change_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)

    with caplog.at_level(logging.INFO, "vrrpkit.pool"):
        play(scenario)
    assert [record.message for record in caplog.records if record.name == "vrrpkit.pool"] == [
        "web: web1: new -> unknown (added)",
        "web: web1: unknown -> up (http: fine)",
        "web: quorum held: 1 of 1",
    ]


def test_a_pool_may_be_made_where_no_event_loop_runs() -> None:
    stage = Stage()
    pool = stage.pool("web1")

    async def scenario() -> None:
        async with pool:
            await asyncio.sleep(0.5)
            assert stage.shown() == {"10.1.0.1": 1}

    run_virtual(scenario())


def test_a_pool_that_is_cancelled_while_it_opens_checks_nobody_and_leaves_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = found(web1=1)
        pool = stage.pool()
        servers = [Server() for _ in range(100)]
        for number, server in enumerate(servers, start=1):
            pool.add(Member(f"10.1.0.{number}", 80), server)
        opening = asyncio.ensure_future(pool.__aenter__())
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert stage.shown() is None
        asked = sum(len(server.asked) for server in servers)
        await asyncio.sleep(5)
        assert sum(len(server.asked) for server in servers) == asked

    play(scenario)


def test_a_defect_of_the_table_is_logged_and_what_follows_is_done(caplog: pytest.LogCaptureFixture) -> None:
    class Defective(FakeServices):
        async def connections(self, key: object) -> Any:
            raise ZeroDivisionError(key)

    async def scenario(stage: Stage) -> None:
        stage.table = Defective()
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            await pool.drain("web1", limit=3)
            assert stage.shown() == {"10.1.0.2": 1}

    play(scenario)
    assert "web: the table's task failed" in caplog.messages


def test_many_news_are_told_in_order() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool()
        for number in range(1, 121):
            pool.add(Member(f"10.1.0.{number}", 80, name=f"web{number}"))
        async with pool:
            await pool.settled()
            assert stage.notes.told[:120] == [f"web{number}: new -> up (added)" for number in range(1, 121)]

    play(scenario)


def test_a_member_that_leaves_while_the_pool_opens_is_not_checked() -> None:
    async def scenario(stage: Stage) -> None:
        pool = stage.pool()
        servers = [Server() for _ in range(100)]
        for number, server in enumerate(servers, start=1):
            pool.add(Member(f"10.1.0.{number}", 80, name=f"web{number}"), server)
        opening = asyncio.ensure_future(pool.__aenter__())
        await asyncio.sleep(0)
        pool.remove("web100")
        await opening
        await asyncio.sleep(2.5)
        await pool.aclose()
        assert (len(servers[98].asked), servers[99].asked) == (3, [])

    play(scenario)


def test_a_monitor_says_what_is_new_and_nothing_else() -> None:
    async def scenario(_stage: Stage) -> None:
        server, found = Server(), list[CheckChanged]()
        monitor = Monitor("web", "web1", {"http": Probe(server, Schedule(interval=1))}, found.append)
        driver = Driver()
        await monitor.open(driver)
        await asyncio.sleep(2.5)
        server.weight = 5
        await asyncio.sleep(2)
        server.ok = False
        await asyncio.sleep(2)
        await monitor.close()
        driver.close()
        assert found == [
            CheckChanged("web1", "http", True, None, "fine"),
            CheckChanged("web1", "http", True, 5, "fine"),
            CheckChanged("web1", "http", False, 5, "503"),
        ]

    play(scenario)
