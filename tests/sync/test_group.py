"""Together: starting, taking over, advertising, and leaving."""

import pytest

from tests.election.helpers import said
from tests.sync.helpers import (
    TICK,
    actives,
    along,
    backups,
    config,
    group,
    heard,
    member,
    moved,
    news,
    releases,
    send,
    standing,
    takes,
)
from vrrpkit.election import (
    Backup,
    Election,
    ElectionConfig,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PriorityChanged,
    Reason,
    Shutdown,
    Startup,
    State,
)
from vrrpkit.errors import ConfigError
from vrrpkit.sync import MemberEvent, SyncGroup

# Before the start --------------------------------------------------------------------------------


def test_group_of_nobody_does_nothing() -> None:
    made = SyncGroup({})
    assert (standing(made), made.priority, dict(made.members), made.causes) == (
        (State.INITIALIZE, None),
        None,
        {},
        {},
    )
    assert made.handle(Startup(), 0.0) == made.handle(TICK, 1.0) == made.handle(FaultRaised("track:x"), 2.0) == ()
    assert standing(made) == (State.INITIALIZE, None)


def test_single_member_does_what_it_would_do_alone() -> None:
    made, alone = group("a"), member("a")
    assert made.handle(Startup(), 0.0)[:-1] == (news("a", *INIT_TO_BACKUP, 0.0),)
    alone.handle(Startup(), 0.0)
    assert standing(made) == (State.BACKUP, alone.deadline)
    assert made.handle(TICK, 3.609375) == (
        send("a"),
        *takes("a"),
        news("a", State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 3.609375),
        moved(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 3.609375),
    )
    made.handle(heard("a"), 4.0)
    assert standing(made) == (State.BACKUP, 7.609375)


def test_members_keep_their_order_and_cannot_be_changed_from_outside() -> None:
    elections = {"b": member("b"), "a": member("a")}
    made = SyncGroup(elections)
    elections.clear()
    assert list(made.members) == ["b", "a"]
    assert not hasattr(made.members, "pop")


# Startup and Shutdown ----------------------------------------------------------------------------

INIT_TO_BACKUP = (State.INITIALIZE, State.BACKUP, Reason.STARTUP)


def test_all_start_together() -> None:
    made = group()
    assert made.handle(Startup(), 0.0) == (
        news("a", *INIT_TO_BACKUP, 0.0),
        news("b", *INIT_TO_BACKUP, 0.0),
        moved(*INIT_TO_BACKUP, 0.0),
    )
    assert standing(made) == (State.BACKUP, 3.609375)
    assert made.handle(Startup(), 1.0) == ()


def test_start_of_one_is_the_start_of_all() -> None:
    made = group()
    assert made.handle(MemberEvent("b", Startup()), 0.0)[-1] == moved(*INIT_TO_BACKUP, 0.0)
    assert standing(made) == (State.BACKUP, 3.609375)


def test_owners_are_active_together_and_all_advertise_first() -> None:
    assert group(priority=255).handle(Startup(), 1.0) == (
        send("a", 255),
        send("b", 255),
        *takes("a"),
        news("a", State.INITIALIZE, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        *takes("b"),
        news("b", State.INITIALIZE, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        moved(State.INITIALIZE, State.ACTIVE, Reason.OWNER, 1.0),
    )


def test_owner_says_nothing_when_another_member_cannot_take_part() -> None:
    made = group(priority=255)
    assert made.handle(MemberEvent("b", FaultRaised("link:eth1")), 0.0) == ()
    assert made.handle(Startup(), 1.0) == (
        news("a", State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, priority=255, causes=["sync:b"]),
        news("b", State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, priority=255, causes=["link:eth1"]),
        moved(State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0),
    )


def test_faults_from_before_they_were_members_count() -> None:
    broken = member("b", priority=255)
    broken.handle(FaultRaised("link:eth1"), 0.0)
    made = SyncGroup({"a": member("a", priority=255), "b": broken})
    assert made.causes == {"b": {"link:eth1"}}
    assert made.members["a"].causes == {"sync:b"}
    made.handle(Startup(), 1.0)
    assert standing(made) == (State.FAULT, None)


def test_startup_delay_holds_for_all() -> None:
    made = backups(startup_delay=10.0)
    assert standing(made) == (State.BACKUP, 13.609375)
    assert standing(backups(startup_delay=10.0, priority=255)) == (State.BACKUP, 10.0)


def test_active_group_resigns_everywhere_before_it_releases_anything() -> None:
    made = actives()
    assert made.handle(Shutdown(), 0.5) == (
        send("a", 0),
        send("b", 0),
        releases("a"),
        news("a", State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
        releases("b"),
        news("b", State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
        moved(State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
    )
    assert standing(made) == (State.INITIALIZE, None)


def test_group_that_is_deleted_says_so() -> None:
    made = backups()
    assert made.handle(MemberEvent("a", Shutdown(deleted=True)), 0.5)[-1] == moved(
        State.BACKUP, State.INITIALIZE, Reason.DELETED, 0.5
    )


# Taking over -------------------------------------------------------------------------------------


def test_group_takes_over_when_all_links_have_been_silent() -> None:
    """The Active router of b went on for two seconds longer."""
    made = backups()
    made.handle(heard("a", 200), 1.0)
    made.handle(heard("b", 200), 3.0)
    assert standing(made) == (State.BACKUP, 6.609375)
    assert made.handle(TICK, 4.609375) == ()
    assert made.handle(TICK, 6.609375) == (
        send("a"),
        send("b"),
        *takes("a"),
        news("a", State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 6.609375, heard=said(200, 1.0)),
        *takes("b"),
        news("b", State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 6.609375, heard=said(200, 3.0)),
        moved(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 6.609375),
    )
    assert standing(made) == (State.ACTIVE, 7.609375)


def test_group_waits_as_long_as_one_link_has_an_active_router() -> None:
    made = backups()
    for second in range(1, 100):
        assert made.handle(heard("b", 200), float(second)) == ()
        assert made.handle(TICK, second + 0.5) == ()
    assert standing(made) == (State.BACKUP, 102.609375)


@pytest.mark.parametrize(("first", "last"), ["ab", "ba"])
def test_reason_to_take_over_is_that_of_the_last_link(first: str, last: str) -> None:
    made = backups()
    made.handle(heard(first, 50), 3.0)
    made.handle(heard(last, 200), 1.0)
    made.handle(heard(last, 0), 3.5)
    assert standing(made) == (State.BACKUP, 4.109375)
    *_, change = made.handle(TICK, 4.109375)
    assert change == moved(State.BACKUP, State.ACTIVE, Reason.ACTIVE_RESIGNED, 4.109375)
    assert str(change) == "backup -> active: active-resigned (all members)"


def test_early_tick_does_nothing() -> None:
    made = backups()
    assert made.handle(TICK, 3.6) == made.handle(MemberEvent("a", TICK), 3.6) == ()
    made.handle(MemberEvent("a", TICK), 3.609375)
    assert standing(made) == (State.ACTIVE, 4.609375)


def test_one_member_that_becomes_active_takes_the_others_along() -> None:
    made = backups()
    assert made.handle(MemberEvent("b", GroupTookOver("another group")), 1.0) == (
        send("a"),
        send("b"),
        *takes("a"),
        along("a", State.BACKUP, State.ACTIVE, 1.0, "b"),
        *takes("b"),
        along("b", State.BACKUP, State.ACTIVE, 1.0, "another group"),
        moved(State.BACKUP, State.ACTIVE, Reason.SYNC, 1.0, "b"),
    )


# Active ------------------------------------------------------------------------------------------


def test_only_members_that_are_due_advertise() -> None:
    made = SyncGroup({"a": member("a", advert_interval=0.25), "b": member("b")})
    made.handle(Startup(), -5000.0)
    made.handle(TICK, 0.0)
    assert standing(made) == (State.ACTIVE, 0.25)
    assert made.handle(TICK, 0.25) == (send("a", interval=0.25),)
    assert made.handle(TICK, 0.4) == ()
    made.handle(TICK, 0.5)
    made.handle(TICK, 0.75)
    assert made.handle(TICK, 1.0) == (send("a", interval=0.25), send("b"))
    assert standing(made) == (State.ACTIVE, 1.25)


def test_loser_is_answered_on_its_link() -> None:
    made = actives()
    answer, announcement = made.handle(heard("b", 50), 0.5)
    assert (answer, announcement) == (send("b"), takes("b")[1])
    assert standing(made) == (State.ACTIVE, 1.0)


# No longer Active --------------------------------------------------------------------------------


def test_member_that_is_outranked_takes_the_others_along_and_they_resign() -> None:
    """The peer's other links need not wait for a whole silence."""
    made = actives()
    assert made.handle(heard("a", 200), 0.5) == (
        send("b", 0),
        releases("a"),
        news("a", State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, heard=said(200, 0.5)),
        releases("b"),
        along("b", State.ACTIVE, State.BACKUP, 0.5, "a"),
        moved(State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, "a"),
    )
    assert standing(made) == (State.BACKUP, 4.109375)
    assert made.members["b"].phase == Backup(down_at=4.109375, active_interval=1.0)


def test_last_word_to_a_winner_comes_first() -> None:
    made = actives(higher_prio_send_advert=True)
    assert made.handle(heard("b", 200), 0.5)[:3] == (send("a", 0), send("b"), releases("a"))


def test_group_news_name_the_member_that_moved_it() -> None:
    *_, change = actives().handle(heard("b", 200), 0.5)
    assert str(change) == "active -> backup: outranked (b)"


def test_stalled_member_takes_the_others_along_before_they_advertise() -> None:
    """A stall of 4 s is too long for a's interval, and not for b's."""
    made = SyncGroup({"b": member("b", advert_interval=2.0, preempt=False), "a": member("a", preempt=False)})
    made.handle(Startup(), -5000.0)
    made.handle(TICK, 0.0)
    assert made.handle(TICK, 4.0) == (
        send("b", 0, interval=2.0),
        releases("b"),
        along("b", State.ACTIVE, State.BACKUP, 4.0, "a"),
        releases("a"),
        news("a", State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
        moved(State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
    )


def test_stalled_group_answers_nobody() -> None:
    made = actives(preempt=False)
    assert made.handle(heard("b", 200), 4.0) == (
        releases("a"),
        news("a", State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
        releases("b"),
        news("b", State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
        moved(State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
    )
    assert made.members["b"].phase == Backup(down_at=7.609375, active_interval=1.0, learned=True, heard=said(200, 4.0))


def test_member_that_is_not_stalled_answers_nobody_while_another_is() -> None:
    made = SyncGroup({"a": member("a", preempt=False), "b": member("b", advert_interval=2.0, preempt=False)})
    made.handle(Startup(), -5000.0)
    made.handle(TICK, 0.0)
    assert made.handle(heard("b", 50), 4.0) == (
        send("b", 0, interval=2.0),
        releases("a"),
        news("a", State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
        releases("b"),
        along("b", State.ACTIVE, State.BACKUP, 4.0, "a"),
        moved(State.ACTIVE, State.BACKUP, Reason.STALLED, 4.0),
    )


def test_one_member_that_yields_takes_the_others_along() -> None:
    made = actives("abc")
    *_, change = made.handle(MemberEvent("b", GroupYielded("another group")), 0.5)
    assert change == moved(State.ACTIVE, State.BACKUP, Reason.SYNC, 0.5, "b")
    assert standing(made) == (State.BACKUP, 4.109375)


# Lost ties ---------------------------------------------------------------------------------------


def test_group_that_lost_a_tie_on_its_junior_link_waits_a_smaller_part_of_the_interval_longer() -> None:
    made = actives()
    assert made.handle(heard("b"), 0.5)[-1] == moved(State.ACTIVE, State.BACKUP, Reason.TIE_LOST, 0.5, "b")
    assert standing(made) == (State.BACKUP, 4.442708333333333)


@pytest.mark.parametrize(
    ("names", "loser", "deadline"),
    [("ab", "a", 4.776041666666667), ("ba", "a", 4.776041666666667), ("abc", "a", 4.859375), ("abc", "b", 4.609375)],
)
def test_group_that_lost_a_tie_on_a_senior_link_waits_a_part_of_the_interval_longer(
    names: str, loser: str, deadline: float
) -> None:
    """The other machine may have lost on a junior link in the same moment, and must be Active first."""
    made = actives(names)
    made.handle(heard(loser), 0.5)
    assert standing(made) == (State.BACKUP, deadline)
    assert made.handle(TICK, 4.375) == ()
    assert made.handle(TICK, deadline)[-1] == moved(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, deadline)


def test_wait_is_a_part_of_the_longest_interval() -> None:
    made = SyncGroup({"a": member("a"), "b": member("b", advert_interval=4.0)})
    made.handle(Startup(), -5000.0)
    made.handle(TICK, 0.0)
    made.handle(heard("a"), 0.5)
    assert standing(made) == (State.BACKUP, 17.604166666666668)  # 0.5 + 3 * 4 + 156/256 * 4 + 4 * 2/3


@pytest.mark.parametrize(
    ("senior", "junior"),
    [((1, "192.0.2.7"), (2, "192.0.2.1")), ((1, "192.0.2.1"), (1, "192.0.2.7")), ((1, "192.0.2.7"), (1, "fe80::1"))],
    ids=["vrid", "addresses", "family"],
)
def test_seniority_is_the_same_on_every_machine(senior: tuple[int, str], junior: tuple[int, str]) -> None:
    """Whatever the members are called and in which order they are listed."""

    def deadline_after_a_tie_on(name: str, members: dict[str, tuple[int, str]]) -> float | None:
        made = SyncGroup({name: Election(own(*where)) for name, where in members.items()})
        made.handle(Startup(), -5000.0)
        made.handle(TICK, 0.0)
        made.handle(MemberEvent(name, heard("a").event), 0.5)
        return made.deadline

    for names in ("xy", "yx"):
        members = dict(zip(names, (senior, junior), strict=True))
        assert deadline_after_a_tie_on(names[0], members) == 4.776041666666667
        assert deadline_after_a_tie_on(names[1], dict(reversed(members.items()))) == 4.442708333333333


def own(vrid: int, address: str) -> ElectionConfig:
    return ElectionConfig(vrid=vrid, addresses=[address])


# What does not fit -------------------------------------------------------------------------------


def test_members_have_one_priority() -> None:
    with pytest.raises(ConfigError) as raised:
        SyncGroup({"VI_1": member("a"), "VI_2": member("b", priority=90)})
    assert str(raised.value) == "priority must be the same for all members of a sync group, got VI_1 100, VI_2 90"


def test_members_are_all_owners_or_none_is() -> None:
    with pytest.raises(ConfigError) as raised:
        SyncGroup({"VI_1": member("a", priority=255), "VI_2": member("b", priority=90)})
    assert str(raised.value) == (
        "priority must be 255 (the address owner) for all members of a sync group or for none, got VI_1 255, VI_2 90"
    )


def test_members_have_one_startup_delay() -> None:
    with pytest.raises(ConfigError) as raised:
        SyncGroup({"VI_1": member("a", startup_delay=2.5), "VI_2": member("b")})
    assert str(raised.value) == ("startup_delay must be the same for all members of a sync group, got VI_1 2.5, VI_2 0")


def test_members_are_different_elections() -> None:
    only = member("a")
    with pytest.raises(ConfigError) as raised:
        SyncGroup({"VI_1": only, "VI_2": member("b"), "VI_3": only})
    assert str(raised.value) == ("members of a sync group must be different elections, got one for VI_1 and VI_3")


def test_members_have_not_started() -> None:
    running = member("b")
    running.handle(Startup(), 0.0)
    with pytest.raises(ConfigError) as raised:
        SyncGroup({"VI_1": member("a"), "VI_2": running})
    assert str(raised.value) == "members of a sync group must not have started, got VI_2 in backup"


def test_members_that_do_not_fit_are_left_as_they_were() -> None:
    broken, other = member("a"), member("b", priority=90)
    broken.handle(FaultRaised("link:eth0"), 0.0)
    with pytest.raises(ConfigError):
        SyncGroup({"VI_1": broken, "VI_2": other})
    assert (broken.causes, other.causes) == (frozenset({"link:eth0"}), frozenset())


def test_first_member_has_the_effective_priority_of_all() -> None:
    weak, strong = member("a"), member("b")
    weak.handle(PriorityChanged(50), 0.0)
    made = SyncGroup({"a": weak, "b": strong})
    assert (made.priority, strong.priority, config("b").priority) == (50, 50, 100)


@pytest.mark.parametrize("names", ["", "ab"])
def test_event_of_a_stranger_is_refused(names: str) -> None:
    with pytest.raises(ConfigError) as raised:
        group(names).handle(MemberEvent("c", TICK), 0.0)
    assert str(raised.value) == f"member must be one of {'a, b' if names else '(none)'}, got 'c'"
