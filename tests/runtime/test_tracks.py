"""What a router tracks: priority, causes of fault, and run-time control."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.test_router import Lab, virtually
from vrrpkit import ConfigError, ElectionConfig, Reason, State, VirtualRouter
from vrrpkit.errors import ConfigWarning
from vrrpkit.runtime import Notice, PriorityMoved
from vrrpkit.trackers import RouterTracker, Tracked, Tracker
from vrrpkit.tracking import Level


def tracking(lab: Lab, *tracks: Tracker | Tracked, **settings: Any) -> VirtualRouter:
    config = ElectionConfig(vrid=1, addresses=["192.0.2.100"], **settings)
    return VirtualRouter(
        config,
        transport=lab.lan.attach(1, "192.0.2.1"),
        addresses=lab.addresses,
        announcer=lab.announcer,
        tracks=tracks,
    )


def flag(name: str, reading: bool | Level | None, weight: int = 0) -> Tracker:
    tracker = Tracker(name, weight=weight)
    tracker.report(reading)
    return tracker


class Notes:
    """A notifier that remembers."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)


def test_a_weight_counts_from_the_first_advertisement_on() -> None:
    async def scenario(lab: Lab) -> None:
        wire: list[int] = []
        lab.lan.listen(lambda datagram: wire.append(datagram.payload[2]))
        async with tracking(lab, flag("haproxy", True, 2), priority=50) as router:
            await router.until(State.ACTIVE)
            assert wire == [52]
            assert router.standing.explanation == "priority 52 = 50 +2 (haproxy up)"

    virtually(scenario)


def test_a_weight_moves_the_pending_deadline_and_is_told() -> None:
    async def scenario(lab: Lab) -> None:
        notes = Notes()
        check = flag("haproxy", True, -28)
        async with tracking(lab, check, priority=228) as router:
            router.notify(notes)
            await asyncio.sleep(1)
            check.report(False)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert router.snapshot().deadline == 3.21875
            assert notes.notices[1:] == [
                Notice(
                    "VRID 1",
                    PriorityMoved(
                        old=228, new=200, state=State.BACKUP, explanation="priority 200 = 228 -28 (haproxy down)"
                    ),
                )
            ]

    virtually(scenario)


def test_an_unweighted_failure_is_a_fault_and_its_end_a_recovery() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("haproxy", True)
        async with tracking(lab, check) as router:
            await router.until(State.ACTIVE)
            check.report(False, "exit 1")
            assert router.state is State.FAULT
            change = await router.until(State.FAULT)
            assert change.reason is Reason.FAULT
            assert change.causes == {"track:haproxy"}
            assert lab.addresses.held == []
            check.report(True)
            assert (await router.until(State.BACKUP)).reason is Reason.RECOVERED

    virtually(scenario)


def test_a_router_waits_for_the_first_verdict_of_an_unweighted_track() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("haproxy", None)
        async with tracking(lab, check) as router:
            assert (await router.until(State.FAULT)).causes == {"waiting:haproxy"}
            check.report(False)
            assert router.snapshot().causes == {"track:haproxy"}
            check.report(True)
            assert router.state is State.BACKUP

    virtually(scenario)


def test_an_owner_advertises_nothing_before_its_tracks_are_known() -> None:
    async def scenario(lab: Lab) -> None:
        wire: list[int] = []
        lab.lan.listen(lambda datagram: wire.append(datagram.payload[2]))
        check = flag("haproxy", None)
        async with tracking(lab, check, priority=255) as router:
            await asyncio.sleep(5)
            assert wire == []
            check.report(True)
            assert router.state is State.ACTIVE
            assert wire == [255]

    virtually(scenario)


def test_a_weighted_track_that_is_not_known_holds_nothing_up() -> None:
    async def scenario(lab: Lab) -> None:
        async with tracking(lab, flag("haproxy", None, 10)) as router:
            assert (router.state, router.standing.priority) == (State.BACKUP, 100)

    virtually(scenario)


def test_the_track_has_its_own_weight_over_the_trackers() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("haproxy", True, 2)
        async with tracking(lab, check.weighing(30)) as router:
            assert router.standing.priority == 130
            assert router.tracks["haproxy"].track.weight == 30

    virtually(scenario)


def test_one_tracker_serves_many_routers() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("haproxy", True, -10)
        async with tracking(lab, check) as one:
            other = VirtualRouter(
                ElectionConfig(vrid=2, addresses=["192.0.2.101"]),
                transport=lab.lan.attach(2, "192.0.2.1", name="two"),
                addresses=lab.addresses,
                announcer=lab.announcer,
                tracks=[check.weighing(-40)],
            )
            async with other:
                check.report(False)
                assert (one.standing.priority, other.standing.priority) == (90, 60)

    virtually(scenario)


def test_tracks_come_go_and_change_weight_while_the_state_stays() -> None:
    async def scenario(lab: Lab) -> None:
        async with tracking(lab) as router:
            await router.until(State.ACTIVE)
            disk = flag("disk", False, -20)
            router.track(disk)
            assert router.standing.priority == 80
            router.set_weight("disk", -30)
            assert router.standing.priority == 70
            router.set_weight("disk", -30, reverse=True)
            assert router.standing.priority == 130
            router.untrack("disk")
            assert router.standing.priority == 100
            disk.report(True)
            router.set_priority(150)
            assert (router.standing.priority, router.config.priority, router.state) == (150, 150, State.ACTIVE)

    virtually(scenario)


def test_a_weight_of_0_turns_a_failure_into_a_fault_and_back() -> None:
    async def scenario(lab: Lab) -> None:
        async with tracking(lab, flag("disk", False, -20)) as router:
            router.set_weight("disk", 0)
            assert (router.state, router.standing.priority) == (State.FAULT, 100)
            router.set_weight("disk", -20)
            assert (router.state, router.standing.priority) == (State.BACKUP, 80)

    virtually(scenario)


def test_another_configured_priority_keeps_the_weights_also_in_the_advertisement_that_tells_it() -> None:
    async def scenario(lab: Lab) -> None:
        wire: list[int] = []
        lab.lan.listen(lambda datagram: wire.append(datagram.payload[2]))
        async with tracking(lab, flag("haproxy", True, 2), priority=50) as router:
            await router.until(State.ACTIVE)
            router.set_priority(100)
            assert wire == [52, 102]

    virtually(scenario)


def test_names_must_be_known_and_new() -> None:
    async def scenario(lab: Lab) -> None:
        async with tracking(lab, flag("disk", True)) as router:
            with pytest.raises(ConfigError, match=r"name of a track must be new to VRID 1, got 'disk' again"):
                router.track(flag("disk", True))
            text = r"name of a track must be one that VRID 1 has \(disk\), got 'disc'"
            with pytest.raises(ConfigError, match=text):
                router.untrack("disc")
            with pytest.raises(ConfigError, match=text):
                router.set_weight("disc", 1)
            with pytest.raises(ConfigError, match="weight must be -253 to 253"):
                router.set_weight("disk", 254)

    virtually(scenario)


def test_a_router_that_cannot_be_made_watches_nothing() -> None:
    async def scenario(lab: Lab) -> None:
        check = flag("disk", True)
        with pytest.raises(ConfigError, match="again"):
            tracking(lab, check, check)
        assert not check._watchers  # noqa: SLF001 - what must not be left behind

    virtually(scenario)


def test_weights_with_nopreempt_are_warned_of() -> None:
    async def scenario(lab: Lab) -> None:
        text = (
            r"weight 2 of haproxy with preempt=False: a higher priority will not make VRID 1 take over; "
            "weight 0 makes the failure a fault instead"
        )
        with pytest.warns(ConfigWarning, match=text):
            tracking(lab, flag("haproxy", True, 2), preempt=False)

    virtually(scenario)


def test_weights_of_an_owner_are_warned_of_and_change_nothing() -> None:
    async def scenario(lab: Lab) -> None:
        with pytest.warns(ConfigWarning, match=r"weight -2 of haproxy changes nothing: VRID 1 owns its addresses"):
            router = tracking(lab, flag("haproxy", False, -2), priority=255)
        async with router:
            assert (router.state, router.snapshot().priority) == (State.ACTIVE, 255)

    virtually(scenario)


def test_the_snapshot_lists_every_track() -> None:
    async def scenario(lab: Lab) -> None:
        haproxy = flag("haproxy", True, 2)
        haproxy.report(True, "exit 0")
        haproxy.pause()
        async with tracking(lab, haproxy, flag("uplink", False), priority=50) as router:
            told = router.snapshot().to_dict()
            assert told["standing"] == "priority 52 = 50 +2 (haproxy up) fault (uplink down)"
            assert told["tracks"] == [
                {
                    "name": "haproxy",
                    "weight": 2,
                    "reverse": False,
                    "reading": "up",
                    "detail": "exit 0 (paused)",
                    "points": 2,
                    "cause": None,
                },
                {
                    "name": "uplink",
                    "weight": 0,
                    "reverse": False,
                    "reading": "down",
                    "detail": "",
                    "points": 0,
                    "cause": "track:uplink",
                },
            ]

    virtually(scenario)


def test_another_routers_state_can_be_tracked() -> None:
    async def scenario(lab: Lab) -> None:
        async with tracking(lab) as first, RouterTracker(first, name="first") as state:
            assert (state.reading, state.detail) == (False, "backup")
            await first.until(State.ACTIVE)
            await asyncio.sleep(0)
            assert state.reading is True
            second = VirtualRouter(
                ElectionConfig(vrid=2, addresses=["192.0.2.101"]),
                transport=lab.lan.attach(2, "192.0.2.1", name="two"),
                addresses=lab.addresses,
                announcer=lab.announcer,
                tracks=[state],
            )
            async with second:
                assert second.state is State.BACKUP
                first.stay_away()
                await second.until(State.FAULT)
                assert second.snapshot().causes == {"track:first"}

    virtually(scenario)


def test_settings_that_make_a_weight_a_trap_are_warned_of_later_too() -> None:
    async def scenario(lab: Lab) -> None:
        router = tracking(lab, flag("haproxy", True), preempt=False)
        with pytest.warns(ConfigWarning, match=r"weight 5 of haproxy with preempt=False"):
            router.set_weight("haproxy", 5)
        with pytest.warns(ConfigWarning, match=r"weight 5 of haproxy changes nothing"):
            router.set_priority(255)

    virtually(scenario)


def test_a_first_verdict_can_be_waited_for() -> None:
    async def scenario(_lab: Lab) -> None:
        check = Tracker("haproxy")
        asyncio.get_running_loop().call_later(2, check.report, False)
        assert await check.known() is False
        assert asyncio.get_running_loop().time() == 2.0
        assert await check.known() is False
        async with Tracker("never") as other:
            waiting = asyncio.ensure_future(other.known())
            await asyncio.sleep(1)
        assert await waiting is None

    virtually(scenario)
