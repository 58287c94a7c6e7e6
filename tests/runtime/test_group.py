"""Sync groups at run time: members, tracks, news and control."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from tests.runtime.test_router import Lab, virtually
from tests.runtime.test_tracks import Notes, flag
from vrrpkit import ConfigError, ElectionConfig, Reason, State, StateChanged, VirtualRouter
from vrrpkit.election import FaultCleared, FaultRaised
from vrrpkit.errors import ConfigWarning
from vrrpkit.runtime import PriorityMoved, RouterGroup, shut_down
from vrrpkit.sync import GroupChanged, dual_stack
from vrrpkit.trackers import Tracked, Tracker


def member(
    lab: Lab, group: RouterGroup | None, vrid: int, *, tracks: Iterable[Tracker | Tracked] = (), **settings: Any
) -> VirtualRouter:
    """A router with VRID and address 192.0.2.100 + VRID on the one LAN, in the group from the start."""
    driver = {} if group is not None else {"driver": settings.pop("driver")}
    return VirtualRouter(
        ElectionConfig(vrid=vrid, addresses=[f"192.0.2.{100 + vrid}"], **settings),
        transport=lab.lan.attach(vrid, "192.0.2.1", name=f"{vrid}"),
        addresses=lab.addresses,
        announcer=lab.announcer,
        name=f"VI_{vrid}",
        tracks=tracks,
        group=group,
        **driver,
    )


def states(*members: VirtualRouter | RouterGroup) -> list[State]:
    return [member.state for member in members]


def causes(*routers: VirtualRouter) -> list[set[str]]:
    return [set(router.snapshot().causes) for router in routers]


def held(lab: Lab) -> list[str]:
    return sorted(map(str, lab.addresses.held))


def test_members_become_active_together_and_all_advertise_first() -> None:
    async def scenario(lab: Lab) -> None:
        wire: list[tuple[float, int, int]] = []
        lab.lan.listen(lambda seen: wire.append((asyncio.get_running_loop().time(), seen.payload[1], seen.payload[2])))
        notes = Notes()
        group = RouterGroup("VG_1", notify=[notes])
        async with member(lab, group, 1), member(lab, group, 2):
            await asyncio.sleep(2)
            assert (group.state, wire) == (State.INITIALIZE, [])
            group.start()
            change = await group.until(State.ACTIVE)
            assert wire == [(5.609375, 1, 100), (5.609375, 2, 100)]
            assert held(lab) == ["192.0.2.101", "192.0.2.102"]
            assert change == GroupChanged(
                old=State.BACKUP, new=State.ACTIVE, at=5.609375, member=None, reason=Reason.ACTIVE_SILENT
            )
            assert [notice.name for notice in notes.notices] == ["VG_1", "VG_1"]
        assert held(lab) == []
        group.close()

    virtually(scenario)


def test_a_member_in_fault_takes_the_others_along_and_back() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        async with member(lab, group, 1) as one, member(lab, group, 2) as two:
            group.start()
            await group.until(State.ACTIVE)
            one.post(FaultRaised("link:eth0"))
            await group.until(State.FAULT)
            assert causes(one, two) == [{"link:eth0"}, {"sync:VI_1"}]
            assert held(lab) == []
            one.post(FaultCleared("link:eth0"))
            assert (one.state, two.state, group.state) == (State.BACKUP, State.BACKUP, State.BACKUP)
        group.close()

    virtually(scenario)


def test_the_group_tells_its_change_after_every_member_has_told_its_own() -> None:
    async def scenario(lab: Lab) -> None:
        order = Notes()
        group = RouterGroup("VG_1", notify=[order])
        one, two = member(lab, group, 1), member(lab, group, 2)
        for router in (one, two):
            router.notify(order)
        async with one, two:
            group.start()
            await group.until(State.ACTIVE)
            told = [
                (note.name, note.news.new)
                for note in order.notices
                if isinstance(note.news, StateChanged | GroupChanged)
            ]
            assert told == [
                ("VI_1", State.BACKUP),
                ("VI_2", State.BACKUP),
                ("VG_1", State.BACKUP),
                ("VI_1", State.ACTIVE),
                ("VI_2", State.ACTIVE),
                ("VG_1", State.ACTIVE),
            ]
        group.close()

    virtually(scenario)


def test_weights_of_the_group_and_of_its_members_add_up_for_all_and_count_once() -> None:
    async def scenario(lab: Lab) -> None:
        common, shared, own = flag("disk", False, -30), flag("haproxy", True, 2), flag("dns", True, 5)
        group = RouterGroup("VG_1", tracks=[common, shared.weighing(10)])
        async with member(lab, group, 1, tracks=[shared]) as one, member(lab, group, 2, tracks=[own]) as two:
            group.start()
            assert group.standing.explanation == "priority 85 = 100 -30 (disk down) +10 (haproxy up) +5 (dns up)"
            assert (one.snapshot().priority, two.snapshot().priority) == (85, 85)
            assert one.standing == group.standing
            common.report(True)
            assert (one.snapshot().priority, two.snapshot().priority) == (115, 115)
            two.set_weight("dns", 20)
            group.untrack("haproxy")
            assert (one.snapshot().priority, two.snapshot().priority) == (122, 122)
            group.set_weight("disk", -1)
            assert group.standing.priority == 122
        group.close()

    virtually(scenario)


def test_a_track_of_the_group_is_a_fault_of_each_member_in_its_own_right() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("haproxy", True)
        group = RouterGroup("VG_1", tracks=[check])
        async with member(lab, group, 1) as one, member(lab, group, 2, tracks=[check]) as two:
            group.start()
            check.report(False)
            assert causes(one, two) == [{"track:haproxy"}, {"track:haproxy"}]
            group.untrack("haproxy")
            assert causes(one, two) == [{"sync:VI_2"}, {"track:haproxy"}]
            check.report(True)
            assert group.state is State.BACKUP
        group.close()

    virtually(scenario)


def test_a_group_starts_in_fault_when_one_of_its_owners_is() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        check = flag("haproxy", None)
        async with member(lab, group, 1, priority=255), member(lab, group, 2, priority=255, tracks=[check]):
            lab.wire.clear()
            group.start()
            assert states(group) == [State.FAULT]
            check.report(True)
            assert states(group) == [State.ACTIVE]
        group.close()

    virtually(scenario)


def test_the_operators_wishes_concern_the_whole_group() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        async with member(lab, group, 1) as one, member(lab, group, 2) as two:
            group.start()
            await group.until(State.ACTIVE)
            two.step_down()
            assert (one.state, two.state) == (State.BACKUP, State.BACKUP)
            group.stay_away()
            assert causes(one, two) == [{"operator"}, {"operator"}]
            one.come_back()
            assert group.state is State.BACKUP
            group.set_priority(150)
            assert (one.config.priority, two.snapshot().priority) == (150, 150)
            two.set_priority(90)
            assert (one.snapshot().priority, group.standing.priority) == (90, 90)
        group.close()

    virtually(scenario)


def test_a_member_joins_an_active_group_as_active_and_leaves_it_as_it_is() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        async with member(lab, group, 1) as one:
            group.start()
            await group.until(State.ACTIVE)
            async with member(lab, None, 2, driver=group.driver) as two:
                assert two.state is State.BACKUP
                two.join(group)
                assert (two.state, two.group, group.members) == (State.ACTIVE, group, ("VI_1", "VI_2"))
                await two.until(State.ACTIVE)
                two.leave()
                assert (two.state, two.group, group.members) == (State.ACTIVE, None, ("VI_1",))
                one.stay_away()
                assert (one.state, two.state) == (State.FAULT, State.ACTIVE)
        group.close()

    virtually(scenario)


def test_closing_one_member_leaves_the_others_active() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        async with member(lab, group, 1) as one:
            async with member(lab, group, 2):
                group.start()
                await group.until(State.ACTIVE)
            assert (one.state, held(lab)) == (State.ACTIVE, ["192.0.2.101"])
        group.close()

    virtually(scenario)


def test_a_member_that_is_closed_in_fault_holds_the_others_no_longer() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        async with member(lab, group, 1) as one:
            async with member(lab, group, 2) as two:
                group.start()
                two.post(FaultRaised("link:eth1"))
                assert states(one) == [State.FAULT]
            assert states(one) == [State.BACKUP]
        group.close()

    virtually(scenario)


def test_shutting_the_group_down_resigns_on_all_links_first() -> None:
    async def scenario(lab: Lab) -> None:
        notes = Notes()
        group = RouterGroup("VG_1", notify=[notes])
        one, two = member(lab, group, 1), member(lab, group, 2)
        one.start()
        two.start()
        group.start()
        await group.until(State.ACTIVE)
        group.shut_down()
        await shut_down(one, two)
        assert notes.notices[-1].news == GroupChanged(
            old=State.ACTIVE, new=State.INITIALIZE, at=3.609375, member=None, reason=Reason.SHUTDOWN
        )
        group.close()

    virtually(scenario)


def test_what_does_not_fit_is_refused() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1")
        one = member(lab, group, 1)
        with pytest.raises(ConfigError, match="VI_1 must be in one sync group, and is in VG_1 already"):
            one.join(RouterGroup("VG_2", driver=group.driver))
        with pytest.raises(ConfigError, match="priority must be"):
            member(lab, group, 2, priority=150)
        with pytest.raises(ConfigError, match="255"):
            member(lab, group, 3, priority=255)
        assert group.members == ("VI_1",)
        stranger = member(lab, None, 4, driver=None)
        with pytest.raises(ConfigError, match="driver of VI_4 must be the one of VG_1"):
            stranger.join(group)
        with pytest.raises(ConfigError, match="VI_4 must be in a sync group to leave it"):
            stranger.leave()
        with pytest.raises(ConfigError, match="priority must be 1-255"):
            group.set_priority(256)

    virtually(scenario)


def test_a_dual_stack_router_is_a_group_of_two() -> None:
    four, six = dual_stack(vrid=7, addresses=["192.0.2.10", "fe80::10", "2001:db8::10"], priority=150)
    assert four == ElectionConfig(vrid=7, addresses=["192.0.2.10"], priority=150)
    assert six == ElectionConfig(vrid=7, addresses=["fe80::10", "2001:db8::10"], priority=150)


def test_joining_tells_no_priority_that_nobody_had_before() -> None:
    async def scenario(lab: Lab) -> None:
        notes = Notes()
        group = RouterGroup("VG_1")
        one = member(lab, group, 1, priority=150)
        one.notify(notes)
        async with one:
            group.start()
            await group.until(State.BACKUP)
            assert [note.news for note in notes.notices if isinstance(note.news, PriorityMoved)] == []
        group.close()

    virtually(scenario)


def test_a_group_whose_members_are_closed_one_by_one_is_shut_down_with_the_last() -> None:
    async def scenario(lab: Lab) -> None:
        order = Notes()
        group = RouterGroup("VG_1", notify=[order])
        one, two = member(lab, group, 1), member(lab, group, 2)
        one.notify(order)
        async with one:
            async with two:
                group.start()
                await group.until(State.ACTIVE)
            order.notices.clear()
        changes = [(note.name, note.news) for note in order.notices]
        assert [(name, news.reason) for name, news in changes if isinstance(news, StateChanged | GroupChanged)] == [
            ("VI_1", Reason.SHUTDOWN),
            ("VG_1", Reason.SHUTDOWN),
        ]
        group.close()

    virtually(scenario)


def test_weights_of_a_group_are_warned_of_when_a_member_makes_them_a_trap() -> None:
    async def scenario(lab: Lab) -> None:
        group = RouterGroup("VG_1", tracks=[flag("haproxy", True, 5)])
        with pytest.warns(ConfigWarning, match=r"weight 5 of haproxy with preempt=False"):
            member(lab, group, 1, preempt=False)

    virtually(scenario)
