"""vrrpkit's side of `tables.py`: a router and a script tracker for each table.

    python run_tables.py PIPE TABLES

After every verdict, a line in the pipe tells the state and the effective priority that have come of it, in the words
of keepalived's pipe, before the next run of that script can begin. What `changes()` tells follows in lines of its own.
SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from vrrpkit import ElectionConfig, State, VirtualRouter
from vrrpkit.checks import Schedule
from vrrpkit.commands import Command
from vrrpkit.linux import Node, Placement
from vrrpkit.trackers import ScriptTracker
from vrrpkit.tracking import FirstResult, describe

_WORDS = {State.ACTIVE: "MASTER", State.BACKUP: "BACKUP", State.FAULT: "FAULT"}


def tracker_of(table: dict[str, Any]) -> ScriptTracker:
    """The script of one table."""
    schedule = Schedule(
        interval=table["interval"],
        timeout=table["timeout"],
        rise=table["rise"],
        fall=table["fall"],
        first=FirstResult.ASSUME_DOWN if table["init_fail"] else FirstResult.DECIDES,
    )
    return ScriptTracker(
        table["name"], Command(table["command"]), schedule, weight=table["weight"], reverse=table["reverse"]
    )


async def add_router(node: Node, table: dict[str, Any], tracker: ScriptTracker) -> VirtualRouter:
    """A router that depends on the script alone."""
    vrid, interval = table["vrid"], table["advert_interval"]
    address = f"10.77.0.{vrid}"
    config = ElectionConfig(vrid=vrid, addresses=[address], priority=100, advert_interval=interval)
    placements = [Placement(address=f"{address}/24")]
    return await node.add_router("eth0", config, placements=placements, name=table["name"], tracks=[tracker])


async def follow(tracker: ScriptTracker, pipe: int) -> None:
    """Tell what `changes()` tells."""
    async for news in tracker.changes():
        write(pipe, f"NEWS {news.name} {describe(news.reading)} {news.detail}")


def tell(router: VirtualRouter, pipe: int) -> None:
    """Tell what a verdict has led to."""
    write(pipe, f'INSTANCE "{router.name}" {_WORDS[router.state]} {router.standing.priority}')


def write(pipe: int, line: str) -> None:
    """Write one line as a whole."""
    os.write(pipe, f"{line}\n".encode())


async def run(pipe: int, tables: list[dict[str, Any]]) -> None:
    """Run all tables until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Node() as node, AsyncExitStack() as stack:
        followers = []
        for table in tables:
            tracker = tracker_of(table)
            router = await add_router(node, table, tracker)
            tracker.watch(partial(tell, router, pipe))
            followers.append(asyncio.create_task(follow(tracker, pipe)))
            await stack.enter_async_context(tracker)
        await stop.wait()
    await asyncio.gather(*followers)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    asyncio.run(run(os.open(sys.argv[1], os.O_WRONLY), json.loads(sys.argv[2])))
