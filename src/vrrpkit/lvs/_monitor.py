"""All checks of one member of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from attrs import define, field, frozen

from vrrpkit.checks import Checker, Schedule
from vrrpkit.errors import ConfigError
from vrrpkit.pool import CheckChanged
from vrrpkit.pool._config import MAX_POOL_WEIGHT
from vrrpkit.runtime import Driver
from vrrpkit.trackers import CheckTracker
from vrrpkit.tracking import Track

__all__ = ["Checks", "Monitor", "Probe", "check_known", "to_probes"]

Checks: TypeAlias = Checker | Mapping[str, "Checker | tuple[Checker, Schedule]"]
"""One check, or several by name, each of which may have a schedule of its own."""


@frozen
class Probe:
    """One check of a member, and when to do it."""

    checker: Checker
    schedule: Schedule


Probes: TypeAlias = Mapping[str, Probe]


def to_probes(checks: Checks | None, schedule: Schedule) -> Probes:
    """The checks of a member by name, each with its schedule; one without a name is called after its class.

    Raises:
        ConfigError: A name is not a word.
    """
    if checks is None:
        return {}
    named = checks if isinstance(checks, Mapping) else {_name(checks): checks}
    for name in named:
        Track(name)
    return {
        name: Probe(*check) if isinstance(check, tuple) else Probe(check, schedule) for name, check in named.items()
    }


def _name(checker: Checker) -> str:
    """`http` of an `HTTPChecker`."""
    return type(checker).__name__.removesuffix("Checker").lower() or "check"


@define(eq=False)
class Monitor:
    """Runs the checks of one member while its pool is open.

    Attributes:
        pool: The pool's name.
        member: The member's.
        probes: What is checked.
        post: Takes what has been found, if it is something new.
        held: Whether checks are paused.
    """

    pool: str
    member: str
    probes: Probes
    post: Callable[[CheckChanged], None]
    held: bool = False
    _driver: Driver | None = field(default=None, init=False)
    _trackers: dict[str, CheckTracker] = field(factory=dict, init=False)
    _told: dict[str, tuple[bool, int | None]] = field(factory=dict, init=False)

    @property
    def trackers(self) -> Mapping[str, CheckTracker]:
        """The checks that run, by name."""
        return self._trackers

    async def open(self, driver: Driver) -> None:
        """Begin to check."""
        self._driver = driver
        for name, probe in self.probes.items():
            if name not in self._trackers:
                await self._begin(driver, name, probe)

    async def close(self) -> None:
        """Check no more; what is running is ended first."""
        self._driver = None
        await self._end(self._trackers)

    async def change(self, probes: Probes) -> None:
        """Go on with other checks; those that stay the same are not disturbed."""
        driver, before, self.probes = self._driver, self.probes, probes
        if driver is None:
            return
        gone = {name for name in self._trackers if name not in probes or probes[name] != before[name]}
        ended = {name: self._trackers.pop(name) for name in gone}
        for name in gone - probes.keys():
            self._told.pop(name, None)
        await self.open(driver)
        await self._end(ended)

    def hold(self, held: bool) -> None:
        """Pause the checks, or go on."""
        if held is self.held:
            return
        self.held = held
        for tracker in self._trackers.values():
            if held:
                tracker.pause()
            else:
                tracker.resume()

    def check_now(self) -> None:
        """Check now; nothing while paused."""
        for tracker in self._trackers.values():
            tracker.check_now()

    async def _begin(self, driver: Driver, name: str, probe: Probe) -> None:
        tracker = CheckTracker(f"{self.pool}/{self.member}/{name}", probe.checker, probe.schedule, driver=driver)
        self._trackers[name] = tracker
        look = partial(self._look, name, tracker)
        tracker.watch(look)
        tracker.watch_results(look)
        if self.held:
            tracker.pause()
        await tracker.__aenter__()

    async def _end(self, trackers: Mapping[str, CheckTracker]) -> None:
        await asyncio.gather(*(tracker.__aexit__(None, None, None) for tracker in trackers.values()))

    def _look(self, name: str, tracker: CheckTracker) -> None:
        """Tell what a check has found; what its schedule merely assumes is none of a pool's concern."""
        last, reading = tracker.last, tracker.reading
        if last is None or not isinstance(reading, bool) or self._trackers.get(name) is not tracker:
            return
        wish = None if tracker.wish is None else min(max(tracker.wish, 0), MAX_POOL_WEIGHT)
        found = reading, wish
        if self._told.get(name) != found:
            self._told[name] = found
            self.post(CheckChanged(self.member, name, reading, wish, last.detail))


def check_known(name: str, known: Mapping[str, Monitor]) -> Monitor:
    """The monitor of a member.

    Raises:
        ConfigError: The pool has no such member.
    """
    if name not in known:
        raise ConfigError(f"name must be one of {', '.join(known) or 'no members'}, got {name!r}")
    return known[name]
