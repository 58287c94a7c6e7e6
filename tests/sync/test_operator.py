"""An operator's wishes, priorities and settings: for the whole group, whoever is named."""

import pytest

from tests.election.helpers import OWN, PEER, said
from tests.sync.helpers import (
    TICK,
    actives,
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
    ElectionConfig,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Reconfigured,
    Resumed,
    Startup,
    State,
    SteppedDown,
    Suspended,
)
from vrrpkit.errors import ConfigError
from vrrpkit.sync import GroupReconfigured, MemberEvent, SyncGroup

# Step down, stay away, come back -----------------------------------------------------------------


@pytest.mark.parametrize("event", [SteppedDown(), MemberEvent("b", SteppedDown())])
def test_all_step_down(event: SteppedDown | MemberEvent) -> None:
    made = actives()
    assert made.handle(event, 0.5) == (
        send("a", 0),
        send("b", 0),
        releases("a"),
        news("a", State.ACTIVE, State.BACKUP, Reason.STEPPED_DOWN, 0.5),
        releases("b"),
        news("b", State.ACTIVE, State.BACKUP, Reason.STEPPED_DOWN, 0.5),
        moved(State.ACTIVE, State.BACKUP, Reason.STEPPED_DOWN, 0.5),
    )


def test_group_that_stepped_down_follows_whoever_takes_over() -> None:
    made = actives()
    made.handle(SteppedDown(), 0.5)
    for second in range(1, 100):
        made.handle(heard("a", 1), float(second))
        assert made.handle(TICK, second + 0.5) == ()
    assert standing(made) == (State.BACKUP, 102.609375)


@pytest.mark.parametrize("name", [None, "a", "b"])
def test_all_stay_away_until_they_come_back(name: str | None) -> None:
    made = actives()
    made.handle(Suspended() if name is None else MemberEvent(name, Suspended()), 0.5)
    assert standing(made) == (State.FAULT, None)
    assert made.handle(Resumed() if name is None else MemberEvent(name, Resumed()), 1.0) == (
        news("a", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        news("b", State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
        moved(State.FAULT, State.BACKUP, Reason.RECOVERED, 1.0),
    )


def test_coming_back_ends_the_suspension_that_a_member_brought_along() -> None:
    away = member("b")
    away.handle(Suspended(), 0.0)
    made = SyncGroup({"a": member("a"), "b": away})
    made.handle(Startup(), 1.0)
    assert made.members["a"].causes == {"sync:b"}
    made.handle(Resumed(), 2.0)
    assert standing(made) == (State.BACKUP, 5.609375)


# PriorityChanged ---------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [PriorityChanged(200), MemberEvent("b", PriorityChanged(200))])
def test_priority_changes_for_all(event: PriorityChanged | MemberEvent) -> None:
    made = backups()
    assert made.handle(event, 1.0) == ()
    assert (made.priority, [election.priority for election in made.members.values()]) == (200, [200, 200])
    assert standing(made) == (State.BACKUP, 3.21875)


# GroupReconfigured -------------------------------------------------------------------------------


def test_active_group_advertises_its_new_priority_at_once() -> None:
    made = actives()
    assert made.handle(GroupReconfigured(150), 0.5) == (send("a", 150), send("b", 150))
    assert [election.config.priority for election in made.members.values()] == [150, 150]


def test_effective_priority_comes_with_the_configured_one() -> None:
    made = actives()
    assert made.handle(GroupReconfigured(150, 130), 0.5) == (send("a", 130), send("b", 130))
    assert (made.priority, made.members["a"].config.priority) == (130, 150)


def test_waiting_group_becomes_owner_together() -> None:
    made = backups()
    made.handle(heard("a", 200), 0.5)
    assert made.handle(GroupReconfigured(255, 255), 1.0) == (
        send("a", 255),
        send("b", 255),
        *takes("a"),
        news("a", State.BACKUP, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        *takes("b"),
        news("b", State.BACKUP, State.ACTIVE, Reason.OWNER, 1.0, priority=255),
        moved(State.BACKUP, State.ACTIVE, Reason.OWNER, 1.0),
    )


def test_owners_are_owners_no_longer_together() -> None:
    made = actives(priority=255)
    assert made.handle(GroupReconfigured(100), 0.5) == (send("a", 100), send("b", 100))
    assert standing(made) == (State.ACTIVE, 1.5)


@pytest.mark.parametrize(("priority", "effective"), [(0, None), (256, None), (100, 0), (100, 256), (True, None)])
def test_priorities_out_of_range_are_refused(priority: int, effective: int | None) -> None:
    with pytest.raises(ConfigError, match=r"^(priority|effective) must be 1-255"):
        GroupReconfigured(priority, effective)


def test_only_an_owner_has_an_effective_priority_of_255() -> None:
    made = actives()
    with pytest.raises(ConfigError, match=r"^priority must be 1-254, got 255$"):
        made.handle(GroupReconfigured(100, 255), 0.5)
    assert made.priority == 100
    assert made.handle(TICK, 1.0) == (send("a"), send("b"))


# Reconfigured, of one member ---------------------------------------------------------------------


def test_member_goes_on_with_settings_of_its_own() -> None:
    made = actives()
    assert made.handle(MemberEvent("b", Reconfigured(config("b", advert_interval=0.5))), 0.25) == (
        send("b", interval=0.5),
    )
    assert standing(made) == (State.ACTIVE, 0.75)


def test_effective_priority_that_comes_with_them_is_everybodys() -> None:
    made = actives()
    assert made.handle(MemberEvent("b", Reconfigured(config("b"), 130)), 0.25) == (send("b", 130),)
    assert made.members["a"].priority == 130
    assert made.handle(TICK, 1.0) == (send("a", 130),)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (config("b", priority=90), "priority must be the same for all members of a sync group, got a 100, b 90"),
        (
            config("b", priority=255),
            "priority must be 255 (the address owner) for all members of a sync group or for none, got a 100, b 255",
        ),
        (
            config("b", startup_delay=5.0),
            "startup_delay must be the same for all members of a sync group, got a 0, b 5",
        ),
        (config("c"), "vrid and family must stay 2 and IPV4, got 3 and IPV4"),
    ],
    ids=["priority", "owner", "startup-delay", "vrid"],
)
def test_settings_that_do_not_fit_are_refused_and_nothing_changes(settings: ElectionConfig, text: str) -> None:
    made = actives()
    with pytest.raises(ConfigError) as raised:
        made.handle(MemberEvent("b", Reconfigured(settings, 130)), 0.5)
    assert str(raised.value) == text
    assert made.handle(TICK, 1.0) == (send("a"), send("b"))


def test_single_member_may_have_another_priority() -> None:
    made = actives("a")
    assert made.handle(MemberEvent("a", Reconfigured(config("a", priority=255))), 0.5) == (send("a", 255),)


# PrimaryAddressChanged ---------------------------------------------------------------------------


def test_primary_address_is_a_members_own() -> None:
    made = actives()
    assert made.handle(MemberEvent("b", PrimaryAddressChanged(PEER + 1)), 0.25) == ()
    assert [election.primary_address for election in made.members.values()] == [OWN, PEER + 1]
    made.handle(heard("b"), 0.5)
    assert standing(made)[0] is State.ACTIVE
    assert made.handle(heard("a"), 0.75)[2] == news(
        "a", State.ACTIVE, State.BACKUP, Reason.TIE_LOST, 0.75, heard=said(100, 0.75)
    )


def test_event_before_the_start_is_remembered() -> None:
    made = group()
    assert made.handle(PriorityChanged(200), 0.0) == ()
    made.handle(Startup(), 1.0)
    assert standing(made) == (State.BACKUP, 4.21875)
