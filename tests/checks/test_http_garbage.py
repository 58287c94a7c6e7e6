"""What a check leaves to the garbage collector, whose pauses make routers in the same process late."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.checks.talks import free_port
from tests.linux.support import LOOPS, run
from vrrpkit.checks import HTTPChecker

CHECKS = 10

# A transport of asyncio itself leaves about ten objects; a check whose frames are left has a hundred.
FEW = 30 * CHECKS


@pytest.mark.parametrize("loop", LOOPS)
def test_a_check_that_is_refused_leaves_next_to_nothing(loop: str) -> None:
    checker = HTTPChecker(host="127.0.0.1", port=free_port())

    async def refused() -> None:
        assert (await checker.check()).detail == "Connection refused"

    assert run(_left(refused), loop) < FEW


@pytest.mark.parametrize("loop", LOOPS)
def test_a_check_that_takes_too_long_leaves_next_to_nothing(loop: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        checker = HTTPChecker(host="127.0.0.1", port=server.getsockname()[1])

        async def cancelled() -> None:
            task = asyncio.create_task(checker.check())
            await asyncio.wait({task}, timeout=0.02)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()

        assert run(_left(cancelled), loop) < FEW


async def _left(check: Callable[[], Awaitable[None]]) -> int:
    """How many objects the collector finds after some checks, when it has not run meanwhile."""
    await check()
    gc.collect()
    gc.disable()
    try:
        for _ in range(CHECKS):
            await check()
        await asyncio.sleep(0)
        return gc.collect()
    finally:
        gc.enable()
