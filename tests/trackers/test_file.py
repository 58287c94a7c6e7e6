"""Files as tracked things: every way to change one, and to lose one."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linux.support import LOOPS, eventually, run, without_capabilities
from tests.support.requirements import require
from tests.trackers.support import becomes, nothing_left, told
from vrrpkit.errors import ConfigError
from vrrpkit.linux._inotify import inotify_events
from vrrpkit.linux._path_watcher import Step, steps
from vrrpkit.testing import run_virtual
from vrrpkit.trackers import TrackerNews
from vrrpkit.trackers._file import FileTracker
from vrrpkit.tracking import Level, Reading

ABSENT = (Level(0), "there is no such file")
EMPTY = (Level(0), "it is empty")
NO_NUMBER = (Level(0), "it does not begin with a number")
TOO_LARGE = "a number from -2147483648 to 2147483647 is wanted, and that is not one: ignored"
NO_FILE = (Level(0), "it is not a file")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# What the kernel tells ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_no_octets_upset_the_codec(octets: bytes) -> None:
    assert sum(16 + len(event.name) for event in inotify_events(octets)) <= len(octets)


# The way to a file ----------------------------------------------------------------------------------------------------


def names(path: Path | str, root: Path) -> list[str]:
    """The steps below a directory, as paths from there."""
    found = [f"{step.directory}/{step.name}" for step in steps(str(path))]
    return [one.removeprefix(f"{root}/") for one in found if one.startswith(f"{root}/")]


def test_the_way_begins_at_the_root() -> None:
    assert steps("/proc/self-made") == (Step("/", "proc"), Step("/proc", "self-made"))
    assert steps("//proc/./1/..") == (Step("/", "proc"), Step("/proc", "1"))


def test_the_way_ends_at_the_first_name_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path / "file", "1")
    assert names(tmp_path / "a" / "b" / "c", tmp_path) == ["a"]
    assert names(tmp_path / "file" / "b" / "c", tmp_path) == ["file", "file/b"]


def test_the_way_goes_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "deep").mkdir()
    (tmp_path / "link").symlink_to("real/deep/../deep")
    (tmp_path / "real" / "deep" / "level").symlink_to(tmp_path / "target")
    assert names(tmp_path / "link" / "level", tmp_path) == [
        "link", "real", "real/deep", "real/deep", "real/deep/level", "target"
    ]  # fmt: skip


def test_a_way_in_circles_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert names(tmp_path / "a", tmp_path) == ["a", "b"] * 20 + ["a"]


# Reading --------------------------------------------------------------------------------------------------------------


def found(path: Path) -> tuple[Reading, str]:
    """What a tracker says of a file in the beginning."""

    async def scenario() -> tuple[Reading, str]:
        async with FileTracker(path) as tracker:
            return told(tracker)

    return run(scenario())


def test_a_file_is_read_in_the_beginning(tmp_path: Path) -> None:
    assert found(written(tmp_path / "level", "12\n")) == (Level(12), "")
    assert found(written(tmp_path / "level", "")) == EMPTY
    assert found(written(tmp_path / "level", "high")) == NO_NUMBER
    assert found(tmp_path / "nowhere" / "level") == ABSENT
    assert found(tmp_path / "level" / "file") == ABSENT
    assert found(tmp_path) == NO_FILE


def test_a_long_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    assert found(written(tmp_path / "level", "5" + " " * (1 << 22))) == (Level(5), "")
    assert found(written(tmp_path / "level", " " * 4096 + "5")) == EMPTY


def test_links_in_circles_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "level").symlink_to("level")
    assert found(tmp_path / "level") == (Level(0), "it cannot be read: Too many levels of symbolic links")


def test_a_fifo_does_not_hang_and_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "level")
    writer = os.open(tmp_path / "level", os.O_RDWR)
    os.write(writer, b"12\n")
    assert found(tmp_path / "level") == NO_FILE
    assert os.read(writer, 10) == b"12\n"
    os.close(writer)


def test_a_file_that_may_not_be_read_is_zero(tmp_path: Path) -> None:
    path = written(tmp_path / "level", "12")
    path.chmod(0)
    expected = (Level(0), "it cannot be read: Permission denied")
    assert without_capabilities(lambda: found(path)) == expected


# Following ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_file_is_read_again_whenever_it_has_been_written(tmp_path: Path, loop: str) -> None:
    async def scenario() -> None:
        path = tmp_path / "level"
        async with nothing_left(), FileTracker(path, weight=2) as level:
            assert (level.name, level.track.weight, level.path, *told(level)) == ("level", 2, path, *ABSENT)
            for number in (5, -7, 0, 31):
                path.write_text(f"{number}\n")
                await becomes(level, Level(number), "")
            path.write_text("99999999999")
            await becomes(level, Level(31), TOO_LARGE)
            path.unlink()
            await becomes(level, *ABSENT)

    run(scenario(), loop)


def test_a_file_that_is_open_for_writing_is_not_read_yet(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = written(tmp_path / "level", "1")
        async with FileTracker(path) as level:
            with path.open("w") as file:
                file.write("2")
                file.flush()
                await asyncio.sleep(0.05)
                assert level.reading == Level(1)
                file.write("0")
            await becomes(level, Level(20))

    run(scenario())


def test_a_file_can_be_replaced_by_renaming(tmp_path: Path) -> None:
    async def scenario() -> list[Reading]:
        path = written(tmp_path / "level", "1")
        async with FileTracker(path) as level:
            written(tmp_path / "new", "2").replace(path)
            await becomes(level, Level(2))
            path.rename(tmp_path / "away")
            await becomes(level, *ABSENT)
            (tmp_path / "away").rename(path)
            await becomes(level, Level(2))
            path.unlink()
            await becomes(level, *ABSENT)
            path.hardlink_to(written(tmp_path / "other", "3"))
            await becomes(level, Level(3))
        return [news.reading async for news in level.changes()]

    assert run(scenario()) == [Level(3)]


def test_a_config_map_that_is_swapped_is_seen(tmp_path: Path) -> None:
    def publish(version: str, number: int) -> None:
        (tmp_path / version).mkdir()
        written(tmp_path / version / "level", str(number))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    async def scenario() -> None:
        publish("..one", 1)
        (tmp_path / "level").symlink_to("..data/level")
        async with FileTracker(tmp_path / "level") as level:
            assert level.reading == Level(1)
            publish("..two", 2)
            await becomes(level, Level(2))
            publish("..three", 3)
            await becomes(level, Level(3))
            (tmp_path / "..one" / "level").write_text("99")
            (tmp_path / "..three" / "level").write_text("4")
            await becomes(level, Level(4))

    run(scenario())


def test_a_link_to_a_file_elsewhere_is_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "here").mkdir()
        (tmp_path / "there").mkdir()
        (tmp_path / "here" / "level").symlink_to("../there/level")
        async with FileTracker(tmp_path / "here" / "level") as level:
            assert told(level) == ABSENT
            written(tmp_path / "there" / "level", "1")
            await becomes(level, Level(1))
            (tmp_path / "there").rename(tmp_path / "away")
            await becomes(level, *ABSENT)

    run(scenario())


def test_its_directory_may_come_go_and_come_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "a" / "b"
        async with FileTracker(directory / "level") as level:
            assert told(level) == ABSENT
            for number in (1, 2, 3):
                directory.mkdir(parents=True)
                written(directory / "level", str(number))
                await becomes(level, Level(number))
                (directory / "level").unlink()
                directory.rmdir()
                directory.parent.rmdir()
                await becomes(level, *ABSENT)

    run(scenario())


def test_a_directory_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        for name, number in (("a", 1), ("b", 2)):
            (tmp_path / name / "x").mkdir(parents=True)
            written(tmp_path / name / "x" / "level", str(number))
        async with FileTracker(tmp_path / "a" / "x" / "level") as level:
            assert level.reading == Level(1)
            (tmp_path / "a").rename(tmp_path / "c")
            (tmp_path / "b").rename(tmp_path / "a")
            await becomes(level, Level(2))
            (tmp_path / "c" / "x" / "level").write_text("99")
            (tmp_path / "a" / "x" / "level").write_text("3")
            await becomes(level, Level(3))

    run(scenario())


def test_a_directory_that_is_deleted_while_in_use_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "a"
        directory.mkdir()
        handle = os.open(directory, os.O_RDONLY)
        async with FileTracker(directory / "level") as level:
            directory.rmdir()
            directory.mkdir()
            written(directory / "level", "1")
            await becomes(level, Level(1))
        os.close(handle)

    run(scenario())


def test_what_is_no_longer_on_the_way_is_not_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        for name in ("a", "b"):
            (tmp_path / name / "x" / "y").mkdir(parents=True)
            written(tmp_path / name / "x" / "y" / "level", name)
        (tmp_path / "link").symlink_to("a")
        async with FileTracker(tmp_path / "link" / "x" / "y" / "level") as level:
            before = watches()
            (tmp_path / "new").symlink_to("b")
            written(tmp_path / "b" / "x" / "y" / "level", "7")
            (tmp_path / "new").replace(tmp_path / "link")
            await becomes(level, Level(7))
            assert watches() == before
            (tmp_path / "link").unlink()
            await becomes(level, *ABSENT)
            assert watches() == before - 3

    run(scenario())


def watches() -> int:
    """How many directories this process watches."""
    infos = [path.read_text() for path in Path("/proc/self/fdinfo").iterdir() if path.exists()]
    return sum(info.count("inotify wd:") for info in infos)


def test_links_that_are_turned_quickly_are_followed_to_the_last(tmp_path: Path) -> None:
    def turn(first: int) -> None:
        for number in range(first, first + 200):
            directory = tmp_path / str(number)
            directory.mkdir()
            written(directory / "level", str(number))
            (tmp_path / "new").symlink_to(str(number))
            (tmp_path / "new").replace(tmp_path / "link")

    async def scenario() -> None:
        async with FileTracker(tmp_path / "link" / "level") as level:
            for first in (1000, 2000, 3000):
                await asyncio.to_thread(turn, first)
                await becomes(level, Level(first + 199))

    run(scenario())


def test_directories_that_are_made_quickly_are_all_watched(tmp_path: Path) -> None:
    def make(number: int) -> None:
        path.parent.mkdir(parents=True)
        written(path, str(number))

    async def scenario() -> None:
        async with FileTracker(path) as level:
            for number in range(1, 100):
                await asyncio.to_thread(make, number)
                await becomes(level, Level(number))
                written(path, str(-number))
                await becomes(level, Level(-number))
                await asyncio.to_thread(shutil.rmtree, tmp_path / "a")

    path = tmp_path / "a" / "b" / "c" / "d" / "e" / "f" / "level"
    run(scenario())


@pytest.mark.kernel
def test_a_file_system_that_is_unmounted_is_noticed(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "needs root")

    async def scenario() -> None:
        async with FileTracker(tmp_path / "a" / "level") as level:
            assert level.reading == Level(2)
            mount("umount", str(tmp_path / "a"))
            await becomes(level, Level(1))

    (tmp_path / "a").mkdir()
    written(tmp_path / "a" / "level", "1")
    mount("mount", "-t", "tmpfs", "none", str(tmp_path / "a"))
    written(tmp_path / "a" / "level", "2")
    run(scenario())


def mount(*command: str) -> None:
    subprocess.run(command, check=True)


def test_other_files_are_none_of_its_business(tmp_path: Path) -> None:
    async def scenario() -> list[TrackerNews]:
        path = written(tmp_path / "level", "1")
        async with FileTracker(path) as level:
            for number in range(100):
                written(tmp_path / f"other{number}", "5")
            path.write_text("2")
            await becomes(level, Level(2))
        return [news async for news in level.changes()]

    assert run(scenario()) == [TrackerNews("level", Level(2))]


def test_rights_that_change_are_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = written(tmp_path / "a" / "level", "12")
        async with FileTracker(path) as level:
            path.chmod(0)
            await becomes(level, Level(0), "it cannot be read: Permission denied")
            path.chmod(0o600)
            await becomes(level, Level(12))
            path.parent.chmod(0)
            await becomes(level, Level(0))
            path.parent.chmod(0o700)
            await becomes(level, Level(12))

    (tmp_path / "a").mkdir()
    without_capabilities(lambda: run(scenario()))


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_missed_when_news_was_lost(tmp_path: Path, loop: str) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    require(limit <= 1 << 17, "needs a queue that can be filled")

    async def scenario() -> None:
        path = written(tmp_path / "level", "1")
        others = [written(tmp_path / name, "1") for name in ("a", "b")]
        async with FileTracker(path) as level:
            for number in range(limit + 1):
                others[number % 2].chmod(0o600)
            path.write_text("2")
            await becomes(level, Level(2))

    run(scenario(), loop)


# Polling --------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_watched_is_looked_at_now_and_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with nothing_left(), FileTracker(path, interval=10) as level:
            path.write_text("2")
            await asyncio.sleep(9)
            assert level.reading == Level(1)
            await asyncio.sleep(2)
            assert level.reading == Level(2)
            path.write_text("3")
            await asyncio.sleep(10)
            assert level.reading == Level(3)
            path.parent.chmod(0o700)
            await asyncio.sleep(10)
            path.write_text("4")
            await eventually(lambda: level.reading == Level(4), "it is watched again")
            with path.open("w") as file:
                file.write("5")
                file.flush()
                await asyncio.sleep(60)
                assert level.reading == Level(4)

    path = tmp_path / "a" / "level"
    path.parent.mkdir()
    written(path, "1")
    path.parent.chmod(0o300)
    without_capabilities(lambda: run_virtual(scenario()))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"level: inotify: {path.parent}: Permission denied; looking every 10 s instead"]


PROGRAM = """
import asyncio, logging, sys
from pathlib import Path
from vrrpkit.trackers._file import FileTracker

async def until(level, number):
    async with asyncio.timeout(10):
        async for news in level.changes():
            if news.reading.value == number:
                return

async def main():
    path, limit = map(Path, sys.argv[1:])
    limit.write_text("0")
    async with FileTracker(path, interval=0.05) as level:
        path.write_text("2")
        await until(level, 2)
        limit.write_text("100")
        await asyncio.sleep(0.3)
        path.write_text("3")
        await until(level, 3)
    async with FileTracker(path, interval=3600) as level:
        path.write_text("4")
        await until(level, 4)

logging.basicConfig(level=logging.WARNING, format="%(message)s")
asyncio.run(main())
"""


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("limit", "trouble"),
    [
        ("instances", "no instance is left (fs.inotify.max_user_instances, or the limit of open files)"),
        ("watches", "/: no watch is left (fs.inotify.max_user_watches)"),
    ],
)
def test_without_inotify_it_looks_now_and_then_until_there_is(tmp_path: Path, limit: str, trouble: str) -> None:
    shielded = ["unshare", "--user", "--map-root-user"]
    require(
        subprocess.run([*shielded, "true"], capture_output=True, check=False).returncode == 0, "needs user namespaces"
    )
    path = written(tmp_path / "level", "1")
    command = [*shielded, sys.executable, "-c", PROGRAM, str(path), f"/proc/sys/user/max_inotify_{limit}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"level: inotify: {trouble}; looking every 0.05 s instead\n")


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "a\0b", None, 3, b"/level"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path must be that of a file, got"):
        FileTracker(path)


def test_other_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"interval must be 0\.05-3600 seconds, got 0"):
        FileTracker("level", interval=0)
    with pytest.raises(ConfigError, match="weight must be"):
        FileTracker("level", weight=254)
    with pytest.raises(ConfigError, match="name of a track must be a text without white space"):
        FileTracker("my level")


def test_a_relative_path_is_one_from_the_working_directory() -> None:
    assert FileTracker("level").path == Path.cwd() / "level"
