"""A pool's quorum as a tracked thing."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from vrrpkit.lvs._pool import ServerPool
from vrrpkit.runtime._tracker import Tracker

__all__ = ["QuorumTracker"]


class QuorumTracker(Tracker):
    """Up while a pool holds its quorum, so that a router can track it.

        async with pool, QuorumTracker(pool, weight=-50) as quorum:
            router.track(quorum)

    Nothing is known before the quorum is held or every member has had its first verdict. What the kernel makes of
    the pool does not matter here, and a pool that is withdrawn keeps its quorum.

    Args:
        pool: The pool.
        name: What causes, logs and explanations call it; the pool's name when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.

    Raises:
        ConfigError: The name or the weight is not allowed.
    """

    def __init__(self, pool: ServerPool, *, name: str | None = None, weight: int = 0, reverse: bool = False) -> None:
        super().__init__(pool.name if name is None else name, weight=weight, reverse=reverse)
        self._pool = pool
        self._stop: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it follows the pool."""
        return self._stop is not None

    async def __aenter__(self) -> Self:
        """Follow the pool, beginning with what is known now."""
        self._stop = self._pool.watch_quorum(self._note)
        self._note()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Follow it no more; routers keep what was known last."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()
        await super().__aexit__(kind, error, trace)

    def _note(self) -> None:
        self.report(self._pool.quorum, self._pool.explanation)
