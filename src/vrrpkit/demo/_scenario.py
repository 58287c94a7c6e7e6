"""What is played: the numbers, the acts, and what the terminal shows."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Final, Protocol

from attrs import define, field, frozen

from vrrpkit.election import ElectionConfig

__all__ = ["CONFIGS", "Act", "Stage", "View", "perform"]

_ADDRESS: Final = IPv4Address("192.0.2.100")
_INTERVAL: Final = 0.5
CONFIGS: Final = {
    name: ElectionConfig(vrid=51, addresses=[_ADDRESS], priority=priority, advert_interval=_INTERVAL)
    for name, priority in (("a", 200), ("b", 100))
}
# What RFC 9568 section 6.1 allows b: three intervals and its skew after a death, the skew after a resignation.
_SKEW: Final = (256 - 100) * _INTERVAL / 256
_DOWN_INTERVAL: Final = 3 * _INTERVAL + _SKEW
_ASKING: Final = 0.005


class Stage(Protocol):
    """Where it is played."""

    @property
    def about(self) -> str:
        """One sentence for the audience."""
        ...

    async def start(self, name: str, view: View) -> None:
        """Start a router."""

    async def kill(self, name: str) -> None:
        """Kill it with SIGKILL, or what comes nearest."""

    async def stop(self, name: str) -> None:
        """Stop it gracefully."""

    def ask(self, view: View) -> None:
        """Let the client ask the virtual address once; answers go to the view."""


@frozen
class Act:
    """One thing that happened, and what it cost the client."""

    title: str
    outage: float
    limit: float


@define
class View:
    """What the client gets and what the routers say, on the terminal while it happens."""

    began: float = field(factory=time.monotonic)
    asked: int = 0
    answers: list[tuple[float, str]] = field(factory=list)
    states: dict[str, str] = field(factory=lambda: dict.fromkeys(CONFIGS, "not running"))

    def answered(self, name: str) -> None:
        """A router answered the client."""
        self.answers.append((time.monotonic(), name))

    def changed(self, name: str, state: str, explanation: str) -> None:
        """A router told a change of its state."""
        self.states[name] = state
        self.say(f"{name} is {state}: {explanation}")

    def say(self, text: str) -> None:
        """A line that stays."""
        erase_line()
        print(f"{time.monotonic() - self.began:7.3f}  {text}", flush=True)

    def draw(self) -> None:
        """The line that moves, on a terminal."""
        if not sys.stdout.isatty():
            return
        states = "  ".join(f"{name}: {state:11}" for name, state in self.states.items())
        fresh = [name for at, name in self.answers[-5:] if at > time.monotonic() - 0.1]
        erase_line()
        print(
            f"{time.monotonic() - self.began:7.3f}  {states}  client: {fresh[-1] if fresh else '-'}", end="", flush=True
        )

    async def served_by(self, name: str) -> None:
        """Wait until this router answers."""
        async with asyncio.timeout(10):
            while not self.answers or self.answers[-1][1] != name:
                await asyncio.sleep(_ASKING)

    def outage(self, since: float) -> float:
        """The longest time without an answer from then to now."""
        times = [since, *(at for at, _name in self.answers if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))


def erase_line() -> None:
    """Make room for a line that stays."""
    if sys.stdout.isatty():
        print("\r\x1b[2K", end="")


async def perform(stage: Stage) -> list[Act]:
    """Play every act on a stage; return what the client noticed."""
    view = View()
    print(f"a (priority 200) and b (priority 100) share {_ADDRESS} and advertise every {_INTERVAL} s.")
    print(f"A client asks the address every {_ASKING * 1000:.0f} ms. {stage.about}\n")
    async with asyncio.TaskGroup() as group:
        client = group.create_task(_keep_asking(stage, view))
        acts = await _play(stage, view)
        client.cancel()
    _summarise(acts, view)
    return acts


async def _play(stage: Stage, view: View) -> list[Act]:
    acts: list[Act] = []

    async def act(title: str, step: Callable[[], Awaitable[None]], heir: str, limit: float) -> None:
        view.say(f"*** {title}")
        since = time.monotonic()
        await step()
        await view.served_by(heir)
        await asyncio.sleep(0.5)
        acts.append(Act(title, view.outage(since), limit))

    await stage.start("a", view)
    await stage.start("b", view)
    await view.served_by("a")
    await asyncio.sleep(1)
    await act("a is killed", lambda: stage.kill("a"), "b", _DOWN_INTERVAL)
    view.states["a"] = "killed"
    await act("a comes back", lambda: stage.start("a", view), "a", 0.0)
    await act("a stops gracefully", lambda: stage.stop("a"), "b", _SKEW)
    await stage.stop("b")
    return acts


async def _keep_asking(stage: Stage, view: View) -> None:
    while True:
        stage.ask(view)
        view.asked += 1
        if view.asked % 20 == 0:
            view.draw()
        await asyncio.sleep(_ASKING)


def _summarise(acts: list[Act], view: View) -> None:
    erase_line()
    print(f"\n{'what happened':20}{'longest wait for an answer':>30}{'what the RFC allows':>24}")
    for act in acts:
        print(f"{act.title:20}{act.outage:28.3f} s{act.limit:22.3f} s")
    print(f"\n{view.asked} questions, {len(view.answers)} answers; one question every {_ASKING * 1000:.0f} ms.")
