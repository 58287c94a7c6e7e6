"""A link, as a tracked thing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from vrrpkit.errors import ConfigError
from vrrpkit.linux._links import LinkView, LinkWatcher
from vrrpkit.runtime import Driver
from vrrpkit.trackers._finder import SettlingFinder, check_interface

__all__ = ["InterfaceTracker"]


class InterfaceTracker(SettlingFinder):
    """Up while an interface is there, switched on and able to carry traffic (keepalived's `track_interface`).

        async with InterfaceTracker("eth0", down_delay=0.5) as uplink:
            async for news in uplink.changes():
                print(news)

    It follows the name: an interface that is not there is down, and may come at any time, go, and come again. The
    delays are keepalived's `interface_up_down_delays`; what is found first is believed at once.

    Args:
        interface: The interface's name.
        name: What causes, logs and explanations call it; the interface's name when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        up_delay: Seconds, 0-3600, that being up must last.
        down_delay: Seconds, 0-3600, that being down must last.
        watcher: Follows the links; several trackers can share one. It is not closed. Its own when None.
        netns: The network namespace by name or path, for a watcher of its own; None for the process's.
        driver: The clock that it shares; its own when None.

    Attributes:
        interface: The interface's name.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        interface: str,
        *,
        name: str | None = None,
        weight: int = 0,
        reverse: bool = False,
        up_delay: float = 0.0,
        down_delay: float = 0.0,
        watcher: LinkWatcher | None = None,
        netns: str | None = None,
        driver: Driver | None = None,
    ) -> None:
        check_interface("interface", interface)
        if watcher is not None and netns is not None:
            raise ConfigError(f"netns must be None with a watcher, which has its own, got {netns!r}")
        super().__init__(
            interface if name is None else name,
            weight=weight,
            reverse=reverse,
            up_delay=up_delay,
            down_delay=down_delay,
            driver=driver,
        )
        self.interface: Final = interface
        self._watcher = watcher
        self._netns = netns

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await super()._open(driver, stack)
        watcher = self._watcher
        if watcher is None:
            watcher = LinkWatcher(self._netns)
            stack.callback(watcher.close)
        stack.callback(watcher.watch(self.interface, self._note))
        self._note(watcher.view(self.interface))

    def _note(self, view: LinkView) -> None:
        if view.index is None:
            self._observe(False, f"there is no {view.name}")
        else:
            self._observe(view.up, "" if view.up else "switched off, or without a carrier")
