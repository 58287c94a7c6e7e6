"""Settings change while the router runs: the state, and the time that is running, stay."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from attrs import evolve

from tests.election.helpers import (
    LOW_PEER,
    OWN,
    PEER,
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
    Active,
    Backup,
    Election,
    ElectionConfig,
    FaultCleared,
    FaultRaised,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Reconfigured,
    Startup,
    State,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Version

SECOND = IPv4Address("192.0.2.2")
THIRD = IPv4Address("198.51.100.3")

# PriorityChanged ---------------------------------------------------------------------------------


def test_pending_deadline_of_a_backup_moves_by_the_difference() -> None:
    """100 more is 100/256 s earlier, 99 less is 99/256 s later; nothing is re-armed."""
    election = backup()
    assert election.handle(PriorityChanged(200), 1.0) == ()
    assert standing(election) == (State.BACKUP, 3.21875)
    election.handle(PriorityChanged(1), 2.0)
    assert standing(election) == (State.BACKUP, 3.99609375)


def test_skew_after_a_resignation_moves_by_the_difference() -> None:
    election = backup()
    election.handle(heard(0), 1.0)
    election.handle(PriorityChanged(200), 1.125)
    assert standing(election) == (State.BACKUP, 1.21875)


def test_difference_is_counted_in_the_learned_interval() -> None:
    election = backup()
    election.handle(heard(200, interval=2.0), 1.0)
    election.handle(PriorityChanged(228), 1.5)  # 128/256 * 2 s earlier than 8.21875
    assert standing(election) == (State.BACKUP, 7.21875)


def test_deadline_that_moves_into_the_past_is_now() -> None:
    election = backup(priority=1)
    election.handle(PriorityChanged(254), 3.5)
    assert standing(election) == (State.BACKUP, 3.5)
    assert election.handle(TICK, 3.5)[0] == send(254)


def test_risen_backup_preempts() -> None:
    election = backup(priority=50)
    election.handle(heard(100), 1.0)  # followed: 1 + 3 + 206/256
    election.handle(PriorityChanged(150), 1.5)
    election.handle(heard(100), 2.0)  # discarded
    assert standing(election) == (State.BACKUP, 4.4140625)


def test_active_router_says_its_new_priority_in_its_next_advertisement() -> None:
    election = active()
    assert election.handle(PriorityChanged(150), 0.5) == ()
    assert standing(election) == (State.ACTIVE, 1.0)
    assert election.handle(TICK, 1.0) == (send(150),)


def test_sunken_active_router_yields_to_whom_it_now_hears_above() -> None:
    election = active()
    election.handle(PriorityChanged(50), 0.25)
    assert election.handle(heard(100), 0.5)[-1] == news(
        State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, priority=50, heard=said(100, 0.5)
    )


@pytest.mark.conforms("9568 5.2.4-1", "3768 5.3.4-1")
def test_priority_of_an_owner_never_changes() -> None:
    election = active(priority=255)
    assert election.handle(PriorityChanged(100), 0.5) == ()
    assert election.priority == 255
    assert election.handle(TICK, 1.0) == (send(255),)


# Another virtual router --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (config(vrid=2), "vrid and family must stay 1 and IPV4, got 2 and IPV4"),
        (
            ElectionConfig(vrid=1, addresses=["fe80::1"]),
            "vrid and family must stay 1 and IPV4, got 1 and IPV6",
        ),
    ],
)
def test_other_virtual_router_is_refused_and_nothing_changes(other: ElectionConfig, text: str) -> None:
    election = active()
    election.handle(PriorityChanged(150), 0.0)
    before = (election.config, election.phase, election.priority, election.causes)
    with pytest.raises(ConfigError) as raised:
        election.handle(Reconfigured(other), 0.5)
    assert str(raised.value) == text
    assert (election.config, election.phase, election.priority, election.causes) == before
    assert election.handle(TICK, 1.0) == (send(150),)


# Active ------------------------------------------------------------------------------------------


def test_active_router_tells_its_peers_first_and_then_holds_what_is_held_now() -> None:
    election = Election(config(addresses=(VIP, SECOND)), OWN)
    election.handle(Startup(), 0.0)
    election.handle(TICK, 10.0)
    assert election.handle(Reconfigured(config(addresses=(VIP, THIRD))), 10.5) == (
        send(addresses=(VIP, THIRD)),
        acquire(THIRD),
        release(SECOND),
        announce(VIP, THIRD),
    )
    assert election.phase == Active(advert_at=11.5, sent_at=10.5, answer_at=10.5)


def test_added_address_is_acquired_and_all_are_announced() -> None:
    election = active()
    assert election.handle(Reconfigured(config(addresses=(VIP, SECOND))), 0.5) == (
        send(addresses=(VIP, SECOND)),
        acquire(SECOND),
        announce(VIP, SECOND),
    )


def test_removed_address_is_released_and_the_rest_announced() -> None:
    election = active(unadvertised=[THIRD])
    assert election.handle(Reconfigured(config()), 0.5) == (send(), release(THIRD), announce(VIP))


def test_address_that_moves_to_the_unadvertised_ones_stays_where_it_is() -> None:
    election = Election(config(addresses=(VIP, SECOND)), OWN)
    election.handle(Startup(), 0.0)
    election.handle(TICK, 10.0)
    assert election.handle(Reconfigured(config(unadvertised=[SECOND])), 10.5) == (send(),)


def test_released_addresses_are_those_held_last() -> None:
    election = active()
    election.handle(Reconfigured(config(addresses=(SECOND, THIRD))), 0.5)
    assert election.handle(heard(200), 0.75)[0] == release(SECOND, THIRD)


def test_new_interval_is_sent_at_once_and_counts_from_there() -> None:
    election = active()
    assert election.handle(Reconfigured(config(advert_interval=5.0)), 0.5) == (send(interval=5.0),)
    assert standing(election) == (State.ACTIVE, 5.5)


@pytest.mark.conforms("9568 8.4.1-1")
def test_new_version_is_spoken_at_once() -> None:
    election = active()
    assert election.handle(Reconfigured(config(version=2)), 0.5) == (send(version=Version.V2),)


def test_active_router_that_becomes_owner_says_so() -> None:
    election = active()
    assert election.handle(Reconfigured(config(priority=255)), 0.5) == (send(255),)
    assert election.state is State.ACTIVE


def test_active_owner_that_is_owner_no_longer_stays_until_it_hears_better() -> None:
    election = active(priority=255)
    assert election.handle(Reconfigured(config(priority=100)), 0.5) == (send(100),)
    assert election.handle(heard(200), 0.75)[-1] == news(
        State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.75, heard=said(200, 0.75)
    )


# Backup ------------------------------------------------------------------------------------------


def test_backup_with_another_priority_moves_its_deadline_by_the_difference() -> None:
    election = backup()
    assert election.handle(Reconfigured(config(priority=200)), 1.0) == ()
    assert (standing(election), election.priority) == ((State.BACKUP, 3.21875), 200)


def test_effective_priority_stays_while_the_configured_one_does() -> None:
    """What trackers made of it is theirs to take back."""
    election = backup()
    election.handle(PriorityChanged(50), 0.5)
    election.handle(Reconfigured(config(preempt=False)), 1.0)
    assert (standing(election), election.priority) == ((State.BACKUP, 3.8046875), 50)
    election.handle(Reconfigured(config(priority=200)), 1.5)
    assert election.priority == 200


def test_backup_that_has_learned_nothing_goes_on_with_its_own_new_interval() -> None:
    """3.609375 becomes 6 + 156/256 * 2 = 7.21875."""
    election = backup()
    election.handle(Reconfigured(config(advert_interval=2.0)), 1.0)
    assert election.phase == Backup(down_at=7.21875, active_interval=2.0)


def test_discarded_advertisement_teaches_no_interval_that_a_new_own_one_would_yield_to() -> None:
    election = backup()
    election.handle(heard(50), 0.5)
    election.handle(Reconfigured(config(advert_interval=2.0)), 1.0)
    assert standing(election) == (State.BACKUP, 7.21875)


def test_learned_interval_stays_when_the_own_one_changes() -> None:
    election = backup()
    election.handle(heard(200, interval=0.5), 1.0)
    election.handle(Reconfigured(config(advert_interval=2.0)), 1.5)
    assert standing(election) == (State.BACKUP, 2.8046875)


def test_new_interval_counts_at_once_in_version_2() -> None:
    election = backup(version=2)
    election.handle(heard(200, version=Version.V2), 1.0)
    election.handle(Reconfigured(config(version=2, advert_interval=2)), 1.5)
    assert standing(election) == (State.BACKUP, 7.609375)  # 1 + 6 + 156/256


def test_other_number_of_missed_advertisements_moves_the_deadline() -> None:
    election = backup()
    election.handle(heard(200, interval=2.0), 1.0)
    election.handle(Reconfigured(config(down_timer_adverts=5)), 1.5)
    assert standing(election) == (State.BACKUP, 12.21875)  # 1 + 10 + 156/256 * 2


def test_backup_that_becomes_owner_takes_over_at_once() -> None:
    election = backup()
    election.handle(heard(200), 0.5)
    assert election.handle(Reconfigured(config(priority=255)), 1.0) == (
        send(255),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
    )


def test_waiting_owner_that_is_owner_no_longer_waits_for_silence() -> None:
    """Counted from the end of the delay, which goes with the start and not with the settings."""
    election = backup(priority=255, startup_delay=10.0)
    assert election.handle(Reconfigured(config(priority=100)), 8.0) == ()
    assert (election.priority, standing(election)) == (100, (State.BACKUP, 13.609375))


def test_new_addresses_of_a_backup_are_those_it_will_acquire() -> None:
    election = backup()
    assert election.handle(Reconfigured(config(addresses=(SECOND,))), 1.0) == ()
    assert election.handle(TICK, 3.609375)[:2] == (send(addresses=(SECOND,)), acquire(SECOND))


def test_preemption_can_be_turned_off_while_a_lower_priority_is_heard() -> None:
    election = backup()
    election.handle(heard(50), 1.0)
    election.handle(Reconfigured(config(preempt=False)), 2.0)
    election.handle(heard(50), 3.0)
    assert standing(election) == (State.BACKUP, 6.609375)


# Initialize and Fault ----------------------------------------------------------------------------


def test_router_that_has_not_started_uses_the_new_settings_when_it_does() -> None:
    election = router()
    assert election.handle(Reconfigured(config(priority=200)), 0.0) == ()
    election.handle(Startup(), 1.0)
    assert standing(election) == (State.BACKUP, 4.21875)


def test_router_in_fault_uses_the_new_settings_when_it_recovers() -> None:
    election = backup()
    election.handle(FaultRaised("link:eth0"), 0.5)
    assert election.handle(Reconfigured(config(priority=255)), 1.0) == ()
    assert election.handle(FaultCleared("link:eth0"), 2.0)[0] == send(255)


# PrimaryAddressChanged ---------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "wins"), [(LOW_PEER, False), (IPv4Address("192.0.2.200"), True)])
def test_new_primary_address_breaks_the_next_tie(address: IPv4Address, wins: bool) -> None:
    election = active()
    assert election.handle(PrimaryAddressChanged(address), 0.25) == ()
    election.handle(heard(100, source=PEER), 0.5)
    assert (election.state is State.ACTIVE) is wins


def test_configuration_itself_is_replaced_not_edited() -> None:
    first = config()
    election = Election(first, IPv6Address("fe80::5"))
    election.handle(Reconfigured(evolve(first, priority=7)), 0.0)
    assert (first.priority, election.config.priority) == (100, 7)
