"""What is told to scripts, pipes and logs: no name and no text of others may forge a line."""

from __future__ import annotations

from typing import Final

from tests.fuzz.target import Input, Target
from tests.notifications.helpers import group, loser, moved, router
from vrrpkit.checks._words import printable
from vrrpkit.election import State
from vrrpkit.ipvs import Endpoint
from vrrpkit.lvs import PoolNotice
from vrrpkit.notifications import arguments, fifo_line
from vrrpkit.notifications._pool_words import pool_arguments, pool_line
from vrrpkit.pool import Condition, MemberMoved, QuorumMoved

__all__ = ["TARGETS"]

_ENDPOINTS: Final = (Endpoint("tcp", "192.0.2.10", 80), Endpoint("udp", "2001:db8::1", 53))


def _notify(octets: bytes) -> None:
    given = Input(octets)
    kind = given.number() % 4
    name = given.text
    match kind:
        case 0:
            notice = router(State.ACTIVE, name)
        case 1:
            notice = group(State.FAULT, name)
        case 2:
            notice = loser(name)
        case _:
            notice = moved(50, State.BACKUP, name)
    _judge(fifo_line(notice), 4096)
    words = arguments(notice)
    assert all(word.isprintable() for word in words)
    assert fifo_line(notice).count('"') == 2


def _pool(octets: bytes) -> None:
    given = Input(octets)
    kind = given.number()
    name = given.text
    keys = _ENDPOINTS if kind & 1 else _ENDPOINTS[:1]
    moved_member = MemberMoved(member=name, old=None, new=Condition.UP, why=name)
    lost = QuorumMoved(held=False, live_weight=1, quorum=2, hysteresis=0)
    notice = PoolNotice(name=name, news=moved_member if kind & 2 else lost, keys=keys)
    _judge(pool_line(notice), 4096)
    assert all(word.isprintable() for word in pool_arguments(notice))


def _printable(octets: bytes) -> None:
    given = Input(octets)
    longest = 4 + given.number()
    shown = printable(given.text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest
    assert printable(shown, longest) == shown


def _judge(line: str, longest: int) -> None:
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert len(line.encode()) <= longest


TARGETS: Final = (
    Target("notify-words", _notify, longest=2048),
    Target("pool-words", _pool, longest=2048),
    Target("log-words", _printable, longest=2048),
)
