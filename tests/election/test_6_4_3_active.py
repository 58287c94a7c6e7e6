"""RFC 9568 section 6.4.3: Active."""

from ipaddress import IPv6Address

import pytest

from tests.election.helpers import (
    LOW_PEER,
    OWN,
    PEER,
    TICK,
    VIP6,
    active,
    announce,
    heard,
    news,
    release,
    said,
    send,
    standing,
)
from vrrpkit.election import (
    Active,
    AdvertReceived,
    Backup,
    Election,
    ElectionConfig,
    Initialize,
    PrimaryAddressChanged,
    Reason,
    Shutdown,
    Startup,
    State,
)
from vrrpkit.packet import Advertisement


@pytest.mark.conforms("9568 6.4.3-10", "9568 6.4.3-11", "9568 6.4.3-12")
def test_shutdown_resigns_and_releases() -> None:
    election = active()
    assert election.handle(Shutdown(), 0.5) == (
        send(0),
        release(),
        news(State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
    )
    assert election.phase == Initialize()


def test_second_shutdown_says_nothing() -> None:
    election = active()
    election.handle(Shutdown(), 0.5)
    assert election.handle(Shutdown(), 0.5) == ()


# Adver_Timer -------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-13", "9568 6.4.3-14")
def test_advertisement_is_sent_every_interval() -> None:
    election = active()
    for second in (1.0, 2.0, 3.0):
        assert election.deadline == second
        assert election.handle(TICK, second) == (send(),)


def test_tick_before_the_deadline_does_nothing() -> None:
    election = active()
    assert election.handle(TICK, 0.999) == ()
    assert election.phase == Active(advert_at=1.0, sent_at=0.0, answer_at=0.0)


# An advertisement of priority 0 ------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-15", "9568 6.4.3-16")
def test_resignation_is_answered_at_once_and_resets_the_timer() -> None:
    election = active()
    assert election.handle(heard(0), 0.75) == (send(),)
    assert standing(election) == (State.ACTIVE, 1.75)


@pytest.mark.conforms("9568 6.4.3-15")
def test_answers_to_resignations_are_at_least_a_quarter_of_an_interval_apart() -> None:
    election = active()
    answered = [at / 16 for at in range(16) if send() in election.handle(heard(0), at / 16)]
    assert answered == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.conforms("9568 6.4.3-15")
def test_resignation_inside_the_gap_between_answers_is_answered_when_the_gap_ends() -> None:
    """Others have heard it, too, and are one skew away from taking over: they must not wait for the next second."""
    election = active()
    election.handle(heard(50, source=LOW_PEER), 0.0)
    early = election.handle(heard(0, source=LOW_PEER), 0.125)
    assert standing(election) == (State.ACTIVE, 0.25)
    late = election.handle(TICK, 0.25)
    assert (*early, *late) == (send(),)
    assert election.phase == Active(advert_at=1.25, sent_at=0.25, answer_at=0.5)


def test_resignation_inside_the_gap_does_not_put_off_what_is_due_sooner() -> None:
    election = active()
    election.handle(heard(50, source=LOW_PEER), 0.875)
    election.handle(heard(0, source=LOW_PEER), 0.9375)
    assert standing(election) == (State.ACTIVE, 1.0)


# A higher priority -------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-17", "9568 6.4.3-20", "9568 6.4.3-21")
@pytest.mark.parametrize("priority", [101, 255])
def test_higher_priority_is_yielded_to(priority: int) -> None:
    """No resignation is sent: the winner is there already."""
    election = active()
    assert election.handle(heard(priority), 0.5) == (
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, heard=said(priority, 0.5)),
    )
    assert election.phase == Backup(down_at=4.109375, active_interval=1.0, learned=True, heard=said(priority, 0.5))


@pytest.mark.conforms("9568 6.4.3-18", "9568 6.4.3-19")
def test_interval_of_the_winner_is_learned() -> None:
    election = active()
    election.handle(heard(200, interval=2.0), 0.5)
    assert standing(election) == (State.BACKUP, 7.71875)  # 0.5 + 6 + 156/256 * 2


@pytest.mark.conforms("9568 6.4.3-1")
def test_preemption_is_not_looked_at() -> None:
    election = active(preempt=False)
    assert election.handle(heard(200), 0.5)[-1] == news(
        State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, heard=said(200, 0.5)
    )


def test_last_word_before_yielding_shows_the_winner_a_loser() -> None:
    election = active(higher_prio_send_advert=True)
    assert election.handle(heard(200), 0.5) == (
        send(),
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, heard=said(200, 0.5)),
    )


# A tie -------------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-17", "9568 8.3.2-4")
def test_tie_is_lost_to_the_higher_address() -> None:
    election = active()
    assert election.handle(heard(100, source=PEER), 0.5) == (
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.TIE_LOST, 0.5, heard=said(100, 0.5)),
    )


@pytest.mark.conforms("9568 6.4.3-22")
def test_tie_is_won_against_the_lower_address() -> None:
    election = active()
    assert election.handle(heard(100, source=LOW_PEER), 0.5) == (send(), announce())
    assert standing(election) == (State.ACTIVE, 1.0)


@pytest.mark.conforms("9568 6.4.3-17")
def test_addresses_are_compared_as_unsigned_numbers() -> None:
    """As text, fe80::9 would come after fe80::10."""
    link_local = IPv6Address("fe80::10")
    config = ElectionConfig(vrid=1, addresses=[VIP6])
    advert = Advertisement(vrid=1, priority=100, addresses=(VIP6,))

    def state_after(source: str) -> State:
        election = Election(config, link_local)
        election.handle(Startup(), 0.0)
        election.handle(TICK, 10.0)
        election.handle(AdvertReceived(advert, IPv6Address(source)), 10.5)
        return election.state

    states = [state_after(source) for source in ("fe80::9", "fe80::11", "fe80::8000:0:0:0")]
    assert states == [State.ACTIVE, State.BACKUP, State.BACKUP]


def test_tie_without_an_own_address_is_lost() -> None:
    election = active(primary=None)
    assert election.handle(heard(100, source=LOW_PEER), 0.5)[-1] == news(
        State.ACTIVE, State.BACKUP, Reason.TIE_LOST, 0.5, heard=said(100, 0.5, source=LOW_PEER)
    )


def test_tie_is_decided_by_the_address_in_force() -> None:
    election = active()
    assert election.handle(PrimaryAddressChanged(PEER), 0.25) == ()
    assert election.handle(heard(100, source=OWN), 0.5) == (send(), announce())


@pytest.mark.conforms("9568 6.4.3-23")
def test_own_advertisement_that_comes_back_is_ignored() -> None:
    """A looped switch, or a second router with our address: nothing that an answer would settle."""
    election = active()
    before = election.phase
    assert election.handle(heard(100, source=OWN), 0.5) == ()
    assert election.phase == before


# A lower priority --------------------------------------------------------------------------------


@pytest.mark.conforms("9568 6.4.3-22", "9568 6.4.3-23")
@pytest.mark.parametrize("priority", [1, 99])
def test_lower_priority_is_answered_at_once_without_touching_the_timer(priority: int) -> None:
    election = active()
    assert election.handle(heard(priority), 0.5) == (send(), announce())
    assert standing(election) == (State.ACTIVE, 1.0)


@pytest.mark.conforms("9568 6.4.3-23")
def test_answers_are_at_least_a_quarter_of_an_interval_apart() -> None:
    election = active()
    answered = [at / 16 for at in range(16) if election.handle(heard(50), at / 16)]
    assert answered == [0.0, 0.25, 0.5, 0.75]


def test_answer_can_be_turned_off_and_the_lan_still_learns_the_address() -> None:
    election = active(lower_prio_no_advert=True)
    assert election.handle(heard(50), 0.5) == (announce(),)
    assert election.handle(heard(50), 0.625) == ()
    assert election.handle(heard(50), 0.75) == (announce(),)
    assert standing(election) == (State.ACTIVE, 1.0)


# The owner ---------------------------------------------------------------------------------------


def test_owner_yields_to_nobody_below() -> None:
    election = active(priority=255)
    assert election.handle(heard(254), 0.5) == (send(255), announce())


@pytest.mark.conforms("9568 e8298-1")
def test_second_owner_is_a_tie() -> None:
    """Erratum 8298: being the owner is no reason to drop the advertisement."""
    winner, loser = active(priority=255), active(priority=255)
    assert winner.handle(heard(255, source=LOW_PEER), 0.5) == (send(255), announce())
    assert loser.handle(heard(255, source=PEER), 0.5) == (
        release(),
        news(State.ACTIVE, State.BACKUP, Reason.TIE_LOST, 0.5, priority=255, heard=said(255, 0.5)),
    )
    assert standing(loser) == (State.BACKUP, 3.50390625)  # 0.5 + 3 + 1/256
