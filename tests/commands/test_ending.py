"""Programs that do not end by themselves, and what must not be ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from attrs import evolve

from tests.commands.helpers import (
    alive,
    children,
    descriptors,
    end_of,
    leaving_nothing,
    number_in,
    outcome_of,
    spare_descriptors,
)
from tests.linux.support import LOOPS, eventually
from tests.linux.support import run as run_on
from vrrpkit.commands import Command, Outcome, run
from vrrpkit.commands._process import Process

pytestmark = pytest.mark.parametrize("loop", LOOPS)

FOR_EVER = "while :; do sleep 0.05; done"
STUBBORN = f"trap '' TERM; {FOR_EVER}"


def test_a_program_that_closes_its_output_costs_nothing_while_it_runs(loop: str) -> None:
    before = time.process_time()
    assert end_of(Command.shell("exec >&- 2>&-; sleep 1"), loop) == Outcome(exit_code=0)
    assert time.process_time() - before < 0.5


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK misc_timeout")
def test_a_program_that_hangs_is_told_to_end(loop: str) -> None:
    outcome = outcome_of(Command(["sleep", "1000"]), loop, timeout=0.2)
    assert evolve(outcome, elapsed=0.0) == Outcome(signal=signal.SIGTERM, timed_out=True)
    assert 0.1 <= outcome.elapsed < 15  # uvloop counts from the last time it looked at its clock
    assert not outcome.ok


def test_what_it_had_printed_is_kept(loop: str) -> None:
    outcome = end_of(Command.shell("echo waiting; exec sleep 1000"), loop, timeout=0.3)
    assert outcome == Outcome(signal=signal.SIGTERM, timed_out=True, output=b"waiting\n")


def test_a_program_that_prints_endlessly_ends_like_any_other(loop: str) -> None:
    outcome = end_of(Command(["yes"]), loop, timeout=0.5)
    assert outcome == Outcome(signal=signal.SIGTERM, timed_out=True, output=b"y\n" * 2048)


def test_a_program_that_ignores_term_is_killed(loop: str) -> None:
    outcome = end_of(Command.shell(STUBBORN), loop, timeout=0.3, grace=0.2)
    assert outcome == Outcome(signal=signal.SIGKILL, timed_out=True)


def test_without_grace_it_is_killed_at_once(loop: str) -> None:
    outcome = end_of(Command.shell(STUBBORN), loop, timeout=0.3, grace=0)
    assert outcome == Outcome(signal=signal.SIGKILL, timed_out=True)


def test_a_stopped_program_is_killed(loop: str) -> None:
    outcome = end_of(Command.shell("kill -STOP $$"), loop, timeout=0.3, grace=0.2)
    assert outcome == Outcome(signal=signal.SIGKILL, timed_out=True)


def test_ending_with_zero_when_told_to_end_is_no_success(loop: str) -> None:
    command = Command.shell("trap 'exit 0' TERM; while :; do sleep 0.05; done")
    outcome = end_of(command, loop, timeout=0.3, grace=30)
    assert evolve(outcome, output=b"") == Outcome(exit_code=0, timed_out=True)
    assert not outcome.ok


def test_the_whole_group_goes(loop: str, tmp_path: Path) -> None:
    line = f"sleep 1000 & echo $! > {tmp_path}/one; (sleep 1000; :) & echo $! > {tmp_path}/two; sleep 1000"

    async def scenario() -> Outcome:
        task = asyncio.create_task(run(Command.shell(line), timeout=0.5))
        pids = [await number_in(tmp_path / name) for name in ("one", "two")]
        outcome = await task
        await eventually(lambda: not any(map(alive, pids)), "an end of the children")
        return outcome

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(signal=signal.SIGTERM, timed_out=True)


def test_a_child_that_ignores_term_goes_with_its_parent_and_not_after_the_grace(loop: str, tmp_path: Path) -> None:
    line = f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/child; while :; do sleep 0.05; done' & wait"

    async def scenario() -> Outcome:
        task = asyncio.create_task(run(Command.shell(line), timeout=0.5, grace=1000))
        child = await number_in(tmp_path / "child")
        outcome = await task
        await eventually(lambda: not alive(child), "an end of the child")
        return outcome

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(signal=signal.SIGTERM, timed_out=True)


def test_what_has_ended_while_the_loop_was_busy_has_not_hung(loop: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "orders")

    async def scenario() -> Outcome:
        task = asyncio.create_task(run(Command.shell(f"read -r code <{tmp_path}/orders; exit $code"), timeout=0.5))
        (pid,) = await eventually(children, "a child")
        with (tmp_path / "orders").open("r+b", buffering=0) as orders:
            orders.write(b"3\n")
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - as below
        time.sleep(0.6)  # noqa: ASYNC251 - the loop is busy past the time limit
        return await task

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(exit_code=3)


@contextmanager
def daemon_in(folder: Path, starter: str) -> Iterator[tuple[Command, BinaryIO]]:
    """A script that leaves something behind, and the pipe to tell that to print so many octets."""
    os.mkfifo(folder / "orders")
    Path(folder, "daemon").write_text(
        f"echo $$ >{folder}/pid\n"
        f"while read -r n; do head -c $n /dev/zero && echo printed $n >{folder}/told; done <>{folder}/orders\n"
    )
    try:
        with (folder / "orders").open("r+b", buffering=0) as orders:
            yield Command.shell(f"{starter} sh {folder}/daemon & echo started"), orders
    finally:
        if (folder / "pid").exists():
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("starter", ["", "setsid"])
@pytest.mark.parametrize("most", [0, 4096])
def test_a_daemon_that_holds_the_output_delays_nothing_and_goes_on_printing(
    loop: str, most: int, starter: str, tmp_path: Path
) -> None:
    async def scenario() -> Outcome:
        with daemon_in(tmp_path, starter) as (command, orders):
            outcome = await run(command, timeout=15, max_output=most)
            await number_in(tmp_path / "pid")
            for count in (1, 100_000, 3_000_000):
                orders.write(f"{count}\n".encode())
                await eventually(partial(has_told, tmp_path, count), "a daemon that prints")
            return outcome

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(exit_code=0, output=b"started\n"[:most])


def has_told(folder: Path, count: int) -> bool:
    path = folder / "told"
    return path.exists() and path.read_text() == f"printed {count}\n"


def test_a_program_that_leaves_nobody_behind_needs_nobody_to_read_on(loop: str) -> None:
    del started[:]
    assert end_of(Command.shell("echo one | cat; echo two >&2"), loop) == Outcome(exit_code=0, output=b"one\ntwo\n")
    assert started == ["/bin/sh"]


def note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        started.append(arguments[0])


started: list[str] = []
sys.addaudithook(note)


def test_who_reads_for_a_daemon_goes_with_it(loop: str, tmp_path: Path) -> None:
    async def scenario() -> Outcome:
        with daemon_in(tmp_path, "") as (command, _orders):
            others = readers()
            outcome = await run(command, timeout=15)
            await number_in(tmp_path / "pid")
            await eventually(lambda: len(readers() - others) == 1, "a reader")
        await eventually(lambda: readers() <= others, "an end of the reader")
        return outcome

    assert run_on(leaving_nothing(scenario), loop).ok


def test_a_program_that_cannot_be_watched_is_killed(loop: str) -> None:
    async def scenario() -> None:
        with spare_descriptors(0), pytest.raises(OSError, match="Too many open files"):
            Process(pid)

    pid = os.posix_spawn("/bin/sleep", ["sleep", "1000"], {}, setsid=True)
    run_on(scenario(), loop)
    assert not alive(pid)
    assert pid not in children()


def test_a_daemon_that_nobody_can_be_found_to_read_for_is_told_of(
    loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "orders")
    line = f"read -r code <{tmp_path}/orders; sleep 0.3 & exit $code"

    async def scenario() -> Outcome:
        task = asyncio.create_task(run(Command.shell(line), timeout=15))
        await eventually(children, "a child")
        with (tmp_path / "orders").open("r+b", buffering=0) as orders, spare_descriptors(0):
            orders.write(b"3\n")
            return await task

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(exit_code=3)
    (record,) = caplog.records
    assert record.getMessage() == "nobody reads on for what a command has left running; writing may end it"


def readers() -> set[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid for pid in pids if name_of(pid) == "cat" and alive(pid)}


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_children_of_a_program_that_ends_by_itself_live_on(loop: str, tmp_path: Path) -> None:
    async def scenario() -> Outcome:
        line = f"sleep 1000 >/dev/null 2>&1 & echo $! > {tmp_path}/child"
        outcome = await run(Command.shell(line), timeout=15)
        child = await number_in(tmp_path / "child")
        assert alive(child)
        os.kill(child, signal.SIGKILL)
        return outcome

    outcome = run_on(leaving_nothing(scenario), loop)
    assert evolve(outcome, elapsed=0.0) == Outcome(exit_code=0)


async def cancelled(task: asyncio.Task[Outcome]) -> bool:
    task.cancel()
    await asyncio.wait({task}, timeout=15)
    return task.cancelled()


def test_cancelling_ends_the_whole_group(loop: str, tmp_path: Path) -> None:
    line = f"sleep 1000 & echo $! > {tmp_path}/child; sleep 1000"

    async def scenario() -> bool:
        task = asyncio.create_task(run(Command.shell(line), timeout=1000, grace=1000))
        child = await number_in(tmp_path / "child")
        ended = await cancelled(task)
        await eventually(lambda: not alive(child), "an end of the child")
        return ended

    assert run_on(leaving_nothing(scenario), loop)


def test_cancelling_a_program_that_ignores_term_takes_the_grace(loop: str, tmp_path: Path) -> None:
    async def scenario() -> bool:
        command = Command.shell(f"trap '' TERM; echo 1 >{tmp_path}/ready; {FOR_EVER}")
        task = asyncio.create_task(run(command, timeout=1000, grace=0.2))
        await number_in(tmp_path / "ready")
        began = time.monotonic()
        ended = await cancelled(task)
        assert time.monotonic() - began >= 0.1
        return ended

    assert run_on(leaving_nothing(scenario), loop)


def test_a_time_limit_that_was_still_ahead_does_not_shorten_the_grace(loop: str, tmp_path: Path) -> None:
    async def scenario() -> bool:
        clean_up = f"sleep 1; echo 1 >{tmp_path}/done; exit"
        command = Command.shell(f"trap '{clean_up}' TERM; echo 1 >{tmp_path}/ready; {FOR_EVER}")
        task = asyncio.create_task(run(command, timeout=0.9, grace=1000))
        await number_in(tmp_path / "ready")
        return await cancelled(task)

    assert run_on(leaving_nothing(scenario), loop)
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("timeout", [0.2, 1000])
def test_cancelling_during_the_grace_kills(loop: str, timeout: float, tmp_path: Path) -> None:
    async def scenario() -> bool:
        command = Command.shell(f"trap 'echo 1 >{tmp_path}/told' TERM; echo 1 >{tmp_path}/ready; {FOR_EVER}")
        task = asyncio.create_task(run(command, timeout=timeout, grace=1000))
        await number_in(tmp_path / "ready")
        if timeout == 1000:
            task.cancel()
        await number_in(tmp_path / "told")
        return await cancelled(task)

    assert run_on(leaving_all_but_the_dying(scenario), loop)


async def leaving_all_but_the_dying(scenario: Callable[[], Awaitable[bool]]) -> bool:
    """Nothing is left, though it may take a moment."""
    before = (descriptors(), children())
    result = await scenario()
    await eventually(lambda: (descriptors(), children()) == before, "an end of everything")
    return result


@pytest.mark.parametrize("line", ["exec sleep 1000", "sleep 1000 & exec sleep 1000", "setsid sleep 0.3 & :"])
def test_cancelling_at_any_moment_leaves_nothing(loop: str, line: str) -> None:
    async def at(moment: int) -> bool:
        task = asyncio.create_task(run(Command.shell(line), timeout=1000, grace=1000))
        for _ in range(moment % 8):
            await asyncio.sleep(0)
        await asyncio.sleep(moment // 8 * 0.0005)
        return await cancelled(task) or task.result().ok

    async def scenario() -> bool:
        return all([await leaving_nothing(partial(at, moment)) for moment in range(64)])

    assert run_on(scenario(), loop)


def test_a_program_that_is_cancelled_before_its_turn_is_not_started(loop: str, tmp_path: Path) -> None:
    async def scenario() -> bool:
        commands = [Command.shell(f"touch {tmp_path}/{number}") for number in range(5)]
        tasks = [asyncio.create_task(run(command, timeout=15)) for command in commands]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[3].cancel()
        await asyncio.wait(tasks)
        return [task.cancelled() for task in tasks] == [False, True, False, True, False]

    assert run_on(leaving_nothing(scenario), loop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2", "4"]
