import pytest

from tests.pool.helpers import (
    SORRY,
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
from vrrpkit.ipvs import AddService
from vrrpkit.pool import MemberAdded, MemberRemoved, MemberReplaced, PoolConfig, PoolReconfigured, PoolStarted


@pytest.mark.parametrize(
    ("quorum", "hysteresis", "weights", "verdicts"),
    [
        # live weights one after another, and whether the quorum is held then
        (1, 0, [0, 1, 0, 5, 1, 0], [False, True, False, True, True, False]),
        (3, 0, [2, 3, 2, 4, 3, 2], [False, True, False, True, True, False]),
        (3, 1, [3, 4, 3, 2, 1, 2, 3, 4], [False, True, True, True, False, False, False, True]),
        (3, 2, [4, 5, 1, 0, 1, 4, 5], [False, True, True, False, False, False, True]),
    ],
)
def test_the_quorum_has_a_band(quorum: int, hysteresis: int, weights: list[int], verdicts: list[bool]) -> None:
    pool = lab("a", quorum=quorum, hysteresis=hysteresis)
    seen: list[bool] = []
    for weight in weights:
        pool.do(up("a", weight))
        seen.append(pool.pool.quorum_held)
    assert seen == verdicts


def test_a_quorum_is_told_once_when_it_moves() -> None:
    pool = lab("abc", quorum=2)
    assert pool.do(down("a")) == (apply(remove("a")), moved("a", "up", "down", "ping: down"))
    assert pool.do(down("b")) == (apply(remove("b")), moved("b", "up", "down", "ping: down"), lost(1, 2))
    assert pool.do(down("c")) == (apply(remove("c")), moved("c", "up", "down", "ping: down"))
    assert str(lost(1, 2)) == "quorum lost: 1 of 2"
    assert str(held(4, 3, 1)) == "quorum held: 4 of 3, ±1"


def test_without_a_sorry_server_live_members_stay() -> None:
    pool = lab("abc", quorum=3)
    assert pool.do(down("a"))[2] == lost(2, 3)
    assert pool.weights == {"b": 1, "c": 1}


def test_a_quorum_that_is_lost_at_the_start_is_not_told() -> None:
    pool = lab("a", started=False)
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB)),)


def test_a_quorum_that_is_held_at_the_start_is_told() -> None:
    pool = lab(started=False)
    pool.do(MemberAdded(member("a")))
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB), add("a")), held(1))


def test_a_sorry_server_serves_from_the_start_and_is_told() -> None:
    pool = lab("a", started=False, sorry=True)
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB), add("sorry")), lost(0))
    assert pool.do(up("a")) == (
        moved("a", "unknown", "up", "ping: up"),
        apply(add("a"), remove("sorry")),
        held(1),
    )


def test_the_sorry_server_comes_before_the_last_member_goes() -> None:
    pool = lab("a", sorry=True)
    assert pool.do(down("a")) == (
        apply(add("sorry"), remove("a")),
        moved("a", "up", "down", "ping: down"),
        lost(0),
    )
    assert pool.pool.sorry_serves


def test_the_sorry_server_takes_the_place_of_all_members() -> None:
    pool = lab("abc", quorum=3, sorry=True)
    assert pool.do(down("b")) == (
        apply(remove("b")),
        moved("b", "up", "down", "ping: down"),
        apply(add("sorry"), remove("a"), remove("c")),
        lost(2, 3),
    )
    assert pool.do(up("b")) == (
        moved("b", "down", "up", "ping: up"),
        apply(add("a"), add("b"), add("c"), remove("sorry")),
        held(3, 3),
    )


def test_inhibited_members_stay_beside_the_sorry_server_with_weight_0() -> None:
    pool = lab("ab", quorum=2, sorry=True, inhibit=True)
    assert pool.do(down("b")) == (
        apply(set_to("b", 0)),
        moved("b", "up", "down", "ping: down"),
        apply(add("sorry"), set_to("a", 0)),
        lost(1, 2),
    )
    assert pool.do(up("b"))[1] == apply(set_to("a", 1), set_to("b", 1), remove("sorry"))


def test_an_inhibited_sorry_server_is_always_there() -> None:
    pool = lab("a", started=False, sorry=True, sorry_inhibit=True)
    pool.do(up("a"))
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB), add("a"), add("sorry", 0)), held(1))
    assert pool.do(down("a"))[0] == apply(set_to("sorry", 1), remove("a"))
    assert pool.do(up("a"))[1] == apply(add("a"), set_to("sorry", 0))


def test_weights_that_change_meanwhile_are_remembered() -> None:
    pool = lab("abc", quorum=3, sorry=True)
    pool.do(down("c"))
    assert pool.do(up("a", 9)) == (apply(add("a", 9), add("b"), remove("sorry")), held(10, 3))


def test_a_member_that_is_added_can_end_the_need_for_a_sorry_server() -> None:
    pool = lab("a", quorum=2, sorry=True)
    assert pool.do(MemberAdded(member("b"))) == (
        moved("b", None, "up", "added"),
        apply(add("a"), add("b"), remove("sorry")),
        held(2, 2),
    )
    assert pool.do(MemberRemoved("b")) == (
        apply(remove("b")),
        moved("b", "up", None, "removed"),
        apply(add("sorry"), remove("a")),
        lost(1, 2),
    )


def test_a_weight_of_0_for_the_last_one_brings_the_sorry_server_first() -> None:
    pool = lab("a", sorry=True)
    assert pool.do(MemberReplaced(member("a", 0))) == (
        apply(add("sorry"), remove("a")),
        lost(0),
    )


def test_a_quorum_beyond_all_members_is_not_lowered_but_explained() -> None:
    pool = lab("ab", quorum=3)
    assert not pool.pool.quorum_held
    assert pool.pool.explanation == (
        "quorum lost: 2 of 3; it cannot be reached: that takes 3, and all members together have 2"
    )
    pool.do(MemberAdded(member("c")))
    assert pool.pool.explanation == "quorum held: 3 of 3"


def test_a_quorum_that_could_not_come_back_is_explained_while_it_is_held() -> None:
    pool = lab("abcd", quorum=3, hysteresis=1)
    pool.do(MemberRemoved("d"))
    assert pool.pool.explanation == (
        "quorum held: 3 of 3, ±1; once lost, it cannot come back: that takes 4, and all members together have 3"
    )


def test_another_quorum_is_judged_at_once() -> None:
    pool = lab("ab")
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, quorum=3))) == (lost(2, 3),)
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, quorum=2))) == (held(2, 2),)


def test_a_first_loss_is_told_when_a_sorry_server_comes_in_for_it() -> None:
    pool = lab("a", quorum=2)
    with_sorry = PoolConfig(services=WEB, quorum=2, sorry_server=SORRY)
    assert pool.do(PoolReconfigured(with_sorry)) == (apply(add("sorry"), remove("a")), lost(1, 2))
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, quorum=2))) == (apply(add("a"), remove("sorry")),)
    assert pool.do(PoolReconfigured(with_sorry)) == (apply(add("sorry"), remove("a")),)
    assert pool.pool.sorry_serves
    assert pool.explained("a") == "not in service: up, but the quorum is lost, and the sorry server serves"
