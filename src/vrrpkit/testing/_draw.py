"""Scenarios by the dozen."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from vrrpkit.election import ElectionConfig, PriorityChanged, Resumed, SteppedDown, Suspended
from vrrpkit.packet import Version
from vrrpkit.testing._mishaps import Act, Burst, Drift, Heal, Lose, Mishap, Post, Split, Strike
from vrrpkit.testing._scenario import Machine, Scenario

__all__ = ["random_scenario"]

_PRIORITIES: Final = (1, 50, 100, 100, 100, 150, 200, 254, 255)
_INTERVALS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 1.0, 2.5, 10.0)
_OUTAGES: Final = {Act.KILL: Act.START, Act.STOP: Act.START, Act.PAUSE: Act.RESUME, Act.LINK_DOWN: Act.LINK_UP}
_MISHAPS: Final = 8


def random_scenario(seed: int) -> Scenario:
    """A scenario that depends on the seed only: 2-6 machines, 1-3 virtual routers, up to a dozen mishaps.

    No clock is more than 5 % wrong, and no message takes longer than half of the shortest interval. Beyond that a
    Backup may well believe in a silence that is none.
    """
    return _Draw(Random(seed)).scenario(seed)  # noqa: S311 - the same seed must give the same scenario


class _Draw:
    def __init__(self, random: Random) -> None:
        self.random = random

    def scenario(self, seed: int) -> Scenario:
        random = self.random
        names = [f"m{number}" for number in range(1, random.choice((2, 2, 2, 3, 3, 4, 5, 6)) + 1)]
        skewed = random.random() < 0.5
        offers = list(self.virtual_routers(names))
        machines = []
        for name in names:
            routers = [offer[name] for offer in offers if name in offer] or [offers[0][names[0]]]
            machines.append(Machine(name=name, routers=routers, skew=self.rate() if skewed else 1.0))
        intervals = [config.advert_interval for machine in machines for config in machine.routers]
        shortest, longest = min(intervals), max(intervals)
        return Scenario(
            machines=machines,
            mishaps=self.mishaps(names, longest),
            seed=seed % 1000,
            delay=shortest * random.choice((0.0, 0.0005, 0.01, 0.2)),
            jitter=shortest * random.choice((0.0, 0.0, 0.01, 0.15)),
            loss=random.choice((0.0, 0.0, 0.0, 0.01, 0.2, 0.5)),
            duplication=random.choice((0.0, 0.0, 0.0, 0.1, 1.0)),
            reordering=random.choice((0.0, 0.0, 0.0, 0.1, 0.5)),
            lateness=round(shortest * 0.15, 6),
            unicast=random.random() < 0.2,
        )

    def virtual_routers(self, names: list[str]) -> Iterator[dict[str, ElectionConfig]]:
        """The settings of each virtual router, by machine; not every machine has to run each of them."""
        random = self.random
        scale = random.choice(_INTERVALS)
        for number in range(1, random.choice((1, 1, 1, 2, 3)) + 1):
            settings: dict[str, Any] = {"vrid": number, "addresses": [f"192.0.2.{number}"]}
            interval = self.interval(scale)
            if interval >= 1 and random.random() < 0.4:
                interval = float(round(interval))
                settings.update(version=Version.V2)
            elif random.random() < 0.3:
                settings.update(addresses=[f"fe80::{number}", f"2001:db8::{number}"])
            if random.random() < 0.2:
                settings.update(down_timer_adverts=random.choice((2, 5)))
            mixed = "version" not in settings and random.random() < 0.2
            taking_part = [name for name in names if number == 1 or random.random() < 0.8]
            yield {name: self.config(settings, self.interval(scale) if mixed else interval) for name in taking_part}

    def interval(self, scale: float) -> float:
        """Seldom far from the others, since short ones take long to simulate for as long as long ones need."""
        random = self.random
        return random.choice(_INTERVALS) if random.random() < 0.03 else round(scale * random.choice((1, 1, 2, 3)), 2)

    def config(self, settings: dict[str, Any], interval: float) -> ElectionConfig:
        random = self.random
        return ElectionConfig(
            **settings,
            advert_interval=interval,
            priority=random.choice(_PRIORITIES),
            preempt=random.random() < 0.7,
            preempt_delay=random.choice((0.0, 0.0, 0.0, interval, 5.0)),
            startup_delay=random.choice((0.0, 0.0, 0.0, 3.0)),
            higher_prio_send_advert=random.random() < 0.2,
            lower_prio_no_advert=random.choice((None, None, None, True, False)),
        )

    def mishaps(self, names: list[str], interval: float) -> list[Mishap]:
        now, mishaps = 0.0, list[Mishap]()
        for _ in range(self.random.randint(0, _MISHAPS)):
            now = round(now + self.pause(interval), 3)
            mishaps += self.episode(names, now, interval)
        return mishaps

    def pause(self, interval: float) -> float:
        """From nothing at all to a dozen intervals; within the silence limit as often as beyond it."""
        return interval * self.random.choice((0.0, 0.001, self.random.random(), 4 * self.random.random(), 12.0))

    def episode(self, names: list[str], at: float, interval: float) -> list[Mishap]:
        """Something, and often its end."""
        random = self.random
        one, other = random.sample(names, 2)
        until = round(at + self.pause(interval), 3)
        match random.randrange(11):
            case 0 | 1 | 2 | 3:
                act = random.choice(list(_OUTAGES))
                return [Strike(at, one, act), Strike(until, one, _OUTAGES[act])]
            case 4:
                return [Split(at, [names[: random.randrange(1, len(names))]]), Heal(until)]
            case 5:
                return [Lose(at, one, other, random.choice((0.5, 0.9, 1.0))), Heal(until)]
            case 6:
                return [Burst(at, random.choice((0.3, 0.7, 1.0))), Burst(until, 0.0)]
            case 7:
                return [Post(at, one, PriorityChanged(random.choice(_PRIORITIES[:-1])))]
            case 8:
                return [Post(at, one, SteppedDown())]
            case 9:
                return [Post(at, one, Suspended()), Post(until, one, Resumed())]
            case _:
                return [random.choice((Drift(at, one, self.rate()), Strike(at, one, Act.REPLAY)))]

    def rate(self) -> float:
        return round(self.random.uniform(0.95, 1.05), 3)
