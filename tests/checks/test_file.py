"""Checks of a number in a file, also in a file system that hangs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.linux.support import LOOPS, eventually, run
from tests.support.requirements import require
from vrrpkit import ConfigError
from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._file import FileChecker


def told(checker: FileChecker, loop: str = "asyncio") -> CheckResult:
    """What it finds, but for the time it took; it leaves nothing open."""

    async def ask() -> CheckResult:
        before = descriptors()
        async with asyncio.timeout(15):
            result = await checker.check()
        assert descriptors() == before
        assert 0 <= result.elapsed < 15
        return evolve(result, elapsed=0.0)

    return run(ask(), loop)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def well(detail: str, weight: int | None = None) -> CheckResult:
    return CheckResult(ok=True, detail=detail, weight=weight)


def failed(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weight"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("5\n", well("the number is 5", weight=5)),
        (" 0x1f and so on", well("the number is 31", weight=31)),
        ("0", well("the number is 0", weight=0)),
        ("65536", well("the number is 65536", weight=65535)),
        ("-1", failed("the number is -1")),
        ("", failed("it is empty")),
        ("up", failed("it does not begin with a number")),
        (
            "2147483648",
            failed("a number from -2147483648 to 2147483647 is wanted, and that is not one: ignored"),
        ),
        ("7" + "x" * 100_000, well("the number is 7", weight=7)),
    ],
)
def test_the_number_is_the_weight(path: Path, content: str, result: CheckResult, loop: str) -> None:
    path.write_text(content)
    assert told(FileChecker(path=path), loop) == result


@pytest.mark.parametrize(
    ("settings", "content", "ok", "weight"),
    [
        ({"base_weight": 10}, "5", True, 15),
        ({"base_weight": 10}, "-10", True, 0),
        ({"base_weight": 10}, "-11", False, None),
        ({"base_weight": 10, "weight": 3}, "5", True, 25),
        ({"base_weight": 10, "weight": 3, "reverse": True}, "2", True, 4),
        ({"base_weight": 10, "weight": -3}, "2", True, 4),
        ({"weight": 0}, "0", True, None),
        ({"weight": 0}, "-4", False, None),
        ({"weight": 0, "reverse": True}, "0", False, None),
        ({"weight": 0, "reverse": True}, "9", True, None),
    ],
)
def test_a_number_counts_as_it_is_weighted(
    path: Path, settings: dict[str, Any], content: str, ok: bool, weight: int | None
) -> None:
    path.write_text(content)
    result = told(FileChecker(path=path, **settings))
    assert result == CheckResult(ok=ok, detail=f"the number is {content}", weight=weight)


def test_a_file_that_is_not_there_has_failed_unless_it_stands_for_a_number(path: Path) -> None:
    (path.parent / "file").touch()
    for missing in (path, path / "in" / "it", path.parent / "file" / "in" / "it"):
        assert told(FileChecker(path=missing)) == failed("there is no such file")
        assert told(FileChecker(path=missing, missing=3)) == well("there is no such file, which stands for 3", weight=3)
    switch = FileChecker(path=path, weight=0, missing=0)
    assert told(switch) == well("there is no such file, which stands for 0")
    path.write_text("1\n")
    assert told(switch) == failed("the number is 1")
    path.unlink()
    assert told(switch).ok


def test_what_is_no_file_has_failed_and_holds_up_nobody(path: Path) -> None:
    os.mkfifo(path)
    for other in (path, path.parent, Path("/dev/zero")):
        assert told(FileChecker(path=other)) == failed("it is not a file")


def test_a_file_that_cannot_be_read_has_failed(path: Path) -> None:
    path.symlink_to(path)
    assert told(FileChecker(path=path)) == failed("Too many levels of symbolic links")


def test_a_file_that_recovers_is_well_again(path: Path) -> None:
    checker = FileChecker(path=path)
    found = [told(checker)]
    for content in ("-1", "8"):
        path.write_text(content)
        found.append(told(checker))
    assert found == [failed("there is no such file"), failed("the number is -1"), well("the number is 8", weight=8)]


def test_a_relative_path_is_one_from_the_directory_at_construction() -> None:
    assert FileChecker(path="run/weight").path == Path.cwd() / "run" / "weight"


def test_many_checks_of_a_path_at_once_all_find_the_number(path: Path) -> None:
    path.write_text("4")

    async def scenario() -> None:
        checkers = [FileChecker(path=path, weight=weight) for weight in range(1, 21)]
        results = await asyncio.gather(*(checker.check() for checker in checkers))
        assert [result.weight for result in results] == [4 * weight for weight in range(1, 21)]

    run(scenario())


@contextmanager
def hanging(mountpoint: Path) -> Iterator[Callable[[], None]]:
    """A file system in which everything hangs until the function is called, and is broken then."""
    require(os.geteuid() == 0, "needs root")
    require(Path("/dev/fuse").exists(), "needs /dev/fuse")
    mountpoint.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    device: int | None = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    mounted = libc.mount(b"none", os.fsencode(mountpoint), b"fuse", 0, options)
    require(mounted == 0, "may not mount")

    def release() -> None:
        nonlocal device
        if device is not None:
            os.close(device)
            device = None

    try:
        yield release
    finally:
        release()
        assert libc.umount2(os.fsencode(mountpoint), 2) == 0


def readers(path: Path) -> int:
    return sum(thread.name == f"read {path}" for thread in threading.enumerate())


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_file_system_that_hangs_holds_up_neither_the_loop_nor_the_caller(tmp_path: Path, loop: str) -> None:
    with hanging(tmp_path / "dead") as release:
        checker = FileChecker(path=tmp_path / "dead" / "weight")

        async def scenario() -> None:
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await checker.check()
            assert readers(checker.path) == 1
            waiting = [asyncio.create_task(checker.check()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            release()
            first, *others = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(first, asyncio.CancelledError)
            assert [isinstance(other, CheckResult) and not other.ok for other in others] == [True, True]
            await eventually(lambda: not readers(checker.path), "the thread ends")
            assert not (await checker.check()).ok

        run(scenario(), loop)


@pytest.mark.kernel
def test_a_read_that_ends_after_its_loop_harms_nobody(tmp_path: Path) -> None:
    with hanging(tmp_path / "dead") as release:
        checker = FileChecker(path=tmp_path / "dead" / "weight")

        async def scenario() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await checker.check()

        run(scenario())
        (thread,) = (thread for thread in threading.enumerate() if thread.name == f"read {checker.path}")
        assert thread.daemon  # or the program would not end
        release()
        thread.join(15)
        assert not thread.is_alive()
    assert told(evolve(checker, path=tmp_path / "none")) == failed("there is no such file")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"path": ""}, "path must be that of a file, got ''"),
        ({"path": "/"}, "path must be that of a file, got '/'"),
        ({"path": 3}, "path must be that of a file, got 3"),
        ({"path": "a\0b"}, "path must be that of a file, got 'a\\x00b'"),
        ({"base_weight": -1}, "base_weight must be 0-65535, got -1"),
        ({"weight": 65536}, "weight must be -65535 to 65535, got 65536"),
        ({"reverse": 1}, "reverse must be True or False, got 1"),
        ({"missing": "0"}, "missing must be -2147483648 to 2147483647, got '0'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        FileChecker(**{"path": "weight", **settings})
    assert str(refusal.value) == text
