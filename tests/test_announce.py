"""Announcing addresses: bursts, second bursts, refreshes, and the gap between frames."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit.addresses import IPAddress
from vrrpkit.announce import (
    Announce,
    AnnouncementDue,
    AnnouncementsBegun,
    AnnouncementsCeased,
    AnnouncePolicy,
    AnnounceSchedule,
)
from vrrpkit.errors import ConfigError

A = ip_address("192.0.2.1")
B = ip_address("192.0.2.2")
DUE = AnnouncementDue()


def begun(*addresses: IPAddress, owner: str = "r1", policy: AnnouncePolicy | None = None) -> AnnouncementsBegun:
    return AnnouncementsBegun(owner, addresses, policy or AnnouncePolicy())


def sent(frames: Sequence[Announce]) -> list[IPAddress]:
    return [frame.address for frame in frames]


def test_nothing_to_announce_needs_no_deadline() -> None:
    assert AnnounceSchedule().deadline is None


def test_a_burst_goes_round_the_addresses() -> None:
    schedule = AnnounceSchedule()
    policy = AnnouncePolicy(repeat=2, delay=0)
    assert sent(schedule.handle(begun(A, B, policy=policy), 10.0)) == [A, B, A, B]
    assert schedule.deadline is None


def test_the_default_is_five_frames_and_five_more_after_five_seconds() -> None:
    schedule = AnnounceSchedule()
    assert sent(schedule.handle(begun(A), 10.0)) == [A] * 5
    assert schedule.deadline == 15.0
    assert schedule.handle(DUE, 14.9) == ()
    assert sent(schedule.handle(DUE, 15.0)) == [A] * 5
    assert schedule.deadline is None


def test_refreshes_follow_the_second_burst_with_a_number_of_their_own() -> None:
    schedule = AnnounceSchedule()
    policy = AnnouncePolicy(repeat=3, delay=5, refresh=60, refresh_repeat=2)
    assert sent(schedule.handle(begun(A, policy=policy), 0.0)) == [A] * 3
    assert sent(schedule.handle(DUE, 5.0)) == [A] * 3
    assert schedule.deadline == 65.0
    assert sent(schedule.handle(DUE, 65.0)) == [A] * 2
    assert schedule.deadline == 125.0


def test_without_a_second_burst_refreshes_count_from_the_first() -> None:
    schedule = AnnounceSchedule()
    policy = AnnouncePolicy(repeat=1, delay=0, refresh=60, refresh_repeat=1)
    assert sent(schedule.handle(begun(A, policy=policy), 0.0)) == [A]
    assert schedule.deadline == 60.0
    assert sent(schedule.handle(DUE, 60.0)) == [A]


def test_a_gap_holds_between_any_two_frames_of_the_link() -> None:
    schedule = AnnounceSchedule(gap=0.5)
    policy = AnnouncePolicy(repeat=1, delay=0)
    assert sent(schedule.handle(begun(A, B, policy=policy), 10.0)) == [A]
    assert schedule.handle(begun(B, owner="r2", policy=policy), 10.25) == ()
    assert schedule.deadline == 10.5
    assert sent(schedule.handle(DUE, 10.5)) == [B]
    assert sent(schedule.handle(DUE, 11.0)) == [B]
    assert schedule.deadline is None


def test_the_earlier_of_gap_and_burst_is_the_deadline() -> None:
    schedule = AnnounceSchedule(gap=2.0)
    schedule.handle(begun(A, B, policy=AnnouncePolicy(repeat=1, delay=1)), 10.0)
    assert schedule.deadline == 11.0
    assert schedule.handle(DUE, 11.0) == ()
    assert schedule.deadline == 12.0


def test_what_ceases_is_forgotten_with_the_frames_that_wait() -> None:
    schedule = AnnounceSchedule(gap=1.0)
    schedule.handle(begun(A, B), 10.0)
    assert schedule.handle(AnnouncementsCeased("r1"), 10.5) == ()
    assert schedule.deadline is None
    assert schedule.handle(DUE, 15.0) == ()


def test_frames_of_another_owner_do_not_wait_for_those_that_ceased() -> None:
    schedule = AnnounceSchedule(gap=1.0)
    policy = AnnouncePolicy(repeat=1, delay=0)
    schedule.handle(begun(A, A, A, policy=policy), 10.0)
    schedule.handle(begun(B, owner="r2", policy=policy), 10.0)
    assert schedule.handle(AnnouncementsCeased("r1"), 10.5) == ()
    assert sent(schedule.handle(DUE, 11.0)) == [B]
    assert schedule.deadline is None


def test_a_burst_that_ceased_is_passed_over_when_another_one_is_due() -> None:
    schedule = AnnounceSchedule()
    schedule.handle(begun(A, policy=AnnouncePolicy(repeat=1, delay=3)), 0.0)
    schedule.handle(begun(B, owner="r2", policy=AnnouncePolicy(repeat=1, delay=2)), 0.0)
    schedule.handle(AnnouncementsCeased("r1"), 1.0)
    assert sent(schedule.handle(DUE, 4.0)) == [B]
    assert schedule.deadline is None


def test_beginning_anew_replaces_what_was_running() -> None:
    schedule = AnnounceSchedule()
    policy = AnnouncePolicy(repeat=1, delay=5)
    schedule.handle(begun(A, policy=policy), 0.0)
    assert sent(schedule.handle(begun(B, policy=policy), 1.0)) == [B]
    assert schedule.deadline == 6.0
    assert sent(schedule.handle(DUE, 6.0)) == [B]


def test_ceasing_what_never_began_is_nothing() -> None:
    assert AnnounceSchedule().handle(AnnouncementsCeased("r1"), 0.0) == ()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"repeat": 101}, "repeat must be 0-100, got 101"),
        ({"delay": -1}, "delay must be 0-3600 seconds, got -1"),
        ({"refresh": 86401}, "refresh must be 0-86400 seconds, got 86401"),
        ({"refresh_repeat": 0}, "refresh_repeat must be 1-100, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AnnouncePolicy(**settings)
    assert str(caught.value) == text


@given(
    gap=st.sampled_from([0.0, 0.25, 1.0]),
    begins=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 8)), max_size=6),
)
def test_frames_keep_their_gap_and_each_burst_is_complete(gap: float, begins: list[tuple[str, int, int]]) -> None:
    schedule = AnnounceSchedule(gap=gap)
    policy = AnnouncePolicy(repeat=2, delay=0)
    owners = {}
    now, times = 0.0, list[float]()
    for owner, count, later in begins:
        owners[owner] = count
        now += later
        while (due := schedule.deadline) is not None and due <= now:
            times += [due] * len(schedule.handle(DUE, due))
        times += [now] * len(schedule.handle(begun(*[A] * count, owner=owner, policy=policy), now))
    while (due := schedule.deadline) is not None:
        frames = schedule.handle(DUE, max(due, now))
        assert frames, "a deadline with nothing to do"
        times += [max(due, now)] * len(frames)
    assert all(later - earlier >= gap for earlier, later in pairwise(times))
    assert len(times) <= sum(2 * count for _owner, count, _later in begins)
    assert len(times) >= 2 * sum(owners.values())
