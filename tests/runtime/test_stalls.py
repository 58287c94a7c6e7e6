"""A stall is seen, told and counted; a busy machine's usual lateness is not one."""

from __future__ import annotations

import logging

import pytest

from tests.runtime.test_drive import Bell, HandClock
from vrrpkit.runtime import Driver
from vrrpkit.runtime._stalls import Stalls


def test_an_alarm_that_is_less_than_half_a_second_late_is_no_stall() -> None:
    stalls = Stalls()
    assert (stalls.note(10.0, 10.0), stalls.note(11.0, 11.49)) == (None, None)
    assert stalls == Stalls()


def test_a_stall_is_counted_and_the_longest_is_kept() -> None:
    stalls = Stalls()
    assert [stalls.note(10.0, 10.5), stalls.note(20.0, 24.0), stalls.note(30.0, 31.0)] == [0.5, 4.0, 1.0]
    assert stalls == Stalls(count=3, longest=4.0)


def test_an_alarm_that_was_due_at_once_is_measured_from_then() -> None:
    assert Stalls().note(3.0, 2.999) is None  # a clock with a lead rings before the moment


def test_a_driver_tells_how_late_its_alarm_was_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, bell = HandClock(), Bell([1.0, 4.0, 5.0])
    driver = Driver(clock)
    driver.seat(bell, lambda _action: None, tick="tick")
    with caplog.at_level(logging.WARNING):
        clock.time = 3.0  # the alarm of 1.0 has not rung yet
        clock.turn_to(10.0)
    assert bell.rung == [3.0, 4.0, 5.0]
    assert driver.stalls == Stalls(count=1, longest=2.0)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        (
            "vrrpkit.driver",
            "the event loop did not run for 2.0 s or more: something blocked it, or the process was not let run",
        )
    ]
