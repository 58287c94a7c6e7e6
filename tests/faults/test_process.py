"""A process that stands still, or gets nothing it asks for."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import pytest

from tests.faults.judge import gaps
from tests.faults.trial import KINDS, Subject, processes, trial
from tests.support.lab import Keepalived, Router

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("kind", KINDS)
def test_active_that_was_stopped_for_longer_than_the_down_interval_is_one_again_within_an_advertisement(
    kind: type[Router],
) -> None:
    with trial(kind) as tried:
        with tried.duel.frozen(tried.active):
            tried.lab.until(lambda: tried.backup.state() == "active", "the Backup takes over")
            tried.duel.further(tried.backup, 2)
            stopped = tried.sent(tried.lab.one)[-1].at
        tried.duel.settle(tried.active)
        began = tried.sent(tried.lab.two)[0].at
        assert began - stopped >= 3.609375 - 0.005
        assert tried.intrusions() == ()
        back = next(one.at for one in tried.sent(tried.lab.one) if one.at > began)
        crossed = sum(one.at > back for one in tried.sent(tried.lab.two))
        assert crossed <= 1
        tried.record("Active stopped (SIGSTOP), goes on", f"{crossed} advertisements of the other one cross")
        if isinstance(tried.active, Subject):
            assert "vrrpkit.driver: the event loop did not run for" in tried.active.log
            assert tried.active.snapshots()[51]["stalls"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_active_that_does_not_preempt_and_was_stopped_steps_aside_without_a_word(kind: type[Router]) -> None:
    with trial(kind, preempt=False) as tried:
        with tried.duel.frozen(tried.active):
            tried.lab.until(lambda: tried.backup.state() == "active", "the Backup takes over")
            tried.duel.further(tried.backup, 2)
        began = tried.sent(tried.lab.two)[0].at
        tried.duel.further(tried.backup if kind is Subject else tried.active, 3)
        said = sum(one.at > began for one in tried.sent(tried.lab.one))
        text = f"it says {said} advertisements, and takes the role back" if said else "it says nothing"
        tried.record("Active stopped, preempt off, goes on", text)
        if kind is Subject:
            assert said == 0
            assert tried.active.changes[-1].reason == "stalled"
            tried.active, tried.backup = tried.backup, tried.active


@pytest.mark.parametrize("kind", KINDS)
def test_backup_that_was_stopped_for_longer_than_the_down_interval_hears_before_it_judges(kind: type[Router]) -> None:
    with trial(kind) as tried:
        with tried.duel.frozen(tried.backup):
            tried.further(5)
        tried.further(3)
        said = len(tried.sent(tried.lab.two))
        assert said == 0 or kind is Keepalived
        assert tried.intrusions() == ()
        tried.record("Backup stopped (SIGSTOP), goes on", f"it says {said} advertisements")


def test_blocked_event_loop_is_told_and_harms_nothing_below_the_down_interval() -> None:
    with trial(Subject) as tried:
        active = tried.active
        assert isinstance(active, Subject)
        active.order("block 2.0")
        tried.lab.until(lambda: "the event loop did not run for" in active.log, "the stall is told")
        tried.further(2)
        assert tried.sent(tried.lab.two) == ()
        assert active.snapshots()[51]["stalls"] == 1
        longest = max(gaps(tried.sent(tried.lab.one)))
        tried.record("event loop blocked for 2 s", f"longest gap {longest:.2f} s; warned and counted")


class Scripted(Subject):
    options: ClassVar[Mapping[str, str | list[str]]] = {"script": ["/bin/true"]}


@contextmanager
def without_descriptors(router: Router) -> Iterator[None]:
    pids = processes(router)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid, (_soft, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, hard))
    yield
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("kind", KINDS)
def test_roles_change_hands_without_a_single_new_descriptor(kind: type[Router]) -> None:
    with trial(kind) as tried:
        with without_descriptors(tried.active):
            tried.lab.one.cut()
            tried.duel.settle(tried.backup)
            tried.lab.one.repair()
            tried.duel.settle(tried.active)
        assert tried.intrusions() == ()
        tried.record("no descriptors left, link lost", "roles change hands as usual")


def test_router_without_descriptors_goes_on_says_so_and_recovers() -> None:
    with trial(Scripted) as tried:
        with without_descriptors(tried.active):
            tried.lab.until(lambda: tried.sent(tried.lab.one)[-1].advert.priority == 190, "the script cannot run")
            tried.further(3)
            assert "too many open files" in tried.active.log
        tried.lab.until(lambda: tried.sent(tried.lab.one)[-1].advert.priority == 200, "the script runs again")
        assert tried.sent(tried.lab.two) == ()
        tried.record("no descriptors left, scripts", f"longest gap {max(gaps(tried.sent(tried.lab.one))):.2f} s")


def test_interface_that_comes_back_while_there_are_no_descriptors_is_taken_up_when_there_are() -> None:
    from tests.faults.test_interface import delete, make

    with trial(Subject) as tried:
        with without_descriptors(tried.active):
            delete(tried.lab.one)
            make(tried.lab.one)
            tried.duel.settle(tried.backup)
            tried.lab.until(lambda: "Too many open files" in tried.active.log, "it says so")
            tried.duel.further(tried.backup, 3)
        tried.duel.settle(tried.active)
        tried.record("no descriptors left, interface made anew", "takes the role back when there are some")


class Full(Subject):
    """Logs, and tells its news, on a file system of its own that is soon full."""

    options: ClassVar[Mapping[str, str | list[str]]] = {"log": "{folder}/full/log", "fifo": "{folder}/full/fifo"}

    def _prepare(self, folder: Path) -> Sequence[str]:
        self.full = folder / "full"
        self.full.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=6", "tmpfs", str(self.full)]
        subprocess.run(mount, check=True)
        return super()._prepare(folder)

    def close(self) -> None:
        super().close()
        subprocess.run(["umount", "--lazy", str(self.full)], check=False, capture_output=True)


def fill(folder: Path) -> list[Path]:
    """Leave neither an octet nor an inode."""
    made: list[Path] = []
    with suppress(OSError):
        while True:
            made.append(folder / f"file{len(made)}")
            made[-1].touch()
    made.pop()
    with suppress(OSError), made[0].open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return made


def test_full_disk_keeps_news_from_nobody_who_listens_and_changes_no_role() -> None:
    with trial(Full) as tried:
        active = tried.active
        assert isinstance(active, Full)
        reader = os.open(active.full / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        os.read(reader, 1 << 16)
        (active.full / "fifo").unlink()
        made = fill(active.full)
        tried.lab.one.cut()
        tried.duel.settle(tried.backup)
        tried.lab.one.repair()
        tried.duel.settle(active)
        lines = os.read(reader, 1 << 16).decode().splitlines()
        os.close(reader)
        assert [line.split()[2] for line in lines] == ["FAULT", "BACKUP", "MASTER"]
        assert tried.intrusions() == ()
        for path in made:
            path.unlink()
        tried.record("full disk: log and pipe", "roles change hands as usual; who listens is told")
