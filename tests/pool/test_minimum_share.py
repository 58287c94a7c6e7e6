import pytest

from tests.pool.helpers import WEB, add, apply, down, held, lab, lost, member, moved, remove, set_to, up
from vrrpkit.ipvs import AddService, RemoveService
from vrrpkit.pool import (
    MaintenanceBegan,
    MaintenanceEnded,
    MemberAdded,
    MemberRemoved,
    PoolConfig,
    PoolReconfigured,
    Restored,
    Withdrawn,
)


@pytest.mark.parametrize(
    ("share", "left"),
    [
        (0.0, ""),
        (0.01, "j"),
        (0.1, "j"),
        (0.11, "ij"),
        (0.3, "hij"),
        (0.5, "fghij"),
        (0.55, "efghij"),
        (0.7, "defghij"),
        (0.99, "abcdefghij"),
        (1.0, "abcdefghij"),
    ],
)
def test_no_member_is_taken_out_below_the_share(share: float, left: str) -> None:
    pool = lab("abcdefghij", minimum_share=share)
    for name in "abcdefghij":
        pool.do(down(name))
    assert "".join(sorted(pool.weights)) == left
    assert (pool.pool.live_weight, pool.pool.quorum_held) == (0, False)


def test_those_that_are_kept_go_when_others_come_back() -> None:
    pool = lab("abcd", minimum_share=0.5)
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.do(down("c")) == (moved("c", "up", "down", "ping: down"),)
    assert pool.do(down("d")) == (moved("d", "up", "down", "ping: down"), lost(0))
    assert pool.weights == {"c": 1, "d": 1}
    assert pool.explained("c") == (
        "in service with weight 1: down (ping: down), but without it fewer than 50% of 4 members would be left"
    )
    assert pool.do(up("a")) == (apply(add("a"), remove("c")), moved("a", "down", "up", "ping: up"), held(1))
    assert pool.do(up("b"))[0] == apply(add("b"), remove("d"))
    assert pool.weights == {"a": 1, "b": 1}


def test_one_that_is_kept_and_comes_back_was_never_out() -> None:
    pool = lab("ab", minimum_share=1.0, slow_start=10.0)
    assert pool.do(down("a")) == (moved("a", "up", "down", "ping: down"),)
    assert pool.do(up("a")) == (moved("a", "down", "up", "ping: up"),)
    assert pool.pool.deadline is None


def test_one_that_is_kept_keeps_its_weight() -> None:
    pool = lab("ab", weights={"a": 100}, minimum_share=1.0)
    pool.do(up("a", 30))
    assert pool.do(down("a")) == (moved("a", "up", "down", "ping: down"),)
    assert pool.pool.members["a"].effective_weight == 100
    assert pool.weights == {"a": 30, "b": 1}


def test_members_in_maintenance_do_not_count() -> None:
    pool = lab("abcd", minimum_share=0.5)
    pool.do(MaintenanceBegan("a"))
    pool.do(MaintenanceBegan("b"))
    pool.do(down("c"))
    assert pool.weights == {"a": 0, "b": 0, "d": 1}
    assert pool.do(down("d")) == (moved("d", "up", "down", "ping: down"), lost(0))
    assert pool.do(MaintenanceEnded("a")) == (
        apply(set_to("a", 1)),
        moved("a", "maintenance", "up", "maintenance ended"),
        held(1),
    )
    assert pool.do(MaintenanceEnded("b"))[0] == apply(set_to("b", 1), remove("d"))


def test_one_that_is_kept_may_go_into_maintenance_or_leave() -> None:
    pool = lab("abc", minimum_share=1.0)
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.do(MaintenanceBegan("a"))[0] == apply(set_to("a", 0))
    assert pool.do(MemberRemoved("b"))[0] == apply(remove("b"))
    assert pool.do(MaintenanceEnded("a"))[0] == apply(remove("a", 0))


def test_one_that_was_kept_and_left_is_forgotten() -> None:
    pool = lab("abcd", minimum_share=0.5)
    for name in "abcd":
        pool.do(down(name))
    assert pool.do(MemberRemoved("c"))[0] == apply(remove("c"))
    assert pool.do(up("a"))[0] == apply(add("a"))
    assert pool.do(up("b"))[0] == apply(add("b"), remove("d"))


def test_new_members_let_one_go_that_is_kept() -> None:
    pool = lab("ab", minimum_share=0.5)
    pool.do(down("a"))
    pool.do(down("b"))
    assert pool.weights == {"b": 1}
    assert pool.do(MemberAdded(member("c"), ["ping"])) == (moved("c", None, "unknown", "added"),)
    assert pool.do(MemberAdded(member("d")))[0] == apply(add("d"))
    assert pool.do(MemberAdded(member("e")))[0] == apply(add("e"))
    assert pool.do(MemberAdded(member("f")))[0] == apply(add("f"), remove("b"))


def test_another_share_lets_several_go_at_once() -> None:
    pool = lab("abcd", minimum_share=1.0)
    for name in "bcd":
        pool.do(down(name))
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, minimum_share=0.5))) == (apply(remove("b"), remove("c")),)


def test_nobody_is_kept_beside_a_sorry_server_or_put_back_after_it() -> None:
    pool = lab("ab", minimum_share=1.0, sorry=True)
    assert pool.do(down("a")) == (moved("a", "up", "down", "ping: down"),)
    assert pool.do(down("b")) == (
        moved("b", "up", "down", "ping: down"),
        apply(add("sorry"), remove("a"), remove("b")),
        lost(0),
    )
    assert pool.do(up("b")) == (moved("b", "down", "up", "ping: up"), apply(add("b"), remove("sorry")), held(1))


def test_nobody_is_put_back_down_with_the_services() -> None:
    pool = lab("ab", minimum_share=1.0)
    pool.do(down("a"))
    assert pool.do(Withdrawn()) == (apply(RemoveService(WEB.key)),)
    assert pool.do(Restored()) == (apply(AddService(WEB), add("b")),)


def test_with_inhibit_those_that_go_have_weight_0() -> None:
    pool = lab("abc", minimum_share=0.5, inhibit=True)
    pool.do(down("a"))
    assert pool.do(down("b")) == (moved("b", "up", "down", "ping: down"),)
    assert pool.do(up("a"))[0] == apply(set_to("a", 1), set_to("b", 0))
