"""What goes when there is no room for all news."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notifications.helpers import group, loser, moved, router
from vrrpkit.election import State, StateChanged
from vrrpkit.notifications._backlog import Backlog
from vrrpkit.runtime import LoserHeard, Notice
from vrrpkit.sync import GroupChanged

LOG = logging.getLogger("vrrpkit.notify")


def backlog(*notices: Notice, room: int) -> Backlog:
    made = Backlog(room, LOG, "scripts")
    for notice in notices:
        made.add(notice)
    return made


def drain(waiting: Backlog) -> list[Notice]:
    return [waiting.pop() for _ in range(len(waiting))]


def test_notices_come_out_as_they_went_in() -> None:
    notices = [router(State.BACKUP), group(State.BACKUP), loser(), moved(90, State.BACKUP), router(State.ACTIVE)]
    waiting = backlog(*notices, room=5)
    assert waiting.first == notices[0]
    assert (drain(waiting), waiting.dropped) == (notices, 0)


def test_state_that_a_later_one_makes_obsolete_goes_first() -> None:
    waiting = backlog(
        router(State.FAULT, "other"), router(State.BACKUP), router(State.ACTIVE), router(State.FAULT), room=3
    )
    assert drain(waiting) == [router(State.FAULT, "other"), router(State.ACTIVE), router(State.FAULT)]
    assert waiting.dropped == 1


def test_group_and_router_of_one_name_are_two() -> None:
    waiting = backlog(router(State.ACTIVE, "x"), group(State.ACTIVE, "x"), router(State.FAULT, "x"), room=2)
    assert drain(waiting) == [group(State.ACTIVE, "x"), router(State.FAULT, "x")]


def test_what_is_no_state_goes_for_a_state() -> None:
    waiting = backlog(router(State.ACTIVE, "a"), loser("a"), moved(90, State.ACTIVE, "a"), router(State.FAULT), room=3)
    assert drain(waiting) == [router(State.ACTIVE, "a"), moved(90, State.ACTIVE, "a"), router(State.FAULT)]


def test_what_is_no_state_is_not_taken_in_when_there_is_no_room() -> None:
    waiting = backlog(loser("a"), moved(90, State.ACTIVE), loser("b"), moved(80, State.ACTIVE), room=2)
    assert (drain(waiting), waiting.dropped) == ([loser("a"), moved(90, State.ACTIVE)], 2)


def test_oldest_goes_when_each_is_the_latest_state_of_its_router() -> None:
    waiting = backlog(*(router(State.ACTIVE, name) for name in "abc"), room=2)
    assert (drain(waiting), waiting.dropped) == ([router(State.ACTIVE, "b"), router(State.ACTIVE, "c")], 1)


def test_one_lower_priority_heard_waits_per_router_and_is_not_dropped() -> None:
    waiting = backlog(loser("a"), loser("b"), loser("a"), room=2)
    assert (len(waiting), waiting.dropped) == (2, 0)
    assert waiting.pop() == loser("a")
    waiting.add(loser("a"))
    assert (drain(waiting), waiting.dropped) == ([loser("b"), loser("a")], 0)


def test_lower_priority_can_wait_again_after_one_that_was_dropped() -> None:
    waiting = backlog(loser("a"), router(State.ACTIVE, "a"), room=1)
    assert drain(waiting) == [router(State.ACTIVE, "a")]
    waiting.add(loser("a"))
    waiting.clear()
    waiting.add(loser("a"))
    assert (drain(waiting), waiting.dropped) == ([loser("a")], 2)


def test_dropping_is_said_when_it_begins_and_with_the_number_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    waiting = backlog(*(router(State.ACTIVE) for _ in range(4)), room=2)
    assert caplog.messages == ["scripts: too slow, news are being dropped"]
    drain(waiting)
    assert caplog.messages[1:] == ["scripts: 2 news were dropped"]
    waiting.add(router(State.ACTIVE))
    drain(waiting)
    assert len(caplog.messages) == 2


def test_what_is_cleared_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    waiting = backlog(router(State.BACKUP), router(State.ACTIVE), room=9)
    waiting.clear()
    waiting.clear()
    assert (len(waiting), waiting.dropped) == (0, 2)
    assert caplog.messages == ["scripts: too slow, news are being dropped", "scripts: 2 news were dropped"]


NOTICES = st.builds(
    lambda make, name: make(name),
    st.sampled_from(
        [
            lambda name: router(State.ACTIVE, name),
            lambda name: router(State.BACKUP, name),
            lambda name: group(State.ACTIVE, name),
            loser,
            lambda name: moved(90, State.ACTIVE, name),
        ]
    ),
    st.sampled_from("abc"),
)


@given(st.lists(st.none() | NOTICES, max_size=60), st.integers(1, 6))
def test_what_is_dropped_is_what_the_rule_says(script: list[Notice | None], room: int) -> None:
    waiting, plain, dropped = backlog(room=room), list[Notice](), 0
    for notice in script:
        if notice is not None:
            waiting.add(notice)
            dropped += add_plainly(plain, notice, room)
        elif plain:
            assert waiting.pop() == plain.pop(0)
        assert (len(waiting), waiting.dropped) == (len(plain), dropped)
    assert drain(waiting) == plain


def add_plainly(waiting: list[Notice], notice: Notice, room: int) -> int:
    """The rule, looking at everything each time; return how many were dropped."""
    full = len(waiting) == room
    if isinstance(notice.news, LoserHeard) and any(subject(other) == subject(notice) for other in waiting):
        return 0
    if full and not is_state(notice):
        return 1
    waiting.append(notice)
    if not full:
        return 0
    for place, other in enumerate(waiting):
        if not is_state(other) or subject(other) in map(subject, waiting[place + 1 :]):
            del waiting[place]
            return 1
    del waiting[0]
    return 1


def is_state(notice: Notice) -> bool:
    return isinstance(notice.news, StateChanged | GroupChanged)


def subject(notice: Notice) -> tuple[type, str]:
    return type(notice.news), notice.name
