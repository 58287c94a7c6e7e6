import pytest

from tests.pool.helpers import TICK, WEB, add, apply, down, lab, lost, member, moved, remove, set_to, up
from vrrpkit.pool import (
    CheckChanged,
    MaintenanceBegan,
    MaintenanceEnded,
    MemberAdded,
    MemberReplaced,
    PoolConfig,
    PoolReconfigured,
    Restored,
    Withdrawn,
)


@pytest.mark.parametrize(
    ("weight", "steps"),
    [
        (100, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
        (3, [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]),
        (1, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_member_that_comes_back_gets_its_weight_in_ten_steps(weight: int, steps: list[int]) -> None:
    pool = lab("ab", weights={"a": weight}, slow_start=20.0)
    pool.do(down("a"))
    pool.do(up("a"), 100.0)
    seen = [pool.weights["a"]]
    for at in (102.0, 104.0, 106.0, 108.0, 110.0, 112.0, 114.0, 116.0, 118.0):
        assert pool.pool.deadline == at
        pool.tick()
        seen.append(pool.weights["a"])
    assert seen == steps
    assert pool.pool.deadline is None


def test_a_step_is_a_change_in_place() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    assert pool.do(up("a"), 1.0) == (apply(add("a", 1)), moved("a", "down", "up", "ping: up"))
    assert pool.do(TICK, 1.5) == ()
    assert pool.do(TICK, 2.0) == (apply(set_to("a", 2)),)
    assert pool.explained("a") == "in service with weight 2: up, slow start: 2 of 10 tenths"


def test_a_late_tick_makes_up_for_what_was_missed() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"), 1.0)
    assert pool.do(TICK, 5.5) == (apply(set_to("a", 5)),)
    assert pool.pool.deadline == 6.0
    assert pool.do(TICK, 60.0) == (apply(set_to("a", 10)),)
    assert pool.pool.deadline is None


def test_the_quorum_counts_the_whole_weight_at_once() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0, quorum=11)
    assert pool.do(down("a"))[2] == lost(1, 11)
    pool.do(up("a"))
    assert (pool.weights, pool.pool.live_weight, pool.pool.quorum_held) == ({"a": 1, "b": 1}, 11, True)


def test_another_weight_is_scaled_as_well() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"), 0.0)
    pool.do(TICK, 2.0)
    assert pool.do(up("a", 100)) == (apply(set_to("a", 30)),)
    assert pool.do(up("a", 0)) == (apply(set_to("a", 0)),)
    assert pool.do(MemberReplaced(member("a", 50))) == ()
    assert pool.do(up("a")) == (apply(set_to("a", 15)),)


def test_the_first_verdict_is_no_return() -> None:
    pool = lab("a", slow_start=10.0)
    pool.do(MemberAdded(member("b", 10), ["ping"]))
    assert pool.do(up("b"))[0] == apply(add("b", 10))


def test_nobody_is_slow_who_would_serve_alone() -> None:
    pool = lab("ab", weights={"a": 10, "b": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.do(up("a"))[0] == apply(add("a", 10))
    assert pool.do(up("b"))[0] == apply(add("b", 1))


def test_those_that_are_kept_although_down_are_no_company() -> None:
    pool = lab("ab", weights={"a": 10, "b": 10}, slow_start=10.0, minimum_share=0.5)
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.do(up("a"))[0] == apply(add("a", 10), remove("b", 10))


def test_nobody_is_slow_with_weight_0() -> None:
    pool = lab("ab", weights={"a": 0}, slow_start=10.0)
    pool.do(down("a"))
    assert pool.do(up("a"))[0] == apply(add("a", 0))
    assert pool.pool.deadline is None


def test_a_member_that_fails_again_begins_anew() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"), 0.0)
    pool.do(TICK, 5.0)
    assert pool.do(down("a"), 5.5)[0] == apply(remove("a", 6))
    assert pool.pool.deadline is None
    assert pool.do(up("a"), 8.0)[0] == apply(add("a", 1))
    assert pool.pool.deadline == 9.0


def test_a_member_that_was_down_during_maintenance_is_slow_after_it() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(MaintenanceBegan("a"))
    assert pool.do(MaintenanceEnded("a"))[0] == apply(set_to("a", 10))
    pool.do(MaintenanceBegan("a"))
    pool.do(down("a"))
    pool.do(up("a"))
    assert pool.do(MaintenanceEnded("a"))[0] == apply(set_to("a", 1))


def test_maintenance_ends_a_slow_start() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"))
    pool.do(MaintenanceBegan("a"))
    assert pool.pool.deadline is None
    assert pool.do(MaintenanceEnded("a"))[0] == apply(set_to("a", 10))


def test_all_come_back_at_once_after_a_sorry_server() -> None:
    pool = lab("abc", weights={"a": 10, "b": 10}, slow_start=10.0, quorum=11, sorry=True)
    seen: list[tuple[float | None, dict[str, int]]] = []
    for event in (down("a"), up("a"), down("b"), down("c"), up("c")):
        pool.do(event, 0.0)
        seen.append((pool.pool.deadline, pool.weights))
    assert seen == [
        (None, {"b": 10, "c": 1}),
        (1.0, {"a": 1, "b": 10, "c": 1}),
        (1.0, {"a": 1, "c": 1}),
        (None, {"sorry": 1}),
        (None, {"a": 10, "c": 1}),
    ]


def test_all_come_back_at_once_with_the_services() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"))
    pool.do(Withdrawn())
    assert pool.pool.deadline is None
    pool.do(down("a"))
    pool.do(up("a"))
    pool.do(Restored())
    assert pool.weights == {"a": 10, "b": 1}
    assert pool.pool.deadline is None


def test_a_slow_start_goes_on_at_the_pace_at_which_it_began() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(up("a"), 0.0)
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB))) == ()
    assert pool.do(TICK, 1.0) == (apply(set_to("a", 2)),)


def test_a_slow_start_too_short_to_be_seen_is_none() -> None:
    pool = lab("ab", weights={"a": 10}, slow_start=1e-12)
    pool.do(down("a"))
    assert pool.do(CheckChanged("a", "ping", True), 1e6)[0] == apply(add("a", 10))
    assert pool.pool.deadline is None


def test_several_go_on_at_their_own_times() -> None:
    pool = lab("abc", weights={"a": 10, "b": 10}, slow_start=10.0)
    pool.do(down("a"))
    pool.do(down("b"))
    pool.do(up("a"), 0.0)
    pool.do(up("b"), 0.5)
    assert pool.tick() == (apply(set_to("a", 2)),)
    assert pool.tick() == (apply(set_to("b", 2)),)
    assert pool.do(TICK, 3.0) == (apply(set_to("a", 4), set_to("b", 3)),)
    assert pool.pool.deadline == 3.5
