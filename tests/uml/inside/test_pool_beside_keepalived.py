"""keepalived and a pool run the same virtual servers on the same real servers, and make the same of what befalls them.

The tables are those that ipvsadm shows.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
from attrs import define, field

from tests.linux.support import eventually
from tests.uml.inside.pools import Case, Farm, Keepalived, Step, Tables, is_ours, keepalived, short, tables
from vrrpkit.linux import IPVSManager
from vrrpkit.notifications import PoolFifoNotifier
from vrrpkit.runtime import Driver

pytestmark = pytest.mark.uml

_PATIENCE: Final = 30.0
_PAUSE: Final = 0.1
ALL: Final = {1: 1, 2: 1, 3: 1}
UP: Final = {1: "up", 2: "up", 3: "up"}
SORRY: Final = {9: 1}

CASES: Final = (
    Case(
        name="without a sorry server those that are left stay when the quorum is lost",
        number=1,
        quorum=2,
        steps=(
            Step(UP, ALL, ["VS UP"]),
            Step({1: "down"}, {2: 1, 3: 1}, ["1 DOWN"]),
            Step({2: "down"}, {3: 1}, ["2 DOWN", "VS DOWN"]),
            Step({3: "down"}, {}, ["3 DOWN"]),
            Step({1: "up"}, {1: 1}, ["1 UP"]),
            Step({2: "up"}, {1: 1, 2: 1}, ["2 UP", "VS UP"]),
        ),
    ),
    Case(
        name="a sorry server serves alone while the quorum is lost",
        number=2,
        quorum=2,
        sorry=True,
        steps=(
            Step(UP, ALL, ["VS UP"]),
            Step({1: "down"}, {2: 1, 3: 1}, ["1 DOWN"]),
            Step({2: "down"}, SORRY, ["2 DOWN", "VS DOWN"]),
            Step({3: "down"}, SORRY, ["3 DOWN"]),
            Step({1: "up"}, SORRY, ["1 UP"]),
            Step({2: "up"}, {1: 1, 2: 1}, ["2 UP", "VS UP"]),
        ),
    ),
    Case(
        name="with hysteresis the quorum is lost late and comes back late",
        number=3,
        weights=(1, 1, 1, 1),
        quorum=2,
        hysteresis=1,
        sorry=True,
        steps=(
            Step({**UP, 4: "up"}, {**ALL, 4: 1}, ["VS UP"]),
            Step({1: "down"}, {2: 1, 3: 1, 4: 1}, ["1 DOWN"]),
            Step({2: "down"}, {3: 1, 4: 1}, ["2 DOWN"]),
            Step({3: "down"}, {4: 1}, ["3 DOWN"]),
            Step({4: "down"}, SORRY, ["4 DOWN", "VS DOWN"]),
            Step({1: "up"}, SORRY, ["1 UP"]),
            Step({2: "up"}, SORRY, ["2 UP"]),
            Step({3: "up"}, ALL, ["3 UP", "VS UP"]),
        ),
    ),
    Case(
        name="who is inhibited stays with weight 0, and so does the sorry server",
        number=4,
        sorry=True,
        sorry_inhibit=True,
        inhibit=True,
        steps=(
            Step(UP, {**ALL, 9: 0}, ["VS UP"]),
            Step({1: "down"}, {**ALL, 1: 0, 9: 0}, ["1 DOWN"]),
            Step({2: "down"}, {1: 0, 2: 0, 3: 1, 9: 0}, ["2 DOWN"]),
            Step({3: "down"}, {1: 0, 2: 0, 3: 0, 9: 1}, ["3 DOWN", "VS DOWN"]),
            Step({2: "up"}, {1: 0, 2: 1, 3: 0, 9: 0}, ["2 UP", "VS UP"]),
        ),
    ),
    Case(
        name="alpha with a sorry server",
        number=5,
        alpha=True,
        sorry=True,
        steps=(
            Step({1: "up"}, {1: 1}, ["1 UP", "2 DOWN", "3 DOWN", "VS DOWN", "VS UP"]),
            Step({2: "up"}, {1: 1, 2: 1}, ["2 UP"]),
            Step({1: "down"}, {2: 1}, ["1 DOWN"]),
            Step({2: "down"}, SORRY, ["2 DOWN", "VS DOWN"]),
        ),
    ),
    Case(
        name="alpha without a sorry server",
        number=6,
        alpha=True,
        steps=(
            Step({1: "up"}, {1: 1}, ["1 UP", "2 DOWN", "3 DOWN", "VS UP"]),
            Step({1: "down"}, {}, ["1 DOWN", "VS DOWN"]),
            Step({3: "up"}, {3: 1}, ["3 UP", "VS UP"]),
        ),
    ),
    Case(
        name="alpha and inhibited",
        number=7,
        alpha=True,
        inhibit=True,
        quorum=2,
        steps=(
            Step({1: "up"}, {1: 1, 2: 0, 3: 0}, ["1 UP", "2 DOWN", "3 DOWN"]),
            Step({2: "up"}, {1: 1, 2: 1, 3: 0}, ["2 UP", "VS UP"]),
            Step({1: "down"}, {1: 0, 2: 1, 3: 0}, ["1 DOWN", "VS DOWN"]),
        ),
    ),
    Case(
        name="weights count towards the quorum",
        number=8,
        weights=(1, 2, 3),
        quorum=4,
        sorry=True,
        steps=(
            Step(UP, {1: 1, 2: 2, 3: 3}, ["VS UP"]),
            Step({1: "down"}, {2: 2, 3: 3}, ["1 DOWN"]),
            Step({3: "down"}, SORRY, ["3 DOWN", "VS DOWN"]),
            Step({1: "up"}, SORRY, ["1 UP"]),
            Step({3: "up"}, {1: 1, 2: 2, 3: 3}, ["3 UP", "VS UP"]),
        ),
    ),
    Case(
        name="a server that is dead from the start and assumed to be up",
        number=9,
        weights=(1,),
        sorry=True,
        steps=(
            Step({}, SORRY, ["1 DOWN", "VS DOWN", "VS UP"]),
            Step({1: "up"}, {1: 1}, ["1 UP", "VS UP"]),
        ),
    ),
    Case(
        name="scripts wish for weights",
        number=10,
        weights=(5, 5),
        quorum=6,
        scripts=True,
        steps=(
            Step({1: "exit 0", 2: "exit 0"}, {1: 5, 2: 5}, ["VS UP"]),
            Step({1: "exit 12"}, {1: 10, 2: 5}, []),
            Step({2: "exit 1"}, {1: 10}, ["2 DOWN"]),
            Step({1: "exit 3"}, {1: 1}, ["VS DOWN"]),
            Step({1: "exit 2"}, {1: 0}, []),
            Step({2: "exit 12"}, {1: 0, 2: 10}, ["2 UP", "VS UP"]),
            Step({2: "exit 0"}, {1: 0, 2: 5}, ["VS DOWN"]),
        ),
    ),
    Case(
        name="one set of checks for many services",
        number=11,
        ports=(80, 81, 443),
        sorry=True,
        steps=(
            Step(UP, ALL, ["VS UP"]),
            Step({1: "down"}, {2: 1, 3: 1}, ["1 DOWN"]),
            Step({2: "down"}, {3: 1}, ["2 DOWN"]),
            Step({3: "down"}, SORRY, ["3 DOWN", "VS DOWN"]),
            Step({1: "up"}, {1: 1}, ["1 UP", "VS UP"]),
        ),
    ),
    Case(
        name="a quorum that all servers together cannot reach is lowered by keepalived, and stays here",
        number=12,
        weights=(1, 1),
        quorum=5,
        sorry=True,
        steps=(
            Step({1: "up", 2: "up"}, {1: 1, 2: 1}, ["VS UP"], ours=SORRY, our_news=["VS DOWN"]),
            Step({1: "down"}, SORRY, ["1 DOWN", "VS DOWN"], our_news=["1 DOWN"]),
        ),
    ),
)


@define(eq=False)
class Watch:
    """What the kernel shows and both have said, looked at now and then, since looking takes a process."""

    theirs: Keepalived
    ours: int
    shown: Tables = field(factory=dict)
    lines: tuple[list[str], list[str]] = field(factory=lambda: ([], []))

    async def keep_looking(self) -> None:
        """Look until cancelled."""
        while True:
            self.shown = await asyncio.to_thread(tables)
            self.lines[0][:] = self.theirs.listen()
            with suppress(BlockingIOError):
                self.lines[1].extend(os.read(self.ours, 1 << 16).decode().splitlines())
            await asyncio.sleep(_PAUSE)

    def of(self, case: Case) -> list[tuple[dict[str, dict[int, int]], list[str]]]:
        """The tables and the news of a case, keepalived's first."""
        begun = len(case.steps[0].news), len(case.steps[0].our_news or case.steps[0].news)
        found = []
        for side in (0, 1):
            told = short(self.lines[side], case.number)
            told[: begun[side]] = sorted(told[: begun[side]])
            found.append((self.shown.get((side, case.number), {}), told))
        return found


async def _play(case: Case, farm: Farm, watch: Watch) -> None:
    news: tuple[list[str], list[str]] = [], []
    for number, step in enumerate(case.steps):
        if number:
            await farm.become(case, step.states)
        news[0].extend(step.news)
        news[1].extend(step.news if step.our_news is None else step.our_news)
        weights = step.table, step.table if step.ours is None else step.ours
        wanted = [({f"{port} -s rr": dict(weights[side]) for port in case.ports}, news[side]) for side in (0, 1)]
        what = f"{case.name}: step {number}, {dict(step.states)}"
        try:
            await eventually(lambda wanted=wanted: watch.of(case) == wanted, what, _PATIENCE)  # type: ignore[misc]  # a default argument is how a loop's variable is kept
        except AssertionError:
            raise AssertionError(f"{what}:\nwanted {wanted}\nfound  {watch.of(case)}") from None


@pytest.mark.conforms(
    "keyword program/LVS",
    "keyword virtual_server/real_server",
    "keyword virtual_server/MISC_CHECK misc_dynamic",
    "keyword virtual_server/notify_up, notify_down",
    "keyword virtual_server/quorum_up, quorum_down",
)
def test_tables_and_news_are_those_of_keepalived_after_every_step(tmp_path: Path) -> None:
    async def play() -> None:
        farm = Farm(tmp_path)
        async with AsyncExitStack() as stack:
            stack.callback(farm.close)
            for case in CASES:
                await farm.become(case, case.steps[0].states)
            pipe = await stack.enter_async_context(PoolFifoNotifier(tmp_path / "ours"))
            reading = os.open(tmp_path / "ours", os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(os.close, reading)
            theirs = stack.enter_context(keepalived([case.block(farm) for case in CASES], tmp_path))
            manager = await stack.enter_async_context(IPVSManager(owns=is_ours))
            driver = Driver()
            stack.callback(driver.close)
            for case in CASES:
                await stack.enter_async_context(case.pool(farm, manager, pipe, driver))
            watch = Watch(theirs, reading)
            looking = asyncio.create_task(watch.keep_looking())
            try:
                async with asyncio.TaskGroup() as group:
                    for case in CASES:
                        group.create_task(_play(case, farm, watch))
            finally:
                looking.cancel()
        assert [case for side, case in tables() if side == 1] == []

    asyncio.run(play())
