"""Real programs, run once, on both event loops; nothing is ever left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.helpers import end_of, leaving_nothing, outcome_of, script, spare_descriptors
from tests.linux.support import LOOPS
from tests.linux.support import run as run_on
from vrrpkit.commands import Command, Outcome, run
from vrrpkit.errors import ConfigError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 255])
def test_what_a_program_returns_is_the_outcome(loop: str, code: int) -> None:
    assert end_of(Command.shell(f"exit {code}"), loop) == Outcome(exit_code=code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1])
def test_a_program_that_a_signal_ends_has_no_exit_code(loop: str, number: signal.Signals) -> None:
    command = Command.shell(f"ulimit -c 0; kill -{int(number)} $$")
    assert end_of(command, loop) == Outcome(signal=number)


def test_a_program_takes_as_long_as_it_takes(loop: str) -> None:
    outcome = outcome_of(Command(["sleep", "0.2"]), loop)
    assert outcome.ok
    assert 0.2 <= outcome.elapsed < 15


def test_stdout_and_stderr_are_one_output(loop: str) -> None:
    command = Command.shell("echo one; echo two >&2; echo three > /dev/stderr; echo four > /dev/stdout")
    assert end_of(command, loop) == Outcome(exit_code=0, output=b"one\ntwo\nthree\nfour\n")


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 65536, 65537, 1_000_000, 30_000_000])
def test_the_beginning_of_the_output_is_kept_and_much_of_it_does_no_harm(loop: str, length: int) -> None:
    outcome = end_of(Command(["head", "-c", str(length), "/dev/zero"]), loop)
    assert outcome == Outcome(exit_code=0, output=bytes(min(length, 4096)))


@pytest.mark.parametrize("most", [0, 1, 100_000])
def test_as_much_is_kept_as_one_asks_for(loop: str, most: int) -> None:
    outcome = end_of(Command(["head", "-c", "200000", "/dev/zero"]), loop, max_output=most)
    assert outcome == Outcome(exit_code=0, output=bytes(most))


def test_without_output_there_is_nothing_to_read(loop: str, tmp_path: Path) -> None:
    where = tmp_path / "where"
    outcome = end_of(Command.shell(f"readlink /proc/$$/fd/1 /proc/$$/fd/2 > {where}"), loop, max_output=0)
    assert outcome == Outcome(exit_code=0)
    command = Command.shell(f"exec 3>&1 >{where}; readlink /proc/$$/fd/3 /proc/$$/fd/2")
    assert end_of(command, loop, max_output=0) == Outcome(exit_code=0)
    assert where.read_text() == "/dev/null\n/dev/null\n"


def test_output_that_trickles_is_kept_in_order(loop: str) -> None:
    command = Command.shell("for i in 1 2 3 4; do echo $i; sleep 0.02; done")
    assert end_of(command, loop) == Outcome(exit_code=0, output=b"1\n2\n3\n4\n")
    assert end_of(command, loop, max_output=5) == Outcome(exit_code=0, output=b"1\n2\n3")


def test_the_environment_is_exactly_the_given_one(loop: str) -> None:
    outcome = end_of(Command(["/usr/bin/env"], env={"A": "b c", "D": "ä"}), loop)
    assert outcome == Outcome(exit_code=0, output="A=b c\nD=ä\n".encode())
    assert end_of(Command(["/usr/bin/env"], env={}), loop) == Outcome(exit_code=0)


def test_the_environment_is_a_safe_minimum_otherwise(loop: str) -> None:
    outcome = end_of(Command(["/usr/bin/env"]), loop)
    assert outcome == Outcome(exit_code=0, output=f"PATH={SYSTEM_PATH}\nLC_ALL=C\n".encode())


def test_a_program_is_looked_for_on_the_path_of_its_own_environment(loop: str, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "check").mkdir()  # a directory is no program, and may be entered
    (tmp_path / "second").mkdir()
    script(tmp_path / "second" / "check", "echo not this one", mode=0o644)
    (tmp_path / "third").mkdir()
    script(tmp_path / "third" / "check", "echo this one")
    path = ":".join(str(tmp_path / folder) for folder in ("first", "second", "third", "fourth"))
    outcome = end_of(Command(["check"], env={"PATH": path}), loop)
    assert outcome == Outcome(exit_code=0, output=b"this one\n")
    assert end_of(Command(["true"], env={}), loop) == Outcome(exit_code=0)


def test_a_program_runs_at_the_root_or_where_it_is_told_to(loop: str, tmp_path: Path) -> None:
    assert end_of(Command(["pwd"]), loop) == Outcome(exit_code=0, output=b"/\n")
    outcome = end_of(Command(["pwd"], cwd=str(tmp_path)), loop)
    assert outcome == Outcome(exit_code=0, output=f"{tmp_path}\n".encode())


def test_a_relative_program_belongs_to_the_directory_it_runs_in(loop: str, tmp_path: Path) -> None:
    script(tmp_path / "check.sh", "echo here")
    outcome = end_of(Command(["./check.sh"], cwd=str(tmp_path)), loop)
    assert outcome == Outcome(exit_code=0, output=b"here\n")


def test_a_program_sees_the_words_as_they_were_given(loop: str, tmp_path: Path) -> None:
    (tmp_path / "copy").symlink_to("/bin/cat")
    command = Command(["copy", "/proc/self/cmdline"], env={"PATH": str(tmp_path)})
    assert end_of(command, loop) == Outcome(exit_code=0, output=b"copy\0/proc/self/cmdline\0")


def test_nothing_comes_in_on_stdin(loop: str) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"not for you")
    before = os.dup(0)
    os.dup2(ours, 0)
    try:
        assert end_of(Command(["cat"]), loop, timeout=5) == Outcome(exit_code=0)
    finally:
        os.dup2(before, 0)
        for descriptor in (ours, theirs, before):
            os.close(descriptor)


def test_no_descriptor_is_inherited(loop: str) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(ours, True)
    try:
        outcome = end_of(Command(["ls", "/proc/self/fd"]), loop)
    finally:
        os.close(ours)
        os.close(theirs)
    assert outcome == Outcome(exit_code=0, output=b"0\n1\n2\n3\n")  # 3 is the directory


def test_a_program_has_a_session_of_its_own(loop: str) -> None:
    command = Command.shell("echo $$; cut -d' ' -f5,6 /proc/$$/stat")
    pid, group, session = outcome_of(command, loop).output.split()
    assert pid == group == session


def cannot_be_run(tmp_path: Path) -> Iterator[tuple[Command, str]]:
    """Commands that cannot be run, and why."""
    missing, folder, text = tmp_path / "missing", tmp_path / "folder", script(tmp_path / "text", mode=0o644)
    folder.mkdir()
    yield Command([missing]), f"cannot run {missing}: no such file"
    yield Command([f"{text}/x"]), f"cannot run {text}/x: not a directory"
    yield Command(["no-such-program"]), f"cannot run no-such-program: not found on PATH {SYSTEM_PATH}"
    yield Command(["no-such-program"], env={}), "cannot run no-such-program: not found on PATH /bin:/usr/bin"
    yield Command([folder]), f"cannot run {folder}: not a file"
    yield Command([text]), f"cannot run {text}: not executable"
    yield Command(["/bin/true"], cwd=str(missing)), f"cannot run /bin/true: there is no directory {missing}"
    yield Command(["/bin/true"], cwd=text), f"cannot run /bin/true: there is no directory {text}"
    strange = script(tmp_path / "strange", interpreter="/no/such/interpreter -x")
    yield Command([strange]), f"cannot run {strange}: there is no interpreter '/no/such/interpreter'"
    windows = script(tmp_path / "windows", interpreter="/bin/sh\r")
    yield Command([windows]), f"cannot run {windows}: there is no interpreter '/bin/sh\\r'"
    for name, octets in (("empty", b""), ("bare", b"exit 0\n"), ("nameless", b"#!\nexit 0\n")):
        path = tmp_path / name
        path.write_bytes(octets)
        path.chmod(0o755)
        yield Command([path]), f"cannot run {path}: neither a program nor a script that begins with #!"
    yield Command(["/bin/true", "x" * 200_000]), "cannot run /bin/true: argument list too long"
    (tmp_path / "circle").symlink_to("circle")
    yield Command([tmp_path / "circle"]), f"cannot run {tmp_path}/circle: too many levels of symbolic links"


def test_what_cannot_be_run_has_failed_and_says_why(loop: str, tmp_path: Path) -> None:
    for command, error in cannot_be_run(tmp_path):
        outcome = end_of(command, loop)
        assert outcome == Outcome(error=error)
        assert not outcome.ok
        assert outcome.detail == error


def test_a_program_for_another_system_lacks_its_loader(loop: str, tmp_path: Path) -> None:
    octets = Path("/bin/true").read_bytes()
    foreign = re.sub(rb"(/lib[^\0]*/ld-[^\0]*)[^\0]\0", rb"\1?\0", octets, count=1)
    assert foreign != octets
    program = tmp_path / "foreign"
    program.write_bytes(foreign)
    program.chmod(0o755)
    assert end_of(Command([program]), loop) == Outcome(error=f"cannot run {program}: its loader is missing")


def test_a_script_may_come_and_go_between_runs(loop: str, tmp_path: Path) -> None:
    command = Command([script(tmp_path / "check.sh", "exit 0")])
    assert end_of(command, loop) == Outcome(exit_code=0)
    (tmp_path / "check.sh").unlink()
    assert end_of(command, loop) == Outcome(error=f"cannot run {tmp_path}/check.sh: no such file")
    script(tmp_path / "check.sh", "exit 4")
    assert end_of(command, loop) == Outcome(exit_code=4)


@pytest.mark.parametrize("first_line", ["/bin/sh", " \t/bin/sh -e", "/usr/bin/env sh", "../../../../../../../bin/sh"])
def test_an_interpreter_may_be_written_in_many_ways(loop: str, tmp_path: Path, first_line: str) -> None:
    program = script(tmp_path / "check.sh", "exit 4", interpreter=first_line)
    assert end_of(Command([program], cwd=str(tmp_path)), loop) == Outcome(exit_code=4)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"timeout": 0.009}, "timeout must be 0.01-86400 seconds, got 0.009"),
        ({"timeout": float("nan")}, "timeout must be 0.01-86400 seconds, got nan"),
        ({"timeout": "1"}, "timeout must be 0.01-86400 seconds, got '1'"),
        ({"timeout": 1.0, "grace": -1}, "grace must be 0-3600 seconds, got -1"),
        ({"timeout": 1.0, "max_output": -1}, "max_output must be 0-1048576 (octets), got -1"),
        ({"timeout": 1.0, "max_output": 2**20 + 1}, "max_output must be 0-1048576 (octets), got 1048577"),
        ({"timeout": 1.0, "max_output": 1.5}, "max_output must be 0-1048576 (octets), got 1.5"),
    ],
)
def test_limits_out_of_range_are_refused(loop: str, limits: dict[str, Any], text: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError) as refusal:
            await run(Command(["true"]), **limits)
        assert str(refusal.value) == text

    run_on(scenario(), loop)


def test_a_lack_of_descriptors_is_an_outcome_or_nothing_at_all(loop: str) -> None:
    async def scenario() -> Outcome:
        outcomes: list[Outcome] = []
        for spare in range(12):
            with spare_descriptors(spare):
                outcomes.append(await run(Command(["/bin/true"]), timeout=15))
        assert {outcome.error for outcome in outcomes} == {None, "cannot run /bin/true: too many open files"}
        return outcomes[-1]

    assert run_on(leaving_nothing(scenario), loop).ok


def test_a_lost_exit_code_is_no_success(loop: str) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        outcomes = [end_of(Command([program], env={}), loop) for program in ("/bin/true", "/usr/bin/env")]
    finally:
        signal.signal(signal.SIGCHLD, before)
    reason = "somebody else has waited for it, or SIGCHLD is ignored"
    assert [outcome.error for outcome in outcomes] == [
        f"nobody knows how /bin/true ended: {reason}",
        f"nobody knows how /usr/bin/env ended: {reason}",
    ]


def test_an_unrelated_child_is_left_to_whoever_started_it(loop: str) -> None:
    with subprocess.Popen(["sleep", "0.05"]) as other:
        assert end_of(Command(["true"]), loop) == Outcome(exit_code=0)
        assert other.wait(15) == 0
