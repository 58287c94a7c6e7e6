"""Delays before a change is believed (keepalived's interface_up_down_delays)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit import ConfigError
from vrrpkit.tracking import Observed, Settled, Settling, SettlingDue


def test_the_first_observation_is_believed_at_once() -> None:
    settling = Settling(up_delay=5, down_delay=5)
    assert settling.handle(Observed(False), 1.0) == (Settled(False),)
    assert (settling.up, settling.deadline) == (False, None)


def test_a_change_is_believed_once_it_has_lasted() -> None:
    settling = Settling(up_delay=2, down_delay=3)
    settling.handle(Observed(True), 0.0)
    assert settling.handle(Observed(False), 10.0) == ()
    assert (settling.up, settling.deadline) == (True, 13.0)
    assert settling.handle(SettlingDue(), 12.9) == ()
    assert settling.handle(SettlingDue(), 13.0) == (Settled(False),)
    assert settling.handle(Observed(True), 20.0) == ()
    assert settling.handle(SettlingDue(), 22.0) == (Settled(True),)


def test_a_return_cancels_the_pending_change() -> None:
    settling = Settling(down_delay=3)
    settling.handle(Observed(True), 0.0)
    settling.handle(Observed(False), 1.0)
    assert settling.handle(Observed(True), 2.0) == ()
    assert settling.deadline is None
    settling.handle(Observed(False), 3.0)
    assert settling.deadline == 6.0


def test_repeating_a_pending_change_does_not_prolong_it() -> None:
    settling = Settling(down_delay=3)
    settling.handle(Observed(True), 0.0)
    settling.handle(Observed(False), 1.0)
    settling.handle(Observed(False), 2.0)
    assert settling.deadline == 4.0


def test_without_delays_changes_pass_at_once() -> None:
    settling = Settling()
    told = [settling.handle(Observed(up), 0.0) for up in (True, True, False, True)]
    assert told == [(Settled(True),), (), (Settled(False),), (Settled(True),)]


def test_a_tick_without_a_pending_change_does_nothing() -> None:
    assert Settling().handle(SettlingDue(), 1.0) == ()


def test_delays_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="up_delay must be 0-3600 seconds, got -1"):
        Settling(up_delay=-1)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30), st.integers(0, 5), st.integers(0, 5))
def test_what_is_believed_has_lasted(steps: list[tuple[int, bool]], up_delay: int, down_delay: int) -> None:
    settling = Settling(up_delay, down_delay)
    now, since, current = 0, 0, None
    for pause, up in steps:
        for now in range(now, now + pause + 1):  # noqa: B020 - time goes on where it stood
            for told in settling.handle(SettlingDue(), now):
                assert told.up is current
                assert now - since == (up_delay if told.up else down_delay)
        if up is not current:
            current, since = up, now
        settling.handle(Observed(up), now)
    if current is not None and settling.up is not current:
        assert settling.deadline == since + (up_delay if current else down_delay)
