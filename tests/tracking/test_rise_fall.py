"""Rise and fall: from single results to a verdict (keepalived's vrrp_script rise, fall and init_fail)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit import ConfigError
from vrrpkit.tracking import FirstResult, RiseFall


def verdicts(counter: RiseFall, results: str) -> list[bool | None]:
    """The verdict after each result; `+` is a success, `-` a failure."""
    told = []
    for result in results:
        counter.record(result == "+")
        told.append(counter.up)
    return told


def test_nothing_is_known_before_the_first_result() -> None:
    assert RiseFall(2, 2).up is None


def test_the_first_result_decides_whatever_rise_and_fall_are() -> None:
    assert verdicts(RiseFall(3, 4), "+") == [True]
    assert verdicts(RiseFall(3, 4), "-") == [False]


def test_rise_successes_in_a_row_bring_it_up() -> None:
    assert verdicts(RiseFall(rise=3), "-++-+++") == [False, False, False, False, False, False, True]


def test_fall_failures_in_a_row_take_it_down() -> None:
    assert verdicts(RiseFall(fall=3), "+--+---") == [True, True, True, True, True, True, False]


def test_counting_from_the_start_knows_nothing_until_there_are_enough() -> None:
    assert verdicts(RiseFall(2, 3, FirstResult.COUNTS), "+-+--+++") == [None] * 6 + [True, True]
    assert verdicts(RiseFall(2, 3, FirstResult.COUNTS), "---") == [None, None, False]


def test_init_fail_assumes_down_until_rise_successes() -> None:
    counter = RiseFall(2, 1, FirstResult.ASSUME_DOWN)
    assert counter.up is False
    assert verdicts(counter, "+-++") == [False, False, False, True]


def test_assuming_up_lasts_until_fall_failures() -> None:
    counter = RiseFall(1, 2, FirstResult.ASSUME_UP)
    assert counter.up is True
    assert verdicts(counter, "-+--") == [True, True, True, False]


@pytest.mark.parametrize(("first", "up"), [(FirstResult.DOWN_UNTIL_FIRST, False), (FirstResult.UP_UNTIL_FIRST, True)])
def test_what_is_assumed_can_end_with_the_first_result(first: FirstResult, up: bool) -> None:
    assert RiseFall(3, 3, first).up is up
    assert verdicts(RiseFall(3, 3, first), "+--+") == [True] * 4
    assert verdicts(RiseFall(3, 3, first), "-++-") == [False] * 4


def test_record_tells_when_the_verdict_is_another_one() -> None:
    counter = RiseFall(1, 2)
    assert [counter.record(ok) for ok in (True, True, False, False, False, True)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_the_streak_counts_what_speaks_against_the_verdict() -> None:
    counter = RiseFall(3, 3)
    streaks = []
    for ok in (True, False, False, True, False):
        counter.record(ok)
        streaks.append(counter.streak)
    assert streaks == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"rise": 0}, "rise must be 1-1000000, got 0"),
        ({"fall": 0}, "fall must be 1-1000000, got 0"),
        ({"fall": True}, "fall must be 1-1000000, got True"),
        ({"rise": 1.5}, "rise must be 1-1000000, got 1.5"),
    ],
)
def test_counts_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        RiseFall(**settings)
    assert str(refusal.value) == text


def obvious(rise: int, fall: int, first: FirstResult, results: Iterable[bool]) -> list[bool | None]:
    """Look at all results so far, each time anew."""
    history: list[bool] = []
    up: bool | None = {"assume-down": False, "assume-up": True, "down-until-first": False, "up-until-first": True}.get(
        first
    )
    told = []
    for result in results:
        history.append(result)
        if len(history) == 1 and first in {"decides", "down-until-first", "up-until-first"}:
            up = result
        elif len(history) >= rise and all(history[-rise:]):
            up = True
        elif len(history) >= fall and not any(history[-fall:]):
            up = False
        told.append(up)
    return told


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from(FirstResult), st.lists(st.booleans(), max_size=40))
def test_it_equals_a_count_over_the_whole_history(
    rise: int, fall: int, first: FirstResult, results: list[bool]
) -> None:
    counter = RiseFall(rise, fall, first)
    told = []
    for result in results:
        before = counter.up
        assert counter.record(result) is (counter.up is not before)
        told.append(counter.up)
    assert told == obvious(rise, fall, first, results)
