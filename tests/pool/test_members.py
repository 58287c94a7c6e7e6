from collections.abc import Collection

import pytest
from attrs import evolve

from tests.pool.helpers import (
    HTTP,
    HTTPS,
    TICK,
    WEB,
    Lab,
    add,
    apply,
    down,
    held,
    lab,
    lost,
    member,
    moved,
    remove,
    server,
    set_to,
    unknown,
    up,
)
from vrrpkit.ipvs import AddServer, AddService, Endpoint, RealServer, RemoveServer, SetServer, VirtualService
from vrrpkit.pool import (
    CheckChanged,
    ChecksReplaced,
    Condition,
    Member,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    MemberStatus,
    PoolConfig,
    PoolStarted,
)


def conditions(pool: Lab) -> dict[str, str]:
    return {name: str(status.condition) for name, status in pool.pool.members.items()}


def test_a_member_without_checks_is_up_at_once() -> None:
    pool = lab()
    assert pool.do(MemberAdded(member("a"))) == (apply(add("a")), moved("a", None, "up", "added"), held(1))


def test_a_member_with_checks_waits_for_its_first_verdict() -> None:
    pool = lab()
    assert pool.do(MemberAdded(member("a"), ["ping"])) == (moved("a", None, "unknown", "added"),)
    assert pool.do(up("a")) == (apply(add("a")), moved("a", "unknown", "up", "ping: up"), held(1))


def test_a_member_that_fails_is_removed_from_the_table() -> None:
    pool = lab("ab")
    assert pool.do(down("b")) == (apply(remove("b")), moved("b", "up", "down", "ping: down"))
    assert pool.do(up("b")) == (apply(add("b")), moved("b", "down", "up", "ping: up"))


def test_the_last_member_takes_the_quorum_along() -> None:
    pool = lab("a")
    assert pool.do(down("a")) == (apply(remove("a")), moved("a", "up", "down", "ping: down"), lost(0))


def test_the_reason_of_a_check_is_told() -> None:
    pool = lab("ab")
    assert pool.do(CheckChanged("a", "ping", False, detail="no route"))[1] == moved("a", "up", "down", "ping: no route")
    assert str(moved("web1", "up", "down", "http: 503")) == "web1: up -> down (http: 503)"


def test_a_check_that_says_the_same_again_does_nothing() -> None:
    pool = lab("a")
    assert pool.do(up("a")) == ()


def test_a_check_that_is_unknown_again_leaves_the_verdict() -> None:
    pool = lab("ab")
    assert pool.do(unknown("a")) == ()
    assert pool.do(down("b"))[1] == moved("b", "up", "down", "ping: down")
    assert pool.do(unknown("b")) == ()
    assert conditions(pool) == {"a": "up", "b": "down"}


@pytest.mark.parametrize(
    ("needed", "verdicts", "outcome"),
    [
        (None, [None, None, None], "unknown"),
        (None, [True, True, None], "unknown"),
        (None, [True, True, True], "up"),
        (None, [None, None, False], "down"),
        (1, [None, True, None], "up"),
        (1, [False, False, None], "unknown"),
        (1, [False, False, False], "down"),
        (2, [True, None, None], "unknown"),
        (2, [True, False, True], "up"),
        (2, [False, None, None], "unknown"),
        (2, [False, None, False], "down"),
        (3, [True, True, False], "down"),
    ],
)
def test_a_verdict_comes_as_soon_as_it_is_certain(
    needed: int | None, verdicts: list[bool | None], outcome: str
) -> None:
    pool = lab()
    pool.do(MemberAdded(member("a", needed=needed), ["x", "y", "z"]))
    for check, verdict in zip("xyz", verdicts, strict=True):
        pool.do(CheckChanged("a", check, verdict))
    assert conditions(pool) == {"a": outcome}


@pytest.mark.parametrize(
    ("configured", "wishes", "effective"),
    [
        (100, [None, None], 100),
        (100, [30, None], 30),
        (100, [30, 110], 40),
        (100, [0, 0], 0),
        (100, [65535, 65535], 65535),
        (1, [5, 5], 9),
        (0, [7, None], 7),
    ],
)
def test_wishes_for_the_weight_are_added_up(configured: int, wishes: list[int | None], effective: int) -> None:
    pool = lab()
    pool.do(MemberAdded(member("a", configured), ["x", "y"]))
    for check, wish in zip("xy", wishes, strict=True):
        pool.do(CheckChanged("a", check, True, wish))
    status = pool.pool.members["a"]
    assert (status.effective_weight, status.weight, pool.pool.live_weight) == (effective, effective, effective)
    assert pool.weights == {"a": effective}


def test_a_wish_changes_the_weight_in_place() -> None:
    pool = lab("a")
    assert pool.do(up("a", 7)) == (apply(set_to("a", 7)),)
    assert pool.do(up("a")) == (apply(set_to("a", 1)),)


def test_a_check_that_is_down_wishes_for_nothing() -> None:
    pool = lab()
    pool.do(MemberAdded(member("a", 10, needed=1), ["x", "y"]))
    pool.do(CheckChanged("a", "x", True, 30))
    assert pool.do(CheckChanged("a", "x", None, 30)) == ()
    pool.do(CheckChanged("a", "y", True))
    assert pool.do(CheckChanged("a", "x", False, 30)) == (apply(set_to("a", 10)),)


def test_a_weight_of_0_takes_the_quorum() -> None:
    pool = lab("ab", quorum=2)
    assert pool.do(up("b", 0)) == (apply(set_to("b", 0)), lost(1, 2))
    assert pool.pool.members["b"] == MemberStatus(
        condition=Condition.UP,
        in_service=False,
        weight=0,
        effective_weight=0,
        down=(),
        unknown=(),
        explanation="no new connections, weight 0: up; weight 0 = 1 -1 (ping)",
    )


def test_inhibit_keeps_members_in_the_table_with_weight_0() -> None:
    pool = lab(inhibit=True)
    assert pool.do(MemberAdded(member("a"), ["ping"])) == (apply(add("a", 0)), moved("a", None, "unknown", "added"))
    assert pool.do(up("a")) == (apply(set_to("a", 1)), moved("a", "unknown", "up", "ping: up"), held(1))
    assert pool.do(down("a")) == (apply(set_to("a", 0)), moved("a", "up", "down", "ping: down"), lost(0))


def test_a_member_may_inhibit_otherwise_than_its_pool() -> None:
    pool = lab("c", inhibit=True)
    pool.do(MemberAdded(member("a", inhibit=False), ["ping"]))
    assert pool.weights == {"c": 1}
    pool = lab("c")
    pool.do(MemberAdded(member("a", inhibit=True), ["ping"]))
    assert pool.weights == {"a": 0, "c": 1}


def test_unchecked_members_serve_if_they_are_trusted() -> None:
    pool = lab(trust_unchecked=True)
    assert pool.do(MemberAdded(member("a"), ["ping"])) == (
        apply(add("a")),
        moved("a", None, "unknown", "added"),
        held(1),
    )
    assert pool.do(up("a")) == (moved("a", "unknown", "up", "ping: up"),)


def test_one_set_of_checks_serves_many_services() -> None:
    pool = lab("a", services=[WEB, VirtualService(HTTPS)])
    assert pool.do(down("a"))[0] == apply(remove("a"), remove("a", key=HTTPS))
    assert pool.do(up("a"))[0] == apply(add("a"), add("a", key=HTTPS))
    assert pool.do(up("a", 5)) == (apply(set_to("a", 5), set_to("a", 5, key=HTTPS)),)


def test_a_member_without_a_port_has_that_of_each_service() -> None:
    pool = lab(services=[WEB, VirtualService(HTTPS)])
    http, https = RealServer("10.1.0.1", 80), RealServer("10.1.0.1", 443)
    assert pool.do(MemberAdded(Member("10.1.0.1")))[0] == apply(AddServer(HTTP, http), AddServer(HTTPS, https))
    assert pool.do(MemberRemoved("10.1.0.1"))[0] == apply(RemoveServer(HTTP, http), RemoveServer(HTTPS, https))


def test_services_of_one_port_have_the_same_servers() -> None:
    other = Endpoint("tcp", "192.0.2.11", 80)
    pool = lab(services=[WEB, VirtualService(other)])
    pool.do(MemberAdded(Member("10.1.0.1")))
    there = (RealServer("10.1.0.1", 80),)
    assert {key: service.servers for key, service in pool.kernel.table.items()} == {HTTP: there, other: there}


def test_a_member_that_is_removed_leaves_at_once() -> None:
    pool = lab("ab")
    assert pool.do(MemberRemoved("a")) == (apply(remove("a")), moved("a", "up", None, "removed"))
    assert pool.do(MemberRemoved("b")) == (apply(remove("b")), moved("b", "up", None, "removed"), lost(0))
    assert dict(pool.pool.members) == {}
    assert pool.pool.total_weight == 0
    assert pool.do(MemberAdded(member("a")))[0] == apply(add("a"))


def test_a_member_can_be_changed_in_place() -> None:
    pool = lab("ab")
    assert pool.do(MemberReplaced(evolve(member("a"), weight=3))) == (apply(set_to("a", 3)),)
    assert pool.do(MemberReplaced(evolve(member("a"), weight=3, upper_threshold=9))) == (
        apply(SetServer(HTTP, RealServer("10.1.0.1", 80, weight=3, upper_threshold=9))),
    )
    assert pool.do(MemberReplaced(evolve(member("a"), weight=3, upper_threshold=9, inhibit=True))) == ()
    assert pool.do(down("a"))[0] == apply(
        SetServer(HTTP, RealServer("10.1.0.1", 80, weight=0, upper_threshold=9)),
    )
    assert pool.pool.live_weight == 1


def test_fewer_checks_may_be_needed_from_now_on() -> None:
    pool = lab("b")
    pool.do(MemberAdded(member("a"), ["x", "y"]))
    pool.do(CheckChanged("a", "x", True))
    pool.do(CheckChanged("a", "y", False))
    assert pool.do(MemberReplaced(member("a", needed=1))) == (
        apply(add("a")),
        moved("a", "down", "up", "settings replaced"),
    )


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [(["x"], "up"), (["y"], "down"), (["z"], "down"), (["x", "z"], "down"), ([], "up"), (["y", "z"], "down")],
)
def test_what_is_known_stays_when_checks_are_replaced(checks: Collection[str], outcome: str) -> None:
    pool = lab()
    pool.do(MemberAdded(member("a"), ["x", "y"]))
    pool.do(CheckChanged("a", "x", True))
    pool.do(CheckChanged("a", "y", False))
    told = pool.do(ChecksReplaced("a", checks))
    assert conditions(pool) == {"a": outcome}
    expected = (apply(add("a")), moved("a", "down", "up", "checks replaced"), held(1)) if outcome == "up" else ()
    assert told == expected


def test_an_up_member_stays_so_until_its_new_checks_know_better() -> None:
    pool = lab("ab")
    assert pool.do(ChecksReplaced("a", ["http"])) == ()
    assert pool.do(down("a", "http")) == (apply(remove("a")), moved("a", "up", "down", "http: down"))


def test_verdicts_are_counted_before_the_start() -> None:
    pool = lab("ab", started=False)
    assert pool.do(up("a")) == (moved("a", "unknown", "up", "ping: up"),)
    assert (pool.pool.desired, pool.pool.quorum_held, pool.pool.live_weight) == ({}, False, 1)
    assert pool.do(PoolStarted({})) == (apply(AddService(WEB), add("a")), held(1))


def test_a_tick_that_nobody_waits_for_does_nothing() -> None:
    pool = lab("a")
    assert pool.pool.deadline is None
    assert pool.do(TICK, 5.0) == ()


def test_members_are_told_in_the_order_in_which_they_came() -> None:
    pool = lab("cab")
    assert (list(pool.pool.members), len(pool.pool.members)) == (["c", "a", "b"], 3)
    with pytest.raises(KeyError):
        pool.pool.members["d"]


def test_the_settings_can_be_read() -> None:
    config = PoolConfig(services=VirtualService(Endpoint("udp", "192.0.2.53", 53)))
    assert Lab(config).pool.config == config


def test_what_is_shown_is_a_whole_status() -> None:
    pool = lab("a")
    pool.do(ChecksReplaced("a", ["ping", "http"]))
    pool.do(CheckChanged("a", "ping", False, detail="no route"))
    assert pool.pool.members["a"] == MemberStatus(
        condition=Condition.DOWN,
        in_service=False,
        weight=None,
        effective_weight=1,
        down=("ping",),
        unknown=("http",),
        explanation="not in service: down (ping: no route)",
    )
    assert pool.kernel.table[HTTP].servers == ()
    assert server("a") == RealServer("10.1.0.1", 80)
