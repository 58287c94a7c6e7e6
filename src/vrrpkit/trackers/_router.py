"""Another virtual router's state, or a sync group's, as a tracked thing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Final, Self

from vrrpkit.election import State, StateChanged
from vrrpkit.runtime import RouterGroup, VirtualRouter
from vrrpkit.runtime._notices import Notice
from vrrpkit.runtime._tracker import Tracker
from vrrpkit.sync import GroupChanged

__all__ = ["RouterTracker"]


class RouterTracker(Tracker):
    """Up while another virtual router of this process, or a sync group, is in one of some states.

    Args:
        router: The other router.
        states: The states that count as up.
        name: What causes, logs and explanations call it; the other's name when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.

    Raises:
        ConfigError: The name or the weight is not allowed.
    """

    def __init__(
        self,
        router: VirtualRouter | RouterGroup,
        *,
        states: Collection[State] = (State.ACTIVE,),
        name: str | None = None,
        weight: int = 0,
        reverse: bool = False,
    ) -> None:
        super().__init__("_".join(router.name.split()) if name is None else name, weight=weight, reverse=reverse)
        self._router = router
        self._states: Final = frozenset(states)
        self._stop: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        """Follow it, beginning with its state now."""
        self._stop = self._router.notify(self)
        self._note(self._router.state, "")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Follow it no more."""
        if self._stop is not None:
            self._stop()
        await super().__aexit__(kind, error, trace)

    def tell(self, notice: Notice) -> None:
        """From the router: news."""
        if isinstance(notice.news, StateChanged | GroupChanged):
            self._note(notice.news.new, notice.news.explanation)

    def _note(self, state: State, why: str) -> None:
        self.report(state in self._states, f"{state}: {why}" if why else state.value)
