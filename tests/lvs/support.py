"""A table, servers and pools to play with, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import define, field

from vrrpkit.checks import CheckResult, Schedule
from vrrpkit.ipvs import Connections, Endpoint, VirtualService
from vrrpkit.lvs import PoolNotice, ServerPool
from vrrpkit.pool import Member, PoolConfig
from vrrpkit.testing import FakeServices, run_virtual

__all__ = ["ALL_DOWN", "KEY", "SERVICE", "Notes", "Server", "Stage", "now", "play", "shown"]

KEY: Final = Endpoint("tcp", "192.0.2.10", 80)
SERVICE: Final = VirtualService(KEY, scheduler="rr")
ALL_DOWN: Final[dict[str, int]] = {}


def now() -> float:
    return asyncio.get_running_loop().time()


@define(eq=False)
class Server:
    """A real server, and a check of it."""

    ok: bool = True
    weight: int | None = None
    asked: list[float] = field(factory=list)

    async def check(self) -> CheckResult:
        self.asked.append(now())
        return CheckResult(ok=self.ok, detail="fine" if self.ok else "503", weight=self.weight)


@define(eq=False)
class Notes:
    """Writes down the news."""

    told: list[str] = field(factory=list)
    notices: list[PoolNotice] = field(factory=list)

    def tell(self, notice: PoolNotice) -> None:
        self.notices.append(notice)
        self.told.append(str(notice.news))


@define(eq=False)
class Stage:
    """A kernel's table, and servers for pools."""

    table: FakeServices = field(factory=FakeServices)
    servers: dict[str, Server] = field(factory=dict)
    notes: Notes = field(factory=Notes)

    def pool(
        self, *names: str, resync: float | None = None, schedule: Schedule | None = None, **settings: Any
    ) -> ServerPool:
        """A pool of these, 10.1.0.1 and so on, each checked every second."""
        own = {name: settings.pop(name) for name in ("omega", "on_close", "driver") if name in settings}
        config = PoolConfig(**{"services": SERVICE, **settings})
        pool = ServerPool("web", config, self.table, notify=[self.notes], resync=resync, schedule=schedule, **own)
        for name in names:
            self.add(pool, name)
        return pool

    def add(self, pool: ServerPool, name: str, **settings: Any) -> None:
        """One more."""
        server = self.servers.setdefault(name, Server())
        pool.add(Member(f"10.1.0.{name[-1]}", 80, name=name, **settings), {"http": server})

    def connect(self, name: str, connections: int) -> None:
        """Let a server have so many connections."""
        server = Member(f"10.1.0.{name[-1]}", 80).to_server(KEY, 0)
        self.table.counts[KEY, server.place] = Connections(active=connections)

    def shown(self) -> dict[str, int] | None:
        """The weights in the table by server; None if there is no service."""
        return shown(self.table)


def shown(table: FakeServices) -> dict[str, int] | None:
    service = table.table.get(KEY)
    return None if service is None else {str(server.address): server.weight for server in service.servers}


def play(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a scenario in virtual time."""

    async def main() -> None:
        await scenario(Stage())

    run_virtual(main())
