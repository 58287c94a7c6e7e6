"""What the kernel refuses, what others change, and how it is put right; in virtual time."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Collection, Sequence

import pytest
from attrs import define, evolve, field

from tests.lvs.support import KEY, SERVICE, Stage, now, play
from vrrpkit.ipvs import AddServer, AddService, Operation, RemoveService, ServiceKey, SetServer, Table
from vrrpkit.lvs import OnClose
from vrrpkit.pool import Condition, PoolConfig
from vrrpkit.testing import FakeServices


def refusing(kind: type[Operation]) -> Callable[[Operation], int | None]:
    """A kernel that refuses one kind of operation."""
    return lambda operation: errno.ENOMEM if isinstance(operation, kind) else None


@define(eq=False)
class SlowServices(FakeServices):
    """A kernel that takes a second for everything, and notes each batch."""

    batches: list[tuple[float, list[str]]] = field(factory=list, init=False)

    async def apply(self, operations: Sequence[Operation]) -> None:
        self.batches.append((now(), list(map(str, operations))))
        await asyncio.sleep(1)
        await super().apply(operations)

    async def read(self, keys: Collection[ServiceKey]) -> Table:
        found = await super().read(keys)
        await asyncio.sleep(1)
        return found


def test_changes_that_come_while_the_kernel_is_busy_are_one_batch_and_verdicts_do_not_wait_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = table = SlowServices()
        async with stage.pool("web1", "web2", "web3") as pool:
            await asyncio.sleep(0.5)
            assert (now(), pool.members["web3"].condition, pool.quorum) == (1.5, Condition.UP, True)
            assert (stage.shown(), stage.notes.told[2:]) == (None, [])
            await pool.settled()
            assert table.batches == [
                (1.0, ["add tcp 192.0.2.10:80 by rr"]),
                (2.0, [f"add 10.1.0.{number}:80 with weight 1 by NAT to tcp 192.0.2.10:80" for number in (1, 2, 3)]),
            ]
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1, "10.1.0.3": 1}

    play(scenario)


def test_news_follow_the_changes_that_they_go_with() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = SlowServices()
        async with stage.pool("web1"):
            await asyncio.sleep(1.5)
            assert (now(), stage.notes.told[1:]) == (2.5, [])
            await asyncio.sleep(1)
            assert stage.notes.told[1:] == ["web1: unknown -> up (http: fine)", "quorum held: 1 of 1"]

    play(scenario)


def test_what_was_refused_is_put_right_after_a_pause_that_doubles(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        stage.table.refuse = refusing(AddServer)
        async with stage.pool("web1") as pool:
            await asyncio.sleep(20)
            assert pool.error == (
                "add 10.1.0.1:80 with weight 1 by NAT to tcp 192.0.2.10:80: Cannot allocate memory (errno 12); "
                "1 of 1 operations refused"
            )
            assert pool.snapshot().error == pool.error
            assert stage.shown() == {}
            assert sum(isinstance(tried, AddServer) for tried in stage.table.log) == 5  # 0, 1, 3, 7, 15
            stage.table.refuse = lambda _operation: None
            await asyncio.sleep(12)
            assert (stage.shown(), pool.snapshot().error) == ({"10.1.0.1": 1}, None)

    with caplog.at_level(logging.INFO, "vrrpkit.pool"):
        play(scenario)
    told = [record for record in caplog.records if record.name == "vrrpkit.pool" and ": web1: " not in record.message]
    refused = "web: add 10.1.0.1:80 with weight 1 by NAT to tcp 192.0.2.10:80: Cannot allocate memory (errno 12)"
    assert [(record.levelname, record.message) for record in told] == [
        ("ERROR", f"{refused}; 1 of 1 operations refused"),
        ("INFO", "web: quorum held: 1 of 1"),
        ("INFO", "web: the table is what it should be again"),
    ]


def test_other_changes_are_made_meanwhile() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            stage.table.refuse = refusing(SetServer)
            pool.begin_maintenance("web2")
            await asyncio.sleep(30)
            stage.servers["web1"].ok = False
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.2": 1}
            assert pool.error is not None

    play(scenario)


def test_a_service_that_could_not_be_removed_is_not_forgotten() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1") as pool:
            await asyncio.sleep(0.5)
            stage.table.refuse = refusing(RemoveService)
            other = evolve(SERVICE, key=evolve(KEY, port=81))
            pool.reconfigure(PoolConfig(services=other))
            await asyncio.sleep(2)
            assert [str(key) for key in stage.table.table] == ["tcp 192.0.2.10:80", "tcp 192.0.2.10:81"]
            stage.table.refuse = lambda _operation: None
            await asyncio.sleep(4)
            assert [str(key) for key in stage.table.table] == ["tcp 192.0.2.10:81"]

    play(scenario)


def test_what_others_have_changed_is_undone_at_the_next_look(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", "web2", resync=30):
            await asyncio.sleep(0.5)
            stage.table.table = {}
            await asyncio.sleep(28)
            assert stage.shown() is None
            await asyncio.sleep(2)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}
            await asyncio.sleep(300)

    play(scenario)
    (told,) = [message for message in caplog.messages if "others" in message]
    assert told == (
        "web: others have changed the table, to be undone: add tcp 192.0.2.10:80 by rr; "
        "add 10.1.0.1:80 with weight 1 by NAT to tcp 192.0.2.10:80; "
        "add 10.1.0.2:80 with weight 1 by NAT to tcp 192.0.2.10:80"
    )


def test_many_foreign_changes_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool(*(f"web{number}" for number in range(1, 8)), resync=30):
            await asyncio.sleep(0.5)
            stage.table.table = {}
            await asyncio.sleep(30)

    play(scenario)
    (told,) = [message for message in caplog.messages if "others" in message]
    assert told.endswith("; 5 more")


def test_without_looks_what_others_change_stays() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1", resync=None):
            await asyncio.sleep(0.5)
            stage.table.table = {}
            await asyncio.sleep(3600)
            assert stage.shown() is None

    play(scenario)


def test_changes_of_our_own_during_a_look_are_no_foreign_ones(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = SlowServices()
        async with stage.pool("web1", "web2", resync=30) as pool:
            await asyncio.sleep(30.2)  # the look has begun at 31
            assert now() == 31.2
            pool.begin_maintenance("web1")
            await asyncio.sleep(3)
            assert stage.shown() == {"10.1.0.1": 0, "10.1.0.2": 1}
            assert sum(isinstance(done, SetServer) for done in stage.table.log) == 1

    play(scenario)
    assert [message for message in caplog.messages if "others" in message] == []


def test_a_kernel_that_cannot_be_asked_is_asked_again() -> None:
    @define(eq=False)
    class Moody(FakeServices):
        gone: bool = False

        async def apply(self, operations: Sequence[Operation]) -> None:
            if self.gone:
                raise OSError(errno.ENOBUFS, "no buffer space")
            await super().apply(operations)

        async def read(self, keys: Collection[ServiceKey]) -> Table:
            if self.gone:
                raise OSError(errno.ENOBUFS, "no buffer space")
            return await super().read(keys)

    async def scenario(stage: Stage) -> None:
        stage.table = table = Moody()
        async with stage.pool("web1", "web2") as pool:
            await asyncio.sleep(0.5)
            table.gone = True
            stage.servers["web1"].ok = False
            await asyncio.sleep(5)
            assert (stage.shown(), pool.error) == (
                {"10.1.0.1": 1, "10.1.0.2": 1},
                f"[Errno {errno.ENOBUFS}] no buffer space",
            )
            assert stage.notes.told[-1] == "web1: up -> down (http: 503)"
            table.gone = False
            await asyncio.sleep(5)
            assert (stage.shown(), pool.error) == ({"10.1.0.2": 1}, None)

    play(scenario)


def test_closing_tries_once_more_what_was_refused() -> None:
    async def scenario(stage: Stage) -> None:
        tries = iter([errno.EBUSY, None])
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)
            stage.table.refuse = lambda _operation: next(tries)
        assert (stage.shown(), now()) == (None, 0.5)

    play(scenario)


def test_closing_does_not_wait_for_a_kernel_that_refuses_for_ever() -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.pool("web1"):
            await asyncio.sleep(0.5)
            stage.table.refuse = lambda _operation: errno.EBUSY
        assert (stage.shown(), now()) == ({"10.1.0.1": 1}, 0.5)

    play(scenario)


def test_orders_that_come_during_the_closing_are_too_late() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table = SlowServices()
        async with stage.pool("web1", "web2", on_close=OnClose.LEAVE) as pool:
            await asyncio.sleep(5)
            pool.begin_maintenance("web1")
            closing = asyncio.create_task(pool.aclose())
            await asyncio.sleep(0.5)
            pool.begin_maintenance("web2")
            await closing
            assert stage.shown() == {"10.1.0.1": 0, "10.1.0.2": 1}

    play(scenario)


def test_a_scheduler_that_comes_late_is_put_right_with_all_its_servers() -> None:
    async def scenario(stage: Stage) -> None:
        stage.table.refuse = lambda operation: errno.ENOENT if isinstance(operation, AddService) else None
        async with stage.pool("web1", "web2"):
            await asyncio.sleep(0.5)
            assert stage.shown() is None
            stage.table.refuse = lambda _operation: None
            await asyncio.sleep(1)
            assert stage.shown() == {"10.1.0.1": 1, "10.1.0.2": 1}

    play(scenario)
