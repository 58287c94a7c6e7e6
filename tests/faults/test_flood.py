"""Fifty thousand bad messages a second. Alone on the machine: the flood takes a processor, and each router a half."""

from __future__ import annotations

import ctypes
import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from tests.faults.flood import SOURCES
from tests.faults.judge import gaps
from tests.faults.trial import KINDS, Subject, Trial, trial
from tests.support.lab import Keepalived, Node, Router
from vrrpkit.addresses import VRRP_PROTOCOL

pytestmark = pytest.mark.interop

ALONE = True

_SO_ATTACH_FILTER: Final = 26
_RATE: Final = 50_000
_SENDERS: Final = 2
_LONG: Final = 10.0
_ROOT: Final = Path(__file__).parents[2]

# ARP, and of VRRP what the two routers send.
_NO_FLOOD: Final = (
    (0x28, 0, 0, 12),
    (0x15, 6, 0, 0x0806),
    (0x15, 0, 6, 0x0800),
    (0x30, 0, 0, 23),
    (0x15, 0, 4, VRRP_PROTOCOL),
    (0x20, 0, 0, 26),
    (0x15, 1, 0, 0x0A4D0001),
    (0x15, 0, 1, 0x0A4D0002),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


def leave_out_the_flood(sock: socket.socket) -> None:
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _NO_FLOOD)
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_FLOOD), ctypes.addressof(buffer)))


@contextmanager
def flood(home: Node) -> Iterator[None]:
    command = home.command(sys.executable, "-m", "tests.faults.flood", str(_RATE // _SENDERS))
    senders = [subprocess.Popen(command, cwd=_ROOT) for _ in range(_SENDERS)]
    try:
        yield
        assert [sender.poll() for sender in senders] == [None] * _SENDERS
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()


def received(node: Node) -> int:
    (link,) = json.loads(node.run("ip", "-j", "-s", "link", "show", "dev", "eth0"))
    return int(link["stats64"]["rx"]["packets"])


def floods(tried: Trial) -> float:
    """Flood both routers for two down intervals and more; return what arrived at the Active in a second."""
    for capture in (tried.lab.capture, *tried.ears.values()):
        leave_out_the_flood(capture._socket)  # noqa: SLF001 - a thread that decoded the flood would be in its way
    began, before = time.monotonic(), received(tried.lab.one)
    with flood(tried.lab._home):  # noqa: SLF001 - the client's node, which is on the link, too
        tried.lab.until(lambda: time.monotonic() > began + _LONG, "the flood has lasted")
        return (received(tried.lab.one) - before) / (time.monotonic() - began)


@pytest.mark.parametrize("kind", KINDS)
def test_flood_of_bad_messages_delays_no_advertisement_for_long_and_moves_no_role(kind: type[Router]) -> None:
    with trial(kind) as tried:
        rate = floods(tried)
        tried.further(2)
        late = sorted(abs(gap - 1) for gap in gaps(tried.sent(tried.lab.one)))
        taken = len(tried.terms())
        tried.record(
            "flood of bad messages",
            f"{rate:,.0f}/s arrive; at most {late[-1] * 1000:.0f} ms off time; taken over {taken} times in 10 s",
        )
        if kind is Keepalived:
            return
        assert tried.sent(tried.lab.two) == ()
        assert late[-1] < 3.609375 - 1
        if isinstance(tried.active, Subject):
            counted = tried.active.snapshots()[51]["counters"]
            reasons = ("checksum-errors", "ip-ttl-errors", "truncated-packets", "version-errors")
            assert min(counted[reason] for reason in reasons) > 100
            said = re.findall(r"advertisement from (\S+) rejected \((\S+)\)", tried.active.log)
            assert sorted(said) == sorted(product(map(str, SOURCES), reasons))
