import pytest

from tests.pool.helpers import (
    TICK,
    WEB,
    add,
    apply,
    down,
    held,
    lab,
    lost,
    member,
    moved,
    remove,
    set_to,
    up,
)
from vrrpkit.ipvs import AddService, RemoveService
from vrrpkit.pool import (
    ConnectionsCounted,
    CountConnections,
    DrainBegan,
    MaintenanceBegan,
    MaintenanceEnded,
    MemberAdded,
    MemberRemoved,
    PoolConfig,
    PoolReconfigured,
    PoolStarted,
    Restored,
    Withdrawn,
)


def test_a_drain_counts_every_second_and_removes_when_none_is_left() -> None:
    pool = lab("ab")
    assert pool.do(DrainBegan("a"), 10.0) == (
        apply(set_to("a", 0)),
        moved("a", "up", "draining", "drain began"),
        CountConnections("a"),
    )
    assert pool.explained("a") == "no new connections, weight 0: draining, connections not counted yet"
    assert pool.do(ConnectionsCounted("a", 7)) == ()
    assert pool.explained("a") == "no new connections, weight 0: draining, connections left: 7"
    assert pool.do(TICK, 10.9) == ()
    assert pool.pool.deadline == 11.0
    assert pool.do(TICK, 11.25) == (CountConnections("a"),)
    assert pool.pool.deadline == 12.25
    assert pool.do(ConnectionsCounted("a", 0)) == (
        apply(remove("a", 0)),
        moved("a", "draining", None, "drained: no connections left"),
    )
    assert list(pool.pool.members) == ["b"]
    assert pool.pool.deadline is None


def test_a_drain_ends_at_its_limit_and_tells_how_many_were_left() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a", limit=1.5), 10.0)
    pool.do(TICK, 11.0)
    pool.do(ConnectionsCounted("a", 3))
    assert pool.pool.deadline == 11.5
    assert pool.do(TICK, 11.5) == (
        apply(remove("a", 0)),
        moved("a", "draining", None, "drain limit of 1.5 s is over, connections left: 3"),
    )


def test_a_drain_may_end_in_maintenance() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a", remove=False))
    assert pool.do(ConnectionsCounted("a", 0)) == (
        moved("a", "draining", "maintenance", "drained: no connections left"),
    )
    assert pool.weights == {"a": 0, "b": 1}
    assert pool.pool.deadline is None
    assert pool.do(MaintenanceEnded("a")) == (
        apply(set_to("a", 1)),
        moved("a", "maintenance", "up", "maintenance ended"),
    )


def test_a_drain_without_any_time_ends_uncounted() -> None:
    pool = lab("ab")
    assert pool.do(DrainBegan("a", limit=0)) == (
        apply(remove("a")),
        moved("a", "up", None, "drain limit of 0 s is over, connections left: not counted"),
    )
    assert pool.do(DrainBegan("b", limit=0, remove=False)) == (
        apply(set_to("b", 0)),
        moved("b", "up", "maintenance", "drain limit of 0 s is over, connections left: not counted"),
        lost(0),
    )


def test_who_is_not_in_the_table_has_drained_already() -> None:
    pool = lab("abc")
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.do(DrainBegan("a")) == (moved("a", "down", None, "drained: not in the table"),)
    assert pool.do(DrainBegan("b", remove=False)) == (moved("b", "down", "maintenance", "drained: not in the table"),)


def test_an_inhibited_member_that_is_down_still_has_connections() -> None:
    pool = lab("ab", inhibit=True)
    pool.do(down("a"))
    assert pool.do(DrainBegan("a")) == (moved("a", "down", "draining", "drain began"), CountConnections("a"))


def test_a_drain_takes_the_quorum_and_brings_the_sorry_server_first() -> None:
    pool = lab("a", sorry=True)
    assert pool.do(DrainBegan("a")) == (
        apply(add("sorry"), set_to("a", 0)),
        moved("a", "up", "draining", "drain began"),
        lost(0),
        CountConnections("a"),
    )
    assert pool.weights == {"a": 0, "sorry": 1}


def test_a_drain_goes_on_beside_the_sorry_server_and_its_end_keeps_connections() -> None:
    pool = lab("ab", quorum=2, sorry=True)
    pool.do(DrainBegan("a"))
    assert pool.weights == {"a": 0, "sorry": 1}
    assert pool.do(MaintenanceEnded("a"))[1] == apply(set_to("a", 1), add("b"), remove("sorry"))


def test_another_drain_takes_the_place_of_the_first() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"), 0.0)
    assert pool.do(DrainBegan("a", limit=3.0, remove=False), 0.5) == (CountConnections("a"),)
    assert pool.pool.deadline == 1.5
    assert pool.do(TICK, 3.5) == (
        moved("a", "draining", "maintenance", "drain limit of 3 s is over, connections left: not counted"),
    )


def test_the_end_of_maintenance_ends_a_drain() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"))
    assert pool.do(MaintenanceEnded("a")) == (
        apply(set_to("a", 1)),
        moved("a", "draining", "up", "maintenance ended"),
    )
    assert pool.pool.deadline is None


def test_a_draining_member_may_be_removed_or_put_into_maintenance() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"))
    pool.do(DrainBegan("b"))
    assert pool.do(MemberRemoved("a")) == (apply(remove("a", 0)), moved("a", "draining", None, "removed"))
    assert pool.do(MaintenanceBegan("b")) == (moved("b", "draining", "maintenance", "maintenance began"),)
    assert pool.pool.deadline is None


def test_an_answer_that_comes_late_means_nothing() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"))
    pool.do(MemberRemoved("a"))
    assert pool.do(ConnectionsCounted("a", 0)) == ()
    assert pool.do(ConnectionsCounted("b", 0)) == ()
    assert pool.weights == {"b": 1}


def test_verdicts_are_counted_during_a_drain() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"))
    assert pool.do(down("a")) == ()
    assert pool.do(MaintenanceEnded("a")) == (
        apply(remove("a", 0)),
        moved("a", "draining", "down", "maintenance ended"),
    )


def test_a_drain_that_began_before_the_start_waits_for_the_table() -> None:
    pool = lab("ab", started=False)
    assert pool.do(DrainBegan("a"), 0.0) == (moved("a", "unknown", "draining", "drain began"),)
    assert pool.do(DrainBegan("b"), 0.0) == (moved("b", "unknown", "draining", "drain began"),)
    assert pool.do(TICK, 1.0) == ()
    pool.kernel.table = lab("a").kernel.table
    assert pool.do(PoolStarted(pool.kernel.table), 1.5) == (
        apply(set_to("a", 0)),
        moved("b", "draining", None, "drained: not in the table"),
        CountConnections("a"),
    )


def test_maintenance_leaves_a_member_in_the_table_with_weight_0() -> None:
    pool = lab("ab")
    assert pool.do(MaintenanceBegan("a")) == (
        apply(set_to("a", 0)),
        moved("a", "up", "maintenance", "maintenance began"),
    )
    assert pool.do(MaintenanceBegan("a")) == ()
    assert pool.explained("a") == "no new connections, weight 0: in maintenance"
    assert pool.do(down("a")) == ()
    assert pool.do(up("a")) == ()
    assert pool.pool.live_weight == 1
    assert pool.do(MaintenanceEnded("a")) == (
        apply(set_to("a", 1)),
        moved("a", "maintenance", "up", "maintenance ended"),
    )
    assert pool.do(MaintenanceEnded("a")) == ()


def test_maintenance_adds_nobody_who_was_not_there() -> None:
    pool = lab("ab")
    pool.do(down("a"))
    assert pool.do(MaintenanceBegan("a")) == (moved("a", "down", "maintenance", "maintenance began"),)
    assert pool.do(up("a")) == ()
    assert pool.weights == {"b": 1}
    assert pool.do(MaintenanceEnded("a"))[0] == apply(add("a"))


@pytest.mark.parametrize("inhibit", [False, True])
def test_maintenance_before_the_start_goes_by_the_table(inhibit: bool) -> None:
    pool = lab("ab", started=False, inhibit=inhibit)
    pool.do(MaintenanceBegan("a"))
    pool.do(MaintenanceBegan("b"))
    pool.kernel.table = lab("a").kernel.table
    pool.do(PoolStarted(pool.kernel.table))
    assert pool.weights == ({"a": 0, "b": 0} if inhibit else {"a": 0})


def test_drains_end_when_the_services_are_withdrawn() -> None:
    pool = lab("abc")
    pool.do(DrainBegan("a"))
    pool.do(DrainBegan("b", remove=False))
    assert pool.do(Withdrawn()) == (
        apply(RemoveService(WEB.key)),
        moved("a", "draining", None, "drained: the services are withdrawn"),
        moved("b", "draining", "maintenance", "drained: the services are withdrawn"),
    )
    assert pool.pool.deadline is None
    assert pool.do(DrainBegan("c")) == (moved("c", "up", None, "drained: not in the table"), lost(0))


def test_the_services_come_back_without_those_in_maintenance() -> None:
    pool = lab("ab")
    pool.do(MaintenanceBegan("a"))
    assert pool.do(Withdrawn()) == (apply(RemoveService(WEB.key)),)
    assert pool.do(Withdrawn()) == ()
    assert pool.explained("b") == "not in service, as the pool's services are not in the table: up"
    assert pool.do(Restored()) == (apply(AddService(WEB), add("b")),)
    assert pool.do(Restored()) == ()


def test_verdicts_and_the_quorum_go_on_while_withdrawn() -> None:
    pool = lab("ab", sorry=True)
    pool.do(Withdrawn())
    assert pool.do(down("a")) == (moved("a", "up", "down", "ping: down"),)
    assert pool.do(down("b")) == (moved("b", "up", "down", "ping: down"), lost(0))
    assert pool.do(Restored()) == (apply(AddService(WEB), add("sorry")),)
    pool.do(Withdrawn())
    assert pool.do(up("b")) == (moved("b", "down", "up", "ping: up"), held(1))
    assert pool.do(MemberAdded(member("c"))) == (moved("c", None, "up", "added"),)
    assert pool.do(Restored()) == (apply(AddService(WEB), add("b"), add("c")),)


def test_a_pool_may_be_withdrawn_from_the_start() -> None:
    pool = lab("a", started=False)
    assert pool.do(Withdrawn()) == ()
    pool.do(up("a"))
    found = lab("ab").kernel.table
    pool.kernel.table = found
    assert pool.do(PoolStarted(found)) == (apply(RemoveService(WEB.key)), held(1))
    assert pool.do(Restored()) == (apply(AddService(WEB), add("a")),)


def test_a_pool_that_is_restored_before_the_start_starts_as_usual() -> None:
    pool = lab("a", started=False)
    pool.do(up("a"))
    pool.do(Withdrawn())
    assert pool.do(Restored()) == ()
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB), add("a")), held(1))


def test_a_drain_outlives_other_settings() -> None:
    pool = lab("ab")
    pool.do(DrainBegan("a"), 0.0)
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, quorum=2)), 0.5) == (lost(1, 2),)
    assert pool.do(TICK, 1.0) == (CountConnections("a"),)
