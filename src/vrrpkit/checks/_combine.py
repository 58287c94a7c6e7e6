"""Several checks as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from attrs import field, frozen

from vrrpkit.checks._attempt import attempt
from vrrpkit.checks._base import Checker, CheckResult
from vrrpkit.errors import ConfigError, Whole

__all__ = ["AtLeast", "all_of", "any_of"]


def _to_checkers(checkers: Iterable[Checker]) -> tuple[Checker, ...]:
    return tuple(checkers)


@frozen
class AtLeast:
    """Well if so many of its checks are; they run side by side until the outcome is certain, and are then cancelled.

    Of the weights that those wish for that are well by then, the smallest counts.

    Attributes:
        count: How many must be well, 1 to the number of checks.
        checkers: The checks.

    Raises:
        ConfigError: There are fewer checks than that.
    """

    count: int = field(validator=Whole(1, 1_000_000))
    checkers: tuple[Checker, ...] = field(converter=_to_checkers)

    def __attrs_post_init__(self) -> None:
        """Check that it can ever be well."""
        if self.count > len(self.checkers):
            raise ConfigError(f"count must be 1-{len(self.checkers)}, the number of checks, got {self.count}")

    async def check(self) -> CheckResult:
        """Run them once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(attempt(checker.check)) for checker in self.checkers]
            pending = set(tasks)
            while pending and self._undecided(tasks, len(pending)):
                _done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
        results = [task.result() for task in tasks if not task.cancelled()]
        well = sum(result.ok for result in results)
        reasons = [result.detail for result in results if not result.ok]
        if pending:
            reasons.append(f"{len(pending)} not waited for")
        detail = f"{well} of {len(tasks)} are well{': ' if reasons else ''}{'; '.join(reasons)}"
        weights = [result.weight for result in results if result.ok and result.weight is not None]
        return CheckResult(
            ok=well >= self.count, detail=detail, elapsed=clock() - started, weight=min(weights, default=None)
        )

    def _undecided(self, tasks: Sequence[asyncio.Task[CheckResult]], pending: int) -> bool:
        well = sum(task.done() and task.result().ok for task in tasks)
        return well < self.count <= well + pending


def all_of(*checkers: Checker) -> AtLeast:
    """Well if all of them are.

    Raises:
        ConfigError: There is none.
    """
    return AtLeast(len(checkers), checkers)


def any_of(*checkers: Checker) -> AtLeast:
    """Well if one of them is.

    Raises:
        ConfigError: There is none.
    """
    return AtLeast(1, checkers)
