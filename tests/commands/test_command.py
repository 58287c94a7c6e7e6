"""What can be said about a command without running it."""

from __future__ import annotations

import grp
import os
import pwd
from copy import deepcopy
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.commands.helpers import script
from vrrpkit.commands import Command
from vrrpkit.commands._account import Account, account_of
from vrrpkit.commands._command import launch_of
from vrrpkit.errors import ConfigError


def test_words_of_any_kind_become_a_tuple_of_text() -> None:
    assert Command(["/bin/ls", PurePosixPath("/tmp"), "-l"]).argv == ("/bin/ls", "/tmp", "-l")  # noqa: S108 - only a name
    assert Command(word for word in ("a", "b")).argv == ("a", "b")


def test_a_line_of_shell_goes_to_sh() -> None:
    command = Command.shell("a | b", env={"A": "b"}, cwd="/usr", secure=False)
    assert command == Command(["/bin/sh", "-c", "a | b", "sh"], env={"A": "b"}, cwd="/usr", secure=False)


def test_arguments_are_added_at_the_end_and_all_else_stays() -> None:
    command = Command(["notify.sh", "-v"], user="root", env={"A": "b"}, cwd="/usr", secure=False)
    longer = command.with_arguments("INSTANCE", "one", "MASTER", "100")
    words = ["notify.sh", "-v", "INSTANCE", "one", "MASTER", "100"]
    assert longer == Command(words, user="root", env={"A": "b"}, cwd="/usr", secure=False)
    assert command.argv == ("notify.sh", "-v")


def test_a_command_is_shown_as_one_would_type_it() -> None:
    command = Command(["/bin/echo", "it's", "$HOME", "a b"], env={"PASSWORD": "secret"})
    assert str(command) == """/bin/echo 'it'"'"'s' '$HOME' 'a b'"""
    assert repr(command) == """<Command: /bin/echo 'it'"'"'s' '$HOME' 'a b'>"""


def test_the_environment_is_nowhere_to_be_seen() -> None:
    command = Command(["true"], env={"PASSWORD": "secret"})
    assert "secret" not in f"{command} {command!r} {launch_of(command)!r}"
    with pytest.raises(ConfigError) as refusal:
        Command(["true"], env={"PASSWORD": "secret\0"})
    assert str(refusal.value) == "env['PASSWORD'] must be text without NUL"


def test_the_environment_is_the_command_s_own() -> None:
    env = {"A": "b"}
    command = Command(["true"], env=env)
    env["A"] = "c"
    assert command.env == {"A": "b"}


def test_equal_commands_are_one_key() -> None:
    one, other = (Command(["true"], env={"A": "b"}) for _ in range(2))
    assert {one: 1}[other] == 1
    assert one != Command(["true"], env={"A": "c"})


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ("exit 3", "argv must be a list of words, got 'exit 3'; Command.shell() takes a line of shell"),
        (b"ls", "argv must be a list of words, got b'ls'; Command.shell() takes a line of shell"),
        ([], "argv must begin with a program, got ()"),
        ([""], "argv must begin with a program, got ('',)"),
        (["ls", 3], "argv must be text without NUL, got 3"),
        (["ls", b"-l"], "argv must be text without NUL, got b'-l'"),
        (["ls", "a\0b"], "argv must be text without NUL, got 'a\\x00b'"),
        (["ls", "\ud800"], "argv must be text without NUL, got '\\ud800'"),
    ],
)
def test_argv_out_of_range_is_refused(argv: Any, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Command(argv)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"env": {"A=B": "c"}}, "env must have names without '=', got 'A=B'"),
        ({"env": {"": "c"}}, "env must have names without '=', got ''"),
        ({"env": {3: "c"}}, "env must be text without NUL, got 3"),
        ({"env": {"A": 3}}, "env['A'] must be text without NUL"),
        ({"cwd": "tmp"}, "cwd must be an absolute path, got 'tmp'"),
        ({"cwd": None}, "cwd must be text without NUL, got None"),
        ({"secure": "no"}, "secure must be True or False, got 'no'"),
        ({"user": "nobdy"}, "user must be a user of this machine, got 'nobdy'"),
        ({"user": "no\0body"}, "user must be a user of this machine, got 'no\\x00body'"),
        ({"user": ""}, "user must be a user of this machine, got ''"),
        ({"user": True}, "user must be a user of this machine, got True"),
        ({"user": -1}, "user must be a user of this machine, got -1"),
        ({"user": 2**32 - 1}, "user must be a user of this machine, got 4294967295"),
        ({"user": 1.5}, "user must be a user of this machine, got 1.5"),
        ({"user": 4000000000}, "user 4000000000 is not in the user database, so that it needs a group as well"),
        ({"user": "root", "group": "rot"}, "group must be a group of this machine, got 'rot'"),
        ({"user": "root", "group": -1}, "group must be a group of this machine, got -1"),
        ({"user": "root", "group": False}, "group must be a group of this machine, got False"),
        ({"group": "root"}, "group goes with a user, got group='root' alone"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Command(["true"], **settings)
    assert str(refusal.value) == text


def test_arguments_that_cannot_be_passed_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"arguments must be text without NUL, got 100"):
        Command(["true"]).with_arguments(100)  # type: ignore[arg-type]  # what the test is about


def test_a_user_brings_the_groups_of_the_user() -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid, tuple(os.getgrouplist("nobody", nobody.pw_gid)))
    assert account_of("nobody", None) == account
    assert account_of(nobody.pw_uid, None) == account


def test_a_group_replaces_the_user_s_own() -> None:
    daemon = grp.getgrnam("daemon").gr_gid
    account = Account(0, daemon, tuple(os.getgrouplist("root", daemon)))
    assert account_of("root", "daemon") == account
    assert account_of(0, daemon) == account


def test_a_number_that_is_in_no_database_has_no_further_groups() -> None:
    assert account_of(4000000000, 4000000001) == Account(4000000000, 4000000001, ())


def test_a_command_that_can_be_run_passes_its_check(tmp_path: Path) -> None:
    Command(["true"]).check()
    Command([script(tmp_path / "check.sh", "exit 1")]).check()


def test_a_command_that_cannot_be_run_fails_its_check(tmp_path: Path) -> None:
    program = script(tmp_path / "check.sh", mode=0o644)
    with pytest.raises(ConfigError) as refusal:
        Command([program]).check()
    assert str(refusal.value) == f"cannot run {program}: not executable"


def test_a_command_is_a_value_that_can_be_copied() -> None:
    command = Command(["true"], user="root", env={"A": "b"})
    assert deepcopy(command) == command
