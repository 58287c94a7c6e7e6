"""The HTTP connections of an event loop, and that they end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from attrs import define, field, frozen

from vrrpkit.checks._via import Via

if TYPE_CHECKING:
    from vrrpkit.checks._http_client import Client

__all__ = ["Version", "Way", "client_for", "close_http_connections"]

Version: TypeAlias = Literal["1.0", "1.1"]


@frozen(cache_hash=True)
class Way:
    """What connections that may be shared have in common.

    Attributes:
        via: How to get there.
        version: The version of HTTP.
        keep_alive: Whether they are kept.
        server_name: The name that kept ones have verified; before 3.14.1, aiohttp would use them for any.
    """

    via: Via
    version: Version
    keep_alive: bool
    server_name: str | None


@define
class _Home:
    """What belongs to one event loop."""

    guard: AsyncGenerator[None, None]
    clients: dict[Way, Client] = field(factory=dict)


_homes: Final[dict[asyncio.AbstractEventLoop, _Home]] = {}


async def client_for(way: Way, make: Callable[[Way], Client]) -> Client:
    """The running loop's client for this way, made when there is none."""
    home = _homes.get(asyncio.get_running_loop()) or await _move_in()
    client = home.clients.get(way)
    if client is None:
        client = home.clients[way] = make(way)
    return client


async def close_http_connections() -> None:
    """Close what HTTP checks keep open in the running event loop; checks that are running fail.

    Only checks with `keep_alive` keep anything open between checks. asyncio.run() and asyncio.Runner call for this by
    themselves (`loop.shutdown_asyncgens()`); it is for loops that go on, or that end in another way.
    """
    home = _homes.get(asyncio.get_running_loop())
    if home is not None:
        await home.guard.aclose()


async def _move_in() -> _Home:
    for other in tuple(_homes):
        if other.is_closed():
            del _homes[other]
    loop = asyncio.get_running_loop()
    home = _homes[loop] = _Home(_guard(loop))
    await anext(home.guard)
    return home


async def _guard(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
    """A loop that ends closes its generators, and this one the loop's connections."""
    try:
        yield
    finally:
        for client in _homes.pop(loop).clients.values():
            await client.close()
