"""Trackers that check: schedule, verdict, repair and run-time control, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest
from attrs import define, field

from vrrpkit import ConfigError
from vrrpkit.checks import CallableChecker, CheckResult, Schedule
from vrrpkit.runtime import Driver, RouterGroup
from vrrpkit.testing import run_virtual
from vrrpkit.trackers import CheckTracker, Tracker, TrackerNews
from vrrpkit.tracking import FirstResult, Level, Track


def now() -> float:
    return asyncio.get_running_loop().time()


@define
class Target:
    """Something whose health the test decides; `answers` are used up, the last one stays."""

    answers: list[bool | float | Exception]
    asked: list[float] = field(factory=list)
    repairs: list[float] = field(factory=list)

    async def check(self) -> CheckResult:
        """Answer: a number of seconds is how long to hang."""
        self.asked.append(now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, bool):
            await asyncio.sleep(answer)
        return CheckResult(ok=bool(answer), detail="fine" if answer else "not well")

    async def repair(self) -> CheckResult:
        self.repairs.append(now())
        await asyncio.sleep(0.5)
        return CheckResult(ok=True, detail="restarted")


async def news_of(tracker: Tracker) -> list[tuple[float, TrackerNews]]:
    return [(now(), news) async for news in tracker.changes()]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    run_virtual(main())


def test_checks_run_at_a_fixed_rate_while_it_is_open() -> None:
    async def scenario() -> None:
        target = Target([True])
        async with CheckTracker("web", target, Schedule(interval=2)):
            await asyncio.sleep(5)
        await asyncio.sleep(5)
        assert target.asked == [0.0, 2.0, 4.0]

    run(scenario)


def test_verdicts_come_as_news_with_the_detail_of_the_check() -> None:
    async def scenario() -> None:
        target = Target([True, False, False, True])
        tracker = CheckTracker("web", target, Schedule(interval=1, fall=2))
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(news_of(tracker))
            async with tracker:
                await asyncio.sleep(3.5)
        assert reader.result() == [
            (0.0, TrackerNews("web", True, "fine")),
            (2.0, TrackerNews("web", False, "not well")),
            (3.0, TrackerNews("web", True, "fine")),
        ]
        assert (tracker.reading, tracker.detail, tracker.last) == (True, "fine", CheckResult(ok=True, detail="fine"))

    run(scenario)


def test_what_is_assumed_holds_before_the_first_check() -> None:
    async def scenario() -> None:
        schedule = Schedule(interval=1, rise=2, first=FirstResult.ASSUME_DOWN)
        async with CheckTracker("web", Target([True]), schedule) as tracker:
            assert tracker.reading is False
            await asyncio.sleep(0.5)
            assert tracker.reading is False
            await asyncio.sleep(1)
            assert tracker.reading is True

    run(scenario)


def test_a_check_that_hangs_is_cancelled_and_has_failed() -> None:
    async def scenario() -> None:
        target = Target([100.0, True])
        async with CheckTracker("web", target, Schedule(interval=5, timeout=2)) as tracker:
            await asyncio.sleep(3)
            assert (tracker.reading, tracker.detail) == (False, "timed out after 2 s")
            await asyncio.sleep(3)
            assert tracker.reading is True
        assert target.asked == [0.0, 5.0]

    run(scenario)


def test_a_check_that_does_not_let_itself_be_cancelled_delays_no_verdict_and_is_never_doubled() -> None:
    async def scenario() -> None:
        begun = []

        async def stubborn() -> bool:
            begun.append(now())
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(3)
                raise
            return True

        schedule = Schedule(interval=1, fall=3, first=FirstResult.ASSUME_UP)
        async with CheckTracker("web", CallableChecker(stubborn), schedule) as tracker:
            await asyncio.sleep(3.5)
            assert tracker.reading is False
            assert (begun, tracker.skipped) == ([0.0], 3)
            await asyncio.sleep(1)
            assert begun == [0.0, 4.0]

    run(scenario)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("bad luck"), "ValueError: bad luck"),
    ],
)
def test_a_check_that_raises_has_failed(error: Exception, detail: str) -> None:
    async def scenario() -> None:
        async with CheckTracker("web", Target([error])) as tracker:
            await asyncio.sleep(0.5)
            assert (tracker.reading, tracker.detail) == (False, detail)

    run(scenario)


@pytest.mark.conforms("keyword vrrp_script/repair")
def test_a_repair_that_helps_keeps_the_failure_from_counting(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        caplog.set_level(logging.INFO, "vrrpkit.track")
        target = Target([True, False, True])
        schedule = Schedule(interval=2, recheck_after=1)
        async with CheckTracker("web", target, schedule, repair=target.repair) as tracker:
            await asyncio.sleep(3.9)
            assert (target.repairs, target.asked, tracker.reading) == ([2.0], [0.0, 2.0, 3.5], True)
        assert caplog.messages == [
            "web: up (fine)",
            "web: not well; trying to repair it",
            "web: the repair has ended: restarted",
        ]

    run(scenario)


def test_a_repair_that_does_not_help_lets_the_failure_count() -> None:
    async def scenario() -> None:
        target = Target([True, False])
        schedule = Schedule(interval=2, recheck_after=1)
        async with CheckTracker("web", target, schedule, repair=target.repair) as tracker:
            readings = []
            for pause in (3.4, 0.2, 10):
                await asyncio.sleep(pause)
                readings.append(tracker.reading)
            assert readings == [True, False, False]
        assert target.repairs == [2.0]

    run(scenario)


def test_a_check_can_be_had_now() -> None:
    async def scenario() -> None:
        target = Target([True])
        async with CheckTracker("web", target, Schedule(interval=60)) as tracker:
            await asyncio.sleep(5)
            tracker.check_now()
            await asyncio.sleep(1)
        assert target.asked == [0.0, 5.0]

    run(scenario)


def test_pausing_keeps_the_reading_or_assumes_another_until_it_is_resumed() -> None:
    async def scenario() -> None:
        target = Target([False])
        async with CheckTracker("web", target, Schedule(interval=1)) as tracker:
            await asyncio.sleep(0.5)
            tracker.pause()
            await asyncio.sleep(5)
            assert (target.asked, tracker.reading, tracker.paused) == ([0.0], False, True)
            tracker.pause(assume=True)
            assert (tracker.reading, tracker.detail) == (True, "paused")
            tracker.resume()
            assert (tracker.reading, tracker.paused) == (False, False)
            await asyncio.sleep(0.5)
            assert target.asked == [0.0, 5.5]

    run(scenario)


def test_a_tracker_is_opened_once() -> None:
    async def scenario() -> None:
        async with CheckTracker("web", Target([True])) as tracker:
            with pytest.raises(RuntimeError, match="web has been opened already"):
                await tracker.__aenter__()

    run(scenario)


def test_closing_ends_a_running_check_and_leaves_no_task() -> None:
    async def scenario() -> None:
        async with CheckTracker("web", Target([100.0]), Schedule(interval=1000)):
            await asyncio.sleep(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert now() == 1.0

    run(scenario)


def test_a_callable_may_answer_with_a_flag_or_a_whole_result() -> None:
    async def scenario() -> None:
        async def flag() -> bool:
            await asyncio.sleep(0.25)
            return False

        async def whole() -> CheckResult:
            return CheckResult(ok=True, detail="replica is 2 s behind")

        assert await CallableChecker(flag).check() == CheckResult(ok=False, detail="not well", elapsed=0.25)
        assert await CallableChecker(whole).check() == CheckResult(ok=True, detail="replica is 2 s behind")

    run(scenario)


def test_a_plain_tracker_is_set_by_the_app() -> None:
    async def scenario() -> None:
        flag = Tracker("maintenance", weight=-50)
        told: list[object] = []
        stop = flag.watch(lambda: told.append(flag.reading))
        assert flag.reading is None
        flag.report(True)
        flag.report(True, "still")
        flag.report(False, "until 04:00")
        flag.report(Level(3))
        stop()
        flag.report(None)
        assert told == [True, False, Level(3)]
        assert flag.track == Track("maintenance", -50)
        assert flag.weighing(-10).track == Track("maintenance", -10)
        assert flag.weighing(reverse=True).track == Track("maintenance", -50, reverse=True)
        with pytest.raises(ConfigError, match="weight must be -253 to 253"):
            flag.weighing(300)

    run(scenario)


def test_news_while_paused_count_when_it_is_resumed() -> None:
    async def scenario() -> None:
        flag = Tracker("maintenance")
        flag.report(True)
        flag.pause()
        flag.report(False, "broken")
        assert flag.reading is True
        flag.resume()
        assert (flag.reading, flag.detail) == (False, "broken")

    run(scenario)


def test_tracking_what_is_not_open_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        group = RouterGroup("VG_1")
        group.track(CheckTracker("web", Target([True])))
        group.track(Tracker("byhand"))
        assert caplog.messages == [
            "VG_1: web is not open yet, so nothing will be known of it: enter its `async with` block first"
        ]
        group.close()

    run(scenario)


def test_a_tracker_that_is_paused_when_it_is_opened_does_not_check() -> None:
    async def scenario() -> None:
        target = Target([True])
        tracker = CheckTracker("web", target)
        tracker.pause()
        async with tracker:
            await asyncio.sleep(5)
            assert (target.asked, tracker.reading) == ([], None)
            tracker.resume()
            await asyncio.sleep(0.5)
            assert target.asked == [5.0]

    run(scenario)


def test_thousands_share_a_driver_and_spread_over_their_interval() -> None:
    async def scenario() -> None:
        driver, chance = Driver(), Random(1)  # noqa: S311 - spreads checks
        targets = [Target([True]) for _ in range(1000)]
        schedule = Schedule(interval=10, timeout=5, warmup=10)
        async with AsyncExitStack() as stack:
            for number, target in enumerate(targets):
                tracker = CheckTracker(f"c{number}", target, schedule, driver=driver, draw=chance.random)
                await stack.enter_async_context(tracker)
            await asyncio.sleep(30)
        driver.close()
        assert {len(target.asked) for target in targets} == {3}
        begun = Counter(int(moment) for target in targets for moment in target.asked if moment < 10)
        assert all(70 <= begun[second] <= 130 for second in range(10))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario)


def test_one_that_hangs_delays_no_other() -> None:
    async def scenario() -> None:
        driver = Driver()
        hanging, well = Target([1000.0]), Target([True])
        schedule = Schedule(interval=1)
        async with (
            CheckTracker("hanging", hanging, schedule, driver=driver),
            CheckTracker("well", well, schedule, driver=driver),
        ):
            await asyncio.sleep(3.5)
        driver.close()
        assert well.asked == [0.0, 1.0, 2.0, 3.0]

    run(scenario)


def test_the_wish_is_that_of_the_last_good_result_and_whoever_watches_results_hears_of_each() -> None:
    @define
    class Agent:
        """Says how well it is, and what weight it wants."""

        answers: list[tuple[bool, int | None]]

        async def check(self) -> CheckResult:
            ok, weight = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return CheckResult(ok=ok, weight=weight)

    async def scenario() -> None:
        agent = Agent([(True, 50), (True, 50), (False, 7), (True, None), (True, 9)])
        seen: list[tuple[float, object, int | None]] = []
        async with CheckTracker("web", agent, Schedule(interval=1, fall=2)) as tracker:
            stop = tracker.watch_results(lambda: seen.append((now(), tracker.reading, tracker.wish)))
            await asyncio.sleep(3.5)
            stop()
            await asyncio.sleep(1)
            assert tracker.wish == 9
        assert seen == [(0.0, True, 50), (1.0, True, 50), (2.0, True, 50), (3.0, True, None)]

    run(scenario)
