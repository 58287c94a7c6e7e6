"""Commands, one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import Attribute, define, field

from vrrpkit.commands import Command, run
from vrrpkit.errors import ConfigError
from vrrpkit.notifications._latest import Latest
from vrrpkit.runtime._router import see_through

__all__ = ["Turns", "check_command"]

log = logging.getLogger("vrrpkit.notify")

T = TypeVar("T")


def check_command(_instance: object, attribute: Attribute[Command | None], value: Command | None) -> None:
    """An attrs validator: a command or None."""
    given: object = value
    if given is not None and not isinstance(given, Command):
        raise ConfigError(f"{attribute.name} must be a Command or None, got {value!r}")


@define(eq=False)
class Turns(Generic[T]):
    """Runs the commands of what waits, strictly one after another, in a task of its own.

    Attributes:
        waiting: What is to be told, in order.
        commands: Tells what logs call an item, and what to run for it.
        timeout: Seconds after which a command is ended.
        is_open: Whether anything is taken.
        run: How many commands were run, or tried to.
        failed: How many of them could not be started, failed, or were ended.
    """

    waiting: Latest[T]
    commands: Callable[[T], tuple[str, tuple[Command, ...]]]
    timeout: float
    is_open: bool = field(default=False, init=False)
    run: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    _worker: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Something more waits."""
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def close(self, patience: float) -> None:
        """Run what waits, within the time there is; leave no process behind."""
        self.is_open = False
        worker = self._worker
        if worker is None:
            return
        try:
            await asyncio.wait({worker}, timeout=patience)
        finally:
            worker.cancel()
            self.waiting.clear()
            await see_through(_end_of(worker))

    async def _work(self) -> None:
        try:
            while self.waiting:
                await self._run_all(self.waiting.pop())
        finally:
            self._worker = None

    async def _run_all(self, item: T) -> None:
        subject = str(item)
        try:
            subject, commands = self.commands(item)
            for command in commands:
                await self._run(subject, command)
        except Exception:  # a defect must not keep what follows from being told
            self.failed += 1
            log.exception("%s: its commands could not be run", subject)

    async def _run(self, subject: str, command: Command) -> None:
        self.run += 1
        try:
            outcome = await run(command, timeout=self.timeout)
        except asyncio.CancelledError:
            self.failed += 1
            log.warning("%s: %s: ended, no time is left", subject, command)
            raise
        if outcome.ok:
            log.debug("%s: %s: %s", subject, command, outcome.detail)
        else:
            self.failed += 1
            log.warning("%s: %s: %s", subject, command, outcome.detail)


async def _end_of(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
