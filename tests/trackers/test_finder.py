"""What trackers share: delays, opening once, and machines for looking again."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack

import pytest

from tests.linux.support import LOOPS, eventually, run
from tests.trackers.support import nothing_left, told
from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.linux._inquiry import Inquiry
from vrrpkit.linux._rhythm import Beat, BeatDue, Begun, Ended, Rhythm
from vrrpkit.linux._second_look import Hinted, Look, LookDue, SecondLook
from vrrpkit.runtime import Driver
from vrrpkit.testing import run_virtual
from vrrpkit.trackers import Tracker, TrackerNews
from vrrpkit.trackers._address import AddressTracker
from vrrpkit.trackers._file import FileTracker
from vrrpkit.trackers._finder import SettlingFinder, check_interface
from vrrpkit.trackers._interface import InterfaceTracker
from vrrpkit.trackers._process import ProcessTracker
from vrrpkit.trackers._route import RouteTracker

# Delays ---------------------------------------------------------------------------------------------------------------


class Lamp(SettlingFinder):
    """A tracker of what the test says."""

    def __init__(self, *, up_delay: float = 0.0, down_delay: float = 0.0, driver: Driver | None = None) -> None:
        super().__init__("lamp", weight=0, reverse=False, up_delay=up_delay, down_delay=down_delay, driver=driver)

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await super()._open(driver, stack)
        self.show(False, "off")

    def show(self, up: bool, why: str) -> None:
        self._observe(up, why)


def test_what_is_found_first_is_believed_at_once() -> None:
    async def scenario() -> None:
        async with Lamp(up_delay=10, down_delay=10) as lamp:
            assert told(lamp) == (False, "off")

    run_virtual(scenario())


def test_a_change_is_believed_once_it_has_lasted() -> None:
    async def scenario() -> None:
        async with Lamp(up_delay=2, down_delay=5) as lamp:
            lamp.show(True, "on")
            await asyncio.sleep(1.9)
            assert told(lamp) == (False, "off")
            await asyncio.sleep(0.2)
            assert told(lamp) == (True, "on")
            lamp.show(False, "off again")
            await asyncio.sleep(4.9)
            assert told(lamp) == (True, "on")
            await asyncio.sleep(0.2)
            assert told(lamp) == (False, "off again")

    run_virtual(scenario())


def test_what_did_not_last_is_not_reported() -> None:
    async def scenario() -> None:
        async with Lamp(up_delay=2) as lamp:
            lamp.show(True, "on")
            await asyncio.sleep(1)
            lamp.show(False, "off after all")
            await asyncio.sleep(10)
            assert told(lamp) == (False, "off after all")

    run_virtual(scenario())


def test_the_reason_is_the_latest_one() -> None:
    async def scenario() -> None:
        async with Lamp(up_delay=2) as lamp:
            lamp.show(True, "dim")
            await asyncio.sleep(1)
            lamp.show(True, "bright")
            await asyncio.sleep(1.5)
            assert told(lamp) == (True, "bright")
            lamp.show(True, "dim")
            assert told(lamp) == (True, "dim")

    run_virtual(scenario())


def test_a_closed_tracker_ends_its_changes_and_believes_nothing_more() -> None:
    async def scenario() -> list[TrackerNews]:
        async with Lamp(up_delay=2) as lamp:
            lamp.show(True, "on")
        await asyncio.sleep(10)
        lamp.show(True, "on")
        assert told(lamp) == (False, "off")
        return [news async for news in lamp.changes()]

    assert run_virtual(scenario()) == [TrackerNews("lamp", False, "off")]


def test_trackers_can_share_a_clock_that_they_leave_alone() -> None:
    async def scenario() -> None:
        driver = Driver()
        async with Lamp(up_delay=2, driver=driver) as first:
            async with Lamp(up_delay=3, driver=driver) as second:
                second.show(True, "on")
                first.show(True, "on")
            await asyncio.sleep(5)
            assert (first.reading, second.reading) == (True, False)
        driver.close()

    run_virtual(scenario())


def test_a_tracker_can_be_opened_once() -> None:
    async def scenario() -> None:
        async with Lamp() as lamp:
            with pytest.raises(RuntimeError, match="lamp has been opened already"):
                await lamp.__aenter__()
        with pytest.raises(RuntimeError, match="lamp has been opened already"):
            await lamp.__aenter__()

    run_virtual(scenario())


@pytest.mark.parametrize("delay", [-1, 3601, float("nan"), True, "1"])
def test_a_delay_out_of_range_is_refused(delay: float) -> None:
    with pytest.raises(ConfigError, match="up_delay must be 0-3600 seconds, got"):
        Lamp(up_delay=delay)
    with pytest.raises(ConfigError, match="down_delay must be 0-3600 seconds, got"):
        Lamp(down_delay=delay)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "..", "sixteen-octets-x", "ääääääää", None, 3])
def test_what_cannot_name_a_link_is_refused(name: object) -> None:
    with pytest.raises(ConfigError, match="device must be a name of 1-15 octets"):
        check_interface("device", name)


@pytest.mark.parametrize("name", ["lo", "eth0.100", "fifteen-octets-", "br@x"])
def test_what_can_name_a_link_is_taken(name: str) -> None:
    check_interface("device", name)


# Looking again --------------------------------------------------------------------------------------------------------


def look(machine: SecondLook, event: Hinted | LookDue, now: float) -> tuple[int, float | None]:
    """How often to look now, and when again."""
    actions = machine.handle(event, now)
    assert set(actions) <= {Look()}
    return len(actions), machine.deadline


def test_a_hint_is_followed_by_three_looks() -> None:
    machine = SecondLook()
    assert look(machine, LookDue(), 9.0) == (0, None)
    assert look(machine, Hinted(), 10.0) == (1, 10.05)
    assert look(machine, LookDue(), 10.04) == (0, 10.05)
    assert look(machine, LookDue(), 10.05) == (1, 10.5)
    assert look(machine, LookDue(), 10.6) == (1, None)
    assert look(machine, LookDue(), 11.0) == (0, None)


def test_looks_that_are_due_together_are_one() -> None:
    machine = SecondLook()
    assert look(machine, Hinted(), 10.0) == (1, 10.05)
    assert look(machine, LookDue(), 11.0) == (1, None)


def test_another_hint_begins_anew() -> None:
    machine = SecondLook()
    assert look(machine, Hinted(), 10.0) == (1, 10.05)
    assert look(machine, LookDue(), 10.05) == (1, 10.5)
    assert look(machine, Hinted(), 10.25) == (1, 10.3)
    assert look(machine, LookDue(), 10.5) == (1, 10.75)


def beat(machine: Rhythm, event: Begun | Ended | BeatDue, now: float) -> tuple[int, float | None]:
    """How often to do it now, and when again."""
    actions = machine.handle(event, now)
    assert set(actions) <= {Beat()}
    return len(actions), machine.deadline


def test_a_rhythm_beats_once_an_interval_between_its_beginning_and_its_end() -> None:
    machine = Rhythm(2.0)
    assert beat(machine, BeatDue(), 9.0) == (0, None)
    assert beat(machine, Begun(), 10.0) == (0, 12.0)
    assert beat(machine, Begun(), 11.0) == (0, 12.0)
    assert beat(machine, BeatDue(), 11.9) == (0, 12.0)
    assert beat(machine, BeatDue(), 12.5) == (1, 14.5)
    assert beat(machine, Ended(), 13.0) == (0, None)
    assert beat(machine, BeatDue(), 15.0) == (0, None)


# Opening --------------------------------------------------------------------------------------------------------------


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_tracker_whose_opening_is_cancelled_leaves_nothing(loop: str) -> None:
    async def scenario() -> None:
        for make in (
            lambda: AddressTracker("::1", interface="lo"),
            lambda: RouteTracker("default"),
            lambda: ProcessTracker("init"),
            lambda: ProcessTracker("init", events=False),
        ):
            async with nothing_left():
                opening = asyncio.create_task(make().__aenter__())
                await asyncio.sleep(0)
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening

    run(scenario(), loop)


async def fail_within(tracker: Tracker) -> None:
    async with tracker:
        assert tracker.reading is not None
        raise ZeroDivisionError


@pytest.mark.kernel
def test_every_tracker_can_be_opened_once_and_lets_go_when_what_is_inside_fails() -> None:
    async def scenario() -> None:
        for tracker in (
            InterfaceTracker("lo"),
            AddressTracker("::1"),
            RouteTracker("default"),
            FileTracker("/proc/version", name="version"),
            ProcessTracker("init"),
        ):
            async with nothing_left():
                with pytest.raises(ZeroDivisionError):
                    await fail_within(tracker)
                with pytest.raises(RuntimeError, match="has been opened already"):
                    await tracker.__aenter__()

    run(scenario())


# Asking in a thread ---------------------------------------------------------------------------------------------------


class Oracle:
    """Answers with how often it has been asked, when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[int] = []
        self.released = 0
        self.failures = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def ask(self) -> int:
        self.asked += 1
        answer = self.asked
        if not self.may_answer.wait(10):
            raise AssertionError("nobody let it answer")
        if self.failures:
            self.failures -= 1
            raise KernelError("ask", 11, "busy")
        return answer

    def release(self) -> None:
        self.released += 1

    def inquiry(self) -> Inquiry[int]:
        return Inquiry(self.ask, self.answers.append, self.release)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_asked_meanwhile_gets_one_later_answer(loop: str) -> None:
    async def scenario() -> None:
        oracle = Oracle()
        inquiry = oracle.inquiry()
        oracle.may_answer.clear()
        inquiry.begin()
        await eventually(lambda: oracle.asked == 1, "it is asked")
        assert [inquiry.busy] == [True]
        inquiry.begin()
        waiting = asyncio.gather(inquiry.answered(), inquiry.answered())
        await asyncio.sleep(0)
        oracle.may_answer.set()
        await waiting
        assert oracle.answers == [1, 2]
        assert [inquiry.busy] == [False]
        await inquiry.answered()
        assert oracle.answers == [1, 2, 3]
        inquiry.close()
        inquiry.begin()
        assert (oracle.asked, oracle.released) == (3, 1)

    run(scenario(), loop)


def test_what_the_kernel_refuses_is_asked_again() -> None:
    async def scenario() -> None:
        oracle = Oracle()
        oracle.failures = 2
        inquiry = oracle.inquiry()
        inquiry.begin()
        await eventually(lambda: oracle.answers == [3], "the third answer is good")
        inquiry.close()

    run(scenario())


def test_one_who_waits_is_told_that_there_is_no_answer() -> None:
    async def scenario() -> None:
        oracle = Oracle()
        oracle.failures = 1
        inquiry = oracle.inquiry()
        with pytest.raises(KernelError, match="ask: busy"):
            await inquiry.answered()
        inquiry.close()
        await asyncio.sleep(0.2)
        assert (oracle.asked, oracle.answers) == (1, [])

    run(scenario())


def test_a_defect_in_who_is_told_keeps_nobody_waiting() -> None:
    async def scenario() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: complaints.append(told["exception"]))
        oracle = Oracle()
        inquiry = Inquiry(oracle.ask, lambda answer: oracle.answers.append(1 // (answer - 1)), oracle.release)
        await inquiry.answered()
        await inquiry.answered()
        assert (oracle.answers, [type(one) for one in complaints]) == ([1], [ZeroDivisionError])
        inquiry.close()

    run(scenario())


def test_what_is_in_use_is_released_when_it_no_longer_is() -> None:
    async def scenario() -> None:
        oracle = Oracle()
        inquiry = oracle.inquiry()
        oracle.may_answer.clear()
        inquiry.begin()
        await eventually(lambda: oracle.asked == 1, "it is asked")
        inquiry.close()
        assert oracle.released == 0
        oracle.may_answer.set()
        await eventually(lambda: oracle.released == 1, "the thread has released it")
        assert oracle.answers == []

    run(scenario())
