"""Late timers, stalls and delays: what a real clock does to RFC 9568 section 6.3."""

import pytest

from tests.election.helpers import (
    TICK,
    active,
    backup,
    config,
    heard,
    news,
    release,
    router,
    said,
    send,
    standing,
)
from vrrpkit.election import (
    Active,
    AnnounceAddresses,
    Backup,
    FaultCleared,
    FaultRaised,
    Reason,
    Reconfigured,
    SendAdvertisement,
    Startup,
    State,
)
from vrrpkit.packet import Version

# Lateness ----------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-14")
def test_lateness_of_one_advertisement_does_not_move_the_next() -> None:
    election = active()
    assert election.handle(TICK, 1.25) == (send(),)
    assert election.phase == Active(advert_at=2.0, sent_at=1.25, answer_at=0.0)


def test_lateness_does_not_add_up() -> None:
    election = active()
    for second in range(1, 1001):
        election.handle(TICK, second + 0.75)
    assert election.deadline == 1001.0


def test_advertisements_missed_by_a_whole_interval_are_not_made_up_for() -> None:
    election = active()
    assert election.handle(TICK, 2.5) == (send(),)
    assert standing(election) == (State.ACTIVE, 3.5)


def test_next_advertisement_is_never_due_at_once() -> None:
    election = active()
    election.handle(TICK, 2.0)
    assert standing(election) == (State.ACTIVE, 3.0)
    assert election.handle(TICK, 2.0) == ()


def test_late_takeover_counts_its_first_interval_from_the_takeover() -> None:
    election = backup()
    election.handle(TICK, 5.0)
    assert standing(election) == (State.ACTIVE, 6.0)


def test_early_ticks_do_nothing_in_any_state() -> None:
    elections = [router(), backup(), active(), backup()]
    elections[3].handle(FaultRaised("link:eth0"), 0.0)
    before = [election.phase for election in elections]
    assert [election.handle(TICK, 0.5) for election in elections] == [(), (), (), ()]
    assert [election.phase for election in elections] == before


# Stalls ------------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-1")
def test_router_that_does_not_preempt_steps_aside_after_a_stall() -> None:
    """Another must have taken over 3.609375 s after our last advertisement; its priority does not matter here."""
    election = active(preempt=False)
    assert election.handle(TICK, 3.609375) == (
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.STALLED, 3.609375),
    )
    assert election.phase == Backup(down_at=7.21875, active_interval=1.0)


def test_stall_that_nobody_noticed_is_none() -> None:
    election = active(preempt=False)
    assert election.handle(TICK, 3.609374) == (send(),)


def test_stall_is_counted_from_the_last_advertisement_of_any_kind() -> None:
    election = active(preempt=False)
    assert election.handle(heard(50), 0.5)[0] == send()
    assert election.handle(TICK, 4.0) == (send(),)


def test_router_that_preempts_goes_on_after_a_stall() -> None:
    """It would take over again anyway; whoever outranks it will say so."""
    election = active()
    assert election.handle(TICK, 60.0) == (send(),)
    assert standing(election) == (State.ACTIVE, 61.0)


def test_owner_goes_on_after_a_stall_without_preemption() -> None:
    election = active(priority=255, preempt=False)
    assert election.handle(TICK, 60.0) == (send(255),)


def test_stalled_router_steps_aside_before_it_listens() -> None:
    """Whatever it hears, it hears as a Backup."""
    election = active(preempt=False)
    assert election.handle(heard(200), 60.0) == (
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.STALLED, 60.0),
    )
    assert election.phase == Backup(down_at=63.609375, active_interval=1.0, learned=True, heard=said(200, 60.0))


def test_stalled_router_that_preempts_yields_to_a_winner() -> None:
    election = active()
    assert election.handle(heard(200), 60.0)[-1] == news(
        State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 60.0, heard=said(200, 60.0)
    )


@pytest.mark.parametrize("version", [Version.V3, Version.V2])
def test_stalled_router_that_first_hears_who_took_over_steps_aside_without_a_word(version: Version) -> None:
    """Events come before ticks, so the successor's advertisement is seen first.

    Answering it would preempt, which this router must not.
    """
    election = active(preempt=False, version=version)
    actions = (*election.handle(heard(50, version=version), 60.0), *election.handle(TICK, 60.0))
    assert [action for action in actions if isinstance(action, SendAdvertisement | AnnounceAddresses)] == []
    assert election.state is State.BACKUP


# down_timer_adverts ------------------------------------------------------------------------------


@pytest.mark.parametrize(("adverts", "deadline"), [(1, 1.609375), (2, 2.609375), (100, 100.609375)])
def test_number_of_missed_advertisements_is_a_setting(adverts: int, deadline: float) -> None:
    assert standing(backup(down_timer_adverts=adverts)) == (State.BACKUP, deadline)


def test_number_of_missed_advertisements_multiplies_the_learned_interval() -> None:
    election = backup(down_timer_adverts=5)
    election.handle(heard(200, interval=2.0), 1.0)
    assert standing(election) == (State.BACKUP, 12.21875)  # 1 + 10 + 156/256 * 2


def test_number_of_missed_advertisements_does_not_change_the_skew() -> None:
    election = backup(down_timer_adverts=5)
    election.handle(heard(0), 1.0)
    assert standing(election) == (State.BACKUP, 1.609375)


# startup_delay -----------------------------------------------------------------------------------


def test_delayed_router_waits_for_silence_after_the_delay() -> None:
    election = router(startup_delay=10.0)
    assert election.handle(Startup(), 5.0) == (news(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 5.0),)
    assert election.phase == Backup(down_at=18.609375, active_interval=1.0)


def test_delayed_owner_is_active_at_the_end_of_the_delay() -> None:
    election = backup(priority=255, startup_delay=10.0)
    assert standing(election) == (State.BACKUP, 10.0)
    assert election.handle(TICK, 9.999) == ()
    assert election.handle(TICK, 10.0)[-1] == news(State.BACKUP, State.ACTIVE, Reason.OWNER, 10.0, priority=255)


def test_delayed_owner_does_not_wait_for_the_skew_of_another() -> None:
    election = backup(priority=255, startup_delay=10.0)
    election.handle(heard(0), 9.999)
    assert standing(election) == (State.BACKUP, 10.0)


def test_delayed_router_listens() -> None:
    election = backup(startup_delay=10.0)
    election.handle(heard(200, interval=2.0), 9.0)
    assert standing(election) == (State.BACKUP, 16.21875)  # 9 + 6 + 156/256 * 2


@pytest.mark.parametrize("priority", [0, 200])
def test_delayed_router_does_not_take_over_from_an_early_silence(priority: int) -> None:
    election = backup(startup_delay=10.0)
    election.handle(heard(priority), 1.0)
    assert standing(election) == (State.BACKUP, 10.0)


def test_delayed_router_that_rises_does_not_take_over_early() -> None:
    election = backup(startup_delay=10.0)
    election.handle(heard(200), 6.5)  # until 10.109375
    election.handle(Reconfigured(config(startup_delay=10.0, priority=199)), 7.0)
    assert standing(election) == (State.BACKUP, 10.0)


def test_next_start_is_delayed_again() -> None:
    election = router(startup_delay=10.0)
    election.handle(FaultRaised("link:eth0"), 0.0)
    election.handle(FaultCleared("link:eth0"), 0.5)
    election.handle(Startup(), 1.0)
    assert standing(election) == (State.BACKUP, 14.609375)


@pytest.mark.parametrize("priority", [100, 255])
def test_fault_during_the_delay_does_not_end_it(priority: int) -> None:
    """A link that comes up late is what the delay is for."""
    election = backup(priority=priority, startup_delay=10.0)
    election.handle(FaultRaised("link:eth0"), 1.0)
    election.handle(FaultCleared("link:eth0"), 2.0)
    assert election.handle(TICK, 9.999) == ()
    assert election.state is State.BACKUP


@pytest.mark.parametrize("priority", [100, 255])
def test_fault_that_is_there_at_the_start_does_not_end_the_delay(priority: int) -> None:
    election = router(priority=priority, startup_delay=10.0)
    election.handle(FaultRaised("link:eth0"), 0.0)
    election.handle(Startup(), 0.0)
    election.handle(FaultCleared("link:eth0"), 2.0)
    assert election.handle(TICK, 9.999) == ()
    assert election.state is State.BACKUP


def test_delay_that_is_over_does_not_delay_a_recovery() -> None:
    election = backup(startup_delay=10.0)
    election.handle(FaultRaised("link:eth0"), 11.0)
    election.handle(FaultCleared("link:eth0"), 20.0)
    assert standing(election) == (State.BACKUP, 23.609375)


def test_backup_that_becomes_owner_during_the_delay_waits_for_its_end() -> None:
    election = backup(startup_delay=10.0)
    election.handle(Reconfigured(config(priority=255, startup_delay=10.0)), 2.0)
    assert standing(election) == (State.BACKUP, 10.0)


def test_backup_that_becomes_owner_at_the_end_of_the_delay_waits_no_longer() -> None:
    election = backup(startup_delay=10.0)
    election.handle(Reconfigured(config(priority=255, startup_delay=10.0)), 10.0)
    assert standing(election) == (State.ACTIVE, 11.0)


def test_owner_that_waits_for_the_end_of_the_delay_waits_for_nothing_else() -> None:
    """No silence limit runs for it, so none can grow with the interval."""
    election = backup(priority=255, startup_delay=10.0)
    election.handle(Reconfigured(config(priority=255, startup_delay=10.0, advert_interval=5.0)), 1.0)
    assert standing(election) == (State.BACKUP, 10.0)
