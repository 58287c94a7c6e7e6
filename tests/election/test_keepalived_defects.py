"""Defects of keepalived that users met, and that this election does not have."""

from itertools import pairwise

import pytest

from tests.election.helpers import (
    LOW_PEER,
    TICK,
    acquire,
    active,
    announce,
    backup,
    config,
    heard,
    news,
    release,
    send,
    standing,
)
from tests.packet.helpers import on_ipv4
from vrrpkit.election import (
    FaultCleared,
    FaultRaised,
    Reason,
    SendAdvertisement,
    State,
    SteppedDown,
    screen,
)
from vrrpkit.packet import Advertisement, PacketError, Reject, Version, decode


def test_mute_attack() -> None:
    """keepalived moves its next advertisement with every packet it receives, so a flood silences it."""
    election = active(lower_prio_no_advert=True)
    sent_at = []
    for tick in range(1, 161):
        now = tick / 16
        if tick % 6 == 0:
            election.handle(heard(50, source=LOW_PEER), now)
        if any(isinstance(action, SendAdvertisement) for action in election.handle(TICK, now)):
            sent_at.append(now)
    assert sent_at == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]


def test_mute_attack_by_resignations() -> None:
    """A resignation resets the timer, but only with an advertisement that was sent."""
    election = active()
    sent_at = [0.0]
    for tick in range(1, 161):
        now = tick / 16
        actions = (*election.handle(heard(0, source=LOW_PEER), now), *election.handle(TICK, now))
        if send() in actions:
            sent_at.append(now)
    assert max(later - earlier for earlier, later in pairwise(sent_at)) <= 0.25
    assert len(sent_at) == 41  # and bounded: four in a second


def test_two_resignations_when_a_master_fails() -> None:
    """keepalived sends two advertisements of priority 0 on the way to FAULT, and counts one."""
    election = active()
    actions = (
        *election.handle(FaultRaised("link:eth0"), 0.5),
        *election.handle(FaultRaised("track:haproxy"), 0.5),
    )
    assert actions == (
        send(0),
        release(),
        news(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth0"]),
    )


def test_interval_and_vrid_errors_that_are_never_counted() -> None:
    """keepalived drops such packets and its counters for them stay at 0; here every drop has its reason."""
    with pytest.raises(PacketError) as raised:
        decode(on_ipv4("3101 6401 0000 a8fb c000 0201"))
    slower = Advertisement(vrid=1, priority=100, interval=2.0, version=Version.V2)
    stranger = Advertisement(vrid=2, priority=100, version=Version.V2)
    assert [
        raised.value.reason,
        screen(slower, config(version=2)),
        screen(stranger, config(version=2)),
    ] == [Reject.INTERVAL, Reject.INTERVAL, Reject.VRID]


def test_learned_interval_that_outlives_the_role() -> None:
    """keepalived forgets the interval of the former master only while it logs in detail."""
    election = backup()
    election.handle(heard(200, interval=10.0), 1.0)
    election.handle(heard(0, interval=10.0), 2.0)
    assert standing(election) == (State.BACKUP, 8.09375)  # 2 + 156/256 * 10
    assert election.handle(TICK, 8.09375)[0] == send(interval=1.0)
    assert standing(election) == (State.ACTIVE, 9.09375)
    election.handle(SteppedDown(), 9.0)
    assert standing(election) == (State.BACKUP, 12.609375)


def test_one_fault_bit_for_all_interfaces() -> None:
    """keepalived leaves FAULT when the first of two broken interfaces comes back."""
    election = backup()
    election.handle(FaultRaised("link:eth0"), 0.5)
    election.handle(FaultRaised("link:eth1"), 0.625)
    assert election.handle(FaultCleared("link:eth0"), 1.0) == ()
    assert (election.state, election.causes) == (State.FAULT, frozenset({"link:eth1"}))


def test_corrupted_packets_accepted_without_a_pseudo_header() -> None:
    """keepalived's v3_checksum_as_v2 stops rejecting bad checksums; here either form is right or it is not."""
    assert decode(on_ipv4("3101 6401 0064 a897 c000 0201")).priority == 100
    with pytest.raises(PacketError) as raised:
        decode(on_ipv4("3101 ff01 0064 a897 c000 0201"))
    assert raised.value.reason is Reject.CHECKSUM


def test_owner_that_waits_after_a_fault() -> None:
    """keepalived's owner comes back as a backup, and waits the whole silence limit for nobody."""
    election = active(priority=255)
    election.handle(FaultRaised("link:eth0"), 0.5)
    assert election.handle(FaultCleared("link:eth0"), 1.0) == (
        send(255),
        acquire(),
        announce(),
        news(State.FAULT, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
    )


@pytest.mark.parametrize(("silence", "state"), [(10.609374, State.ACTIVE), (10.609375, State.BACKUP)])
def test_stall_limit_that_ignores_the_number_of_missed_advertisements(silence: float, state: State) -> None:
    """keepalived's timer_expired_backup counts three, whatever down_timer_adverts says."""
    election = active(preempt=False, down_timer_adverts=10)
    election.handle(TICK, silence)
    assert election.state is state


def test_unlimited_answers_to_lower_priorities() -> None:
    """keepalived answers each of them, one for one, and announces its addresses each time."""
    election = active()
    answers = [election.handle(heard(50), 0.5 + number / 1024) for number in range(1024)]
    assert [answer for answer in answers if answer] == [(send(), announce())] * 4
