"""A scenario played on a simulation, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

from attrs import define, frozen

from vrrpkit.testing._bounds import Bounds
from vrrpkit.testing._invariants import check_held_by_active
from vrrpkit.testing._rivals import check_rivals, check_takeovers, rivalries
from vrrpkit.testing._rules import check_advert_rate, check_convergence, check_deadlines, check_quiet
from vrrpkit.testing._scenario import Scenario
from vrrpkit.testing._simulation import Simulation
from vrrpkit.testing._stage import Stage

__all__ = ["Check", "Played", "Violation", "play"]

Check: TypeAlias = Callable[[Simulation], object]

_GLANCES: Final = 4  # between two mishaps
_QUIET: Final = 2  # silence limits in which nothing may happen, at the end


@frozen
class Violation:
    """An invariant that did not hold.

    Attributes:
        invariant: The name of the check that said so.
        at: When it was looked at, in virtual seconds.
        text: What it said, with the end of the transcript.
    """

    invariant: str
    at: float
    text: str


@frozen(kw_only=True, eq=False)
class Played:
    """What came of a scenario.

    Attributes:
        scenario: What was played.
        sim: The simulation as it ended, with its transcript and timeline.
        violation: The first invariant that did not hold; None if all did.
        rivalry: For how many seconds two running routers of a virtual router were Active while the network was whole.
    """

    scenario: Scenario
    sim: Simulation
    violation: Violation | None = None
    rivalry: float = 0.0

    def check(self) -> None:
        """For tests: raise `AssertionError` with what was violated, if something was."""
        if self.violation is not None:
            raise AssertionError(f"{self.violation.invariant}: {self.violation.text}")


def play(
    scenario: Scenario, *, checks: Iterable[Check] = (), simulation: Callable[..., Simulation] = Simulation
) -> Played:
    """Run a scenario, and check the invariants along the way and at the end.

    All machines start at 0. After the last mishap the network is healed and loses nothing any more, and who is paused
    goes on; what is dead or in fault stays so. After `Scenario.settling` every virtual router must have converged, and
    must be quiet for two silence limits more. The same scenario always gives the same transcript.

    Looked at again and again: `check_held_by_active()`, `check_deadlines()`, and those of `checks`. Whenever a time in
    which the network was whole ends: `check_rivals()`. At the end: `check_convergence()`, `check_quiet()`,
    `check_takeovers()` and `check_advert_rate()`.

    Args:
        scenario: What to play.
        checks: More invariants: functions that raise `AssertionError`, each with a name.
        simulation: What to play it on: `Simulation`, or one of your own with something built in.
    """
    stage = Stage(scenario, simulation)
    run = _Run(stage, scenario.bounds, (check_held_by_active, check_deadlines, *checks))
    violation = None
    try:
        run.perform()
    except AssertionError as error:
        violation = Violation(run.asking, stage.sim.now, str(error))
    except Exception as error:  # noqa: BLE001 - a machine that raises anything is a find, too
        violation = Violation(type(error).__name__, stage.sim.now, stage.sim.explain(repr(error)))
    return Played(scenario=scenario, sim=stage.sim, violation=violation, rivalry=run.rivalry)


@define(eq=False)
class _Run:
    """One performance, and what is asked about it; `asking` is the check that was begun last."""

    stage: Stage
    bounds: Bounds
    checks: tuple[Check, ...]
    asking: str = ""
    rivalry: float = 0.0
    whole_since: float = 0.0

    def perform(self) -> None:
        stage, sim, scenario = self.stage, self.stage.sim, self.stage.scenario
        for mishap in scenario.mishaps:
            self.pass_time(mishap.at)
            was_whole = stage.is_whole
            stage.befall(mishap)
            self.watch_network(was_whole)
            self.look()
        was_whole = stage.is_whole
        stage.make_peace()
        self.watch_network(was_whole)
        self.pass_time(sim.now + scenario.settling)
        self.ask(check_convergence)
        settled = sim.now
        configs = scenario.virtual_routers.values()
        self.pass_time(sim.now + _QUIET * max(map(self.bounds.silence, configs)))
        self.ask(check_convergence)
        self.ask(partial(check_quiet, since=settled))
        self.end_of_whole()
        self.ask(partial(check_takeovers, bounds=self.bounds))
        self.ask(partial(check_advert_rate, bounds=self.bounds))

    def pass_time(self, until: float) -> None:
        began = self.stage.sim.now
        for glance in range(1, _GLANCES + 1):
            at = until if glance == _GLANCES else began + (until - began) * glance / _GLANCES
            self.stage.sim.run(at)
            self.look()

    def look(self) -> None:
        for check in self.checks:
            self.ask(check)

    def watch_network(self, was_whole: bool) -> None:
        if was_whole and not self.stage.is_whole:
            self.end_of_whole()
        elif self.stage.is_whole and not was_whole:
            self.whole_since = self.stage.sim.now

    def end_of_whole(self) -> None:
        self.rivalry += sum(each.seconds for each in rivalries(self.stage.sim, self.bounds, self.whole_since))
        self.ask(partial(check_rivals, bounds=self.bounds, since=self.whole_since))

    def ask(self, check: Check) -> None:
        self.asking = getattr(check.func if isinstance(check, partial) else check, "__name__", repr(check))
        check(self.stage.sim)
