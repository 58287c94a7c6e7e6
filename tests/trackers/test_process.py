"""Processes of this machine as tracked things, by the kernel's events and by reading the process table."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define, field

from tests.linux.support import LOOPS, eventually, namespace, run
from tests.support.requirements import require
from tests.trackers.support import becomes, nothing_left, told
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.linux import in_netns
from vrrpkit.linux._process_events import ProcessEvents
from vrrpkit.linux._process_source import EventSource, attach
from vrrpkit.linux._process_table import ProcessFact, read_process, read_processes
from vrrpkit.runtime import Driver
from vrrpkit.testing import run_virtual
from vrrpkit.trackers._finder import SettlingFinder
from vrrpkit.trackers._process import ProcessTracker

kernel = pytest.mark.kernel

# Nobody else has processes of these names.
NAME: Final = f"vk{os.getpid()}-7"
OTHER: Final = f"vk{os.getpid()}-8"
READ: Final = "; read every 0.05 s"
NONE: Final = "0 running, at least 1 wanted"

Process = subprocess.Popen[bytes]


@pytest.fixture(params=[pytest.param(True, marks=kernel, id="events"), pytest.param(False, id="scan")])
def events(request: pytest.FixtureRequest) -> bool:
    """Whether to go by the kernel's events, and otherwise by reading the process table."""
    if request.param:
        require(has_events(), "needs the kernel's process events")
    return bool(request.param)


@cache
def has_events() -> bool:
    async def look() -> None:
        ProcessEvents(lambda _changes: None, lambda: None).close()

    try:
        asyncio.run(look())
    except KernelError:
        return False
    return True


@define
class Scripts:
    """Starts scripts, whose command name is the script's."""

    directory: Path
    stack: ExitStack = field(factory=ExitStack)

    def write(self, name: str, body: str) -> str:
        """Write a script; return its path."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    def start(self, name: str = NAME, *arguments: str, body: str = "read _") -> Process:
        """Start a script, by default one that waits for a line."""
        return self.run(self.write(name, body), *arguments)

    def run(self, *command: str) -> Process:
        """Start anything."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    """Scripts that are ended with the test."""
    made = Scripts(tmp_path)
    with made.stack:
        yield made


def end(process: Process) -> None:
    """End a process, and leave no zombie."""
    process.kill()
    process.wait()


def say(process: Process) -> None:
    """Send a line to a process."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def listen(process: Process) -> bytes:
    """Wait for a line from a process."""
    assert process.stdout is not None
    return process.stdout.readline()


def track(events: bool, command: str = NAME, **options: Any) -> ProcessTracker:
    """A tracker that notices soon, either way."""
    return ProcessTracker(command, events=events, scan_interval=0.05, **options)


# Counting -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_process_is_up_while_one_of_its_name_runs(scripts: Scripts, events: bool, loop: str) -> None:
    async def scenario() -> None:
        async with track(events) as process:
            assert process.source == ("events" if events else "scan")
            assert (process.name, *told(process)) == (NAME, False, NONE + suffix)
            first = scripts.start()
            await becomes(process, True, "1 running" + suffix)
            second = scripts.start()
            await becomes(process, True, "2 running" + suffix)
            end(first)
            await becomes(process, True, "1 running" + suffix)
            end(second)
            await becomes(process, False, NONE + suffix)

    suffix = "" if events else READ
    run(scenario(), loop)


def test_what_runs_already_counts_at_once(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events) as process:
            assert (process.reading, process.count) == (True, 2)

    scripts.start()
    scripts.start()
    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_left_when_it_is_closed(events: bool, loop: str) -> None:
    async def scenario() -> None:
        for pause in (0.0, 0.0, 0.02, 0.1):
            async with nothing_left(), track(events):
                await asyncio.sleep(pause)
        async with nothing_left(), track(events), track(events, arguments=[]):
            pass

    run(scenario(), loop)


def test_too_many_are_as_bad_as_too_few(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events, quorum=2, quorum_max=3) as process:
            for count, up in ((1, False), (2, True), (3, True)):
                scripts.start()
                await eventually(lambda: process.count == count, f"{count} of them")  # noqa: B023 - awaited here
                assert process.reading is up
            one = scripts.start()
            await becomes(process, False)
            assert process.detail.startswith("4 running, at most 3 wanted")
            end(one)
            await becomes(process, True)

    run(scenario())


def test_a_process_can_be_unwanted(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events, quorum_max=0) as process:
            assert process.reading is True
            one = scripts.start()
            await becomes(process, False)
            assert process.detail.startswith("1 running, at most 0 wanted")
            end(one)
            await becomes(process, True)

    run(scenario())


def test_a_zombie_does_not_count(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        one = scripts.start()
        async with track(events) as process:
            assert process.reading is True
            one.kill()
            await becomes(process, False)
        assert one.returncode is None
        async with track(events) as process:
            assert process.reading is False

    run(scenario())


def test_another_program_in_the_same_process_is_noticed(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events, OTHER) as before, track(events) as after:
            one = scripts.start(OTHER, body=f"read _; exec {path}")
            await becomes(before, True)
            assert after.reading is False
            say(one)
            await becomes(after, True)
            await becomes(before, False)

    path = scripts.write(NAME, "read _")
    run(scenario())


PYTHON: Final = f"""
import ctypes, sys, threading
def rename(name):
    ctypes.CDLL(None).prctl(15, name)
def work():
    rename(b"{NAME}")
    told.set()
    threading.Event().wait()
told = threading.Event()
threading.Thread(target=work, daemon=True).start()
told.wait()
print("a thread", flush=True)
sys.stdin.readline()
rename(b"{NAME}")
sys.stdin.readline()
rename(b"something else")
sys.stdin.readline()
"""


def test_the_name_of_a_thread_does_not_count(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events) as process, track(events, OTHER) as other:
            assert listen(scripts.run(sys.executable, "-c", PYTHON)) == b"a thread\n"
            scripts.start(OTHER)
            await becomes(other, True)
            await asyncio.sleep(0.06)
            assert process.count == 0

    run(scenario())


def test_a_process_can_change_its_name(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events) as process:
            one = scripts.run(sys.executable, "-c", PYTHON)
            assert listen(one) == b"a thread\n"
            say(one)
            await becomes(process, True)
            say(one)
            await becomes(process, False)
            assert one.poll() is None

    run(scenario())


def test_processes_can_be_told_apart_by_their_arguments(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        shell = "sh"
        async with (
            track(events, shell, arguments=[path, "-a"], name="exact") as exact,
            track(events, shell, arguments=[path], match="initial", name="initial") as initial,
            track(events, "/bin/sh", arguments=["-b", "c d"], match="partial", name="partial") as partial,
            track(events, "/bin/sh", name="any") as anyone,
            track(events) as by_name,
        ):
            one = scripts.run(path, "-a")
            await becomes(exact, True)
            await becomes(initial, True)
            assert partial.reading is False
            scripts.run(path, "-a", "-b", "c d")
            await becomes(partial, True)
            await eventually(lambda: (exact.count, initial.count, by_name.count) == (1, 2, 2), "both are counted")
            assert anyone.reading is True
            end(one)
            await becomes(exact, False)
            assert initial.reading is True

    path = scripts.write(NAME, "read _")
    run(scenario())


def test_a_long_name_is_cut_as_the_kernel_does(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        scripts.start(f"{NAME:x<15}-and-more")
        async with track(events, f"{NAME:x<15}-or-less") as process:
            assert process.reading is True

    run(scenario())


def test_a_loss_is_believed_when_it_has_lasted(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with (
            track(events) as quick,
            track(events, terminate_delay=0.2) as slow,
            track(events, terminate_delay=3600) as slowest,
        ):
            end(one)
            await becomes(quick, False)
            await becomes(slow, False)
            assert slowest.reading is True

    one = scripts.start()
    run(scenario())


def test_what_starts_many_others_is_counted_right(scripts: Scripts, events: bool) -> None:
    async def scenario() -> None:
        async with track(events) as process:
            storm = [scripts.run(storming) for _ in range(3)]
            for one in storm:
                assert await asyncio.to_thread(listen, one) == b"done\n"
            await eventually(lambda: process.count == 6, "two of each are left")
            assert len(named(NAME)) == 6
            for one in storm:
                say(one)
            await eventually(lambda: process.count == 3, "one of each is left")

    path = scripts.write(NAME, "test -z $1 || read _ <&3")
    storming = scripts.write(
        OTHER,
        f"for round in $(seq 40); do {path} & {path} & wait; done; exec 3<&0; {path} 1 & {path} 2 & echo done; wait",
    )
    run(scenario())


def named(name: str) -> list[int]:
    """The processes of a name."""
    return [number for number, fact in read_processes(arguments=False).items() if fact.name == name.encode()]


# Where it knows from --------------------------------------------------------------------------------------------------


@define
class Ear:
    """Listens to a source."""

    wants_arguments: bool = False
    scans: list[Mapping[int, ProcessFact]] = field(factory=list)
    changes: dict[int, ProcessFact | None] = field(factory=dict)

    def scanned(self, processes: Mapping[int, ProcessFact]) -> None:
        self.scans.append(processes)
        self.changes.clear()

    def changed(self, processes: Mapping[int, ProcessFact | None]) -> None:
        self.changes |= processes

    def seen(self) -> set[int]:
        """The processes of our name, by the latest scan and what has changed since."""
        now = {**self.scans[-1], **self.changes}
        return {number for number, fact in now.items() if fact == ProcessFact(NAME.encode())}


def test_everybody_on_an_event_loop_shares_a_source(events: bool) -> None:
    async def scenario() -> None:
        async with nothing_left():
            first, leave_first = attach(Ear(), 10, events=events)
            second, leave_second = attach(Ear(), 10, events=events)
            assert first is second
            leave_first()
            third, leave_third = attach(Ear(), 10, events=events)
            assert third is first
            leave_third()
            leave_second()
            another, leave = attach(Ear(), 10, events=events)
            assert another is not first
            leave()

    run(scenario())


def test_a_listener_with_a_defect_does_not_silence_the_others(events: bool) -> None:
    class Broken(Ear):
        def scanned(self, processes: Mapping[int, ProcessFact]) -> None:
            raise ZeroDivisionError

    async def scenario() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: complaints.append(told["exception"]))
        good = Ear()
        _source, leave_broken = attach(Broken(), 10, events=events)
        source, leave = attach(good, 10, events=events)
        await source.read()
        assert len(good.scans) == 1
        assert [type(one) for one in complaints] == [ZeroDivisionError]
        leave()
        leave_broken()

    run(scenario())


def test_one_who_wants_command_lines_is_told_of_no_scan_without(events: bool) -> None:
    async def scenario() -> None:
        plain, curious = Ear(), Ear(wants_arguments=True)
        source, leave_plain = attach(plain, 10, events=events)
        reading = asyncio.create_task(source.read())
        await asyncio.sleep(0)
        _source, leave_curious = attach(curious, 10, events=events)
        await source.read()
        await reading
        assert (len(plain.scans), len(curious.scans)) in {(2, 1), (2, 2)}
        assert all(fact.arguments is not None for scan in curious.scans for fact in scan.values())
        leave_curious()
        leave_plain()

    run(scenario())


def is_scanned(ear: Ear, number: int) -> bool:
    """Whether the latest scan has a process of our name."""
    return ear.scans[-1].get(number) == ProcessFact(NAME.encode())


def is_gone(ear: Ear, number: int) -> bool:
    """Whether the end of a process has been told, be it by another loss of events."""
    return number not in ear.scans[-1] or ear.changes.get(number, 1) is None


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_what_happens_while_the_table_is_read_is_not_missed(scripts: Scripts, loop: str) -> None:
    require(has_events(), "needs the kernel's process events")

    async def scenario() -> None:
        ear = Ear()
        source, leave = attach(ear, 10, events=True)
        await source.read()
        one = scripts.start()
        for _ in range(5):
            reading = asyncio.create_task(source.read())
            await asyncio.sleep(0)
            end(one)  # the table has been read by the time that this returns
            one = scripts.start()
            await reading
            await eventually(lambda: ear.seen() == {one.pid}, "the new one is there")  # noqa: B023 - awaited here
        leave()

    run(scenario(), loop)


class Uncounted(ProcessTracker):
    """A tracker without a source."""

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await SettlingFinder._open(self, driver, stack)  # noqa: SLF001 - its parent's


def test_a_tracker_says_nothing_before_it_has_counted() -> None:
    async def scenario() -> None:
        fact = ProcessFact(b"x")
        async with Uncounted("x", quorum=2) as process:
            process.changed({7: fact})
            assert [process.reading] == [None]
            process.scanned({7: fact, 8: fact})
            assert [process.reading] == [True]
            process.changed({7: None})
            assert [process.reading] == [False]

    run_virtual(scenario())


def hundred_processes() -> None:
    """More than a small buffer holds."""
    subprocess.run(["sh", "-c", "for i in $(seq 100); do /bin/true; done"], check=True)


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_everything_is_read_again_when_events_were_lost(scripts: Scripts, loop: str) -> None:
    require(has_events(), "needs the kernel's process events")

    async def scenario() -> None:
        ear = Ear()
        source = EventSource(receive_buffer=4096)
        source.join(ear)
        await source.read()
        for _ in range(2):
            one = scripts.start()
            hundred_processes()
            await eventually(lambda: is_scanned(ear, one.pid), "it is read again")  # noqa: B023 - awaited here
            end(one)
            await eventually(lambda: is_gone(ear, one.pid), "the end is told")  # noqa: B023 - the same
        source.leave(ear)

    run(scenario(), loop)


@kernel
def test_without_events_it_reads_the_process_table(scripts: Scripts) -> None:
    async def scenario() -> None:
        async with track(True) as process:
            assert process.source == "scan"
            scripts.start()
            await becomes(process, True, "1 running" + READ)

    with namespace() as ns:
        in_netns(ns.name, lambda: asyncio.run(scenario()))


PROGRAM: Final = """
import asyncio, logging
from vrrpkit.trackers import ProcessTracker

async def main():
    async with ProcessTracker("python", arguments=["-c"], match="initial") as one, ProcessTracker("another") as other:
        print(one.source, one.count, other.source, other.count)

logging.basicConfig(level=logging.WARNING, format="%(message)s")
asyncio.run(main())
"""


@kernel
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--net"], "the kernel tells of them in the initial network namespace only (errno 111)"),
        (
            ["--pid", "--fork", "--mount-proc"],
            "the kernel does not answer; it does in the initial user and PID namespaces only (errno 110)",
        ),
    ],
    ids=["net", "pid"],
)
def test_it_says_once_why_there_are_no_events(options: list[str], reason: str) -> None:
    apart = ["unshare", *options]
    tried = subprocess.run([*apart, "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs namespaces")
    done = subprocess.run([*apart, sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("scan ")
    assert done.stdout.endswith(" scan 0\n")
    said = f"listen to process events: {reason}; reading the process table again and again instead\n"
    assert done.stderr == said


def test_a_process_that_is_not_there_has_nothing_to_tell() -> None:
    assert read_process(1 << 30, arguments=True) is None


def test_the_process_table_has_ourselves() -> None:
    ours = read_processes(arguments=True)[os.getpid()]
    assert ours.arguments is not None
    assert ours == read_process(os.getpid(), arguments=True)
    assert read_processes(arguments=False)[os.getpid()] == ProcessFact(ours.name)


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command": ""}, "command must be a name or a path, got ''"),
        ({"command": "/usr/sbin/"}, "command must be a name or a path, got '/usr/sbin/'"),
        ({"command": "a\0b"}, "command must be a name or a path"),
        ({"command": 7}, "command must be a name or a path, got 7"),
        ({"arguments": "-a -b"}, "arguments must be a list of texts, got '-a -b'"),
        ({"arguments": [1]}, "arguments must be a list of texts"),
        ({"arguments": 7}, "arguments must be a list of texts, got 7"),
        ({"match": "somehow"}, "match must be exact, initial or partial, got 'somehow'"),
        ({"quorum": 0}, "quorum must be 1-1000000, got 0"),
        ({"quorum": True}, "quorum must be 1-1000000, got True"),
        ({"quorum": 3, "quorum_max": 2}, "quorum_max must be 3-1000000, or 0 for none, got 2"),
        ({"quorum_max": -1}, "quorum_max must be 1-1000000, or 0 for none, got -1"),
        ({"quorum_max": False}, "quorum_max must be 1-1000000, or 0 for none, got False"),
        ({"fork_delay": 3601}, "fork_delay must be 0-3600 seconds, got 3601"),
        ({"terminate_delay": -1}, "terminate_delay must be 0-3600 seconds, got -1"),
        ({"scan_interval": 0}, "scan_interval must be 0.05-3600 seconds, got 0"),
        ({"name": "a b"}, "name of a track must be a text without white space"),
    ],
)
def test_what_is_not_allowed_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        ProcessTracker(**{"command": NAME, **options})


def test_a_tracker_is_called_what_its_command_is() -> None:
    assert ProcessTracker("/usr/sbin/haproxy").name == "haproxy"
    assert ProcessTracker("haproxy").source is None
