"""The scenario on a LAN in memory, for machines that allow no namespaces."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from vrrpkit.demo._scenario import CONFIGS, View
from vrrpkit.runtime import VirtualRouter, shut_down
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan

__all__ = ["MemoryStage"]

_OWN: Final = {"a": "192.0.2.1", "b": "192.0.2.2"}


class MemoryStage:
    """Two routers on a `MemoryLan`; the client asks whoever holds the address."""

    def __init__(self) -> None:
        self.about: Final = "On a LAN in memory: namespaces are not allowed here, or not wanted."
        self._lan = MemoryLan()
        self._lives = 0
        self._nodes: dict[str, str] = {}
        self._addresses: dict[str, FakeAddresses] = {}
        self._routers: dict[str, VirtualRouter] = {}
        self._dead: list[VirtualRouter] = []
        self._readers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Nothing to wait for."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End every router, the dead included."""
        await shut_down(*self._dead, *self._routers.values())
        await asyncio.gather(*self._readers)

    async def start(self, name: str, view: View) -> None:
        """Start a router."""
        self._lives += 1
        self._nodes[name] = f"{name}{self._lives}"
        transport = self._lan.attach(CONFIGS[name].vrid, _OWN[name], name=self._nodes[name])
        addresses = FakeAddresses()
        router = VirtualRouter(
            CONFIGS[name], transport=transport, addresses=addresses, announcer=FakeAnnouncer(), name=name
        )
        self._addresses[name], self._routers[name] = addresses, router
        self._readers.add(asyncio.create_task(self._follow(router, view)))
        router.start()

    async def kill(self, name: str) -> None:
        """As near as memory comes: it neither speaks nor hears any more, and answers nobody."""
        self._dead.append(self._routers.pop(name))
        self._addresses.pop(name)
        self._lan.partition(self._nodes[name])

    async def stop(self, name: str) -> None:
        """Stop it gracefully."""
        self._routers[name].shut_down()

    def ask(self, view: View) -> None:
        """Whoever holds the address answers."""
        for name, addresses in self._addresses.items():
            if addresses.held:
                view.answered(name)

    async def _follow(self, router: VirtualRouter, view: View) -> None:
        async for change in router.changes():
            if router not in self._dead:
                view.changed(router.name, change.new, change.explanation)
