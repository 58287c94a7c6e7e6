"""An operator's wishes: step down, stay away, come back."""

from tests.election.helpers import (
    LOW_PEER,
    PEER,
    TICK,
    acquire,
    active,
    announce,
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
    Backup,
    FaultCleared,
    FaultRaised,
    Reason,
    Reconfigured,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
    Suspended,
)

# SteppedDown -------------------------------------------------------------------------------------


def test_stepping_down_resigns_and_follows_whoever_takes_over() -> None:
    election = active()
    assert election.handle(SteppedDown(), 0.5) == (
        send(0),
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.STEPPED_DOWN, 0.5),
    )
    assert election.phase == Backup(down_at=4.109375, active_interval=1.0)


def test_role_is_not_taken_back_from_a_lower_priority() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    for second in range(1, 100):
        assert election.handle(TICK, float(second)) == ()
        assert election.handle(heard(1), float(second)) == ()
    assert standing(election) == (State.BACKUP, 102.609375)


def test_role_is_taken_back_from_silence() -> None:
    """Nobody else is there, or whoever took over died: addresses that nobody holds help nobody."""
    election = active()
    election.handle(SteppedDown(), 0.5)
    assert election.handle(TICK, 4.109375) == (
        send(),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 4.109375),
    )


def test_wish_is_used_up_once_the_role_came_back() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(TICK, 4.109375)
    election.handle(heard(200), 5.0)
    election.handle(heard(50), 6.0)
    assert standing(election) == (State.BACKUP, 8.609375)  # the lower priority of 6.0 is discarded again


def test_role_is_taken_back_one_skew_after_a_resignation() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(50), 2.0)
    election.handle(heard(0), 2.5)
    assert standing(election) == (State.BACKUP, 3.109375)


def test_backup_that_steps_down_stops_preempting() -> None:
    election = backup()
    assert election.handle(SteppedDown(), 1.0) == ()
    election.handle(heard(50), 2.0)
    assert standing(election) == (State.BACKUP, 5.609375)


def test_owner_can_step_down() -> None:
    election = active(priority=255)
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(100), 1.0)
    assert standing(election) == (State.BACKUP, 4.00390625)


def test_stepping_down_outlives_a_fault() -> None:
    """A link that flaps while the other router is Active is no reason to take the role back from it."""
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(50), 1.5)
    election.handle(FaultRaised("link:eth0"), 2.0)
    election.handle(FaultCleared("link:eth0"), 2.5)
    election.handle(heard(50), 3.5)
    assert standing(election) == (State.BACKUP, 7.109375)


def test_stepping_down_in_fault_counts_after_the_fault() -> None:
    election = backup()
    election.handle(FaultRaised("link:eth0"), 0.5)
    assert election.handle(SteppedDown(), 1.0) == ()
    election.handle(FaultCleared("link:eth0"), 2.0)
    election.handle(heard(50), 3.0)
    assert standing(election) == (State.BACKUP, 6.609375)


def test_owner_that_stepped_down_does_not_take_the_role_back_after_a_fault() -> None:
    election = active(priority=255)
    election.handle(SteppedDown(), 0.5)
    election.handle(FaultRaised("link:eth0"), 1.0)
    assert election.handle(FaultCleared("link:eth0"), 2.0) == (
        news(State.FAULT, State.BACKUP, Reason.RECOVERED, 2.0, priority=255),
    )
    election.handle(heard(100), 3.0)
    assert standing(election) == (State.BACKUP, 6.00390625)


def test_wish_does_not_outlive_a_restart() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(Shutdown(), 1.0)
    election.handle(Startup(), 2.0)
    election.handle(heard(50), 3.0)
    assert standing(election) == (State.BACKUP, 5.609375)


def test_stepping_down_before_the_start_means_nothing() -> None:
    election = router()
    election.handle(SteppedDown(), 1.0)
    election.handle(Startup(), 2.0)
    election.handle(heard(50), 3.0)
    assert standing(election) == (State.BACKUP, 5.609375)


def test_coming_back_preempts_again() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(50), 2.0)
    assert election.handle(Resumed(), 2.5) == ()
    election.handle(heard(50), 3.0)
    assert election.phase == Backup(
        down_at=5.609375, active_interval=1.0, learned=True, why=Reason.PREEMPTED, heard=said(50, 3.0)
    )


def test_coming_back_counts_the_preempt_delay_anew() -> None:
    election = active(preempt_delay=5.0)
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(50), 2.0)
    election.handle(Resumed(), 60.0)
    election.handle(heard(50, source=LOW_PEER), 61.0)
    assert election.phase == Backup(
        down_at=64.609375,
        active_interval=1.0,
        learned=True,
        preempt_at=66.0,
        heard=said(50, 61.0, source=LOW_PEER),
    )


def test_coming_back_does_not_preempt_where_preemption_is_off() -> None:
    election = active(preempt=False)
    election.handle(SteppedDown(), 0.5)
    election.handle(Resumed(), 1.0)
    election.handle(heard(50, source=PEER), 2.0)
    assert standing(election) == (State.BACKUP, 5.609375)


def test_coming_back_changes_nothing_for_an_active_router() -> None:
    election = active()
    assert election.handle(Resumed(), 0.5) == ()
    assert standing(election) == (State.ACTIVE, 1.0)


# Suspended ---------------------------------------------------------------------------------------


def test_suspended_router_stays_away_until_resumed() -> None:
    election = active()
    assert election.handle(Suspended(), 0.5) == (
        send(0),
        release(),
        news(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["operator"]),
    )
    assert election.handle(heard(0), 1.0) == election.handle(TICK, 60.0) == ()
    assert election.handle(Resumed(), 100.0) == (news(State.FAULT, State.BACKUP, Reason.RECOVERED, 100.0),)
    assert standing(election) == (State.BACKUP, 103.609375)


def test_suspension_is_a_cause_beside_others() -> None:
    election = backup()
    election.handle(Suspended(), 1.0)
    election.handle(FaultRaised("link:eth0"), 2.0)
    assert election.handle(Resumed(), 3.0) == ()
    assert election.causes == {"link:eth0"}
    election.handle(FaultCleared("link:eth0"), 4.0)
    assert standing(election) == (State.BACKUP, 7.609375)


def test_router_suspended_before_the_start_starts_in_fault() -> None:
    election = router()
    election.handle(Suspended(), 0.0)
    assert election.handle(Startup(), 1.0) == (
        news(State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, causes=["operator"]),
    )


def test_resumed_owner_is_active_at_once() -> None:
    election = active(priority=255)
    election.handle(Suspended(), 0.5)
    assert election.handle(Resumed(), 1.0)[-1] == news(State.FAULT, State.ACTIVE, Reason.OWNER, 1.0, priority=255)


def test_router_that_stepped_down_does_not_take_the_role_as_a_new_owner() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    election.handle(heard(50), 1.5)
    assert election.handle(Reconfigured(config(priority=255)), 2.0) == ()
    assert election.state is State.BACKUP
