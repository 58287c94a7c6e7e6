"""keepalived's words, arguments and lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notifications.helpers import group, loser, moved, router
from vrrpkit.election import Reason, State
from vrrpkit.notifications import (
    FifoNotifier,
    PoolFifoNotifier,
    PoolScriptNotifier,
    ScriptNotifier,
    arguments,
    fifo_line,
    state_word,
)
from vrrpkit.runtime import Notice


def test_router_is_told_in_the_words_of_keepalived() -> None:
    life = [
        router(State.BACKUP),
        router(State.ACTIVE),
        router(State.FAULT, priority=47),
        router(State.INITIALIZE, reason=Reason.SHUTDOWN, priority=255),
        router(State.INITIALIZE, reason=Reason.DELETED),
    ]
    assert [state_word(notice.news) for notice in life] == ["BACKUP", "MASTER", "FAULT", "STOP", "DELETED"]
    assert [arguments(notice) for notice in life] == [
        ("INSTANCE", "VI_1", "BACKUP", "100"),
        ("INSTANCE", "VI_1", "MASTER", "100"),
        ("INSTANCE", "VI_1", "FAULT", "47"),
        ("INSTANCE", "VI_1", "STOP", "255"),
        ("INSTANCE", "VI_1", "DELETED", "100"),
    ]
    assert [fifo_line(notice) for notice in life] == [
        'INSTANCE "VI_1" BACKUP 100\n',
        'INSTANCE "VI_1" MASTER 100\n',
        'INSTANCE "VI_1" FAULT 47\n',
        'INSTANCE "VI_1" STOP 255\n',
        'INSTANCE "VI_1" DELETED 100\n',
    ]


def test_group_is_told_with_priority_0() -> None:
    life = [
        group(State.BACKUP),
        group(State.ACTIVE),
        group(State.FAULT),
        group(State.INITIALIZE, reason=Reason.SHUTDOWN),
    ]
    assert [arguments(notice) for notice in life] == [
        ("GROUP", "VG_1", "BACKUP", "0"),
        ("GROUP", "VG_1", "MASTER", "0"),
        ("GROUP", "VG_1", "FAULT", "0"),
        ("GROUP", "VG_1", "STOP", "0"),
    ]
    assert [fifo_line(notice) for notice in life] == [
        'GROUP "VG_1" BACKUP 0\n',
        'GROUP "VG_1" MASTER 0\n',
        'GROUP "VG_1" FAULT 0\n',
        'GROUP "VG_1" STOP 0\n',
    ]


def test_what_is_no_state_is_told_with_the_own_priority_of_now() -> None:
    news = [loser(priority=120), moved(90, State.ACTIVE), moved(91, State.BACKUP), moved(92, State.FAULT)]
    assert [fifo_line(notice) for notice in news] == [
        'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 120\n',
        'INSTANCE "VI_1" MASTER_PRIORITY 90\n',
        'INSTANCE "VI_1" BACKUP_PRIORITY 91\n',
        'INSTANCE "VI_1" BACKUP_PRIORITY 92\n',
    ]


def test_removal_is_a_fault_to_whom_does_not_ask_for_more() -> None:
    notice = router(State.INITIALIZE, reason=Reason.DELETED)
    assert arguments(notice, deleted=False) == ("INSTANCE", "VI_1", "FAULT", "100")
    assert fifo_line(notice, deleted=False) == 'INSTANCE "VI_1" FAULT 100\n'


@pytest.mark.parametrize("name", ["VI 1", "VI\\1", "$(reboot) 'x' `y`", "Zürich 東京 🏠", ""])
def test_name_that_breaks_nothing_is_told_as_it_is(name: str) -> None:
    notice = router(State.ACTIVE, name)
    assert arguments(notice) == ("INSTANCE", name, "MASTER", "100")
    assert fifo_line(notice) == f'INSTANCE "{name}" MASTER 100\n'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param('x" MASTER 255\nINSTANCE "y', "x_ MASTER 255_INSTANCE _y", id="forger"),
        pytest.param("a\0b\rc\x85d\u2028e\x1bf\x7fg", "a_b_c_d_e_f_g", id="controls"),
        pytest.param("a\udcffb", "a_b", id="surrogate"),
    ],
)
def test_what_could_end_a_line_or_a_quoted_name_is_told_as_an_underscore(name: str, told: str) -> None:
    notice = router(State.ACTIVE, name)
    assert arguments(notice) == ("INSTANCE", told, "MASTER", "100")
    assert fifo_line(notice) == f'INSTANCE "{told}" MASTER 100\n'


def test_name_beyond_255_characters_is_cut() -> None:
    assert arguments(router(State.ACTIVE, "n" * 256)) == ("INSTANCE", "n" * 255, "MASTER", "100")


@given(st.text(), st.sampled_from([router, group]))
def test_name_forges_no_line_and_breaks_none(name: str, make: Callable[[State, str], Notice]) -> None:
    octets = fifo_line(make(State.ACTIVE, name)).encode()
    assert len(octets) <= 4096
    assert len(octets.decode().splitlines()) == octets.count(b"\n") == 1
    assert octets.count(b'"') == 2
    assert b"\0" not in octets


def test_longest_line_stays_whole_in_a_pipe() -> None:
    assert len(fifo_line(loser("🏠" * 5000)).encode()) == 1056


def test_notifiers_can_be_shown(tmp_path: Path) -> None:
    notifiers = (ScriptNotifier(), FifoNotifier(tmp_path / "f"), PoolScriptNotifier(), PoolFifoNotifier(tmp_path / "p"))
    assert [repr(one).partition("(")[0] for one in notifiers] == [type(one).__name__ for one in notifiers]
