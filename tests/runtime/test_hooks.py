"""Hooks around the coming and going of addresses, and the order of news."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from tests.runtime.test_router import Lab, now, virtually
from tests.runtime.test_tracks import Notes
from vrrpkit import ConfigError, State, StateChanged, VirtualRouter
from vrrpkit.runtime import Hook, LoserHeard, Moment, Notice


def record(router: VirtualRouter, lab: Lab) -> list[str]:
    """Let every moment write down what the kernel holds then."""
    told: list[str] = []

    def at(moment: Moment) -> Hook:
        async def hook(change: StateChanged) -> None:
            told.append(f"{moment}: {change.old} -> {change.new}, held {[str(one) for one in lab.addresses.held]}")

        return hook

    for moment in Moment:
        router.hook(moment, at(moment))
    return told


def test_hooks_run_before_and_after_the_addresses_come_and_go() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router() as router:
            told = record(router, lab)
            await router.until(State.ACTIVE)
            assert told == [
                "before-adding: backup -> active, held []",
                "after-adding: backup -> active, held ['192.0.2.100']",
            ]
            told.clear()
            router.step_down()
            await router.until(State.BACKUP)
            assert told == [
                "before-removing: active -> backup, held ['192.0.2.100']",
                "after-removing: active -> backup, held []",
            ]

    virtually(scenario)


def test_hooks_run_at_the_end_too() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:
            told = record(router, lab)
            await asyncio.sleep(1)
        assert told[-2:] == [
            "before-removing: active -> initialize, held ['192.0.2.100']",
            "after-removing: active -> initialize, held []",
        ]

    virtually(scenario)


def test_a_hook_that_hangs_is_bounded_and_delays_no_advertisement(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router() as router:

            async def hang(_change: StateChanged) -> None:
                await asyncio.sleep(3600)

            router.hook(Moment.BEFORE_ADDING, hang, timeout=2.5)
            await asyncio.sleep(6)
            assert lab.addresses.held == []
            assert [at for at, _priority in lab.wire] == [3.609375, 4.609375, 5.609375]
            await asyncio.sleep(0.2)
            assert len(lab.addresses.held) == 1
        assert [record.message.split(" the hook ")[0] for record in caplog.records] == ["VRID 1:"]
        assert caplog.messages[0].endswith("hang at before-adding took longer than 2.5 s and was cancelled")

    virtually(scenario)


def test_a_hook_that_ignores_its_cancellation_is_left_alone() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:

            async def stubborn(_change: StateChanged) -> None:
                while True:
                    try:
                        await asyncio.sleep(20)
                    except asyncio.CancelledError:
                        await asyncio.sleep(20)
                        return

            router.hook(Moment.AFTER_ADDING, stubborn, timeout=1)
            assert (await router.until(State.ACTIVE)).new is State.ACTIVE
            assert now() == 1.0

    virtually(scenario)


def test_a_hook_that_fails_is_logged_and_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:

            async def fail(_change: StateChanged) -> None:
                raise ValueError("no such cloud")

            router.hook(Moment.BEFORE_ADDING, fail)
            await router.until(State.ACTIVE)
            assert len(lab.addresses.held) == 1
        (complaint,) = caplog.records
        assert (complaint.levelno, complaint.name) == (logging.ERROR, "vrrpkit.hooks")
        assert complaint.exc_info is not None

    virtually(scenario)


def test_addresses_are_not_added_when_active_was_lost_during_the_hook() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:

            async def lose(_change: StateChanged) -> None:
                router.stay_away()

            router.hook(Moment.BEFORE_ADDING, lose)
            assert (await router.until(State.FAULT)).causes == {"operator"}
            assert lab.addresses.log == []

    virtually(scenario)


def test_no_hook_runs_after_adding_what_the_kernel_has_refused() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:
            told = record(router, lab)
            lab.addresses.refuse(errno.EACCES)
            await router.until(State.FAULT)
            assert [line.partition(":")[0] for line in told] == ["before-adding", "before-removing", "after-removing"]

    virtually(scenario)


def test_hooks_of_a_moment_run_in_order_until_they_are_stopped() -> None:
    async def scenario(lab: Lab) -> None:
        told: list[str] = []

        def write(text: str) -> Hook:
            async def hook(_change: StateChanged) -> None:
                told.append(text)

            return hook

        async with lab.router(priority=255) as router:
            router.hook(Moment.AFTER_ADDING, write("one"))
            router.hook(Moment.AFTER_ADDING, write("two"))
            stop = router.hook(Moment.AFTER_ADDING, write("three"))
            stop()
            stop()
            await router.until(State.ACTIVE)
            assert told == ["one", "two"]

    virtually(scenario)


def test_the_time_allowed_is_checked() -> None:
    async def scenario(lab: Lab) -> None:
        async def hook(_change: StateChanged) -> None:
            pass

        with pytest.raises(ConfigError, match=r"timeout must be 0\.001-3600 seconds, got 0"):
            lab.router().hook(Moment.AFTER_ADDING, hook, timeout=0)

    virtually(scenario)


def test_notifiers_hear_every_change_in_order_once_its_addresses_are_dealt_with() -> None:
    async def scenario(lab: Lab) -> None:
        notes = Notes()
        async with lab.router(priority=255) as router:
            stop = router.notify(notes)
            router.stay_away()
            router.come_back()
            await asyncio.sleep(1)
            stop()
        states = [notice.news.new for notice in notes.notices if isinstance(notice.news, StateChanged)]
        assert states == [State.ACTIVE, State.FAULT, State.ACTIVE]
        assert {notice.name for notice in notes.notices} == {"VRID 1"}

    virtually(scenario)


def test_a_notifier_with_a_defect_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(lab: Lab) -> None:
        class Broken:
            def tell(self, notice: Notice) -> None:
                raise ValueError(notice.name)

        notes = Notes()
        async with lab.router(priority=255) as router:
            router.notify(Broken())
            router.notify(notes)
            await router.until(State.ACTIVE)
        assert len(notes.notices) == 2
        assert {record.name for record in caplog.records} == {"vrrpkit.notify"}

    virtually(scenario)


def test_losers_are_told_one_at_a_time() -> None:
    async def scenario(lab: Lab) -> None:
        notes = Notes()
        async with lab.router(priority=200) as router:
            await router.until(State.ACTIVE)
            router.notify(notes)
            for _ in range(100):
                lab.hear(50)
            await asyncio.sleep(0.5)
            losers = [notice.news for notice in notes.notices if isinstance(notice.news, LoserHeard)]
            assert 1 <= len(losers) <= 2
            assert (losers[0].heard, losers[0].priority, str(losers[0].source)) == (50, 200, "192.0.2.9")

    virtually(scenario)
