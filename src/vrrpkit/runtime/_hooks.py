"""What an app does itself when a router's addresses come and go."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import frozen

from vrrpkit._naming import name_of
from vrrpkit.election import StateChanged
from vrrpkit.errors import check_number
from vrrpkit.runtime._feed import enlist

__all__ = ["Hook", "Hooks", "Moment"]

log = logging.getLogger("vrrpkit.hooks")


class Moment(enum.StrEnum):
    """When a hook runs."""

    BEFORE_ADDING = "before-adding"
    """Active has been won and told to the peers; the addresses follow after the hook."""
    AFTER_ADDING = "after-adding"
    """The addresses are here, and announced. It is left out when the kernel refuses them, or Active is lost before."""
    BEFORE_REMOVING = "before-removing"
    """Active has been lost or given up; the addresses go after the hook. Another may hold them meanwhile."""
    AFTER_REMOVING = "after-removing"
    """The addresses are gone, or were never there."""


Hook: TypeAlias = Callable[[StateChanged], Awaitable[object]]
"""Is told the change that led to this moment."""


@frozen(eq=False)
class _Entry:
    hook: Hook
    timeout: float


class Hooks:
    """The hooks of one router: each moment's run one after another, as they were added."""

    def __init__(self, name: str) -> None:
        """`name` is what logs call the router."""
        self._name = name
        self._entries: defaultdict[Moment, list[_Entry]] = defaultdict(list)
        self._abandoned: set[asyncio.Future[object]] = set()

    def add(self, moment: Moment, hook: Hook, timeout: float) -> Callable[[], None]:
        """Run `hook` at every such moment, for at most `timeout` seconds; returns how to stop.

        Raises:
            ConfigError: The timeout is out of its range.
        """
        check_number("timeout", timeout, 0.001, 3600, "seconds")
        return enlist(self._entries[Moment(moment)], _Entry(hook, timeout))

    async def run(self, moment: Moment, change: StateChanged) -> None:
        """Run a moment's hooks; one that fails or takes too long is logged, and holds nothing up any longer."""
        for entry in tuple(self._entries[moment]):
            try:
                await self._run_one(moment, entry, change)
            except Exception:
                log.exception("%s: the hook %s at %s failed", self._name, name_of(entry.hook), moment)

    async def _run_one(self, moment: Moment, entry: _Entry, change: StateChanged) -> None:
        """Waits for the time allowed and not for the hook's consent: one that ignores its cancellation is left."""
        task = asyncio.ensure_future(entry.hook(change))
        try:
            await asyncio.wait({task}, timeout=entry.timeout)
        finally:
            if not task.done():
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._abandoned.discard)
        if task.done():
            task.result()
        else:
            text = "%s: the hook %s at %s took longer than %g s and was cancelled"
            log.error(text, self._name, name_of(entry.hook), moment, entry.timeout)
