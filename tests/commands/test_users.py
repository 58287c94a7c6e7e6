"""Programs that run as somebody else."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from tests.commands.helpers import children, descriptors, end_of, outcome_of, script
from tests.linux.support import LOOPS, eventually, without_capabilities
from tests.linux.support import run as run_on
from tests.support.requirements import require
from vrrpkit.commands import Command, Outcome, run
from vrrpkit.commands._account import Account
from vrrpkit.commands._command import launch_of
from vrrpkit.commands._launch import Launch, Obstacle, prepare

pytestmark = pytest.mark.kernel

OTHER = 65534  # not one of root's groups
WHO = "id -u; id -g; id -G"


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require(os.geteuid() == 0, "needs root")


def who(user: str, gid: int | None = None) -> bytes:
    """What those commands print."""
    entry = pwd.getpwnam(user)
    gid = entry.pw_gid if gid is None else gid
    others = [group for group in os.getgrouplist(user, gid) if group != gid]
    return f"{entry.pw_uid}\n{gid}\n{' '.join(map(str, [gid, *others]))}\n".encode()


def somebody_in_several_groups() -> str:
    """A user with supplementary groups, if there is one."""
    members = (user for group in grp.getgrall() for user in group.gr_mem)
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((user for user in members if user in known), "daemon")


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK user")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("user", ["nobody", "daemon", somebody_in_several_groups()])
def test_a_program_runs_as_the_user_with_all_groups_of_the_user(loop: str, user: str) -> None:
    assert end_of(Command.shell(WHO, user=user), loop) == Outcome(exit_code=0, output=who(user))
    number = pwd.getpwnam(user).pw_uid
    assert end_of(Command.shell(WHO, user=number), loop) == Outcome(exit_code=0, output=who(user))


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK user")
@pytest.mark.parametrize("loop", LOOPS)
def test_the_group_may_be_another_one(loop: str) -> None:
    group = grp.getgrnam("daemon").gr_gid
    for given in ("daemon", group):
        command = Command.shell(WHO, user="nobody", group=given)
        assert end_of(command, loop) == Outcome(exit_code=0, output=who("nobody", group))
    command = Command.shell(WHO, user="root", group="daemon")
    assert end_of(command, loop) == Outcome(exit_code=0, output=who("root", group))


def test_a_user_without_an_entry_has_one_group() -> None:
    command = Command.shell(WHO, user=4000000000, group=4000000001)
    assert end_of(command) == Outcome(exit_code=0, output=b"4000000000\n4000000001\n4000000001\n")


def test_more_arguments_are_for_the_same_user() -> None:
    command = Command(["sh", "-c", 'id -u; echo "$@"', "sh"], user="daemon").with_arguments("a b", "c")
    number = pwd.getpwnam("daemon").pw_uid
    assert end_of(command) == Outcome(exit_code=0, output=f"{number}\na b c\n".encode())


def test_another_user_has_no_capabilities() -> None:
    outcome = outcome_of(Command(["grep", "-E", "^Cap(Inh|Prm|Eff|Amb)", "/proc/self/status"], user="nobody"))
    assert [int(line.split()[1], 16) for line in outcome.output.decode().splitlines()] == [0, 0, 0, 0]


@pytest.mark.parametrize("loop", LOOPS)
def test_another_user_ends_like_anybody_else(loop: str) -> None:
    assert end_of(Command.shell("exit 3", user="nobody"), loop) == Outcome(exit_code=3)
    assert end_of(Command.shell("exit 127", user="nobody"), loop) == Outcome(exit_code=127)
    assert end_of(Command.shell("kill -KILL $$", user="nobody"), loop) == Outcome(signal=signal.SIGKILL)
    hanging = Command.shell("sleep 1000; :", user="nobody")
    assert end_of(hanging, loop, timeout=0.3) == Outcome(signal=signal.SIGTERM, timed_out=True)


def test_another_user_may_open_its_output_by_name() -> None:
    command = Command.shell("echo one >/dev/stderr; echo two >/dev/stdout", user="nobody")
    assert end_of(command) == Outcome(exit_code=0, output=b"one\ntwo\n")


def test_the_environment_and_the_directory_are_the_command_s() -> None:
    command = Command(["/usr/bin/env"], user="nobody", env={"A": "b"})
    assert end_of(command) == Outcome(exit_code=0, output=b"A=b\n")
    command = Command(["pwd"], user="nobody", cwd="/usr")
    assert end_of(command) == Outcome(exit_code=0, output=b"/usr\n")


def test_what_setpriv_cannot_run_has_not_been_run() -> None:
    command = Command(["/bin/true"], user="nobody")
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, before[1]))  # none for nobody; root is free of it
    try:
        told, silent = end_of(command), end_of(command, max_output=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    reason = "failed to execute /bin/true: Resource temporarily unavailable"
    nobody = pwd.getpwnam("nobody").pw_uid
    assert told == Outcome(error=f"cannot run /bin/true as user {nobody}: {reason}")
    assert silent == Outcome(exit_code=126)
    assert silent.detail == "exit 126 (not executable)"


def test_a_script_of_another_user_needs_a_first_line_too() -> None:
    with open_folder() as folder:
        program = folder / "empty"
        program.touch(0o755)
        error = f"cannot run {program}: neither a program nor a script that begins with #!"
        assert end_of(Command([program], user="nobody")) == Outcome(error=error)


def test_what_others_may_write_is_not_refused_to_others() -> None:
    with open_folder() as folder:
        program = script(folder / "check.sh", "exit 4", mode=0o777)
        assert end_of(Command([program], user="nobody")) == Outcome(exit_code=4)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_without_the_right_to_it_nobody_else_can_be_become() -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    outcome = without_capabilities(lambda: end_of(Command(["/bin/true"], user="nobody")))
    error = f"cannot run /bin/true: becoming user {uid} needs CAP_SETUID and CAP_SETGID"
    assert outcome == Outcome(error=error)


def test_one_needs_no_right_to_be_oneself() -> None:
    ours = Account(0, 0, tuple(os.getgroups()))
    launch = without_capabilities(lambda: prepare(["/bin/true"], ours, {}, "/", secure=True))
    assert isinstance(launch, Launch)
    assert launch.account is None
    others = (Account(1, 0, ours.groups), Account(0, 1, ours.groups), Account(0, 0, (*ours.groups, OTHER)))
    for other in others:
        launch = without_capabilities(partial(prepare, ["/bin/true"], other, {}, "/", secure=True))
        assert launch == Obstacle(f"cannot run /bin/true: becoming user {other.uid} needs CAP_SETUID and CAP_SETGID")


@pytest.mark.parametrize("group", [None, "daemon"])
def test_without_setpriv_it_takes_longer_and_does_the_same(group: str | None) -> None:
    launch = launch_of(Command.shell(WHO, user=somebody_in_several_groups(), group=group))
    assert isinstance(launch, Launch)
    with_it, without = (evolve(launch, helper=helper) for helper in (launch.helper, None))
    assert (
        printed(with_it)
        == printed(without)
        == who(somebody_in_several_groups(), None if group is None else grp.getgrnam(group).gr_gid)
    )


def printed(launch: Launch) -> bytes:
    ours, theirs = os.pipe()
    pid = launch.start(theirs)
    os.close(theirs)
    with open(ours, "rb") as pipe:  # noqa: PTH123 - a descriptor is no path
        octets = pipe.read()
    assert os.waitpid(pid, 0) == (pid, 0)
    return octets


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_not_ours_to_end_holds_nobody_up_and_is_still_reaped(loop: str) -> None:
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "3"]

    async def scenario() -> Outcome:
        before = (descriptors(), children())
        outcome = await run(Command(other), timeout=0.3, grace=0.1)
        assert len(children() - before[1]) == 1
        await eventually(lambda: (descriptors(), children()) == before, "an end of everything")
        return outcome

    outcome = without_capabilities(lambda: run_on(scenario(), loop))
    assert evolve(outcome, elapsed=0.0) == Outcome(timed_out=True)
    assert outcome.detail.endswith(" s and could not be ended")
