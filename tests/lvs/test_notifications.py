"""What scripts and readers of a pipe are told of pools."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from tests.linux.support import LOOPS, eventually, run
from tests.lvs.support import KEY, Server, Stage, play
from tests.notifications.helpers import router
from tests.notifications.test_fifo import read
from vrrpkit.commands import Command
from vrrpkit.election import State
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import Endpoint, FirewallMark, ServiceKey
from vrrpkit.lvs import PoolNotice
from vrrpkit.notifications import (
    FifoNotifier,
    MemberScripts,
    PoolFifoNotifier,
    PoolScriptNotifier,
    pool_arguments,
    pool_line,
    pool_word,
)
from vrrpkit.notifications._latest import Latest
from vrrpkit.pool import Condition, Member, MemberMoved, QuorumMoved

WEB1 = Member("10.1.0.1", 80, name="web1")


def member(
    new: Condition | None,
    old: Condition | None = Condition.UNKNOWN,
    *,
    one: Member | None = WEB1,
    keys: tuple[ServiceKey, ...] = (KEY,),
    trusted: bool = False,
) -> PoolNotice:
    """A member is in another condition."""
    news = MemberMoved(member="web1" if one is None else one.name, old=old, new=new, why="")
    return PoolNotice(name="web", news=news, keys=keys, member=one, trusted=trusted)


def quorum(held: bool, *, keys: tuple[ServiceKey, ...] = (KEY,), name: str = "web") -> PoolNotice:
    """The quorum is held or lost."""
    news = QuorumMoved(held=held, live_weight=1, quorum=1, hysteresis=0)
    return PoolNotice(name=name, news=news, keys=keys)


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        (quorum(True), "VS [192.0.2.10]:tcp:80 UP\n"),
        (quorum(False), "VS [192.0.2.10]:tcp:80 DOWN\n"),
        (quorum(True, keys=(Endpoint("udp", "2001:db8::1", 53),)), "VS [2001:db8::1]:udp:53 UP\n"),
        (quorum(True, keys=(FirewallMark(7),)), "VS FWM 7 UP\n"),
        (quorum(True, keys=(KEY, FirewallMark(7))), "VS [web]:0 UP\n"),
        (quorum(True, keys=(KEY, FirewallMark(7)), name='a\nVS "b'), "VS [a_VS _b]:0 UP\n"),
        (member(Condition.UP), "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n"),
        (member(Condition.DOWN), "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n"),
        (member(Condition.DRAINING), "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n"),
        (member(None), "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n"),
        (member(Condition.UP, keys=(FirewallMark(7),)), "RS [10.1.0.1]:none:80 FWM 7 UP\n"),
        (member(Condition.UP, one=Member("10.1.0.1")), "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP\n"),
        (member(Condition.UP, one=None), "RS [web1] [192.0.2.10]:tcp:80 UP\n"),
    ],
)
def test_lines_are_those_of_keepalived(notice: PoolNotice, line: str) -> None:
    assert pool_line(notice) == line
    assert " ".join(pool_arguments(notice)) == line.rstrip("\n")
    assert line.endswith(f"{pool_word(notice)}\n")


class Notebook:
    """Where scripts write down what they were called with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def writer(self, *own: str, then: str = "") -> Command:
        line = f'printf "%s\\n" "$*" >> "$0"\n{then}'
        return Command(["/bin/sh", "-c", line, str(self.path), *own])


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "notes")


def scripts_of(notebook: Notebook, *, initial: bool = False) -> PoolScriptNotifier:
    return PoolScriptNotifier(
        quorum_up=notebook.writer("quorum up"),
        quorum_down=notebook.writer("quorum down"),
        members={"web1": MemberScripts(up=notebook.writer("web1 up"), down=notebook.writer("web1 down"))},
        notify=notebook.writer("all"),
        initial=initial,
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_scripts_run_one_after_another_with_the_words_of_the_pipe_for_the_general_one(
    loop: str, notebook: Notebook
) -> None:
    async def scenario() -> None:
        async with scripts_of(notebook) as scripts:
            for notice in (
                *(member(Condition.UNKNOWN, None), member(Condition.UP), quorum(True)),
                *(member(Condition.DOWN, Condition.UP, one=Member("10.1.0.2", 80, name="web2")), quorum(False)),
                *(member(Condition.MAINTENANCE, Condition.UP), member(None, Condition.MAINTENANCE)),
            ):
                scripts.tell(notice)
        assert notebook.lines == [
            "web1 up",
            "all RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP",
            "quorum up",
            "all VS [192.0.2.10]:tcp:80 UP",
            "all RS [10.1.0.2]:tcp:80 [192.0.2.10]:tcp:80 DOWN",
            "quorum down",
            "all VS [192.0.2.10]:tcp:80 DOWN",
            "web1 down",
            "all RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN",
        ]
        assert (scripts.run, scripts.failed, scripts.dropped) == (9, 0, 0)

    run(scenario(), loop)


@pytest.mark.parametrize(
    ("trusted", "initial", "first", "told"),
    [
        (False, False, Condition.UP, ["UP"]),
        (False, False, Condition.DOWN, ["DOWN"]),
        (False, False, None, []),
        (True, False, None, ["DOWN"]),
        (True, False, Condition.UP, []),
        (True, False, Condition.DOWN, ["DOWN"]),
        (False, True, Condition.DOWN, ["DOWN"]),
        (True, True, Condition.UP, ["UP"]),
    ],
)
def test_a_first_verdict_is_told_unless_it_is_what_had_been_assumed(
    trusted: bool, initial: bool, first: Condition | None, told: list[str], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with PoolFifoNotifier(tmp_path / "events", initial=initial) as pipe:
            pipe.tell(member(Condition.UNKNOWN, None, trusted=trusted))
            pipe.tell(member(first, trusted=trusted))
            assert [line.split()[-1] for line in read(tmp_path / "events").splitlines()] == told

    asyncio.run(scenario())


def test_one_that_has_left_and_comes_again_is_new(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with PoolFifoNotifier(tmp_path / "events") as pipe:
            for _ in range(2):
                pipe.tell(member(Condition.UP))
                pipe.tell(member(None, Condition.UP))
            assert [line.split()[-1] for line in read(tmp_path / "events").splitlines()] == ["UP", "DOWN"] * 2

    asyncio.run(scenario())


@pytest.mark.conforms("keyword virtual_server/notify_up, notify_down", "keyword virtual_server/quorum_up, quorum_down")
def test_a_pool_tells_its_life_through_script_and_pipe(notebook: Notebook, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.servers["web2"] = Server(ok=False)
        async with scripts_of(notebook) as scripts, PoolFifoNotifier(tmp_path / "events") as pipe:
            pool = stage.pool("web1", "web2", omega=True)
            pool.notify(scripts)
            pool.notify(pipe)
            async with pool:
                await asyncio.sleep(0.5)
            assert read(tmp_path / "events").splitlines() == [
                "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 UP",
                "VS [192.0.2.10]:tcp:80 UP",
                "RS [10.1.0.2]:tcp:80 [192.0.2.10]:tcp:80 DOWN",
                "RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN",
                "VS [192.0.2.10]:tcp:80 DOWN",
            ]
        assert [line for line in notebook.lines if not line.startswith("all")] == [
            *("web1 up", "quorum up", "web1 down", "quorum down"),
        ]

    play(scenario)


def test_a_router_and_a_pool_share_a_pipe(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path) as routers, PoolFifoNotifier(path) as pools:
            routers.tell(router(State.ACTIVE))
            pools.tell(quorum(True))
            routers.tell(router(State.BACKUP))
            assert read(path) == 'INSTANCE "VI_1" MASTER 100\nVS [192.0.2.10]:tcp:80 UP\nINSTANCE "VI_1" BACKUP 100\n'
        assert not path.exists()

    asyncio.run(scenario())


def test_nothing_is_told_outside_of_the_blocks(notebook: Notebook, tmp_path: Path) -> None:
    async def scenario() -> None:
        scripts, pipe = scripts_of(notebook), PoolFifoNotifier(tmp_path / "events")
        for notifier in (scripts, pipe):
            with pytest.raises(RuntimeError, match=f"{type(notifier).__name__} is not open"):
                notifier.tell(quorum(True))
            async with notifier:
                with pytest.raises(RuntimeError, match="cannot be entered twice at a time"):
                    await notifier.__aenter__()

    asyncio.run(scenario())


def test_a_script_that_fails_or_cannot_be_started_holds_nothing_up(
    notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        scripts = PoolScriptNotifier(quorum_up=Command(["/nowhere/to/be/found"]), quorum_down=notebook.writer("down"))
        async with scripts:
            scripts.tell(quorum(True))
            scripts.tell(quorum(False))
        assert (notebook.lines, scripts.run, scripts.failed) == (["down"], 2, 1)

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_script_that_hangs_is_ended_with_the_block(notebook: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        hanging = notebook.writer("hangs", then="exec sleep 1000")
        async with PoolScriptNotifier(quorum_up=hanging, close_timeout=0.1) as scripts:
            scripts.tell(quorum(True))
            scripts.tell(quorum(True))
            await eventually(lambda: notebook.lines, "the first one runs")
        assert (scripts.run, scripts.failed, scripts.dropped, notebook.lines) == (1, 1, 1, ["hangs"])

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_what_a_full_pipe_has_no_room_for_follows_when_it_has(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with PoolFifoNotifier(path, backlog=10) as pipe:
            told = 0
            while pipe.written == told:
                pipe.tell(quorum(True))
                told += 1
            for number in range(20):
                pipe.tell(quorum(number % 2 == 0))
            assert pipe.lost == 11
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            os.read(descriptor, 1 << 20)
            await eventually(lambda: pipe.written == told - 1 + 10, "the rest follows")
            lines = os.read(descriptor, 1 << 20).decode().splitlines()
            os.close(descriptor)
            assert (len(lines), lines[-1]) == (10, "VS [192.0.2.10]:tcp:80 DOWN")

    asyncio.run(scenario())


def test_a_pipe_that_was_replaced_is_opened_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with PoolFifoNotifier(path) as pipe:
            path.unlink()
            pipe.tell(quorum(True))
            assert read(path) == "VS [192.0.2.10]:tcp:80 UP\n"
            path.unlink()
            path.write_text("no pipe")
            pipe.tell(quorum(False))
            pipe.tell(quorum(False))
        assert pipe.written == 3

    asyncio.run(scenario())
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "removed or replaced, opened anew",
        "removed or replaced, and not opened anew",
    ]


def test_commands_are_commands() -> None:
    with pytest.raises(ConfigError, match="up must be a Command or None, got 'reboot'"):
        MemberScripts(up="reboot")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match="quorum_up must be a Command or None"):
        PoolScriptNotifier(quorum_up="reboot")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match="initial must be True or False"):
        PoolScriptNotifier(initial=1)  # type: ignore[arg-type]  # that is the point


def test_the_latest_of_every_subject_is_kept_the_longest(caplog: pytest.LogCaptureFixture) -> None:
    waiting: Latest[str] = Latest(3, logging.getLogger("test"), "somebody")
    for number, subject in enumerate("abaac"):
        waiting.keep(subject, f"{subject}{number}")
    kept = []
    while waiting:
        assert waiting.first
        kept.append(waiting.pop())
    assert (kept, waiting.dropped) == (["b1", "a3", "c4"], 2)
    for subject in "aab":
        waiting.keep(subject, subject)
    assert waiting.pop() == "a"
    for subject in "cd":
        waiting.keep(subject, subject)
    waiting.clear()
    assert (len(waiting), waiting.dropped) == (0, 6)
    assert caplog.messages == [
        "somebody: too slow, news are being dropped",
        "somebody: 2 news were dropped",
        "somebody: too slow, news are being dropped",
        "somebody: 4 news were dropped",
    ]
