"""RFC 3768: what version 2 does otherwise."""

import pytest

from tests.election.helpers import TICK, acquire, active, announce, backup, heard, news, said, send, standing
from vrrpkit.election import Backup, Reason, SendAdvertisement, State, active_down_interval, skew_time
from vrrpkit.packet import Version

V2 = Version.V2


@pytest.mark.conforms("9568 6.1-6", "3768 6.1-4")
@pytest.mark.parametrize(
    ("priority", "interval", "version", "skew"),
    [
        (100, 1.0, Version.V2, 0.609375),
        (100, 10.0, Version.V2, 0.609375),
        (100, 10.0, Version.V3, 6.09375),
        (255, 10.0, Version.V2, 0.00390625),
        (255, 10.0, Version.V3, 0.0390625),
        (1, 255.0, Version.V2, 0.99609375),
    ],
)
def test_skew_is_a_fraction_of_a_second_in_version_2_and_of_the_interval_in_version_3(
    priority: int, interval: float, version: Version, skew: float
) -> None:
    """RFC 3768 section 6.1; RFC 9568 section 6.1."""
    assert skew_time(priority, interval, version) == skew


@pytest.mark.conforms("9568 6.1-7", "3768 6.1-5")
@pytest.mark.parametrize(
    ("version", "adverts", "silence"), [(V2, 3, 30.609375), (Version.V3, 3, 36.09375), (V2, 10, 100.609375)]
)
def test_silence_limit_is_some_intervals_and_the_skew(version: Version, adverts: int, silence: float) -> None:
    assert active_down_interval(100, 10.0, version, adverts) == silence


def test_silence_limit_counts_three_intervals_unless_told_otherwise() -> None:
    assert active_down_interval(100, 1.0, V2) == 3.609375


@pytest.mark.conforms("3768 6.1-5")
def test_backup_waits_three_own_intervals_and_a_skew_of_seconds() -> None:
    assert standing(backup(version=2, advert_interval=10)) == (State.BACKUP, 30.609375)


@pytest.mark.conforms("3768 6.4.2-10")
def test_backup_keeps_its_own_interval() -> None:
    """Section 6.4.2 learns nothing; an advertisement with another interval does not get past `screen()` anyway."""
    election = backup(version=2)
    election.handle(heard(200, interval=5, version=V2), 1.0)
    assert election.phase == Backup(
        down_at=4.609375, active_interval=1.0, learned=True, heard=said(200, 1.0, interval=5)
    )


@pytest.mark.conforms("3768 6.4.3-8")
def test_loser_that_yields_keeps_its_own_interval() -> None:
    election = active(version=2)
    election.handle(heard(200, interval=5, version=V2), 0.5)
    assert standing(election) == (State.BACKUP, 4.109375)


@pytest.mark.conforms("3768 5.3.4-4", "3768 6.4.2-9")
def test_resignation_leaves_one_skew_whatever_the_interval() -> None:
    election = backup(version=2, advert_interval=10)
    election.handle(heard(0, interval=10, version=V2), 1.0)
    assert standing(election) == (State.BACKUP, 1.609375)


@pytest.mark.conforms("3768 6.4.2-5", "3768 6.4.2-6", "3768 6.4.2-8")
def test_takeover_says_version_2_and_the_interval() -> None:
    election = backup(version=2, advert_interval=2)
    assert election.handle(TICK, 6.609375) == (
        send(version=V2, interval=2),
        acquire(),
        announce(),
        news(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 6.609375),
    )
    assert standing(election) == (State.ACTIVE, 8.609375)


def test_password_is_in_every_advertisement() -> None:
    election = active(version=2, password=b"1111")
    assert [
        action.advert.password for action in election.handle(TICK, 1.0) if isinstance(action, SendAdvertisement)
    ] == [b"1111"]


@pytest.mark.conforms("3768 6.4.3-9")
def test_lower_priority_is_discarded_without_an_answer() -> None:
    """Section 6.4.3 sends nothing; the addresses are announced, so that no host follows the loser."""
    election = active(version=2)
    assert election.handle(heard(50, version=V2), 0.5) == (announce(),)
    assert standing(election) == (State.ACTIVE, 1.0)


def test_announcements_against_a_loser_are_as_rare_as_answers_would_be() -> None:
    election = active(version=2)
    announced = [at / 16 for at in range(16) if election.handle(heard(50, version=V2), at / 16)]
    assert announced == [0.0, 0.25, 0.5, 0.75]


def test_answer_can_be_turned_on() -> None:
    election = active(version=2, lower_prio_no_advert=False)
    assert election.handle(heard(50, version=V2), 0.5) == (send(version=V2), announce())


@pytest.mark.conforms("3768 6.4.3-7")
def test_resignation_is_answered_and_resets_the_timer() -> None:
    election = active(version=2)
    assert election.handle(heard(0, version=V2), 0.5) == (send(version=V2),)
    assert standing(election) == (State.ACTIVE, 1.5)
