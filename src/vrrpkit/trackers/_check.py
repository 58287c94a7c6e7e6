"""A tracked thing that is found out by checks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, TypeAlias, assert_never

from vrrpkit.checks import (
    CheckDue,
    Checker,
    CheckNow,
    CheckResult,
    CheckSchedule,
    ChecksHalted,
    ChecksResumed,
    Decided,
    Finished,
    Repaired,
    RunCheck,
    RunRepair,
    Schedule,
    Stopped,
    StopRunning,
)
from vrrpkit.checks._attempt import attempt
from vrrpkit.checks._events import Action, Event
from vrrpkit.runtime import Driver, Seat
from vrrpkit.runtime._feed import enlist
from vrrpkit.trackers._finder import Finder
from vrrpkit.tracking import Reading

__all__ = ["CheckTracker", "Repair"]

log = logging.getLogger("vrrpkit.track")

# How long a check that was told to end is waited for when its tracker is closed, in seconds.
_PARTING: Final = 10.0

Repair: TypeAlias = Callable[[], Awaitable[CheckResult]]
"""Tries to mend what a check has found; the result is logged, and the next check decides."""


class CheckTracker(Finder):
    """Runs a check again and again while it is open, and believes it as its schedule says.

        async with CheckTracker("web", checker, Schedule(interval=2, fall=3), weight=-20) as web:
            router.track(web)

    A check that raises has failed, and so has one that does not end in time; that one is cancelled, and no other is
    begun before it has ended.

    Args:
        name: What causes, logs and explanations call it.
        checker: The check.
        schedule: When, and how many results make a verdict.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        repair: Tried before a first failure counts.
        driver: The clock that it shares; its own when None.
        draw: Draws a number from 0 to 1, below 1, for the schedule's `warmup` and `jitter`.

    Attributes:
        last: What the last check has found; None before the first.
        wish: The weight that the target wished for itself when it was well last; None for the configured one.

    Raises:
        ConfigError: The name or the weight is not allowed.
    """

    def __init__(
        self,
        name: str,
        checker: Checker,
        schedule: Schedule | None = None,
        *,
        weight: int = 0,
        reverse: bool = False,
        repair: Repair | None = None,
        driver: Driver | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(name, weight=weight, reverse=reverse, driver=driver)
        self.last: CheckResult | None = None
        self.wish: int | None = None
        self._result_watchers: list[Callable[[], None]] | None = None  # servers of pools alone have one
        self._checker = checker
        self._machine = CheckSchedule(schedule or Schedule(), repair is not None, draw)
        self._repair: Repair = checker.check if repair is None else repair
        self._seat: Seat[Event, Action] | None = None
        self._running: asyncio.Task[CheckResult] | None = None
        self._unwanted = False

    @property
    def schedule(self) -> Schedule:
        """When, and how many results make a verdict."""
        return self._machine.schedule

    @property
    def skipped(self) -> int:
        """How many checks fell out because another one was still running."""
        return self._machine.skipped

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        self._seat = driver.seat(self._machine, self._perform, tick=CheckDue(), leeway=lambda: 0.0)
        stack.callback(self._seat.leave)
        self.report(self._machine.up, "assumed")
        if not self.paused:
            self._seat.post(ChecksResumed())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Check no more; what is running is ended first."""
        try:
            self._post(ChecksHalted())
            if self._running is not None:
                await asyncio.wait({self._running}, timeout=_PARTING)
        finally:
            await super().__aexit__(kind, error, trace)

    def check_now(self) -> None:
        """Check now, or once more as soon as the running check has ended; nothing while paused."""
        self._post(CheckNow())

    def watch_results(self, on_result: Callable[[], None]) -> Callable[[], None]:
        """Call `on_result` after every check, once `reading` and `wish` are as it made them; returns how to stop."""
        if self._result_watchers is None:
            self._result_watchers = []
        return enlist(self._result_watchers, on_result)

    def pause(self, assume: Reading | None = None) -> None:
        """Check no more, and tell routers nothing new, until `resume()`."""
        super().pause(assume)
        self._post(ChecksHalted())

    def resume(self) -> None:
        """End `pause()`: what was found last counts at once, and a check begins."""
        super().resume()
        self._post(ChecksResumed())

    def _post(self, event: Event) -> None:
        if self._seat is not None:
            self._seat.post(event)

    def _perform(self, action: Action) -> None:
        match action:
            case RunCheck():
                self._start(self._checker.check, self._checked)
            case RunRepair():
                log.warning("%s: %s; trying to repair it", self.name, self._last_words)
                self._start(self._repair, self._repaired)
            case StopRunning(late):
                self._stop(late=late)
            case Decided(up):
                self.report(up, self._last_words)
            case unreachable:
                assert_never(unreachable)

    def _start(self, work: Repair, ended: Callable[[CheckResult], Event]) -> None:
        self._running = asyncio.get_running_loop().create_task(attempt(work), name=self.name)
        self._running.add_done_callback(partial(self._ended, ended))

    def _stop(self, *, late: bool) -> None:
        if late and not self._machine.repairing:
            patience = self.schedule.patience
            self.last = CheckResult(ok=False, detail=f"timed out after {patience:g} s", elapsed=patience)
        self._unwanted = True
        if self._running is not None:
            self._running.cancel()

    def _ended(self, ended: Callable[[CheckResult], Event], task: asyncio.Task[CheckResult]) -> None:
        unwanted, self._unwanted, self._running = self._unwanted, False, None
        result = CheckResult(ok=False, detail="cancelled") if task.cancelled() else task.result()
        self._post(Stopped() if unwanted else ended(result))
        for callback in tuple(self._result_watchers or ()):
            callback()

    def _checked(self, result: CheckResult) -> Event:
        self.last = result
        if result.ok:
            self.wish = result.weight
        return Finished(result.ok)

    def _repaired(self, result: CheckResult) -> Event:
        log.info("%s: the repair has ended: %s", self.name, result.detail or ("ok" if result.ok else "failed"))
        return Repaired()

    @property
    def _last_words(self) -> str:
        return "" if self.last is None else self.last.detail
