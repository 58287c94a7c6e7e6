"""What becomes of the table that is found at the start, and of services that come, change and go."""

import pytest

from tests.pool.helpers import (
    HTTP,
    HTTPS,
    SORRY,
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
    up,
)
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    Endpoint,
    FirewallMark,
    Forwarding,
    RealServer,
    RemoveServer,
    RemoveService,
    SetService,
    Table,
    VirtualService,
    table,
)
from vrrpkit.pool import (
    Action,
    CheckChanged,
    MaintenanceBegan,
    MaintenanceEnded,
    Member,
    MemberAdded,
    Pool,
    PoolConfig,
    PoolReconfigured,
    PoolStarted,
)


def found(pool: Lab, *services: VirtualService) -> tuple[Action, ...]:
    pool.kernel.table = table(services)
    return pool.do(PoolStarted(pool.kernel.table))


def web(*servers: RealServer) -> VirtualService:
    return VirtualService(HTTP, servers=servers)


def test_members_that_are_found_stay_as_they_are_until_their_first_verdict() -> None:
    pool = lab("ab", weights={"a": 5, "b": 5}, started=False)
    assert found(pool, web(server("a", 3), server("b", 0))) == (held(5),)
    assert (
        pool.explained("a")
        == "in service with weight 3: no verdict yet (ping: unknown), found in the table with weight 3"
    )
    assert pool.do(up("a")) == (apply(set_to("a", 5)), moved("a", "unknown", "up", "ping: up"))
    assert pool.do(up("b")) == (apply(set_to("b", 5)), moved("b", "unknown", "up", "ping: up"))


def test_members_that_are_found_and_fail_are_removed() -> None:
    pool = lab("ab", started=False)
    found(pool, web(server("a", 3), server("b", 0)))
    assert pool.do(down("b")) == (apply(remove("b", 0)), moved("b", "unknown", "down", "ping: down"))
    assert pool.do(down("a"))[0] == apply(remove("a", 3))


def test_members_that_are_not_found_wait_and_strangers_leave_last() -> None:
    pool = lab("abc", started=False)
    pool.do(up("a"))
    assert found(pool, web(server("b", 2), server("d"))) == (apply(add("a"), remove("d")), held(2))
    assert pool.weights == {"a": 1, "b": 2}


def test_a_weight_of_0_that_is_found_is_stronger_than_trust() -> None:
    pool = lab("ab", started=False, trust_unchecked=True)
    assert found(pool, web(server("a", 0))) == (apply(add("b")), held(1))
    assert pool.explained("a") == (
        "no new connections, weight 0: no verdict yet (ping: unknown), found in the table with weight 0"
    )
    assert pool.explained("b") == "in service with weight 1: no verdict yet (ping: unknown), trusted until then"


def test_a_member_is_found_if_one_service_has_it() -> None:
    pool = Lab(PoolConfig(services=[WEB, VirtualService(HTTPS)]))
    pool.do(MemberAdded(Member("10.1.0.1", name="a"), ["ping"]))
    assert found(pool, web(RealServer("10.1.0.1", 80, weight=0)), VirtualService(HTTPS)) == (
        apply(AddServer(HTTPS, RealServer("10.1.0.1", 443, weight=0))),
    )
    pool = Lab(PoolConfig(services=[WEB, VirtualService(HTTPS)]))
    pool.do(MemberAdded(Member("10.1.0.1", name="a"), ["ping"]))
    one, other = RealServer("10.1.0.1", 80, weight=0), RealServer("10.1.0.1", 443, weight=70000)
    found(pool, web(one), VirtualService(HTTPS, servers=[other]))
    assert pool.pool.members["a"].weight == 70000


def test_who_could_serve_is_added_before_who_served_is_set_to_0() -> None:
    pool = lab("ab", started=False, inhibit=True)
    pool.do(down("a"))
    pool.do(up("b"))
    assert found(pool, web(server("a", 1), server("b", 0))) == (
        apply(set_to("b", 1), set_to("a", 0)),
        held(1),
    )


def test_a_member_that_is_found_and_is_down_is_kept_if_need_be() -> None:
    pool = lab("ab", started=False, minimum_share=0.5)
    pool.do(down("a"))
    pool.do(down("b"))
    assert found(pool, web(server("a"), server("b"))) == (apply(remove("a")),)


def test_a_sorry_server_that_is_found_stays_if_it_is_needed() -> None:
    pool = lab("a", started=False, sorry=True)
    assert found(pool, web(server("sorry"))) == (lost(0),)
    assert pool.weights == {"sorry": 1}


def test_members_that_are_found_leave_for_a_sorry_server_if_they_are_too_few() -> None:
    pool = lab("ab", started=False, quorum=2, sorry=True)
    assert found(pool, web(server("a", 3))) == (apply(add("sorry"), remove("a", 3)), lost(1, 2))
    assert pool.explained("a") == (
        "not in service: no verdict yet (ping: unknown), found in the table with weight 3, "
        "but the quorum is lost, and the sorry server serves"
    )
    assert pool.do(up("b"))[1] == apply(add("a", 3), add("b"), remove("sorry"))


def test_what_was_found_holds_again_after_maintenance() -> None:
    pool = lab("ab", started=False)
    found(pool, web(server("a", 3), server("b")))
    pool.do(MaintenanceBegan("a"))
    assert pool.do(MaintenanceEnded("a")) == (
        apply(set_to("a", 3)),
        moved("a", "maintenance", "unknown", "maintenance ended"),
    )


def test_other_services_are_left_alone() -> None:
    pool = Pool(PoolConfig(services=WEB))
    other = VirtualService(HTTPS, servers=[server("a")])
    assert pool.handle(PoolStarted({HTTPS: other}), 0.0) == (apply(AddService(WEB)),)


def test_the_settings_that_are_found_are_put_right() -> None:
    pool = lab("a", started=False)
    old = VirtualService(HTTP, scheduler="rr", servers=[RealServer("10.1.0.1", 80, upper_threshold=7)])
    assert found(pool, old) == (apply(SetService(WEB), set_to("a", 1)), held(1))


def test_a_table_that_is_read_again_is_made_what_it_should_be() -> None:
    pool = lab("abc")
    pool.do(down("a"))
    broken: Table = {HTTP: VirtualService(HTTP, servers=[server("a"), server("b", 9)])}
    assert pool.pool.handle(PoolStarted(broken), 1.0) == (apply(add("c"), set_to("b", 1), remove("a")),)
    assert pool.pool.handle(PoolStarted(pool.pool.desired), 1.0) == ()
    assert pool.pool.members["a"].weight is None


def test_services_come_and_go_and_the_others_are_not_touched() -> None:
    pool = lab("ab")
    both = PoolConfig(services=[WEB, VirtualService(HTTPS)])
    assert pool.do(PoolReconfigured(both)) == (
        apply(AddService(VirtualService(HTTPS)), add("a", key=HTTPS), add("b", key=HTTPS)),
    )
    assert pool.do(PoolReconfigured(PoolConfig(services=VirtualService(HTTPS, scheduler="rr")))) == (
        apply(SetService(VirtualService(HTTPS, scheduler="rr")), RemoveService(HTTP)),
    )
    assert pool.do(PoolReconfigured(pool.pool.config)) == ()


def test_a_sorry_server_may_move() -> None:
    pool = lab("a", sorry=True)
    pool.do(down("a"))
    other = PoolConfig(services=WEB, sorry_server=Member("10.1.0.10", 80))
    assert pool.do(PoolReconfigured(other)) == (apply(AddServer(HTTP, server("j")), remove("sorry")),)


def test_inhibit_and_trust_may_be_turned_on_and_off() -> None:
    pool = lab("ab")
    pool.do(down("a"))
    pool.do(MemberAdded(member("c"), ["ping"]))
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, inhibit=True))) == (apply(add("a", 0), add("c", 0)),)
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, trust_unchecked=True))) == (
        apply(set_to("c", 1), remove("a", 0)),
    )
    assert pool.pool.live_weight == 2
    assert pool.do(PoolReconfigured(PoolConfig(services=WEB, sorry_server=SORRY))) == (apply(remove("c")),)


def test_settings_may_change_before_the_start() -> None:
    pool = lab("a", started=False)
    assert pool.do(PoolReconfigured(PoolConfig(services=VirtualService(HTTPS)))) == ()
    pool.do(up("a"))
    assert pool.do(PoolStarted({})) == (apply(AddService(VirtualService(HTTPS)), add("a", key=HTTPS)), held(1))


def test_a_service_may_be_a_firewall_mark() -> None:
    mark = FirewallMark(7)
    pool = Lab(PoolConfig(services=VirtualService(mark)))
    pool.do(PoolStarted({}))
    there = RealServer("10.1.0.1", 0, forwarding=Forwarding.DIRECT)
    assert pool.do(MemberAdded(Member("10.1.0.1", forwarding=Forwarding.DIRECT)))[0] == apply(AddServer(mark, there))


@pytest.mark.parametrize(("count", "first"), [(2, "none"), (1, "mh")])
def test_a_scheduler_that_builds_a_map_is_set_when_all_are_there(count: int, first: str) -> None:
    pool = lab("ab"[:count], services=[VirtualService(HTTP, scheduler="mh")], started=False)
    for name in "ab"[:count]:
        pool.do(up(name))
    (applied, _news) = pool.do(PoolStarted({}))
    assert str(applied).startswith(
        f"Apply(operations=(AddService(service=VirtualService(key={HTTP!r}, scheduler='{first}'"
    )


def test_wishes_for_the_weight_do_not_matter_to_what_was_found() -> None:
    pool = lab("a", weights={"a": 5}, started=False)
    found(pool, web(server("a", 3)))
    assert pool.do(CheckChanged("a", "ping", None, 9)) == ()
    assert pool.pool.live_weight == 9
    assert pool.do(CheckChanged("a", "ping", True, 9))[0] == apply(set_to("a", 9))


def test_a_port_of_all_packets_serves_like_any_other() -> None:
    every = Endpoint("tcp", "192.0.2.10", 0)
    pool = Lab(PoolConfig(services=VirtualService(every, persistence=300)))
    pool.do(PoolStarted({}))
    pool.do(MemberAdded(Member("10.1.0.1")))
    there = RealServer("10.1.0.1", 0)
    assert pool.do(MaintenanceBegan("10.1.0.1"))[1] == moved("10.1.0.1", "up", "maintenance", "maintenance began")
    assert pool.kernel.table[every].servers == (RealServer("10.1.0.1", 0, weight=0),)
    assert RemoveServer(every, there).server.place == (there.address, 0)
