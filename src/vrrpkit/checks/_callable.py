"""Any coroutine function as a check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from attrs import frozen

from vrrpkit.checks._base import CheckResult

__all__ = ["CallableChecker"]


@frozen
class CallableChecker:
    """Asks a coroutine function.

    Attributes:
        probe: Returns whether the target is well, or a whole `CheckResult`. What it raises is a failure to a tracker
            and to a combination of checks; `check()` alone lets it pass.
    """

    probe: Callable[[], Awaitable[bool | CheckResult]]

    async def check(self) -> CheckResult:
        """Ask once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        answer = await self.probe()
        if isinstance(answer, CheckResult):
            return answer
        return CheckResult(ok=answer, detail="" if answer else "not well", elapsed=clock() - started)
