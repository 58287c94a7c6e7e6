"""When to check, when to repair, and when to believe it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vrrpkit import ConfigError
from vrrpkit.checks import (
    CheckDue,
    CheckNow,
    CheckSchedule,
    ChecksHalted,
    ChecksResumed,
    Decided,
    Finished,
    Repaired,
    RunCheck,
    RunRepair,
    Schedule,
    Stopped,
    StopRunning,
)
from vrrpkit.checks._events import Event
from vrrpkit.errors import ConfigWarning
from vrrpkit.tracking import FirstResult

LATE = StopRunning(late=True)
UNWANTED = StopRunning(late=False)


def running(schedule: Schedule, *, repairs: bool = False, since: float = 100.0) -> CheckSchedule:
    """A schedule whose first check has just begun."""
    machine = CheckSchedule(schedule, repairs=repairs)
    assert machine.handle(ChecksResumed(), since) == (RunCheck(),)
    return machine


def test_nothing_happens_before_the_start() -> None:
    machine = CheckSchedule(Schedule())
    assert machine.deadline is None
    assert machine.handle(CheckDue(), 100.0) == ()
    assert machine.handle(CheckNow(), 100.0) == ()


def test_the_first_check_begins_at_once_and_the_others_at_a_fixed_rate() -> None:
    machine = running(Schedule(interval=2))
    machine.handle(Finished(True), 100.7)
    assert machine.deadline == 102.0
    assert machine.handle(CheckDue(), 101.9) == ()
    assert machine.handle(CheckDue(), 102.3) == (RunCheck(),)
    machine.handle(Finished(True), 102.4)
    assert machine.deadline == 104.0


def test_turns_that_were_slept_through_are_left_out() -> None:
    machine = running(Schedule(interval=2))
    machine.handle(Finished(True), 100.1)
    assert machine.handle(CheckDue(), 109.0) == (RunCheck(),)
    machine.handle(Finished(True), 109.1)
    assert machine.deadline == 110.0


def test_the_first_result_is_the_verdict() -> None:
    machine = running(Schedule(fall=3))
    assert machine.up is None
    assert machine.handle(Finished(False), 100.1) == (Decided(False),)
    assert machine.up is False


def test_fall_failures_in_a_row_make_it_down() -> None:
    machine = running(Schedule(interval=1, fall=2))
    assert machine.handle(Finished(True), 100.1) == (Decided(True),)
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(Finished(False), 101.1) == ()
    assert machine.streak == 1
    machine.handle(CheckDue(), 102.0)
    assert machine.handle(Finished(False), 102.1) == (Decided(False),)


def test_init_fail_holds_until_rise_successes() -> None:
    machine = CheckSchedule(Schedule(interval=1, rise=2, first=FirstResult.ASSUME_DOWN))
    assert machine.up is False
    machine.handle(ChecksResumed(), 100.0)
    assert machine.handle(Finished(True), 100.1) == ()
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(Finished(True), 101.1) == (Decided(True),)


def test_a_check_that_takes_too_long_has_failed_and_is_ended() -> None:
    machine = running(Schedule(interval=5, timeout=2))
    assert machine.deadline == 102.0
    assert machine.handle(CheckDue(), 102.0) == (LATE, Decided(False))
    assert machine.deadline == 105.0
    assert machine.handle(Stopped(), 102.1) == ()
    assert machine.handle(CheckDue(), 105.0) == (RunCheck(),)


def test_the_timeout_is_the_interval_unless_given() -> None:
    machine = running(Schedule(interval=3))
    assert machine.handle(CheckDue(), 103.0) == (LATE, Decided(False))
    assert machine.handle(Stopped(), 103.1) == (RunCheck(),)
    assert machine.deadline == 106.0


def test_a_check_that_does_not_end_when_told_to_fails_at_every_turn() -> None:
    machine = running(Schedule(interval=1, fall=3, first=FirstResult.ASSUME_UP))
    assert machine.handle(CheckDue(), 101.0) == (LATE,)
    assert machine.handle(CheckDue(), 102.0) == ()
    assert machine.handle(CheckDue(), 103.0) == (Decided(False),)
    assert machine.skipped == 3
    assert machine.handle(Stopped(), 103.5) == (RunCheck(),)
    assert machine.deadline == 104.0


def test_checks_never_overlap_when_the_timeout_is_longer_than_the_interval() -> None:
    with pytest.warns(ConfigWarning, match="timeout is 5 s and interval 2 s: a check that hangs skips others"):
        schedule = Schedule(interval=2, timeout=5)
    machine = running(schedule)
    assert machine.handle(CheckDue(), 102.0) == ()
    assert machine.handle(CheckDue(), 104.0) == ()
    assert machine.skipped == 2
    assert machine.handle(CheckDue(), 105.0) == (LATE, Decided(False))
    assert machine.handle(Stopped(), 105.1) == (RunCheck(),)
    assert machine.handle(Finished(True), 105.2) == (Decided(True),)
    assert machine.deadline == 106.0


@pytest.mark.conforms("keyword vrrp_script/repair")
def test_a_first_failure_is_repaired_and_does_not_count_if_that_helps() -> None:
    machine = running(Schedule(interval=5, recheck_after=2), repairs=True)
    assert machine.handle(Finished(True), 100.1) == (Decided(True),)
    machine.handle(CheckDue(), 105.0)
    assert machine.handle(Finished(False), 105.1) == (RunRepair(),)
    assert machine.handle(Repaired(), 106.0) == ()
    assert machine.deadline == 108.0
    assert machine.handle(CheckDue(), 108.0) == (RunCheck(),)
    assert machine.handle(Finished(True), 108.1) == ()
    assert (machine.up, machine.streak) == (True, 0)


@pytest.mark.conforms("keyword vrrp_script/repair")
def test_a_failure_counts_when_the_repair_has_not_helped() -> None:
    machine = running(Schedule(interval=5, recheck_after=2), repairs=True)
    machine.handle(Finished(True), 100.1)
    machine.handle(CheckDue(), 105.0)
    machine.handle(Finished(False), 105.1)
    machine.handle(Repaired(), 106.0)
    machine.handle(CheckDue(), 108.0)
    assert machine.handle(Finished(False), 108.1) == (Decided(False),)


def test_the_repair_is_not_tried_again_before_the_next_success() -> None:
    machine = running(Schedule(interval=1, recheck_after=0), repairs=True)
    assert machine.handle(Finished(False), 100.1) == (RunRepair(),)
    machine.handle(Repaired(), 100.2)
    assert machine.handle(CheckDue(), 100.2) == (RunCheck(),)
    assert machine.handle(Finished(False), 100.3) == (Decided(False),)
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(Finished(False), 101.1) == ()
    machine.handle(CheckDue(), 102.0)
    assert machine.handle(Finished(True), 102.1) == (Decided(True),)
    machine.handle(CheckDue(), 103.0)
    assert machine.handle(Finished(False), 103.1) == (RunRepair(),)


def test_a_check_that_hangs_is_ended_before_the_repair_begins() -> None:
    machine = running(Schedule(interval=5, timeout=2), repairs=True)
    assert machine.handle(CheckDue(), 102.0) == (LATE,)
    assert machine.handle(Stopped(), 102.2) == (RunRepair(),)
    assert machine.repairing


def test_turns_during_a_repair_are_left_out() -> None:
    machine = running(Schedule(interval=1, recheck_after=3), repairs=True)
    machine.handle(Finished(False), 100.1)
    assert machine.handle(CheckDue(), 101.0) == ()
    machine.handle(Repaired(), 101.5)
    assert machine.handle(CheckDue(), 102.0) == ()
    assert machine.skipped == 2


def test_a_repair_that_takes_too_long_is_ended_and_looked_at_all_the_same() -> None:
    machine = running(Schedule(interval=60, repair_timeout=10, recheck_after=2), repairs=True)
    machine.handle(Finished(False), 100.5)
    assert machine.deadline == 110.5
    assert machine.handle(CheckDue(), 110.5) == (LATE,)
    assert machine.repairing
    assert machine.handle(Stopped(), 111.0) == ()
    assert machine.deadline == 113.0
    assert machine.handle(CheckDue(), 113.0) == (RunCheck(),)


def test_the_second_look_takes_the_place_of_a_turn_in_the_same_moment() -> None:
    machine = running(Schedule(interval=5, recheck_after=4), repairs=True)
    machine.handle(Finished(False), 100.5)
    machine.handle(Repaired(), 101.0)
    assert machine.handle(CheckDue(), 105.0) == (RunCheck(),)
    assert machine.skipped == 0


def test_a_check_can_be_had_now_without_moving_the_others() -> None:
    machine = running(Schedule(interval=10))
    machine.handle(Finished(True), 100.1)
    assert machine.handle(CheckNow(), 104.0) == (RunCheck(),)
    assert machine.handle(Finished(False), 104.1) == (Decided(False),)
    assert machine.deadline == 110.0


def test_asking_for_a_check_while_one_runs_gets_one_more_right_after() -> None:
    machine = running(Schedule(interval=10))
    assert machine.handle(CheckNow(), 100.1) == ()
    assert machine.handle(CheckNow(), 100.2) == ()
    assert machine.handle(Finished(True), 100.3) == (Decided(True), RunCheck())
    assert machine.handle(Finished(True), 100.4) == ()


def test_one_more_check_begins_after_what_hung_has_ended() -> None:
    machine = running(Schedule(interval=10, timeout=1))
    machine.handle(CheckNow(), 100.5)
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(Stopped(), 101.1) == (RunCheck(),)


def test_halting_ends_what_runs_and_keeps_the_verdict() -> None:
    machine = running(Schedule(interval=1))
    machine.handle(Finished(True), 100.1)
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(ChecksHalted(), 101.1) == (UNWANTED,)
    assert machine.handle(Stopped(), 101.2) == ()
    assert (machine.up, machine.deadline) == (True, None)


def test_halting_between_checks_leaves_nothing_to_do() -> None:
    machine = running(Schedule(interval=1))
    machine.handle(Finished(True), 100.1)
    assert machine.handle(ChecksHalted(), 100.2) == ()
    assert machine.deadline is None


def test_halting_forgets_a_repair_that_was_to_come() -> None:
    machine = running(Schedule(interval=5, timeout=1), repairs=True)
    machine.handle(CheckDue(), 101.0)
    assert machine.handle(ChecksHalted(), 101.1) == ()
    assert machine.handle(Stopped(), 101.2) == ()
    assert machine.deadline is None


def test_resuming_checks_at_once_or_as_soon_as_what_runs_has_ended() -> None:
    machine = running(Schedule(interval=5))
    machine.handle(Finished(True), 100.1)
    machine.handle(ChecksHalted(), 101.0)
    assert machine.handle(ChecksResumed(), 103.0) == (RunCheck(),)
    assert machine.handle(ChecksResumed(), 103.1) == ()
    machine.handle(ChecksHalted(), 103.2)
    assert machine.handle(ChecksResumed(), 103.3) == ()
    assert machine.handle(Stopped(), 103.4) == (RunCheck(),)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"interval": 0}, "interval must be 0.01-86400 seconds, got 0"),
        ({"timeout": -1}, "timeout must be 0.01-86400 seconds, got -1"),
        ({"rise": 0}, "rise must be 1-1000000, got 0"),
        ({"fall": 0}, "fall must be 1-1000000, got 0"),
        ({"repair_timeout": 0}, "repair_timeout must be 0.01-86400 seconds, got 0"),
        ({"recheck_after": -1}, "recheck_after must be 0-86400 seconds, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Schedule(**settings)
    assert str(refusal.value) == text


@example([("wait", 1), ("resume", 1), ("wait", 14), ("wait", 36)], False)
@given(
    st.lists(
        st.tuples(st.sampled_from(["wait", "finish ok", "finish not ok", "now", "halt", "resume"]), st.integers(1, 40)),
        max_size=60,
    ),
    st.booleans(),
)
def test_never_two_at_once_and_never_a_busy_loop(steps: list[tuple[str, int]], repairs: bool) -> None:
    machine = CheckSchedule(Schedule(interval=1, timeout=0.7, recheck_after=0.3), repairs=repairs)
    now, at_work, ending = 0.0, "", False
    events: dict[str, Event] = {"now": CheckNow(), "halt": ChecksHalted(), "resume": ChecksResumed()}
    for what, tenths in steps:
        if what == "wait":
            now += tenths / 10
            event: Event = CheckDue()
        elif what.startswith("finish"):
            if not at_work:
                continue
            event = Stopped() if ending else Finished(what == "finish ok") if at_work == "check" else Repaired()
            at_work, ending = "", False
        else:
            event = events[what]
        for action in machine.handle(event, now):
            match action:
                case RunCheck():
                    assert not at_work
                    at_work = "check"
                case RunRepair():
                    assert not at_work
                    assert repairs
                    at_work = "repair"
                case StopRunning():
                    assert at_work
                    assert not ending
                    ending = True
                case Decided():
                    pass
        if isinstance(event, CheckDue):
            assert machine.deadline is None or machine.deadline > now


def test_the_fast_interval_holds_while_the_results_speak_against_the_verdict() -> None:
    machine = running(Schedule(interval=10, timeout=5, fast_interval=2, fall=3))
    machine.handle(Finished(True), 100.5)
    machine.handle(CheckDue(), 110.0)
    machine.handle(Finished(False), 110.5)
    assert machine.deadline == 112.0
    machine.handle(CheckDue(), 112.0)
    machine.handle(Finished(False), 112.5)
    machine.handle(CheckDue(), 114.0)
    assert machine.handle(Finished(False), 114.5) == (Decided(False),)
    assert machine.deadline == 124.0


def test_a_check_that_hangs_for_longer_than_the_fast_interval_counts_once() -> None:
    machine = running(Schedule(interval=10, timeout=5, fast_interval=0.5, fall=3))
    machine.handle(Finished(True), 100.0)
    machine.handle(CheckDue(), 110.0)
    for given_up_at in (115.0, 120.0):
        assert machine.handle(CheckDue(), given_up_at) == (StopRunning(late=True),)
        assert machine.deadline == given_up_at + 0.5
        assert machine.handle(Stopped(), given_up_at) == (RunCheck(),)
    assert machine.handle(CheckDue(), 125.0) == (StopRunning(late=True), Decided(False))


def test_a_fast_turn_that_is_over_already_comes_at_once() -> None:
    machine = running(Schedule(interval=10, timeout=5, fast_interval=2, fall=2))
    machine.handle(Finished(True), 100.5)
    machine.handle(CheckDue(), 110.0)
    machine.handle(Finished(False), 113.0)
    assert machine.deadline == 113.0


def test_the_down_interval_holds_while_it_is_down_and_nothing_speaks_against_that() -> None:
    machine = running(Schedule(interval=10, down_interval=30, fast_interval=1, rise=2))
    machine.handle(Finished(False), 100.5)
    assert machine.deadline == 130.0
    machine.handle(CheckDue(), 130.0)
    machine.handle(Finished(True), 130.2)
    assert machine.deadline == 131.0


def test_from_end_counts_the_interval_from_the_end_of_a_check() -> None:
    machine = running(Schedule(interval=10, from_end=True))
    assert machine.deadline == 110.0
    machine.handle(Finished(True), 103.0)
    assert machine.deadline == 113.0
    assert machine.handle(CheckDue(), 117.0) == (RunCheck(),)
    machine.handle(Finished(True), 118.0)
    assert machine.deadline == 128.0


def test_from_end_a_check_that_hangs_is_followed_an_interval_after_its_timeout() -> None:
    machine = running(Schedule(interval=10, timeout=4, from_end=True))
    assert machine.handle(CheckDue(), 104.0) == (LATE, Decided(False))
    assert machine.handle(Stopped(), 105.0) == ()
    assert machine.deadline == 114.0


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK warmup")
def test_the_first_check_comes_within_the_warm_up_and_only_the_first() -> None:
    machine = CheckSchedule(Schedule(interval=10, warmup=8), draw=lambda: 0.25)
    assert machine.handle(ChecksResumed(), 100.0) == ()
    assert machine.deadline == 102.0
    assert machine.handle(CheckDue(), 102.0) == (RunCheck(),)
    machine.handle(Finished(True), 102.1)
    machine.handle(ChecksHalted(), 103.0)
    assert machine.handle(ChecksResumed(), 105.0) == (RunCheck(),)


def test_jitter_moves_each_turn_and_adds_up_to_nothing() -> None:
    draws = iter([0.9, 0.0, 1.0, 0.5, 0.0])  # the first is for the warm-up
    machine = CheckSchedule(Schedule(interval=10, jitter=0.2), draw=lambda: next(draws))
    deadlines = []
    assert machine.handle(ChecksResumed(), 100.0) == (RunCheck(),)
    machine.handle(Finished(True), 100.1)
    for _ in range(3):
        deadline = machine.deadline
        assert deadline is not None
        deadlines.append(deadline)
        machine.handle(CheckDue(), deadline)
        machine.handle(Finished(True), deadline)
    assert deadlines == [108.0, 122.0, 130.0]


def test_keepalived_tries_again_before_it_believes_a_failure() -> None:
    machine = CheckSchedule(Schedule.keepalived(delay_loop=60, retry=2, delay_before_retry=3, warmup=0))
    assert machine.up is True
    assert machine.handle(ChecksResumed(), 0.0) == (RunCheck(),)
    machine.handle(Finished(True), 1.0)
    moments = []
    for outcome in (False, False, False, True):
        deadline = machine.deadline
        assert deadline is not None
        machine.handle(CheckDue(), deadline)
        moments.append((deadline, machine.handle(Finished(outcome), deadline)))
    assert moments == [(61.0, ()), (64.0, ()), (67.0, (Decided(False),)), (127.0, (Decided(True),))]


def test_keepalived_believes_the_first_failure() -> None:
    for alpha in (False, True):
        machine = CheckSchedule(Schedule.keepalived(retry=5, warmup=0, alpha=alpha))
        assert machine.up is not alpha
        machine.handle(ChecksResumed(), 0.0)
        machine.handle(Finished(False), 0.1)
        assert machine.up is False


def test_the_profiles_have_the_defaults_of_their_models() -> None:
    assert Schedule.keepalived() == Schedule(
        interval=60,
        timeout=5,
        fall=2,
        first=FirstResult.UP_UNTIL_FIRST,
        fast_interval=1,
        from_end=True,
        warmup=60,
    )
    assert Schedule.haproxy() == Schedule(interval=2, rise=2, fall=3, first=FirstResult.UP_UNTIL_FIRST, from_end=True)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"fast_interval": 0}, "fast_interval must be 0.01-86400 seconds, got 0"),
        ({"down_interval": 0}, "down_interval must be 0.01-86400 seconds, got 0"),
        ({"warmup": -1}, "warmup must be 0-86400 seconds, got -1"),
        ({"jitter": 0.6}, "jitter must be 0-0.5, got 0.6"),
        ({"from_end": 1}, "from_end must be True or False, got 1"),
    ],
)
def test_settings_of_the_pace_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Schedule(**settings)
    assert str(refusal.value) == text


def test_a_retry_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="retry must be 0-999999, got -1"):
        Schedule.keepalived(retry=-1)
