"""Many scenarios, until one fails; that one made as small as it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count as counted
from itertools import groupby
from time import monotonic
from typing import Final, NamedTuple

from attrs import frozen

from vrrpkit.errors import ConfigError
from vrrpkit.testing._code import program
from vrrpkit.testing._draw import random_scenario
from vrrpkit.testing._play import Check, Played, Violation, play
from vrrpkit.testing._reduce import reduced
from vrrpkit.testing._scenario import Scenario
from vrrpkit.testing._simulation import Simulation
from vrrpkit.testing._transcript import Transcript

__all__ = ["Failure", "Progress", "search"]

_HEAD: Final = 30  # lines of a transcript
_TAIL: Final = 30
_SEEDS: Final = 1_000_000  # of scenarios in one campaign, before the seeds of the next one come


class Progress(NamedTuple):
    """How far a campaign is.

    Attributes:
        scenarios: How many were played.
        hours: For how many virtual hours in all.
        seconds: In how many real seconds.
        rivalry: In how many virtual seconds two routers were Active although the network was whole.
    """

    scenarios: int
    hours: float
    seconds: float
    rivalry: float

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.scenarios:,} scenarios, {self.hours:,.1f} virtual hours, {self.seconds:.0f} s"


@frozen(kw_only=True)
class Failure:
    """A scenario in which an invariant does not hold; `str()` tells how to see it.

    Attributes:
        scenario: The smallest one that was found.
        original: The one that was drawn.
        violation: What does not hold in the smallest.
        transcript: What happens in the smallest, up to that.
    """

    scenario: Scenario
    original: Scenario
    violation: Violation
    transcript: Transcript

    def __str__(self) -> str:
        """What is violated, a program that shows it, and what happens."""
        first = self.violation.text.partition("\n")[0]
        return "\n".join(
            [f"{self.violation.invariant}: {first}", "", self.program, "", *_shortened(list(_told(self.transcript)))]
        )

    @property
    def program(self) -> str:
        """Python that plays the smallest scenario and fails; without what `search()` was given of your own."""
        return program("scenario", self.scenario, "play") + "\nplay(scenario).check()"


def search(
    *,
    seconds: float | None = None,
    count: int | None = None,
    seed: int = 0,
    scenarios: Callable[[int], Scenario] = random_scenario,
    checks: Iterable[Check] = (),
    simulation: Callable[..., Simulation] = Simulation,
    progress: Callable[[Progress], object] | None = None,
) -> Failure | None:
    """Play scenarios until one fails, and reduce that; None if all went well.

    Args:
        seconds: For how long, in real seconds; the scenario that has begun is played to its end.
        count: How many scenarios at most.
        seed: Where the scenarios begin; a campaign that is given another one plays other scenarios.
        scenarios: Makes a scenario of a number; `random_scenario()` or one of your own.
        checks: More invariants, as for `play()`.
        simulation: As for `play()`.
        progress: Is told after every scenario.

    Raises:
        ConfigError: Neither `seconds` nor `count` is given.
    """
    if seconds is None and count is None:
        raise ConfigError("seconds or count must be given")
    checks = tuple(checks)
    played = partial(play, checks=checks, simulation=simulation)
    began, hours, rivalry = monotonic(), 0.0, 0.0
    for number in _numbers(count):
        end = played(scenarios(seed * _SEEDS + number))
        hours, rivalry = hours + end.sim.now / 3600, rivalry + end.rivalry
        past = monotonic() - began
        if progress is not None:
            progress(Progress(number + 1, hours, past, rivalry))
        if end.violation is not None:
            return _failure(end, end.violation, played)
        if seconds is not None and past >= seconds:
            return None
    return None


def _numbers(count: int | None) -> Iterator[int]:
    return counted() if count is None else iter(range(count))


def _failure(first: Played, violation: Violation, played: Callable[[Scenario], Played]) -> Failure:
    def fails(scenario: Scenario) -> bool:
        found = played(scenario).violation
        return found is not None and found.invariant == violation.invariant

    smallest = played(reduced(first.scenario, fails))
    return Failure(
        scenario=smallest.scenario,
        original=first.scenario,
        violation=smallest.violation or violation,
        transcript=smallest.sim.transcript,
    )


def _shortened(lines: list[str]) -> list[str]:
    """The first and the last ones."""
    left_out = len(lines) - _HEAD - _TAIL
    return lines if left_out <= 0 else [*lines[:_HEAD], f"... {left_out} lines ...", *lines[-_TAIL:]]


def _told(transcript: Transcript) -> Iterator[str]:
    """The lines; of a long run of nothing but advertisements, the first ones and the last."""
    for speaks, lines in groupby(transcript.lines(), lambda line: line.split()[2] == "send"):
        run = list(lines)
        yield from run if not speaks or len(run) < 5 else (*run[:2], f"... {len(run) - 3} advertisements ...", run[-1])
