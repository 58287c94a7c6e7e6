"""From any table to any other, by a model of the kernel."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.ipvs.strategies import successors, tables
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    Endpoint,
    Operation,
    RealServer,
    RemoveServer,
    RemoveService,
    SchedulerFlags,
    SetServer,
    SetService,
    Table,
    VirtualService,
    plan,
    table,
)
from vrrpkit.testing import FakeServices

KEY: Final = Endpoint("tcp", "192.0.2.10", 80)
OTHER: Final = Endpoint("udp", "192.0.2.10", 53)
A, B, C = (RealServer(f"10.1.0.{number}", 80) for number in (1, 2, 3))


def carried_out(operations: tuple[Operation, ...], start: Table) -> FakeServices:
    kernel = FakeServices(start)
    assert [kernel.carry_out(operation) for operation in operations] == [0] * len(operations)
    return kernel


@given(tables(), tables())
def test_a_plan_makes_one_table_of_the_other(current: Table, desired: Table) -> None:
    operations = plan(current, desired)
    assert carried_out(operations, current).table == desired
    assert plan(desired, desired) == ()


@given(st.data(), tables())
def test_a_plan_changes_only_what_is_not_as_it_should_be(data: st.DataObject, current: Table) -> None:
    desired = data.draw(successors(current))
    kernel = FakeServices(current)
    for step in plan(current, desired):
        before = kernel.table
        assert kernel.carry_out(step) == 0
        assert kernel.table != before
    assert kernel.table == desired


@given(tables(), tables())
def test_a_plan_can_be_carried_out_twice(current: Table, desired: Table) -> None:
    kernel = FakeServices(current)
    operations = plan(current, desired)
    asyncio.run(kernel.apply(operations))
    asyncio.run(kernel.apply(operations))
    assert kernel.table == desired


@given(tables(), tables())
def test_a_plan_adds_before_it_removes(current: Table, desired: Table) -> None:
    operations = plan(current, desired)
    for key in {*current, *desired}:
        mine = [number for number, operation in enumerate(operations) if concerns(operation, key)]
        kinds = [type(operations[number]) for number in mine]
        servers = [kind for kind in kinds if kind not in {AddService, SetService, RemoveService}]
        assert servers == sorted(servers, key=[AddServer, SetServer, RemoveServer].index)
    gone = [isinstance(operation, RemoveService) for operation in operations]
    assert gone == sorted(gone)


def concerns(operation: Operation, key: object) -> bool:
    return (operation.service.key if isinstance(operation, AddService | SetService) else operation.key) == key


@given(tables(), tables())
def test_equal_tables_make_equal_plans(current: Table, desired: Table) -> None:
    same_current = {key: current[key] for key in sorted(current, key=str)}
    same_desired = table(evolve(service, servers=reversed(service.servers)) for service in desired.values())
    assert plan(same_current, same_desired) == (
        *(step for step in plan(current, desired) if not isinstance(step, RemoveService)),
        *(RemoveService(key) for key in same_current if key not in desired),
    )


@given(tables(), tables())
def test_a_plan_touches_only_what_differs(current: Table, desired: Table) -> None:
    same = {key for key in current if desired.get(key) == current[key]}
    assert not [step for step in plan(current, desired) for key in same if concerns(step, key)]


def test_a_service_and_its_servers_are_added_in_order() -> None:
    web = VirtualService(KEY, servers=[B, A])
    assert plan({}, table([web])) == (
        AddService(VirtualService(KEY)),
        AddServer(KEY, A),
        AddServer(KEY, B),
    )


def test_growth_comes_before_change_and_change_before_removal() -> None:
    before = VirtualService(KEY, servers=[A, B])
    heavier = evolve(B, weight=7)
    after = VirtualService(KEY, scheduler="rr", servers=[heavier, C])
    dns = VirtualService(OTHER)
    assert plan(table([dns, before]), table([after])) == (
        SetService(VirtualService(KEY, scheduler="rr")),
        AddServer(KEY, C),
        SetServer(KEY, heavier),
        RemoveServer(KEY, A),
        RemoveService(OTHER),
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"scheduler": "rr"},
        {"flags": SchedulerFlags.FLAG_1},
        {"persistence": 61},
        {"persistence_prefix": 24},
        {"persistence_engine": None},
        {"one_packet": True},
    ],
)
def test_each_setting_is_set_in_place_and_servers_are_left_alone(settings: dict[str, Any]) -> None:
    before = VirtualService(OTHER, persistence=60, persistence_engine="sip", servers=[A, B])
    after = evolve(before, **settings)
    assert plan(table([before]), table([after])) == (SetService(evolve(after, servers=())),)


def test_servers_that_stay_are_left_alone() -> None:
    before, after = VirtualService(KEY, servers=[A, B]), VirtualService(KEY, servers=[A, C])
    assert plan(table([before]), table([after])) == (AddServer(KEY, C), RemoveServer(KEY, B))


def test_a_service_whose_scheduler_builds_a_map_is_filled_first() -> None:
    web = VirtualService(KEY, scheduler="mh", flags=SchedulerFlags.PORT, servers=[A, B])
    assert plan({}, table([web])) == (
        AddService(VirtualService(KEY, scheduler="none")),
        AddServer(KEY, A),
        AddServer(KEY, B),
        SetService(VirtualService(KEY, scheduler="mh", flags=SchedulerFlags.PORT)),
    )


def test_a_map_of_one_server_is_built_at_once() -> None:
    web = VirtualService(KEY, scheduler="mh", servers=[A])
    assert plan({}, table([web])) == (AddService(VirtualService(KEY, scheduler="mh")), AddServer(KEY, A))
