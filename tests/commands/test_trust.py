"""What root refuses to run because others could change it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.helpers import end_of, script
from tests.support.requirements import require
from vrrpkit.commands import Command, Outcome
from vrrpkit.errors import ConfigError

pytestmark = pytest.mark.kernel

OTHER = 65534  # any user and group but root's


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require(os.geteuid() == 0, "needs root")


def own(path: Path, uid: int = 0, gid: int = 0, mode: int = 0o755) -> Path:
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def folder(path: Path, uid: int = 0, gid: int = 0, mode: int = 0o755) -> Path:
    path.mkdir()
    return own(path, uid, gid, mode)


def program(path: Path, uid: int = 0, gid: int = 0, mode: int = 0o755, interpreter: str = "/bin/sh") -> Path:
    script(path, "exit 4", interpreter=interpreter)
    return own(path, uid, gid, mode)


def link(path: Path, target: Path | str, uid: int = 0) -> Path:
    path.symlink_to(target)
    os.lchown(path, uid, 0)
    return path


def root_s_own(at: Path) -> Path:
    return program(at / "p")


def a_group_of_root_may_write(at: Path) -> Path:
    return program(folder(at / "d", mode=0o775) / "p", mode=0o775)


def in_a_sticky_directory(at: Path) -> Path:
    return program(folder(at / "d", mode=0o1777) / "p")


def in_a_directory_in_a_sticky_directory(at: Path) -> Path:
    return program(folder(folder(at / "d", mode=0o1777) / "e") / "p")


def behind_links_of_root(at: Path) -> Path:
    program(folder(at / "d") / "p")
    link(at / "e", "d")
    link(at / "f", at / "e")
    return link(at / "q", "f/../d/./p")


def a_link_of_somebody_where_only_root_can_replace_it(at: Path) -> Path:
    return link(at / "q", program(at / "p"), uid=OTHER)


def with_an_interpreter_of_root(at: Path) -> Path:
    return program(at / "p", interpreter="/bin/sh -e")


def with_a_sticky_bit_that_means_nothing(at: Path) -> Path:
    return program(at / "p", mode=0o1755)


TRUSTED = [
    root_s_own,
    a_group_of_root_may_write,
    in_a_sticky_directory,
    in_a_directory_in_a_sticky_directory,
    behind_links_of_root,
    a_link_of_somebody_where_only_root_can_replace_it,
    with_an_interpreter_of_root,
    with_a_sticky_bit_that_means_nothing,
]


@pytest.mark.parametrize("make", TRUSTED)
def test_root_runs_what_only_root_can_change(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    command = Command([make(tmp_path)])
    command.check()
    assert end_of(command) == Outcome(exit_code=4)


def somebody_s_program(at: Path) -> Path:
    return program(at / "p", uid=OTHER)


def others_may_write_it(at: Path) -> Path:
    return program(at / "p", mode=0o757)


def a_group_may_write_it(at: Path) -> Path:
    return program(at / "p", gid=OTHER, mode=0o775)


def in_somebody_s_directory(at: Path) -> Path:
    return program(folder(at / "d", uid=OTHER) / "p")


def in_a_directory_that_others_may_write(at: Path) -> Path:
    return program(folder(at / "d", mode=0o757) / "p")


def in_a_directory_that_a_group_may_write(at: Path) -> Path:
    return program(folder(at / "d", gid=OTHER, mode=0o775) / "p")


def further_up(at: Path) -> Path:
    return program(folder(folder(at / "d", mode=0o777) / "e") / "p")


def somebody_s_in_a_sticky_directory(at: Path) -> Path:
    return program(folder(at / "d", mode=0o1777) / "p", uid=OTHER)


def somebody_s_directory_in_a_sticky_directory(at: Path) -> Path:
    return program(folder(folder(at / "d", mode=0o1777) / "e", uid=OTHER) / "p")


def in_somebody_s_sticky_directory(at: Path) -> Path:
    return program(folder(at / "d", uid=OTHER, mode=0o1777) / "p")


def others_may_write_it_in_a_sticky_directory(at: Path) -> Path:
    return program(folder(at / "d", mode=0o1777) / "p", mode=0o777)


def a_link_into_somebody_s_directory(at: Path) -> Path:
    program(folder(at / "d", uid=OTHER) / "p")
    return link(at / "q", "d/p")


def a_link_to_a_link_in_somebody_s_directory(at: Path) -> Path:
    link(folder(at / "d", uid=OTHER) / "q", program(at / "p"))
    return link(at / "r", at / "d" / "q")


def a_link_through_somebody_s_directory_and_out_again(at: Path) -> Path:
    folder(at / "d", uid=OTHER)
    folder(at / "d" / "e")
    program(at / "p")
    return link(at / "q", "d/e/../../p")


def somebody_s_link_in_a_sticky_directory(at: Path) -> Path:
    return link(folder(at / "d", mode=0o1777) / "q", program(at / "p"), uid=OTHER)


def somebody_s_link_in_a_sticky_directory_by_a_detour(at: Path) -> Path:
    folder(at / "d", mode=0o1777)
    folder(at / "d" / "e")
    link(at / "d" / "q", program(at / "p"), uid=OTHER)
    return link(at / "r", "d/e/../q")


def others_may_write_it_sticky_as_it_is(at: Path) -> Path:
    return program(at / "p", mode=0o1777)


def somebody_s_interpreter(at: Path) -> Path:
    folder(at / "d", uid=OTHER)
    link(at / "d" / "sh", "/bin/sh")
    return program(at / "p", interpreter=f"{at}/d/sh -e")


REFUSED = [
    (somebody_s_program, "{}/p belongs to user 65534"),
    (others_may_write_it, "others than root may write {}/p (-rwxr-xrwx, group 0)"),
    (a_group_may_write_it, "others than root may write {}/p (-rwxrwxr-x, group 65534)"),
    (in_somebody_s_directory, "{}/d belongs to user 65534"),
    (in_a_directory_that_others_may_write, "others than root may write {}/d (drwxr-xrwx, group 0)"),
    (in_a_directory_that_a_group_may_write, "others than root may write {}/d (drwxrwxr-x, group 65534)"),
    (further_up, "others than root may write {}/d (drwxrwxrwx, group 0)"),
    (somebody_s_in_a_sticky_directory, "others than root may write {}/d (drwxrwxrwt, group 0)"),
    (somebody_s_directory_in_a_sticky_directory, "others than root may write {}/d (drwxrwxrwt, group 0)"),
    (in_somebody_s_sticky_directory, "{}/d belongs to user 65534"),
    (others_may_write_it_in_a_sticky_directory, "others than root may write {}/d/p (-rwxrwxrwx, group 0)"),
    (a_link_into_somebody_s_directory, "{}/d belongs to user 65534"),
    (a_link_to_a_link_in_somebody_s_directory, "{}/d belongs to user 65534"),
    (a_link_through_somebody_s_directory_and_out_again, "{}/d belongs to user 65534"),
    (somebody_s_link_in_a_sticky_directory, "others than root may write {}/d (drwxrwxrwt, group 0)"),
    (somebody_s_link_in_a_sticky_directory_by_a_detour, "others than root may write {}/d (drwxrwxrwt, group 0)"),
    (others_may_write_it_sticky_as_it_is, "others than root may write {}/p (-rwxrwxrwt, group 0)"),
    (somebody_s_interpreter, "{}/d belongs to user 65534"),
]


@pytest.mark.parametrize(("make", "weakness"), REFUSED)
def test_root_refuses_what_others_could_change(tmp_path: Path, make: Callable[[Path], Path], weakness: str) -> None:
    path = make(tmp_path)
    error = f"cannot run {path}: not as root: {weakness.format(tmp_path)}; set user=, or secure=False"
    command = Command([path])
    assert end_of(command) == Outcome(error=error)
    with pytest.raises(ConfigError) as refusal:
        command.check()
    assert str(refusal.value) == error


@pytest.mark.parametrize("make", [make for make, _weakness in REFUSED])
def test_one_may_have_it_run_all_the_same(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    command = Command([make(tmp_path)], secure=False)
    command.check()
    assert end_of(command) == Outcome(exit_code=4)


def test_a_program_on_the_path_is_looked_at_too(tmp_path: Path) -> None:
    program(folder(tmp_path / "d", uid=OTHER) / "p")
    outcome = end_of(Command(["p"], env={"PATH": f"{tmp_path}/d"}))
    assert outcome.error == (
        f"cannot run {tmp_path}/d/p: not as root: {tmp_path}/d belongs to user 65534; set user=, or secure=False"
    )


def test_a_program_is_looked_at_before_every_run(tmp_path: Path) -> None:
    command = Command([program(tmp_path / "p")])
    assert end_of(command) == Outcome(exit_code=4)
    (tmp_path / "p").chmod(0o777)
    assert end_of(command).error is not None
    (tmp_path / "p").chmod(0o755)
    assert end_of(command) == Outcome(exit_code=4)
