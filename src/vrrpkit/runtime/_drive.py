"""One machine whose actions take time: the same contract as the driver's, in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, NoReturn, TypeVar

from vrrpkit.machine import Machine

__all__ = ["Inbox", "drive"]

E = TypeVar("E")
A = TypeVar("A")


class Inbox(Generic[E]):
    """Events waiting for one machine that `drive()` runs."""

    def __init__(self) -> None:
        self._events: list[E] = []
        self._ready = asyncio.Event()

    def post(self, event: E) -> None:
        """Leave an event; never waits."""
        self._events.append(event)
        self._ready.set()

    async def collect(self, until: float | None) -> tuple[E, ...]:
        """Wait for events or until the deadline; return all that have come."""
        if not self._events:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._ready.wait()
        self._ready.clear()
        events, self._events = tuple(self._events), []
        return events


async def drive(
    machine: Machine[E, A], inbox: Inbox[E], perform: Callable[[A], Awaitable[None]], *, tick: E
) -> NoReturn:
    """Run one machine forever whose actions take time.

    The same contract as `Driver`, for a machine that may wait for its actions: each batch of events is handled
    first and ends with a tick, so a stalled process hears before it judges, and a flood of events cannot starve the
    timer.

    Args:
        machine: The machine.
        inbox: Where its events come from.
        perform: Does one action; the next event waits for it.
        tick: The event that tells the machine the time.
    """
    clock = asyncio.get_running_loop().time
    while True:
        for event in (*await inbox.collect(machine.deadline), tick):
            for action in machine.handle(event, clock()):
                await perform(action)
