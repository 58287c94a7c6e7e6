"""Notification scripts, really run."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.linux.support import LOOPS, eventually, run
from tests.notifications.helpers import group, loser, moved, router
from vrrpkit.commands import Command
from vrrpkit.election import ElectionConfig, Reason, State
from vrrpkit.errors import ConfigError
from vrrpkit.notifications import ScriptNotifier
from vrrpkit.runtime import VirtualRouter
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan

BACKUP = router(State.BACKUP)
MASTER = router(State.ACTIVE)
FAULT = router(State.FAULT)
STOP = router(State.INITIALIZE, reason=Reason.SHUTDOWN)
DELETED = router(State.INITIALIZE, reason=Reason.DELETED)


@frozen
class Notebook:
    """Where scripts write what they were called with."""

    path: Path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def writer(self, *own: str, first: str = "", then: str = "") -> Command:
        """A script that writes its arguments down, perhaps after or before something else."""
        line = f'{first}\nprintf "%s\\n" "$*" >> "$0"\n{then}'
        return Command(["/bin/sh", "-c", line, str(self.path), *own])

    def hanging(self, *own: str) -> Command:
        """A script that writes down its process number and never ends by itself."""
        return self.writer(*own, first='set -- "$@" $$', then="exec sleep 1000")

    def all_writing(self) -> dict[str, Any]:
        """Each of the scripts there can be, as settings."""
        words = ("master", "backup", "fault", "stop", "deleted", "master_rx_lower_pri")
        return {f"notify_{word}": self.writer(f"own {word}") for word in words} | {"notify": self.writer("all")}


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "notes")


def is_alive(pid: str) -> bool:
    return Path("/proc", pid).exists()


@pytest.mark.parametrize("loop", LOOPS)
def test_states_own_script_runs_first_with_its_own_arguments_and_then_the_general_one(
    loop: str, notebook: Notebook
) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(**notebook.all_writing()) as scripts:
            for notice in (BACKUP, MASTER, FAULT, STOP, DELETED, group(State.ACTIVE)):
                scripts.tell(notice)
        assert notebook.lines == [
            "own backup",
            "all INSTANCE VI_1 BACKUP 100",
            "own master",
            "all INSTANCE VI_1 MASTER 100",
            "own fault",
            "all INSTANCE VI_1 FAULT 100",
            "own stop",
            "all INSTANCE VI_1 STOP 100",
            "own deleted",
            "all INSTANCE VI_1 DELETED 100",
            "own master",
            "all GROUP VG_1 MASTER 0",
        ]
        assert (scripts.run, scripts.failed, scripts.dropped) == (12, 0, 0)

    run(scenario(), loop)


def test_removal_is_a_fault_to_the_general_script_alone_without_one_of_its_own(notebook: Notebook) -> None:
    async def scenario() -> None:
        settings = notebook.all_writing()
        del settings["notify_deleted"]
        async with ScriptNotifier(**settings) as scripts:
            scripts.tell(DELETED)
        assert notebook.lines == ["all INSTANCE VI_1 FAULT 100"]

    run(scenario())


def test_lower_priority_heard_runs_its_script_alone_and_a_priority_none(notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(**notebook.all_writing()) as scripts:
            scripts.tell(loser())
            scripts.tell(moved(90, State.ACTIVE))
        assert notebook.lines == ["own master_rx_lower_pri"]

    run(scenario())


def test_news_without_a_script_run_none() -> None:
    async def scenario() -> None:
        async with ScriptNotifier() as scripts:
            for notice in (MASTER, loser(), moved(90, State.ACTIVE)):
                scripts.tell(notice)
        assert (scripts.run, scripts.dropped) == (0, 0)

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_slow_script_delays_those_that_follow_and_nothing_else(loop: str, notebook: Notebook) -> None:
    async def scenario() -> None:
        gate = notebook.path.with_name("gate")
        os.mkfifo(gate)
        wait = f'read -r _ < "{gate}"'
        async with ScriptNotifier(
            notify_master=notebook.writer("slow", first=wait), notify_backup=notebook.writer("fast")
        ) as scripts:
            scripts.tell(MASTER)
            scripts.tell(BACKUP)
            await eventually(lambda: scripts.run == 1, "the slow one runs")
            assert notebook.lines == []
            await let_through(gate)
            await eventually(lambda: notebook.lines == ["slow", "fast"], "both have run")

    run(scenario(), loop)


async def let_through(gate: Path) -> None:
    """Let a script go on that waits for a line, once it does."""
    descriptor = await eventually(lambda: open_for_writing(gate), "a script waits")
    assert descriptor is not None
    os.write(descriptor, b"go\n")
    os.close(descriptor)


def open_for_writing(path: Path) -> int | None:
    """A descriptor, if somebody reads."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_script_that_fails_is_logged_and_changes_nothing(notebook: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        failing = Command(["/bin/sh", "-c", "echo no luck; exit 3", "taken"])
        missing = Command(["/nowhere/log.sh"])
        async with ScriptNotifier(
            notify_master=failing, notify=missing, notify_backup=notebook.writer("well")
        ) as scripts:
            scripts.tell(MASTER)
            scripts.tell(BACKUP)
        assert (notebook.lines, scripts.run, scripts.failed) == (["well"], 4, 3)

    run(scenario())
    first, second, third = caplog.messages
    assert first == "INSTANCE VI_1 MASTER: /bin/sh -c 'echo no luck; exit 3' taken: exit 3: no luck"
    assert second.startswith("INSTANCE VI_1 MASTER: /nowhere/log.sh INSTANCE VI_1 MASTER 100: ")
    assert third.startswith("INSTANCE VI_1 BACKUP: /nowhere/log.sh INSTANCE VI_1 BACKUP 100: ")
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize("loop", LOOPS)
def test_script_that_hangs_is_ended_and_the_next_one_runs(
    loop: str, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(
            notify_master=notebook.hanging(), notify_backup=notebook.writer("next"), timeout=1.0
        ) as scripts:
            scripts.tell(MASTER)
            scripts.tell(BACKUP)
            await eventually(lambda: len(notebook.lines) == 2, "the next one has run")
            pid, following = notebook.lines
            assert (following, is_alive(pid)) == ("next", False)
        assert (scripts.run, scripts.failed) == (2, 1)
        assert "timed out after" in caplog.text

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_leaving_runs_what_has_been_told_before(loop: str, notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(notify=notebook.writer()) as scripts:
            for number in range(5):
                scripts.tell(router(State.ACTIVE, f"VI_{number}"))
        assert notebook.lines == [f"INSTANCE VI_{number} MASTER 100" for number in range(5)]

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_leaving_waits_no_longer_than_it_may_and_leaves_no_process(
    loop: str, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(
            notify_master=notebook.hanging(), notify_backup=notebook.writer("never"), close_timeout=0.2
        ) as scripts:
            scripts.tell(MASTER)
            scripts.tell(BACKUP)
            scripts.tell(BACKUP)
            await eventually(lambda: notebook.lines, "the first runs")
        (pid,) = notebook.lines
        assert not is_alive(pid)
        assert (scripts.run, scripts.failed, scripts.dropped) == (1, 1, 2)
        assert [message.partition(":")[0] for message in caplog.messages if message.endswith("no time is left")] == [
            "INSTANCE VI_1 MASTER"
        ]
        assert "notification scripts: 2 news were dropped" in caplog.messages

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_cancelling_the_leaving_leaves_no_process(loop: str, notebook: Notebook) -> None:
    async def scenario() -> None:
        scripts = ScriptNotifier(notify_master=notebook.hanging(), notify_backup=notebook.writer("never"))
        left = asyncio.Event()

        async def leave() -> None:
            async with scripts:
                scripts.tell(MASTER)
                scripts.tell(BACKUP)
                await eventually(lambda: notebook.lines, "the first runs")
                left.set()

        leaving = asyncio.create_task(leave())
        await left.wait()
        leaving.cancel()
        await asyncio.wait({leaving})
        assert leaving.cancelled()
        (pid,) = notebook.lines
        assert not is_alive(pid)
        assert (scripts.run, scripts.failed, scripts.dropped) == (1, 1, 1)

    run(scenario(), loop)


def test_error_in_the_block_comes_out_after_the_scripts(notebook: Notebook) -> None:
    async def scenario() -> None:
        async def fail() -> None:
            async with ScriptNotifier(notify=notebook.writer()) as scripts:
                scripts.tell(MASTER)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert notebook.lines == ["INSTANCE VI_1 MASTER 100"]

    run(scenario())


def test_newest_states_are_told_when_a_script_hangs_for_too_long(notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(
            notify_fault=notebook.hanging(), notify=notebook.writer(), timeout=1.0, backlog=2
        ) as scripts:
            scripts.tell(FAULT)
            await eventually(lambda: notebook.lines, "the first hangs")
            for notice in (BACKUP, router(State.BACKUP, "VI_2"), MASTER, router(State.ACTIVE, "VI_2"), BACKUP):
                scripts.tell(notice)
            assert scripts.dropped == 3
        assert notebook.lines[1:] == [
            "INSTANCE VI_1 FAULT 100",
            "INSTANCE VI_2 MASTER 100",
            "INSTANCE VI_1 BACKUP 100",
        ]

    run(scenario())


def test_news_for_which_there_is_no_script_take_no_room(notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(notify_fault=notebook.hanging(), close_timeout=0, backlog=1) as scripts:
            scripts.tell(FAULT)
            await eventually(lambda: notebook.lines, "the first hangs")
            for notice in (loser("a"), loser("b"), moved(90, State.ACTIVE), moved(80, State.ACTIVE)):
                scripts.tell(notice)
            assert scripts.dropped == 0

    run(scenario())


def test_lower_priorities_heard_while_their_script_runs_make_one_more_run(notebook: Notebook) -> None:
    async def scenario() -> None:
        gate = notebook.path.with_name("gate")
        os.mkfifo(gate)
        wait = f'read -r _ < "{gate}"'
        async with ScriptNotifier(notify_master_rx_lower_pri=notebook.writer("heard", first=wait)) as scripts:
            scripts.tell(loser())
            await eventually(lambda: scripts.run == 1, "the first runs")
            for _ in range(100):
                scripts.tell(loser())
            await let_through(gate)
            await eventually(lambda: scripts.run == 2, "the second runs")
            await let_through(gate)
        assert (notebook.lines, scripts.run, scripts.dropped) == (["heard", "heard"], 2, 0)

    run(scenario())


def test_name_of_a_router_is_data_to_a_script(notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(notify=notebook.writer("-")) as scripts:
            scripts.tell(router(State.ACTIVE, "$(touch /nowhere) 'x'; exit\nINSTANCE\0"))
        assert notebook.lines == ["- INSTANCE $(touch /nowhere) 'x'; exit_INSTANCE_ MASTER 100"]

    run(scenario())


def test_scripts_may_be_changed_while_they_are_in_use(notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(notify=notebook.writer("old")) as scripts:
            scripts.tell(MASTER)
            await eventually(lambda: notebook.lines, "the old one has run")
            scripts.notify = notebook.writer("new")
            scripts.tell(BACKUP)
        assert notebook.lines == ["old INSTANCE VI_1 MASTER 100", "new INSTANCE VI_1 BACKUP 100"]

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_virtual_router_waits_for_no_script_and_the_last_one_runs_too(loop: str, notebook: Notebook) -> None:
    async def scenario() -> None:
        async with ScriptNotifier(notify=notebook.writer()) as scripts:
            router = VirtualRouter(
                ElectionConfig(vrid=1, addresses=["192.0.2.100"], priority=255),
                transport=MemoryLan().attach(1, "192.0.2.1"),
                addresses=FakeAddresses(),
                announcer=FakeAnnouncer(),
                name="VI_1",
                notify=[scripts],
            )
            async with router:
                await router.until(State.ACTIVE)
        assert notebook.lines == ["INSTANCE VI_1 MASTER 255", "INSTANCE VI_1 STOP 255"]

    run(scenario(), loop)


def test_notifier_that_is_not_open_says_so(notebook: Notebook) -> None:
    async def scenario() -> None:
        scripts = ScriptNotifier(notify=notebook.writer())
        with pytest.raises(RuntimeError, match=r"ScriptNotifier is not open, so no script runs for VI_1: .*active"):
            scripts.tell(MASTER)
        async with scripts:
            with pytest.raises(RuntimeError, match="cannot be entered twice"):
                await scripts.__aenter__()
            scripts.tell(MASTER)
        with pytest.raises(RuntimeError, match="not open"):
            scripts.tell(MASTER)
        async with scripts:
            scripts.tell(BACKUP)
        assert notebook.lines == ["INSTANCE VI_1 MASTER 100", "INSTANCE VI_1 BACKUP 100"]

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"notify_master": "/etc/x.sh"}, "notify_master must be a Command or None, got '/etc/x.sh'"),
        ({"notify": ["/etc/x.sh"]}, "notify must be a Command or None, got ['/etc/x.sh']"),
        ({"timeout": 0}, "timeout must be 0.01-86400 seconds, got 0"),
        ({"close_timeout": -1}, "close_timeout must be 0-86400 seconds, got -1"),
        ({"backlog": 0}, "backlog must be 1-1000000, got 0"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ScriptNotifier(**settings)
    assert str(caught.value) == message
