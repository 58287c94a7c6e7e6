"""Causes, not flags: in fault while there is at least one, and each has a name."""

import pytest

from tests.election.helpers import acquire, active, announce, backup, heard, news, release, router, send, standing
from vrrpkit.election import (
    Backup,
    Event,
    Fault,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    Reason,
    Shutdown,
    Startup,
    State,
    SteppedDown,
    TimerFired,
)

LINK = FaultRaised("link:eth0")
CHECK = FaultRaised("track:haproxy")
LINK_CLEARED = FaultCleared("link:eth0")
CHECK_CLEARED = FaultCleared("track:haproxy")


def test_fault_of_an_active_router_resigns_and_releases() -> None:
    election = active()
    assert election.handle(LINK, 0.5) == (
        send(0),
        release(),
        news(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth0"]),
    )
    assert election.phase == Fault()
    assert election.deadline is None


def test_fault_of_a_backup_says_nothing_to_the_network() -> None:
    election = backup()
    assert election.handle(LINK, 0.5) == (news(State.BACKUP, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth0"]),)


def test_second_cause_is_remembered_and_says_nothing() -> None:
    election = active()
    election.handle(LINK, 0.5)
    assert election.handle(CHECK, 0.625) == ()
    assert election.causes == {"link:eth0", "track:haproxy"}


def test_fault_lasts_until_the_last_cause_is_cleared() -> None:
    election = active()
    election.handle(LINK, 0.5)
    election.handle(CHECK, 0.625)
    assert election.handle(LINK_CLEARED, 1.0) == ()
    assert (standing(election), election.causes) == ((State.FAULT, None), frozenset({"track:haproxy"}))
    assert election.handle(CHECK_CLEARED, 2.0) == (news(State.FAULT, State.BACKUP, Reason.RECOVERED, 2.0),)
    assert election.phase == Backup(down_at=5.609375, active_interval=1.0)


def test_cause_is_not_counted_only_named() -> None:
    """Raised twice, cleared once: gone."""
    election = backup()
    election.handle(LINK, 0.5)
    assert election.handle(LINK, 0.75) == ()
    assert election.handle(LINK_CLEARED, 1.0)[-1] == news(State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0)


def test_clearing_what_was_never_raised_does_nothing() -> None:
    waiting, forwarding, broken = backup(), active(), backup()
    broken.handle(LINK, 0.5)
    assert waiting.handle(CHECK_CLEARED, 0.75) == ()
    assert forwarding.handle(CHECK_CLEARED, 0.75) == ()
    assert broken.handle(CHECK_CLEARED, 0.75) == ()
    assert (waiting.state, forwarding.state, broken.state) == (State.BACKUP, State.ACTIVE, State.FAULT)


def test_causes_before_the_start_are_remembered() -> None:
    election = router(priority=255)
    assert election.handle(LINK, 0.0) == ()
    assert election.handle(Startup(), 1.0) == (
        news(State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, priority=255, causes=["link:eth0"]),
    )


def test_cause_cleared_before_the_start_is_forgotten() -> None:
    election = router()
    election.handle(LINK, 0.0)
    assert election.handle(LINK_CLEARED, 0.5) == ()
    election.handle(Startup(), 1.0)
    assert standing(election) == (State.BACKUP, 4.609375)


@pytest.mark.parametrize(
    "event",
    [TimerFired(), heard(0), heard(1), heard(255), Startup(), SteppedDown(), PriorityChanged(200)],
    ids=["tick", "resignation", "lower", "higher", "startup", "step-down", "priority"],
)
def test_router_in_fault_takes_no_part(event: Event) -> None:
    election = backup()
    election.handle(LINK, 0.5)
    assert election.handle(event, 60.0) == ()
    assert standing(election) == (State.FAULT, None)


def test_priority_that_changed_during_the_fault_counts_afterwards() -> None:
    election = backup()
    election.handle(LINK, 0.5)
    election.handle(PriorityChanged(200), 1.0)
    election.handle(LINK_CLEARED, 2.0)
    assert standing(election) == (State.BACKUP, 5.21875)


def test_owner_that_recovers_is_active_at_once() -> None:
    election = active(priority=255)
    election.handle(LINK, 0.5)
    assert election.handle(LINK_CLEARED, 10.0) == (
        send(255),
        acquire(),
        announce(),
        news(State.FAULT, State.ACTIVE, Reason.OWNER, 10.0, priority=255),
    )


def test_shutdown_in_fault_has_nothing_to_resign() -> None:
    election = active()
    election.handle(LINK, 0.5)
    assert election.handle(Shutdown(), 1.0) == (
        news(State.FAULT, State.INITIALIZE, Reason.SHUTDOWN, 1.0, causes=["link:eth0"]),
    )
    assert election.handle(LINK_CLEARED, 2.0) == ()
    assert election.state is State.INITIALIZE


def test_news_of_a_fault_cannot_be_changed_by_what_comes_later() -> None:
    election = backup()
    (change,) = election.handle(LINK, 0.5)
    election.handle(CHECK, 0.625)
    assert change == news(State.BACKUP, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth0"])
