"""Members join and leave while the group runs."""

import pytest

from tests.election.helpers import said
from tests.sync.helpers import (
    TICK,
    actives,
    along,
    backups,
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
    Election,
    FaultCleared,
    FaultRaised,
    PriorityChanged,
    Reason,
    Resumed,
    Shutdown,
    Startup,
    State,
    SteppedDown,
)
from vrrpkit.errors import ConfigError
from vrrpkit.sync import MemberEvent, SyncGroup, freeing

LINK = FaultRaised("link:eth2")


def running(name: str, at: float) -> Election:
    """A router that is Active alone, since this moment."""
    election = member(name)
    election.handle(Startup(), at - 5000)
    election.handle(TICK, at)
    assert election.state is State.ACTIVE
    return election


# Joining -----------------------------------------------------------------------------------------


def test_newcomer_of_a_group_that_has_not_started_waits_for_the_start() -> None:
    made = group()
    assert made.add("c", member("c"), 0.0) == ()
    assert made.handle(Startup(), 1.0)[2] == news("c", State.INITIALIZE, State.BACKUP, Reason.STARTUP, 1.0)


def test_newcomer_of_a_group_that_has_ended_waits_for_the_next_start() -> None:
    made = backups()
    made.handle(Shutdown(), 1.0)
    assert made.add("c", member("c"), 2.0) == ()
    assert standing(made) == (State.INITIALIZE, None)


def test_router_that_joins_a_group_that_has_not_started_stops() -> None:
    assert group().add("c", running("c", 0.0), 0.5) == (
        send("c", 0),
        releases("c"),
        news("c", State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
    )


def test_newcomer_of_a_waiting_group_waits_too_and_all_wait_for_it() -> None:
    made = backups()
    assert made.add("c", member("c"), 1.0) == (news("c", State.INITIALIZE, State.BACKUP, Reason.STARTUP, 1.0),)
    assert standing(made) == (State.BACKUP, 4.609375)


def test_newcomer_of_an_active_group_is_active_at_once() -> None:
    made = actives(startup_delay=60.0)
    assert made.add("c", member("c", startup_delay=60.0), 0.5) == (
        send("c"),
        news("c", State.INITIALIZE, State.BACKUP, Reason.STARTUP, 0.5),
        *takes("c"),
        along("c", State.BACKUP, State.ACTIVE, 0.5, "a"),
    )
    assert standing(made) == (State.ACTIVE, 1.0)


def test_newcomer_of_a_group_in_fault_is_in_fault() -> None:
    made = actives(priority=255)
    made.handle(MemberEvent("a", LINK), 0.5)
    assert made.add("c", member("c", priority=255), 1.0) == (
        news("c", State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, priority=255, causes=["sync:a"]),
    )
    assert standing(made) == (State.FAULT, None)


def test_newcomer_with_a_fault_takes_the_group_into_it() -> None:
    broken = member("c")
    broken.handle(LINK, 0.0)
    assert actives("a").add("c", broken, 0.5) == (
        send("a", 0),
        releases("a"),
        news("a", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["sync:c"]),
        news("c", State.INITIALIZE, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth2"]),
        moved(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, "c"),
    )


def test_fault_of_all_is_the_newcomers_too() -> None:
    made = backups("a")
    made.handle(FaultRaised("track:haproxy"), 0.5)
    made.add("c", member("c"), 1.0)
    made.remove("a", 2.0)
    assert (made.state, made.causes) == (State.FAULT, {"c": frozenset({"track:haproxy"})})


def test_newcomer_has_the_effective_priority_of_the_others() -> None:
    made = actives()
    made.handle(PriorityChanged(80), 0.25)
    assert made.add("c", member("c"), 0.5)[0] == send("c", 80)
    assert made.members["c"].priority == 80


def test_active_router_joins_an_active_group_without_a_word() -> None:
    made = actives()
    assert made.add("c", running("c", 0.25), 0.5) == ()
    assert made.handle(TICK, 1.25) == (send("a"), send("b"), send("c"))


def test_active_router_resigns_when_it_joins_a_waiting_group() -> None:
    made = backups()
    assert made.add("c", running("c", 0.25), 0.5) == (
        send("c", 0),
        releases("c"),
        along("c", State.ACTIVE, State.BACKUP, 0.5, "a"),
    )
    assert standing(made) == (State.BACKUP, 4.109375)


def test_active_router_joins_a_group_in_fault() -> None:
    made = backups()
    made.handle(MemberEvent("a", LINK), 0.25)
    assert made.add("c", running("c", 0.25), 0.5) == (
        send("c", 0),
        releases("c"),
        news("c", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["sync:a"]),
    )


def test_router_that_another_group_held_is_held_no_longer() -> None:
    first, second = backups("ac"), backups("b")
    first.handle(MemberEvent("a", LINK), 0.5)
    held = first.members["c"]
    first.remove("c", 1.0)
    assert second.add("c", held, 2.0) == (news("c", State.FAULT, State.BACKUP, Reason.RECOVERED, 2.0),)
    third = SyncGroup({"c": _stopped(held)})
    assert third.members["c"].causes == set()


def _stopped(election: Election) -> Election:
    election.handle(FaultRaised("sync:a"), 3.0)
    election.handle(Shutdown(), 3.0)
    return election


# Joining an empty group --------------------------------------------------------------------------


def test_first_newcomer_starts_in_a_group_that_was_started() -> None:
    made = SyncGroup({})
    made.handle(Startup(), 0.0)
    assert made.add("a", member("a"), 1.0) == (
        news("a", State.INITIALIZE, State.BACKUP, Reason.STARTUP, 1.0),
        moved(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 1.0, "a"),
    )


def test_running_router_goes_on_in_an_empty_group_that_was_started() -> None:
    made = SyncGroup({})
    made.handle(Startup(), 0.0)
    assert made.add("a", running("a", 0.25), 0.5) == (moved(State.INITIALIZE, State.ACTIVE, Reason.SYNC, 0.5, "a"),)


# Owners ------------------------------------------------------------------------------------------


def test_owner_joins_active_owners() -> None:
    made = actives("a", priority=255)
    assert made.add("b", member("b", priority=255), 0.5) == (
        send("b", 255),
        *takes("b"),
        news("b", State.INITIALIZE, State.ACTIVE, Reason.OWNER, 0.5, priority=255),
    )


def test_owner_that_may_be_active_takes_waiting_owners_along() -> None:
    """They lost a tie to another owner, which is a mistake; nobody asked them to wait."""
    made = actives("a", priority=255)
    made.handle(heard("a", 255), 0.5)
    assert made.add("b", member("b", priority=255), 1.0) == (
        send("a", 255),
        send("b", 255),
        *takes("a"),
        along("a", State.BACKUP, State.ACTIVE, 1.0, "b", priority=255, heard=said(255, 0.5)),
        *takes("b"),
        news("b", State.INITIALIZE, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        moved(State.BACKUP, State.ACTIVE, Reason.OWNER, 1.0, "b"),
    )


def test_owner_that_joins_owners_who_stepped_down_steps_down_without_an_advertisement() -> None:
    made = actives("a", priority=255)
    made.handle(SteppedDown(), 0.5)
    assert made.add("b", member("b", priority=255), 1.0) == (
        news("b", State.INITIALIZE, State.FAULT, Reason.FAULT, 1.0, priority=255, causes=["sync:a"]),
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0, priority=255),
    )
    assert made.members["b"].is_yielding
    assert standing(made) == (State.BACKUP, 4.00390625)
    made.handle(MemberEvent("a", LINK), 1.25)
    made.handle(MemberEvent("a", FaultCleared("link:eth2")), 1.5)
    assert standing(made) == (State.BACKUP, 4.50390625)


def test_owners_wait_for_the_end_of_the_startup_delay_of_all() -> None:
    made = backups("a", priority=255, startup_delay=10.0)
    made.add("b", member("b", priority=255, startup_delay=10.0), 4.0)
    assert standing(made) == (State.BACKUP, 14.0)


def test_owners_recover_together_when_one_of_them_is_ready() -> None:
    """They are not fit to wait beside an Active member; the startup delay of a newcomer does not count then."""
    made = backups("a", priority=255, startup_delay=10.0)
    made.add("b", member("b", priority=255, startup_delay=10.0), 4.0)
    made.handle(MemberEvent("b", LINK), 5.0)
    assert made.handle(MemberEvent("b", FaultCleared("link:eth2")), 12.0) == (
        send("a", 255),
        send("b", 255),
        *takes("a"),
        news("a", State.FAULT, State.ACTIVE, Reason.OWNER, 12.0, priority=255),
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 12.0, priority=255),
        *takes("b"),
        along("b", State.BACKUP, State.ACTIVE, 12.0, "a", priority=255),
        moved(State.FAULT, State.ACTIVE, Reason.OWNER, 12.0, "b"),
    )


# A group that has stepped down -------------------------------------------------------------------


def test_newcomer_of_a_group_that_stepped_down_follows_lower_priorities_too() -> None:
    made = actives("a")
    made.handle(SteppedDown(), 0.5)
    made.add("b", member("b"), 1.0)
    assert made.members["b"].is_yielding
    made.handle(Resumed(), 2.0)
    assert [election.is_yielding for election in made.members.values()] == [False, False]


# Who cannot join ---------------------------------------------------------------------------------


def test_name_must_be_new() -> None:
    made = backups()
    with pytest.raises(ConfigError) as raised:
        made.add("a", member("c"), 1.0)
    assert str(raised.value) == "name must be new to the sync group, got 'a' again"


@pytest.mark.parametrize("what", ["priority", "startup_delay", "election"])
def test_newcomer_that_does_not_fit_changes_nothing(what: str) -> None:
    made = actives()
    newcomer = {
        "priority": member("c", priority=90),
        "startup_delay": member("c", startup_delay=1.0),
        "election": made.members["a"],
    }[what]
    with pytest.raises(ConfigError):
        made.add("c", newcomer, 0.5)
    assert list(made.members) == ["a", "b"]
    assert made.handle(TICK, 1.0) == (send("a"), send("b"))


# Leaving -----------------------------------------------------------------------------------------


def test_member_leaves_in_the_state_it_is_in() -> None:
    made = actives()
    leaver = made.members["a"]
    assert made.remove("a", 0.5) == ()
    assert (leaver.state, leaver.deadline) == (State.ACTIVE, 1.0)
    assert made.handle(TICK, 1.0) == (send("b"),)


def test_others_are_free_of_the_fault_that_only_the_leaver_had() -> None:
    made = backups("abc")
    made.handle(MemberEvent("a", LINK), 0.5)
    leaver = made.members["a"]
    assert made.remove("a", 1.0) == (
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        news("c", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        moved(State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0, "a"),
    )
    assert (leaver.state, leaver.causes) == (State.FAULT, frozenset({"link:eth2"}))
    assert freeing(leaver) == ()


def test_leaver_that_others_held_is_told_how_to_go_on() -> None:
    made = backups("abc")
    made.handle(MemberEvent("a", LINK), 0.5)
    made.handle(MemberEvent("b", LINK), 0.5)
    leaver = made.members["c"]
    assert made.remove("c", 1.0) == ()
    assert freeing(leaver) == (FaultCleared("sync:a"), FaultCleared("sync:b"))
    for event in freeing(leaver):
        leaver.handle(event, 2.0)
    assert (leaver.state, leaver.deadline) == (State.BACKUP, 5.609375)


def test_owner_that_leaves_to_be_deleted_says_nothing() -> None:
    made = actives(priority=255)
    made.handle(MemberEvent("b", LINK), 0.5)
    leaver = made.members["a"]
    made.remove("a", 1.0)
    assert leaver.handle(Shutdown(deleted=True), 1.0) == (
        news("a", State.FAULT, State.INITIALIZE, Reason.DELETED, 1.0, priority=255, causes=["sync:b"]).action,
    )


def test_group_need_not_wait_for_a_leaver() -> None:
    made = backups()
    made.handle(heard("b", 200), 3.0)
    made.remove("b", 5.0)
    assert standing(made) == (State.BACKUP, 3.609375)
    assert made.handle(TICK, 5.0)[0] == send("a")


def test_group_that_the_last_member_leaves_has_ended() -> None:
    made = actives("a")
    leaver = made.members["a"]
    assert made.remove("a", 0.5) == (moved(State.ACTIVE, State.INITIALIZE, Reason.DELETED, 0.5, "a"),)
    assert leaver.state is State.ACTIVE
    assert standing(made) == (State.INITIALIZE, None)


def test_nobody_leaves_who_is_not_there() -> None:
    with pytest.raises(ConfigError) as raised:
        backups().remove("c", 1.0)
    assert str(raised.value) == "member must be one of a, b, got 'c'"
