"""A pool that is active only while a router is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vrrpkit.election import State, StateChanged
from vrrpkit.runtime import Moment, RouterGroup, VirtualRouter
from vrrpkit.runtime._notices import Notice
from vrrpkit.sync import GroupChanged

__all__ = ["Following"]

# So long may the addresses of a new Active Router wait for the services.
_PATIENCE: Final = 2.0

Switch: TypeAlias = Callable[[bool], None]


class Following:
    """Says of a router or a sync group whether it is Active, before its addresses come and after they have gone.

    Args:
        router: The router or group.
        switch: Is told whether it is Active; at once, too.
        settled: Waits until what `switch` has brought about is done; the addresses of a router wait for it, and of a
            group, which has no hooks, they do not. None if nothing needs to.
    """

    def __init__(
        self, router: VirtualRouter | RouterGroup, switch: Switch, settled: Callable[[], Awaitable[None]] | None
    ) -> None:
        self._switch = switch
        self._settled = settled
        self._stops = [router.notify(self)]
        if settled is not None and isinstance(router, VirtualRouter):
            self._stops.append(router.hook(Moment.BEFORE_ADDING, self._prepare, timeout=_PATIENCE))
        switch(router.state is State.ACTIVE)

    def stop(self) -> None:
        """Follow no more."""
        for stop in self._stops:
            stop()

    def tell(self, notice: Notice) -> None:
        """From the router: news, told when its addresses have been dealt with."""
        if isinstance(notice.news, StateChanged | GroupChanged):
            self._switch(notice.news.new is State.ACTIVE)

    async def _prepare(self, _change: StateChanged) -> None:
        self._switch(True)
        if self._settled is not None:
            await self._settled()
