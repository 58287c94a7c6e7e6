"""RFC 9568 section 6.4.1: Initialize."""

import pytest

from tests.election.helpers import (
    LOW_PEER,
    PEER,
    TICK,
    VIP,
    acquire,
    active,
    announce,
    backup,
    heard,
    news,
    router,
    send,
    standing,
)
from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    Active,
    Backup,
    Event,
    Initialize,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
)


@pytest.mark.conforms("9568 6.4.1-1", "3768 6.4.1-1")
def test_router_begins_in_initialize_and_waits_for_nothing() -> None:
    election = router()
    assert election.phase == Initialize()
    assert standing(election) == (State.INITIALIZE, None)
    assert (election.priority, election.causes) == (100, frozenset())


@pytest.mark.conforms("9568 6.1-5", "9568 6.4.1-9", "9568 6.4.1-10", "9568 6.4.1-11")
def test_startup_makes_a_backup_that_waits_one_active_down_interval() -> None:
    """Active_Adver_Interval is its own: 3 * 1 s + 156/256 s."""
    election = router()
    assert election.handle(Startup(), 10.0) == (news(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 10.0),)
    assert election.phase == Backup(down_at=13.609375, active_interval=1.0)


@pytest.mark.conforms("9568 6.1-7", "9568 6.4.1-10")
@pytest.mark.parametrize(
    ("priority", "interval", "deadline"),
    [
        (1, 1.0, 3.99609375),  # 3 + 255/256
        (50, 1.0, 3.8046875),  # 3 + 206/256
        (150, 1.0, 3.4140625),  # 3 + 106/256
        (254, 1.0, 3.0078125),  # 3 + 2/256
        (128, 0.5, 1.75),  # 1.5 + 128/256 * 0.5
        (128, 40.0, 140.0),  # 120 + 128/256 * 40
    ],
)
def test_active_down_interval_is_three_intervals_and_the_skew(priority: int, interval: float, deadline: float) -> None:
    election = backup(priority=priority, advert_interval=interval)
    assert standing(election) == (State.BACKUP, deadline)


@pytest.mark.conforms("9568 6.4.1-2", "9568 6.4.1-3", "9568 6.4.1-5", "9568 6.4.1-7", "9568 6.4.1-8")
def test_owner_becomes_active_at_startup() -> None:
    election = router(priority=255)
    assert election.handle(Startup(), 10.0) == (
        send(255),
        acquire(),
        announce(),
        news(State.INITIALIZE, State.ACTIVE, Reason.OWNER, 10.0, priority=255),
    )
    assert election.phase == Active(advert_at=11.0, sent_at=10.0, answer_at=10.0)


@pytest.mark.conforms("9568 6.4.1-3", "9568 6.4.1-5")
def test_unadvertised_addresses_are_held_and_announced_too() -> None:
    election = router(priority=255, unadvertised=["2001:db8::1", "198.51.100.1"])
    _, acquired, announced, _ = election.handle(Startup(), 0.0)
    everything: tuple[IPAddress, ...] = election.config.all_addresses
    assert [str(address) for address in everything] == ["192.0.2.1", "2001:db8::1", "198.51.100.1"]
    assert (acquired, announced) == (acquire(*everything), announce(*everything))


def test_unadvertised_addresses_are_not_in_the_advertisement() -> None:
    election = router(priority=255, unadvertised=["198.51.100.1"])
    assert election.handle(Startup(), 0.0)[0] == send(255, addresses=(VIP,))


@pytest.mark.conforms("9568 6.4.1-1")
@pytest.mark.parametrize(
    "event",
    [TICK, heard(0), heard(255, source=PEER), heard(1, source=LOW_PEER), Shutdown(), SteppedDown(), Resumed()],
    ids=lambda event: type(event).__name__ + str(getattr(getattr(event, "advert", ""), "priority", "")),
)
def test_router_that_has_not_started_does_nothing(event: Event) -> None:
    election = router()
    assert election.handle(event, 1.0) == ()
    assert election.phase == Initialize()


def test_router_that_has_not_started_takes_note_of_what_it_will_need() -> None:
    election = router()
    assert election.handle(PriorityChanged(128), 0.0) == ()
    assert election.handle(PrimaryAddressChanged(PEER), 0.0) == ()
    assert (election.priority, election.primary_address) == (128, PEER)
    election.handle(Startup(), 0.0)
    assert standing(election) == (State.BACKUP, 3.5)


def test_second_startup_changes_nothing() -> None:
    waiting, forwarding = backup(), active()
    assert waiting.handle(Startup(), 1.0) == forwarding.handle(Startup(), 0.5) == ()
    assert standing(waiting) == (State.BACKUP, 3.609375)
    assert standing(forwarding) == (State.ACTIVE, 1.0)


def test_router_can_start_again_after_shutdown() -> None:
    election = active()
    election.handle(heard(50), 0.5)
    election.handle(Shutdown(), 0.75)
    assert election.handle(Startup(), 20.0) == (news(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 20.0),)
    assert election.phase == Backup(down_at=23.609375, active_interval=1.0)
