"""Preempt_Mode (RFC 9568 section 6.1), and keepalived's delay before it."""

import pytest

from tests.election.helpers import (
    LOW_PEER,
    PEER,
    TICK,
    acquire,
    active,
    announce,
    backup,
    heard,
    news,
    said,
    send,
    standing,
)
from vrrpkit.election import Backup, FaultCleared, FaultRaised, PriorityChanged, Reason, State


def test_preempting_router_takes_over_at_the_end_of_the_time_that_was_running() -> None:
    election = backup()
    election.handle(heard(100), 1.0)  # an equal: followed until 4.609375
    election.handle(heard(50, source=LOW_PEER), 2.0)
    election.handle(heard(50, source=LOW_PEER), 3.0)
    assert standing(election) == (State.BACKUP, 4.609375)


def test_router_without_preemption_follows_a_lower_priority_for_ever() -> None:
    election = backup(preempt=False)
    for second in range(1, 1000):
        assert election.handle(TICK, float(second)) == ()
        assert election.handle(heard(1), float(second)) == ()
    assert standing(election) == (State.BACKUP, 1002.609375)


def test_router_without_preemption_takes_over_from_silence() -> None:
    election = backup(preempt=False)
    election.handle(heard(1), 1.0)
    assert election.handle(TICK, 4.609375)[-1] == news(
        State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 4.609375, heard=said(1, 1.0)
    )


def test_router_without_preemption_does_not_take_over_because_its_priority_rose() -> None:
    """keepalived's users stumble over it (2.2 rule 9), and still it is what the option says."""
    election = backup(preempt=False, priority=50)
    election.handle(heard(100), 1.0)
    election.handle(PriorityChanged(200), 1.5)
    election.handle(heard(100), 2.0)
    assert standing(election) == (State.BACKUP, 5.21875)  # 2 + 3 + 56/256


def test_active_router_without_preemption_holds_against_a_lower_priority() -> None:
    """The option is about taking over, not about giving up."""
    election = active(preempt=False)
    assert election.handle(heard(50), 0.5) == (send(), announce())


@pytest.mark.conforms("9568 6.1-9", "3768 6.1-7")
def test_owner_ignores_that_preemption_is_off() -> None:
    """RFC 9568 section 6.1: an owner always preempts. Delayed at startup, it discards everything below it."""
    election = backup(priority=255, preempt=False, preempt_delay=100.0, startup_delay=5.0)
    for second in (1.0, 2.0, 3.0, 4.0):
        election.handle(heard(254), second)
    assert election.handle(TICK, 5.0) == (
        send(255),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.OWNER, 5.0, priority=255, heard=said(254, 4.0)),
    )


def test_owner_without_preemption_yields_only_to_another_owner() -> None:
    election = backup(priority=255, startup_delay=5.0)
    election.handle(heard(255), 4.0)
    assert standing(election) == (State.BACKUP, 7.00390625)  # 4 + 3 + 1/256


# preempt_delay -----------------------------------------------------------------------------------


def test_delay_is_counted_from_the_first_lower_advertisement() -> None:
    election = backup(preempt_delay=5.0)
    election.handle(heard(50), 1.0)
    assert election.phase == Backup(
        down_at=4.609375, active_interval=1.0, learned=True, preempt_at=6.0, heard=said(50, 1.0)
    )
    election.handle(heard(50), 2.0)
    assert election.phase == Backup(
        down_at=5.609375, active_interval=1.0, learned=True, preempt_at=6.0, heard=said(50, 2.0)
    )


def test_delay_may_be_shorter_than_a_second() -> None:
    election = backup(preempt_delay=0.5)
    election.handle(heard(50), 1.0)
    election.handle(heard(50), 1.25)
    election.handle(heard(50), 1.5)
    assert standing(election) == (State.BACKUP, 4.859375)  # the one of 1.25 was the last one followed


def test_silence_limit_still_runs_after_the_delay() -> None:
    """Measured on keepalived: a delay of 5 s takes up to 5 + 3.4 s at priority 150."""
    election = backup(priority=150, preempt_delay=5.0)
    for second in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5):
        election.handle(heard(50), second)
    # The delay ends at 5.5, so the advertisement of 4.5 was the last one followed: 4.5 + 3.4140625.
    assert standing(election) == (State.BACKUP, 7.9140625)
    assert election.handle(TICK, 8.5)[-1] == news(
        State.BACKUP, State.ACTIVE, Reason.PREEMPTED, 8.5, priority=150, heard=said(50, 8.5)
    )


def test_interval_is_learned_while_the_delay_runs() -> None:
    election = backup(preempt_delay=60.0)
    election.handle(heard(50, interval=2.0), 1.0)
    assert standing(election) == (State.BACKUP, 8.21875)


def test_delay_means_nothing_in_silence() -> None:
    election = backup(preempt_delay=60.0)
    assert election.handle(TICK, 3.609375)[0] == send()


def test_delay_means_nothing_after_a_resignation() -> None:
    election = backup(preempt_delay=60.0)
    election.handle(heard(50), 1.0)
    election.handle(heard(0), 2.0)
    assert standing(election) == (State.BACKUP, 2.609375)


def test_delay_goes_on_while_lower_priorities_replace_each_other() -> None:
    election = backup(preempt_delay=5.0)
    election.handle(heard(50, source=PEER), 1.0)
    election.handle(heard(60, source=LOW_PEER), 3.0)
    election.handle(heard(60, source=LOW_PEER), 6.0)
    assert standing(election) == (State.BACKUP, 6.609375)  # followed at 3, discarded at 6


def test_worthy_active_router_clears_the_delay() -> None:
    election = backup(preempt_delay=5.0)
    election.handle(heard(50), 1.0)
    election.handle(heard(100), 2.0)
    election.handle(heard(50), 3.0)
    assert election.phase == Backup(
        down_at=6.609375, active_interval=1.0, learned=True, preempt_at=8.0, heard=said(50, 3.0)
    )


def test_fault_clears_the_delay() -> None:
    election = backup(preempt_delay=5.0)
    election.handle(heard(50), 1.0)
    election.handle(FaultRaised("link:eth0"), 2.0)
    election.handle(FaultCleared("link:eth0"), 3.0)
    election.handle(heard(50), 4.0)
    assert election.phase == Backup(
        down_at=7.609375, active_interval=1.0, learned=True, preempt_at=9.0, heard=said(50, 4.0)
    )


def test_yielding_clears_the_delay() -> None:
    election = active(preempt_delay=5.0)
    election.handle(heard(200), 0.5)
    election.handle(heard(50), 2.0)
    assert election.phase == Backup(
        down_at=5.609375, active_interval=1.0, learned=True, preempt_at=7.0, heard=said(50, 2.0)
    )
