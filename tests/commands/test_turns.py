"""However many programs are due at once, the event loop does what is due between any two starts."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from weakref import ref

import pytest

from tests.commands.helpers import descriptors, leaving_nothing
from tests.linux.support import LOOPS, eventually
from tests.linux.support import run as run_on
from vrrpkit.commands import Command, run
from vrrpkit.commands._turns import in_turn

COUNT = 100


def again_soon(look: Callable[[], None]) -> Callable[[], None]:
    """Look in every turn of the loop; returns how to stop."""
    loop, going = asyncio.get_running_loop(), [True]

    def turn() -> None:
        look()
        if going:
            loop.call_soon(turn)

    loop.call_soon(turn)
    return going.clear


def again_when_due(look: Callable[[], None]) -> Callable[[], None]:
    """Look from a timer that is always due."""
    loop, going = asyncio.get_running_loop(), [True]

    def turn() -> None:
        look()
        if going:
            loop.call_at(loop.time(), turn)

    loop.call_soon(turn)
    return going.clear


def again_when_readable(look: Callable[[], None]) -> Callable[[], None]:
    """Look when something can be read, which is always."""
    loop = asyncio.get_running_loop()
    ours, theirs = os.pipe()
    os.write(theirs, b"x")
    loop.add_reader(ours, look)

    def stop() -> None:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)

    return stop


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("again", [again_soon, again_when_due, again_when_readable])
def test_the_loop_has_a_turn_between_any_two_starts(
    loop: str, again: Callable[[Callable[[], None]], Callable[[], None]]
) -> None:
    async def scenario() -> list[int]:
        seen: list[int] = []
        command = Command(["sleep", "1000"])
        stop = again(lambda: seen.append(descriptors()))
        seen.append(descriptors())
        tasks = [asyncio.create_task(run(command, timeout=1000, max_output=0)) for _ in range(COUNT)]
        # Each program takes one descriptor, by which its end is noticed.
        await eventually(lambda: seen and seen[-1] - seen[0] == COUNT, "so many programs")
        stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return seen

    seen = run_on(leaving_nothing(scenario), loop)
    assert max(later - earlier for earlier, later in pairwise(seen)) == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_turns_come_in_the_order_of_asking(loop: str) -> None:
    async def scenario() -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(in_turn(partial(order.append, number)) for number in range(50)))
        return order

    assert run_on(scenario(), loop) == list(range(50))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_start_that_fails_gives_the_turn_on(loop: str) -> None:
    async def scenario() -> list[object]:
        starts = [partial(int, text) for text in ("1", "x", "3")]
        return await asyncio.gather(*map(in_turn, starts), return_exceptions=True)

    one, error, three = run_on(scenario(), loop)
    assert (one, type(error), three) == (1, ValueError, 3)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("moment", range(8))
def test_a_turn_that_is_cancelled_at_any_moment_is_passed_on(loop: str, moment: int) -> None:
    async def scenario() -> list[int]:
        order: list[int] = []
        tasks = [asyncio.create_task(in_turn(partial(order.append, number))) for number in range(4)]
        for _ in range(moment):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks, timeout=15)
        assert all(task.done() for task in tasks)
        assert (1 in order) is not tasks[1].cancelled()
        return [number for number in order if number != 1]

    assert run_on(scenario(), loop) == [0, 2, 3]


def test_a_loop_is_forgotten_with_everyone_who_waited() -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(run(Command(["true"]), timeout=15)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(scenario())
    loop.close()
    remembered = ref(loop)
    del loop
    gc.collect()
    assert remembered() is None
