"""One in fault, all in fault; and nobody for ever."""

import pytest

from tests.sync.helpers import actives, backups, group, heard, moved, news, releases, send, standing, takes
from vrrpkit.election import FaultCleared, FaultRaised, PriorityChanged, Reason, Shutdown, Startup, State, Suspended
from vrrpkit.errors import ConfigError
from vrrpkit.sync import MemberEvent

LINK = FaultRaised("link:eth0")
LINK_CLEARED = FaultCleared("link:eth0")
CHECK = FaultRaised("track:haproxy")
CHECK_CLEARED = FaultCleared("track:haproxy")


def test_fault_of_one_active_member_makes_all_resign_at_once() -> None:
    made = actives()
    assert made.handle(MemberEvent("b", LINK), 0.5) == (
        send("a", 0),
        send("b", 0),
        releases("a"),
        news("a", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["sync:b"]),
        releases("b"),
        news("b", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["link:eth0"]),
        moved(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, "b"),
    )
    assert standing(made) == (State.FAULT, None)


def test_fault_of_one_backup_holds_the_others() -> None:
    made = backups("abc")
    made.handle(MemberEvent("b", LINK), 0.5)
    assert made.causes == {"b": {"link:eth0"}}
    assert {name: election.causes for name, election in made.members.items()} == {
        "a": {"sync:b"},
        "b": {"link:eth0"},
        "c": {"sync:b"},
    }


def test_all_begin_again_together() -> None:
    made = backups()
    made.handle(MemberEvent("b", LINK), 0.5)
    assert made.handle(MemberEvent("b", LINK_CLEARED), 1.0) == (
        news("a", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        moved(State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0, "b"),
    )
    assert standing(made) == (State.BACKUP, 4.609375)


def test_owners_are_active_again_together() -> None:
    made = actives(priority=255)
    made.handle(MemberEvent("a", LINK), 0.5)
    assert made.handle(MemberEvent("a", LINK_CLEARED), 1.0) == (
        send("a", 255),
        send("b", 255),
        *takes("a"),
        news("a", State.FAULT, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        *takes("b"),
        news("b", State.FAULT, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        moved(State.FAULT, State.ACTIVE, Reason.OWNER, 1.0, "a"),
    )


def test_two_members_in_fault_hold_each_other_only_while_they_are() -> None:
    """Neither waits for the other to be well first."""
    made = backups()
    made.handle(MemberEvent("a", LINK), 0.5)
    assert made.handle(MemberEvent("b", CHECK), 0.625) == ()
    assert made.causes == {"a": {"link:eth0"}, "b": {"track:haproxy"}}
    assert made.handle(MemberEvent("a", LINK_CLEARED), 1.0) == ()
    assert made.members["a"].causes == {"sync:b"}
    made.handle(MemberEvent("b", CHECK_CLEARED), 2.0)
    assert standing(made) == (State.BACKUP, 5.609375)


def test_member_holds_the_others_until_its_last_cause_is_gone() -> None:
    made = backups()
    made.handle(MemberEvent("a", LINK), 0.5)
    made.handle(MemberEvent("a", CHECK), 0.625)
    assert made.handle(MemberEvent("a", LINK_CLEARED), 1.0) == ()
    assert made.members["b"].causes == {"sync:a"}
    made.handle(MemberEvent("a", CHECK_CLEARED), 2.0)
    assert standing(made) == (State.BACKUP, 5.609375)


def test_group_in_fault_takes_no_part() -> None:
    made = backups()
    made.handle(MemberEvent("a", LINK), 0.5)
    for event in (heard("b", 0), heard("b", 1), PriorityChanged(200), Startup()):
        assert made.handle(event, 60.0) == ()
    assert standing(made) == (State.FAULT, None)


def test_group_in_fault_can_be_shut_down_and_is_in_fault_when_it_starts_again() -> None:
    made = backups()
    made.handle(MemberEvent("a", LINK), 0.5)
    assert made.handle(Shutdown(), 1.0)[-1] == moved(State.FAULT, State.INITIALIZE, Reason.SHUTDOWN, 1.0)
    assert made.handle(Startup(), 2.0)[-1] == moved(State.INITIALIZE, State.FAULT, Reason.FAULT, 2.0)
    made.handle(Shutdown(), 3.0)
    made.handle(MemberEvent("a", LINK_CLEARED), 4.0)
    made.handle(Startup(), 5.0)
    assert standing(made) == (State.BACKUP, 8.609375)


# Faults of all -----------------------------------------------------------------------------------


def test_fault_of_all_is_everybodys_own() -> None:
    made = actives()
    assert made.handle(CHECK, 0.5) == (
        send("a", 0),
        send("b", 0),
        releases("a"),
        news("a", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["track:haproxy"]),
        releases("b"),
        news("b", State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["track:haproxy"]),
        moved(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5),
    )
    assert made.causes == {"a": {"track:haproxy"}, "b": {"track:haproxy"}}


def test_fault_of_all_is_cleared_for_all() -> None:
    made = backups()
    made.handle(CHECK, 0.5)
    assert made.handle(CHECK_CLEARED, 1.0) == (
        news("a", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        moved(State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
    )


def test_fault_that_was_everybodys_can_be_one_members_later() -> None:
    made = backups()
    made.handle(CHECK, 0.5)
    made.handle(CHECK_CLEARED, 1.0)
    made.handle(MemberEvent("a", CHECK), 2.0)
    assert made.causes == {"a": {"track:haproxy"}}


def test_fault_of_all_is_not_cleared_for_one() -> None:
    made = backups()
    made.handle(CHECK, 0.5)
    assert made.handle(MemberEvent("a", CHECK), 0.75) == made.handle(MemberEvent("a", CHECK_CLEARED), 1.0) == ()
    assert made.causes == {"a": {"track:haproxy"}, "b": {"track:haproxy"}}


def test_fault_of_one_that_becomes_one_of_all_holds_without_a_gap() -> None:
    """Raised before cleared: nobody begins in between."""
    made = actives(priority=255)
    made.handle(MemberEvent("a", CHECK), 0.5)
    assert made.handle(CHECK, 0.75) == ()
    assert {name: election.causes for name, election in made.members.items()} == {
        "a": {"track:haproxy"},
        "b": {"track:haproxy"},
    }
    made.handle(CHECK_CLEARED, 1.0)
    assert standing(made) == (State.ACTIVE, 2.0)


def test_members_own_fault_goes_on_when_that_of_all_is_cleared() -> None:
    made = backups()
    made.handle(CHECK, 0.5)
    made.handle(MemberEvent("a", LINK), 0.75)
    assert made.handle(CHECK_CLEARED, 1.0) == ()
    assert made.causes == {"a": {"link:eth0"}}
    assert made.members["b"].causes == {"sync:a"}


def test_suspension_is_a_fault_of_all() -> None:
    made = backups()
    made.handle(MemberEvent("a", Suspended()), 0.5)
    assert made.causes == {"a": {"operator"}, "b": {"operator"}}
    assert made.handle(MemberEvent("b", FaultCleared("operator")), 1.0) == ()


# Causes that are the group's own -----------------------------------------------------------------


@pytest.mark.parametrize("event", [FaultRaised("sync:b"), FaultCleared("sync:b")])
def test_holding_is_for_the_group_only(event: FaultRaised | FaultCleared) -> None:
    made = group()
    for said in (event, MemberEvent("a", event)):
        with pytest.raises(ConfigError) as raised:
            made.handle(said, 0.0)
        assert str(raised.value) == "cause must not begin with 'sync:', which is for sync groups, got 'sync:b'"
    assert made.causes == {}
