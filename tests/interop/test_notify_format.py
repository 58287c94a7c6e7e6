"""What a real keepalived tells its scripts and its event pipe; the same news are told by us in the same way."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define, evolve, field

from tests.support.lab import Keepalived, Lab, Node, RouterSpec
from vrrpkit.addresses import VRRP_PROTOCOL
from vrrpkit.commands import Command
from vrrpkit.election import Reason, State, StateChanged
from vrrpkit.notifications import FifoNotifier, ScriptNotifier
from vrrpkit.packet import Advertisement, encode
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

pytestmark = pytest.mark.interop

SPEC = RouterSpec(vrid=51, priority=100, interval=0.1, addresses=("10.77.0.100/24",))
VI_1, VI_2, VG_1 = "VR_51_IPV4", "VR_52_IPV4", "VG_1"
MASTER, BACKUP, FAULT, STOP = State.ACTIVE, State.BACKUP, State.FAULT, State.INITIALIZE

_SCRIPT: Final = """#!/bin/sh
printf '%s\\n' "$*" >> {notes}
"""
_WORDS: Final = ("master", "backup", "fault", "stop")


@define(eq=False)
class Informer(Keepalived):
    """A keepalived that tells everything to a script, and to one more pipe of which each octet is kept."""

    group: str | None = field(default=None, kw_only=True)
    deleted: bool = field(default=False, kw_only=True)
    folder: Path = field(init=False)
    _events: int = field(init=False)
    _octets: bytes = field(default=b"", init=False)

    def _prepare(self, folder: Path) -> Sequence[str]:
        command = super()._prepare(folder)
        self.folder = folder
        write_script(folder)
        os.mkfifo(folder / "events")
        self._events = os.open(folder / "events", os.O_RDONLY | os.O_NONBLOCK)
        (folder / "level").write_text("0")
        script, lines = folder / "script", (folder / "keepalived.conf").read_text()
        own = _notifies(script)
        own.append(f'notify_master_rx_lower_pri "{script} own master_rx_lower_pri"')
        own += [f'notify_deleted "{script} own deleted"'] if self.deleted else []
        own += ["notify_priority_changes", "track_file {", "level weight 1", "}"]
        lines = lines.replace("interface eth0", "\n".join(["interface eth0", *own]))
        world = [f"notify_fifo {folder / 'events'}", "script_user root", "}"]
        world += ["track_file level {", f"file {folder / 'level'}", "}"]
        if self.group is not None:
            world += [f"vrrp_sync_group {self.group} {{", "group {", VI_1, "}", *_notifies(script), "}"]
        (folder / "keepalived.conf").write_text(lines.replace("}", "\n".join(world), 1))
        return command

    @property
    def octets(self) -> bytes:
        """All that it has written to the pipe."""
        with suppress(BlockingIOError):
            while octets := os.read(self._events, 1 << 16):
                self._octets += octets
        return self._octets

    def forget(self, name: str) -> None:
        """Remove a virtual router from the configuration, and let that be read again."""
        config = self.folder / "keepalived.conf"
        kept, _, _ = config.read_text().partition(f"vrrp_instance {name} ")
        config.write_text(kept)
        self.signal(signal.SIGHUP)

    def close(self) -> None:
        super().close()
        os.close(self._events)


def inform(node: Node, *specs: RouterSpec, group: str | None = None, deleted: bool = False) -> Informer:
    """Start one."""
    informer = Informer(node, specs, group=group, deleted=deleted)
    node.routers.append(informer)
    return informer


def write_script(folder: Path) -> None:
    """One that writes down its arguments."""
    (folder / "script").write_text(_SCRIPT.format(notes=folder / "notes"))
    (folder / "script").chmod(0o700)


def _notifies(script: Path) -> list[str]:
    return [f'notify_{word} "{script} own {word}"' for word in _WORDS] + [f'notify "{script} all"']


def notes(folder: Path) -> list[str]:
    """What the script has written down: keepalived runs several at a time, in any order."""
    path = folder / "notes"
    return sorted(path.read_text().splitlines()) if path.exists() else []


async def tell(folder: Path, news: Iterable[Notice], *, deleted: bool) -> bytes:
    """Tell news to the same script, and to a pipe; return what is in that."""
    write_script(folder)
    words = (*_WORDS, "master_rx_lower_pri", *(["deleted"] if deleted else []))
    commands: dict[str, Any] = {f"notify_{word}": Command([folder / "script", "own", word]) for word in words}
    commands["notify"] = Command([folder / "script", "all"])
    scripts = ScriptNotifier(**commands)
    async with FifoNotifier(folder / "events", priority_changes=True, deleted=deleted) as pipe:
        for notice in news:
            pipe.tell(notice)
            async with scripts:  # leaving it waits for the scripts: of lower priorities heard meanwhile, one is told
                scripts.tell(notice)
        descriptor = os.open(folder / "events", os.O_RDONLY | os.O_NONBLOCK)
        octets = os.read(descriptor, 1 << 16)
        os.close(descriptor)
    assert scripts.failed == 0
    return octets


def router(new: State, name: str = VI_1, *, reason: Reason = Reason.SHUTDOWN, priority: int = 100) -> Notice:
    return Notice(name, StateChanged(old=STOP, new=new, reason=reason, at=0.0, priority=priority))


def group(new: State) -> Notice:
    return Notice(VG_1, GroupChanged(old=STOP, new=new, at=0.0, member=None, reason=Reason.SHUTDOWN))


def check(theirs: Informer, news: Sequence[Notice], *, deleted: bool = False) -> None:
    """The same octets in the pipe, the same arguments to the same scripts."""
    folder = theirs.node.lab.folder / "ours"
    folder.mkdir()
    octets = asyncio.run(tell(folder, news, deleted=deleted))
    ours = notes(folder)
    theirs.node.lab.until(lambda: len(notes(theirs.folder)) >= len(ours), "all of keepalived's scripts have run")
    assert theirs.octets == octets
    assert notes(theirs.folder) == ours


@pytest.mark.conforms("keyword vrrp_instance/notify_master, notify_backup, notify_fault, notify_stop")
def test_life_of_a_router_and_its_group_is_told_as_by_keepalived() -> None:
    with Lab("one") as lab:
        theirs = inform(lab.one, SPEC, group=VG_1)
        lab.until(lambda: theirs.state() == "active", "keepalived is Active")
        lab.one.cut()
        lab.until(lambda: theirs.state() == "fault", "keepalived is in fault")
        lab.one.repair()
        lab.until(lambda: theirs.state() == "active", "keepalived is Active again")
        theirs.stop()

        life = [group(BACKUP), router(BACKUP)]  # keepalived's order at the start; later, the router comes first
        for state in (MASTER, FAULT, BACKUP, MASTER, STOP):
            life += [router(state), group(state)]
        check(theirs, life)


def test_priorities_and_lower_priorities_are_told_as_by_keepalived() -> None:
    with Lab() as lab:
        theirs = inform(lab.one, SPEC)
        lab.until(lambda: theirs.state() == "active", "keepalived is Active")
        sender = lab.two.within(lambda: open_sender(lab.two.ipv4))
        sender.sendto(lower_priority(lab.two.ipv4), ("224.0.0.18", 0))
        lab.until(lambda: theirs.octets.count(b"LOWER") == 1, "the lower priority is heard")
        sender.sendto(lower_priority(lab.two.ipv4), ("224.0.0.18", 0))
        lab.until(lambda: theirs.octets.count(b"LOWER") == 2, "the lower priority is heard again")
        sender.close()
        change_priority(theirs, "7")
        lab.one.cut()
        lab.until(lambda: theirs.state() == "fault", "keepalived is in fault")
        change_priority(theirs, "-20")
        theirs.stop()

        heard = Notice(VI_1, LoserHeard(source=lab.two.ipv4, heard=50, priority=100))
        news = [
            router(BACKUP),
            router(MASTER),
            heard,
            heard,
            Notice(VI_1, PriorityMoved(old=100, new=107, state=MASTER, explanation="")),
            router(FAULT, priority=107),
            Notice(VI_1, PriorityMoved(old=107, new=80, state=FAULT, explanation="")),
            router(STOP, priority=80),
        ]
        check(theirs, news)


def change_priority(theirs: Informer, level: str) -> None:
    before = theirs.octets.count(b"_PRIORITY")
    (theirs.folder / "level").write_text(level)
    theirs.node.lab.until(lambda: theirs.octets.count(b"_PRIORITY") > before, "keepalived tells its priority")


def open_sender(source: IPv4Address) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP_PROTOCOL)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, source.packed)
    return sender


def lower_priority(source: IPv4Address) -> bytes:
    advert = Advertisement(vrid=51, priority=50, addresses=(IPv4Address("10.77.0.100"),), interval=0.1)
    return encode(advert, source=source, destination=IPv4Address("224.0.0.18")).payload


@pytest.mark.parametrize("deleted", [False, True], ids=["without-notify_deleted", "with-notify_deleted"])
def test_removal_is_told_as_by_keepalived(deleted: bool) -> None:
    with Lab("one") as lab:
        later = evolve(SPEC, vrid=52, interval=0.3, addresses=("10.77.0.101/24",))
        theirs = inform(lab.one, SPEC, later, deleted=deleted)
        lab.until(lambda: theirs.state(51) == theirs.state(52) == "active", "both are Active")
        theirs.forget(VI_2)
        lab.until(lambda: theirs.octets.count(VI_2.encode()) == 3, "the removal is told")
        theirs.stop()

        news = [router(BACKUP), router(BACKUP, VI_2), router(MASTER), router(MASTER, VI_2)]
        news += [router(STOP, VI_2, reason=Reason.DELETED), router(STOP)]
        check(theirs, news, deleted=deleted)
