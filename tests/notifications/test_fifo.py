"""The event pipe, with real readers."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.linux.support import LOOPS, eventually, run, without_capabilities
from tests.notifications.helpers import group, loser, moved, router
from tests.support.requirements import require
from vrrpkit.election import ElectionConfig, FaultRaised, Reason, State
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.notifications import FifoNotifier, fifo_line
from vrrpkit.runtime import Notice, RouterGroup, VirtualRouter, shut_down
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

BACKUP = router(State.BACKUP)
MASTER = router(State.ACTIVE)
FAULT = router(State.FAULT)


class Reader(threading.Thread):
    """Another program that reads the pipe to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_RDONLY)
        self.octets = b""

    def run(self) -> None:
        while octets := os.read(self._descriptor, 1000):
            self.octets += octets
        os.close(self._descriptor)

    @property
    def lines(self) -> list[str]:
        return self.octets.decode().splitlines()


def read(path: Path) -> str:
    """What is in the pipe now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, 1 << 20).decode()
    except BlockingIOError:
        return ""
    finally:
        os.close(descriptor)


def numbered(number: int) -> Notice:
    """A notice that can be told from others by its name."""
    return router(State.ACTIVE, f"{number:05}")


def fill(pipe: FifoNotifier) -> int:
    """Tell as much as the pipe takes, and one notice that has to wait; return how many the pipe took."""
    for number in range(10_000):
        pipe.tell(numbered(number))
        if pipe.written == number:
            return number
    raise AssertionError("a pipe without an end")


def descriptors() -> set[str]:
    """What this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("loop", LOOPS)
def test_reader_gets_the_lines_in_order_and_then_the_end(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events") as pipe:
            reader = Reader(tmp_path / "events")
            reader.start()
            for notice in (BACKUP, group(State.BACKUP), MASTER, group(State.ACTIVE), FAULT, group(State.FAULT)):
                pipe.tell(notice)
            assert (pipe.written, pipe.lost) == (6, 0)
        reader.join(10)
        assert reader.octets == (
            b'INSTANCE "VI_1" BACKUP 100\nGROUP "VG_1" BACKUP 0\n'
            b'INSTANCE "VI_1" MASTER 100\nGROUP "VG_1" MASTER 0\n'
            b'INSTANCE "VI_1" FAULT 100\nGROUP "VG_1" FAULT 0\n'
        )

    run(scenario(), loop)


def test_virtual_router_tells_its_life(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events") as pipe:
            router = VirtualRouter(
                ElectionConfig(vrid=1, addresses=["192.0.2.100"]),
                transport=MemoryLan().attach(1, "192.0.2.1"),
                addresses=FakeAddresses(),
                announcer=FakeAnnouncer(),
                name="VI_1",
                notify=[pipe],
            )
            async with router:
                await router.until(State.ACTIVE)
            assert read(tmp_path / "events") == (
                'INSTANCE "VI_1" BACKUP 100\nINSTANCE "VI_1" MASTER 100\nINSTANCE "VI_1" STOP 100\n'
            )

    run_virtual(scenario())


def test_sync_group_tells_its_life_after_each_of_its_members(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events") as pipe:
            lan, group = MemoryLan(), RouterGroup("VG_1", notify=[pipe])
            members = [
                VirtualRouter(
                    ElectionConfig(vrid=vrid, addresses=[f"192.0.2.{100 + vrid}"]),
                    transport=lan.attach(vrid, "192.0.2.1"),
                    addresses=FakeAddresses(),
                    announcer=FakeAnnouncer(),
                    name=f"VI_{vrid}",
                    notify=[pipe],
                    group=group,
                )
                for vrid in (1, 2)
            ]
            for member in members:
                member.start()
            group.start()
            await asyncio.sleep(5)
            members[0].post(FaultRaised("link:eth0"))
            await asyncio.sleep(1)
            group.shut_down()
            await shut_down(*members)
            group.close()
            assert read(tmp_path / "events").splitlines() == [
                'INSTANCE "VI_1" BACKUP 100',
                'INSTANCE "VI_2" BACKUP 100',
                'GROUP "VG_1" BACKUP 0',
                'INSTANCE "VI_1" MASTER 100',
                'INSTANCE "VI_2" MASTER 100',
                'GROUP "VG_1" MASTER 0',
                'INSTANCE "VI_1" FAULT 100',
                'INSTANCE "VI_2" FAULT 100',
                'GROUP "VG_1" FAULT 0',
                'INSTANCE "VI_1" STOP 100',
                'INSTANCE "VI_2" STOP 100',
                'GROUP "VG_1" STOP 0',
            ]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100\nINSTANCE "VI_1" FAULT 100\n'),
        (
            {"priority_changes": True},
            'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100\nINSTANCE "VI_1" MASTER_PRIORITY 90\nINSTANCE "VI_1" FAULT 100\n',
        ),
        ({"losers": False}, 'INSTANCE "VI_1" FAULT 100\n'),
        ({"losers": False, "deleted": True}, 'INSTANCE "VI_1" DELETED 100\n'),
    ],
)
def test_what_is_told_besides_states_is_a_choice(settings: dict[str, Any], line: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events", **settings) as pipe:
            pipe.tell(loser())
            pipe.tell(moved(90, State.ACTIVE))
            pipe.tell(router(State.INITIALIZE, reason=Reason.DELETED))
            assert read(tmp_path / "events") == line

    run(scenario())


def test_pipe_is_made_with_its_exact_mode_and_removed_at_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        with umask(0o077):
            async with FifoNotifier(path, mode=0o644):
                found = path.lstat()
                assert (stat.S_ISFIFO(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o644)
        assert not path.exists()

    run(scenario())


def test_pipe_is_nobody_elses_by_default_and_its_group_can_be_chosen(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        with umask(0):
            async with FifoNotifier(path, group=os.getgid()):
                found = path.lstat()
                assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o600, os.getgid())

    run(scenario())


def test_group_of_the_reader_is_given_by_name_or_number(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "needs root")

    async def scenario() -> None:
        for group_, number in (("daemon", 1), (4711, 4711)):
            async with FifoNotifier(tmp_path / "events", group=group_, mode=0o640):
                found = (tmp_path / "events").lstat()
                assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 0, number)

    run(scenario())


def test_pipe_that_is_there_already_is_used_as_it_is_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "events"
    os.mkfifo(path)
    path.chmod(0o620)

    async def scenario() -> None:
        for create in (False, True):
            async with FifoNotifier(path, create=create) as pipe:
                pipe.tell(MASTER)
                assert read(path) == 'INSTANCE "VI_1" MASTER 100\n'

    run(scenario())
    assert stat.S_IMODE(path.lstat().st_mode) == 0o620


def check_refusal(path: Path, reason: str) -> None:
    async def scenario() -> None:
        before = descriptors()
        with pytest.raises(ConfigError) as caught:
            await FifoNotifier(path).__aenter__()
        assert str(caught.value) == reason
        assert descriptors() == before

    run(scenario())


def test_file_is_no_pipe(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text("precious")
    path.chmod(0o600)
    check_refusal(path, f"path must lead to a FIFO, got {path} (-rw-------)")
    assert path.read_text() == "precious"


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "elsewhere")
    path = tmp_path / "events"
    path.symlink_to(tmp_path / "elsewhere")
    check_refusal(path, f"path must lead to a FIFO and not to a symbolic link, got {path}")


def test_pipe_that_all_may_write_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events"
    os.mkfifo(path)
    path.chmod(0o622)
    check_refusal(path, f"path must lead to a FIFO that not all may write to, got {path} (prw--w--w-)")


def test_pipe_of_another_user_is_refused(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "needs root")
    path = tmp_path / "events"
    os.mkfifo(path)
    os.chown(path, 4711, -1)
    check_refusal(path, f"path must lead to a FIFO of root or of one's own, got {path} of user 4711")


def test_pipe_that_is_not_there_and_not_to_be_made_is_an_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(KernelError) as caught:
            await FifoNotifier(tmp_path / "events", create=False).__aenter__()
        assert (caught.value.operation, caught.value.errno) == (f"open the pipe {tmp_path / 'events'}", errno.ENOENT)

    run(scenario())


def test_pipe_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "nowhere" / "events"
        with pytest.raises(KernelError) as caught:
            await FifoNotifier(path).__aenter__()
        assert (caught.value.operation, caught.value.errno) == (f"make the pipe {path}", errno.ENOENT)

    run(scenario())


def test_pipe_is_removed_again_when_it_cannot_be_given_to_its_group(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = descriptors()
        with pytest.raises(KernelError) as caught:
            await FifoNotifier(path, group=4711).__aenter__()
        assert caught.value.operation == f"set the permissions of the pipe {path}"
        assert caught.value.errno in {errno.EPERM, errno.EINVAL}  # the latter for a number that a container lacks
        assert descriptors() == before

    path = tmp_path / "events"
    without_capabilities(lambda: run(scenario()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_full_pipe_does_not_take_follows_in_order(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events") as pipe:
            taken = fill(pipe)
            assert taken > 1000
            for number in range(taken + 1, taken + 501):
                pipe.tell(numbered(number))
            assert (pipe.written, pipe.lost) == (taken, 0)
            reader = Reader(tmp_path / "events")
            reader.start()
            await eventually(lambda: pipe.written == taken + 501, "all is written")
            pipe.tell(MASTER)
        reader.join(10)
        expected = [fifo_line(numbered(number)).rstrip() for number in range(taken + 501)]
        assert reader.lines == [*expected, 'INSTANCE "VI_1" MASTER 100']
        assert pipe.lost == 0

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_reader_may_go_and_come_back(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FifoNotifier(tmp_path / "events") as pipe:
            descriptor = os.open(tmp_path / "events", os.O_RDONLY)
            pipe.tell(BACKUP)
            assert os.read(descriptor, 100) == b'INSTANCE "VI_1" BACKUP 100\n'
            os.close(descriptor)
            pipe.tell(MASTER)
            pipe.tell(FAULT)
            assert read(tmp_path / "events") == 'INSTANCE "VI_1" MASTER 100\nINSTANCE "VI_1" FAULT 100\n'
            assert (pipe.written, pipe.lost) == (3, 0)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_newest_state_survives_when_nobody_reads_for_too_long(
    loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path, backlog=2) as pipe:
            taken = fill(pipe)
            for notice in (BACKUP, MASTER, FAULT, BACKUP):
                pipe.tell(notice)
            assert (pipe.written, pipe.lost) == (taken, 3)
            assert caplog.messages == [f"pipe {path}: too slow, news are being dropped"]
            reader = Reader(path)
            reader.start()
            await eventually(lambda: pipe.written == taken + 2, "the rest is written")
            assert caplog.messages[1:] == [f"pipe {path}: 3 news were dropped"]
        reader.join(10)
        assert reader.lines[-2:] == [fifo_line(numbered(taken)).rstrip(), 'INSTANCE "VI_1" BACKUP 100']

    run(scenario(), loop)


def test_what_still_waits_at_the_end_is_lost_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path) as pipe:
            fill(pipe)
            pipe.tell(MASTER)
        assert pipe.lost == 2
        assert caplog.messages[-1] == f"pipe {path}: 2 news were dropped"

    run(scenario())


def test_room_that_has_come_is_used_at_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        async with FifoNotifier(path) as pipe:
            fill(pipe)
            os.read(descriptor, 1 << 20)
        assert (pipe.lost, os.read(descriptor, 100)) == (0, fifo_line(numbered(pipe.written - 1)).encode())
        os.close(descriptor)

    run(scenario())


def test_pipe_that_was_removed_is_made_anew_and_its_reader_comes_to_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path, mode=0o640) as pipe:
            reader = Reader(path)
            reader.start()
            pipe.tell(BACKUP)
            path.unlink()
            pipe.tell(MASTER)
            pipe.tell(FAULT)
            reader.join(10)
            assert reader.lines == ['INSTANCE "VI_1" BACKUP 100']
            assert read(path) == 'INSTANCE "VI_1" MASTER 100\nINSTANCE "VI_1" FAULT 100\n'
            assert stat.S_IMODE(path.lstat().st_mode) == 0o640
            assert caplog.messages == [f"pipe {path}: removed or replaced, opened anew"]
        assert not path.exists()

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_pipe_that_replaces_a_full_one_gets_what_waits(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path) as pipe:
            taken = fill(pipe)
            os.mkfifo(tmp_path / "other")
            (tmp_path / "other").rename(path)
            pipe.tell(MASTER)
            assert read(path) == fifo_line(numbered(taken)) + 'INSTANCE "VI_1" MASTER 100\n'
        assert path.is_fifo()

    run(scenario(), loop)


def test_old_pipe_stays_in_use_while_there_is_no_good_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        os.mkfifo(path)
        async with FifoNotifier(path, create=False) as pipe:
            reader = Reader(path)
            reader.start()
            path.unlink()
            pipe.tell(BACKUP)
            pipe.tell(MASTER)
            await eventually(lambda: len(reader.lines) == 2, "the old reader reads on")
            os.mkfifo(path)
            pipe.tell(FAULT)
            reader.join(10)
            assert reader.lines == ['INSTANCE "VI_1" BACKUP 100', 'INSTANCE "VI_1" MASTER 100']
            assert read(path) == 'INSTANCE "VI_1" FAULT 100\n'
            why = f"open the pipe {path}: No such file or directory (errno 2)"
            assert caplog.messages == [
                f"pipe {path}: removed or replaced, and not opened anew: {why}",
                f"pipe {path}: removed or replaced, opened anew",
            ]

    run(scenario())


def test_what_took_the_place_of_the_pipe_is_not_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "events"
        async with FifoNotifier(path):
            path.unlink()
            path.write_text("precious")
        assert path.read_text() == "precious"

    run(scenario())


def test_notifier_that_is_not_open_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        pipe = FifoNotifier(tmp_path / "events")
        with pytest.raises(RuntimeError, match=r"FifoNotifier is not open, so nothing is written for VI_1: .*active"):
            pipe.tell(MASTER)
        async with pipe:
            with pytest.raises(RuntimeError, match="cannot be entered twice"):
                await pipe.__aenter__()
            pipe.tell(MASTER)
        with pytest.raises(RuntimeError, match="not open"):
            pipe.tell(MASTER)
        async with pipe:
            pipe.tell(MASTER)
        assert pipe.written == 2

    run(scenario())


def test_notifier_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = descriptors()
        async with FifoNotifier(tmp_path / "events") as pipe:
            fill(pipe)
            await asyncio.sleep(0)
        assert descriptors() == before

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": 0o602}, "mode must be 0o600, with 0o040, 0o020 and 0o004 added at most, got 0o602"),
        ({"mode": 0o400}, "mode must be 0o600, with 0o040, 0o020 and 0o004 added at most, got 0o400"),
        ({"mode": 0o4600}, "mode must be 0o600, with 0o040, 0o020 and 0o004 added at most, got 0o4600"),
        ({"mode": "600"}, "mode must be 0o600, with 0o040, 0o020 and 0o004 added at most, got '600'"),
        ({"group": "no such group"}, "group must be a group of this machine, got 'no such group'"),
        ({"group": -1}, "group must be 0-4294967294, got -1"),
        ({"backlog": 0}, "backlog must be 1-1000000, got 0"),
        ({"losers": 1}, "losers must be True or False, got 1"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FifoNotifier("/nowhere", **settings)
    assert str(caught.value) == message
