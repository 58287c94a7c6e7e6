"""RFC 9568 section 6.4.2: Backup. A Backup answers nothing, it only re-times."""

import pytest

from tests.election.helpers import (
    LOW_PEER,
    PEER,
    TICK,
    acquire,
    announce,
    backup,
    heard,
    news,
    said,
    send,
    standing,
)
from vrrpkit.election import Active, Backup, Initialize, Reason, Shutdown, State


@pytest.mark.conforms("9568 6.4.2-6", "9568 6.4.2-7")
def test_shutdown_ends_in_initialize_without_a_word() -> None:
    election = backup()
    assert election.handle(Shutdown(), 1.0) == (news(State.BACKUP, State.INITIALIZE, Reason.SHUTDOWN, 1.0),)
    assert election.phase == Initialize()


# Active_Down_Timer -------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.2-8", "9568 6.4.2-9", "9568 6.4.2-14", "9568 6.4.2-15")
def test_silence_makes_it_active() -> None:
    election = backup()
    assert election.handle(TICK, 3.609375) == (
        send(),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 3.609375),
    )
    assert election.phase == Active(advert_at=4.609375, sent_at=3.609375, answer_at=3.609375)


def test_tick_before_the_deadline_does_nothing() -> None:
    election = backup()
    before = election.phase
    assert election.handle(TICK, 3.609374) == ()
    assert election.phase == before


def test_news_of_a_takeover_says_who_fell_silent() -> None:
    election = backup()
    election.handle(heard(200), 1.0)
    assert election.handle(TICK, 4.609375)[-1] == news(
        State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 4.609375, heard=said(200, 1.0)
    )


# An advertisement of priority 0 ------------------------------------------------------------------


@pytest.mark.conforms("9568 5.2.4-4", "9568 6.4.2-16")
def test_backup_takes_over_one_skew_after_a_resignation() -> None:
    election = backup()
    assert election.handle(heard(0), 1.0) == ()
    assert standing(election) == (State.BACKUP, 1.609375)
    assert election.handle(TICK, 1.609375) == (
        send(),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.ACTIVE_RESIGNED, 1.609375, heard=said(0, 1.0)),
    )


def test_interval_of_a_resignation_is_not_learned() -> None:
    """The skew is that of the Active Router followed so far: 156/256 * 2 s, whatever the last word says."""
    election = backup()
    election.handle(heard(200, interval=2.0), 1.0)
    election.handle(heard(0, interval=40.0), 2.0)
    assert standing(election) == (State.BACKUP, 3.21875)


def test_higher_priority_has_the_shorter_skew() -> None:
    deadlines = []
    for priority in (254, 200, 100, 1):
        election = backup(priority=priority)
        election.handle(heard(0), 1.0)
        deadlines.append(election.deadline)
    assert deadlines == [1.0078125, 1.21875, 1.609375, 1.99609375]


@pytest.mark.conforms("9568 6.4.2-16")
def test_repeated_resignation_does_not_prolong_the_wait() -> None:
    election = backup()
    election.handle(heard(0), 1.0)
    election.handle(heard(0), 1.5)
    assert standing(election) == (State.BACKUP, 1.609375)


def test_repeated_resignation_does_not_prolong_the_wait_when_a_loser_spoke_between() -> None:
    election = backup()
    election.handle(heard(0), 1.0)
    election.handle(heard(50, source=LOW_PEER), 1.25)
    election.handle(heard(0), 1.5)
    assert standing(election) == (State.BACKUP, 1.609375)


def test_new_active_router_ends_the_wait_after_a_resignation() -> None:
    election = backup()
    election.handle(heard(0), 1.0)
    election.handle(heard(200, source=LOW_PEER), 1.25)
    assert election.phase == Backup(
        down_at=4.859375,
        active_interval=1.0,
        learned=True,
        heard=said(200, 1.25, source=LOW_PEER),
    )


def test_router_without_preemption_takes_over_after_a_resignation_too() -> None:
    election = backup(preempt=False)
    election.handle(heard(50), 0.5)
    election.handle(heard(0), 1.0)
    assert standing(election) == (State.BACKUP, 1.609375)


# An advertisement of a priority not below ours ---------------------------------------------------


@pytest.mark.conforms("9568 6.4.2-19")
@pytest.mark.parametrize("priority", [100, 101, 254, 255])
def test_priority_not_below_ours_is_followed(priority: int) -> None:
    election = backup()
    assert election.handle(heard(priority), 1.0) == ()
    assert election.phase == Backup(down_at=4.609375, active_interval=1.0, learned=True, heard=said(priority, 1.0))


def test_equal_priority_is_followed_whoever_has_the_higher_address() -> None:
    """Addresses break ties between Active Routers only."""
    election = backup()
    election.handle(heard(100, source=LOW_PEER), 1.0)
    assert standing(election) == (State.BACKUP, 4.609375)


@pytest.mark.conforms("9568 6.1-5", "9568 6.4.2-17", "9568 6.4.2-18")
def test_interval_of_the_active_router_is_learned() -> None:
    """3 * 0.5 s + 156/256 * 0.5 s = 1.8046875 s."""
    election = backup(advert_interval=10.0)
    election.handle(heard(200, interval=0.5), 1.0)
    assert election.phase == Backup(
        down_at=2.8046875, active_interval=0.5, learned=True, heard=said(200, 1.0, interval=0.5)
    )


@pytest.mark.conforms("9568 6.4.2-17")
def test_interval_is_learned_anew_with_every_advertisement() -> None:
    election = backup()
    election.handle(heard(200, interval=0.5), 1.0)
    election.handle(heard(200, interval=2.0), 1.5)
    assert standing(election) == (State.BACKUP, 8.71875)  # 1.5 + 6 + 156/256 * 2


# A lower priority --------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.2-20")
def test_lower_priority_is_discarded_with_preemption() -> None:
    """The running time goes on: there is a take-over, however often it speaks."""
    election = backup()
    for at in (1.0, 2.0, 3.0, 3.5):
        assert election.handle(heard(99), at) == ()
        assert standing(election) == (State.BACKUP, 3.609375)
    assert election.handle(TICK, 3.609375) == (
        send(),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.PREEMPTED, 3.609375, heard=said(99, 3.5)),
    )


@pytest.mark.conforms("9568 6.4.2-20")
def test_interval_of_a_discarded_advertisement_is_not_learned() -> None:
    election = backup()
    election.handle(heard(99, interval=40.0), 1.0)
    assert election.phase == Backup(
        down_at=3.609375,
        active_interval=1.0,
        why=Reason.PREEMPTED,
        heard=said(99, 1.0, interval=40.0),
    )


@pytest.mark.conforms("9568 6.4.2-17")
def test_lower_priority_is_followed_without_preemption() -> None:
    election = backup(preempt=False)
    election.handle(heard(1, source=PEER, interval=2.0), 1.0)
    assert standing(election) == (State.BACKUP, 8.21875)  # 1 + 6 + 156/256 * 2


def test_advertisement_that_was_waiting_comes_before_a_late_timer() -> None:
    """A stalled process hears first and ticks last, so it does not depose a live peer."""
    election = backup()
    assert election.handle(heard(200), 60.0) == ()
    assert election.handle(TICK, 60.0) == ()
    assert standing(election) == (State.BACKUP, 63.609375)
