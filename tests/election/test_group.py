"""What a sync group asks of its members."""

from ipaddress import IPv4Address

import pytest
from attrs import evolve

from tests.election.helpers import (
    TICK,
    VIP,
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
    Election,
    Event,
    FaultCleared,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PriorityChanged,
    Reason,
    Reconfigured,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
)
from vrrpkit.errors import ConfigError

YIELD = GroupYielded("VI_2")
TAKE_OVER = GroupTookOver("VI_2")


# GroupYielded ------------------------------------------------------------------------------------


def test_active_router_resigns_with_its_group() -> None:
    election = active()
    assert election.handle(YIELD, 0.5) == (
        send(0),
        release(),
        evolve(news(State.ACTIVE, State.BACKUP, Reason.SYNC, 0.5), member="VI_2"),
    )
    assert election.phase == Backup(down_at=4.109375, active_interval=1.0)


def test_router_that_yielded_with_its_group_follows_no_lower_priority() -> None:
    election = active()
    election.handle(YIELD, 0.5)
    election.handle(heard(50), 1.0)
    assert standing(election) == (State.BACKUP, 4.109375)
    assert not election.is_yielding


def test_owner_yields_with_its_group() -> None:
    election = active(priority=255)
    assert election.handle(YIELD, 0.5)[0] == send(0)
    assert standing(election) == (State.BACKUP, 3.50390625)


@pytest.mark.parametrize("event", [YIELD, TAKE_OVER])
def test_router_that_takes_no_part_does_not_move_with_its_group(event: Event) -> None:
    stopped, broken = router(), backup()
    broken.handle(FaultRaised("link:eth0"), 0.5)
    assert stopped.handle(event, 1.0) == broken.handle(event, 1.0) == ()
    assert (stopped.state, broken.state) == (State.INITIALIZE, State.FAULT)


def test_backup_has_nothing_to_yield() -> None:
    election = backup()
    assert election.handle(YIELD, 0.5) == ()
    assert standing(election) == (State.BACKUP, 3.609375)


# GroupTookOver -----------------------------------------------------------------------------------


def test_backup_takes_over_with_its_group() -> None:
    election = backup()
    election.handle(heard(200), 0.25)
    assert election.handle(TAKE_OVER, 0.5) == (
        send(),
        acquire(),
        announce(),
        evolve(news(State.BACKUP, State.ACTIVE, Reason.SYNC, 0.5, heard=said(200, 0.25)), member="VI_2"),
    )
    assert standing(election) == (State.ACTIVE, 1.5)


def test_startup_delay_does_not_keep_a_router_from_its_group() -> None:
    election = backup(startup_delay=60.0)
    assert election.handle(TAKE_OVER, 0.5)[0] == send()


def test_router_that_stepped_down_takes_over_with_its_group_and_is_as_before() -> None:
    election = active()
    election.handle(SteppedDown(), 0.5)
    assert election.handle(TAKE_OVER, 1.0)[0] == send()
    assert not election.is_yielding


def test_active_router_has_nothing_to_take_over() -> None:
    election = active()
    assert election.handle(TAKE_OVER, 0.5) == ()
    assert standing(election) == (State.ACTIVE, 1.0)


def test_news_name_the_member() -> None:
    [*_, change] = active().handle(YIELD, 0.5)
    assert str(change) == "active -> backup: sync (with VI_2; own priority 100)"


# Stalls, which concern the whole group -----------------------------------------------------------


def test_router_that_does_not_preempt_knows_that_it_stalled() -> None:
    election = active(preempt=False)
    assert not election.is_stalled(3.5)
    assert election.is_stalled(3.609375)
    assert election.state is State.ACTIVE


def test_only_active_routers_that_do_not_preempt_stall() -> None:
    assert not active().is_stalled(60.0)
    assert not active(preempt=False, priority=255).is_stalled(60.0)
    assert not backup(preempt=False).is_stalled(60.0)


# Wishes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "at", "yields"),
    [(FaultCleared("link:eth0"), 1.5, True), (Resumed(), 1.5, False), (TICK, 60.0, False)],
    ids=["fault", "resumed", "take-over"],
)
def test_stepping_down_is_remembered_until_the_operator_or_a_take_over_ends_it(
    event: Event, at: float, yields: bool
) -> None:
    election = backup()
    election.handle(SteppedDown(), 0.5)
    election.handle(event, at)
    assert election.is_yielding is yields


# Shutdown ----------------------------------------------------------------------------------------


def test_router_that_is_deleted_says_so() -> None:
    election = active()
    assert election.handle(Shutdown(deleted=True), 0.5) == (
        send(0),
        release(),
        news(State.ACTIVE, State.INITIALIZE, Reason.DELETED, 0.5),
    )


def test_program_that_ends_deletes_nothing() -> None:
    assert backup().handle(Shutdown(), 0.5) == (news(State.BACKUP, State.INITIALIZE, Reason.SHUTDOWN, 0.5),)


# Reconfigured with an effective priority ---------------------------------------------------------


def test_active_router_advertises_its_effective_priority_at_once() -> None:
    """Its peers never hear the configured one, which a tracker's weight has changed."""
    election = active()
    assert election.handle(Reconfigured(config(priority=150), 130), 0.5) == (send(130),)
    assert (election.priority, election.config.priority) == (130, 150)


def test_effective_priority_comes_with_a_configuration_of_the_same_priority() -> None:
    election = backup()
    assert election.handle(Reconfigured(config(), 200), 1.0) == ()
    assert (standing(election), election.priority) == ((State.BACKUP, 3.21875), 200)


def test_priority_that_is_not_given_stays_effective() -> None:
    election = backup()
    election.handle(PriorityChanged(50), 0.5)
    election.handle(Reconfigured(config(addresses=(IPv4Address("192.0.2.2"),)), None), 1.0)
    assert election.priority == 50


def test_priority_of_an_owner_is_255_whatever_else_is_given() -> None:
    election = backup()
    assert election.handle(Reconfigured(config(priority=255), 130), 1.0)[0] == send(255)


def test_owner_that_is_owner_no_longer_takes_the_effective_priority() -> None:
    election = backup(priority=255, startup_delay=10.0)
    election.handle(Reconfigured(config(priority=100), 200), 8.0)
    assert (election.priority, standing(election)) == (200, (State.BACKUP, 13.21875))


@pytest.mark.parametrize("priority", [0, 255, -1, True, 1.5])
def test_effective_priority_is_1_to_254(priority: int) -> None:
    with pytest.raises(ConfigError, match=r"^priority must be 1-254, got "):
        Reconfigured(config(), priority)


def test_router_before_its_start_keeps_the_effective_priority() -> None:
    election = Election(config(addresses=(VIP,)))
    election.handle(Reconfigured(config(), 130), 0.0)
    election.handle(Startup(), 1.0)
    assert standing(election) == (State.BACKUP, 4.4921875)
