"""The process that `scale` measures: many virtual routers on several interfaces."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal

from vrrpkit import ElectionConfig, State
from vrrpkit.linux import Node

PER_LINK = 255
ACTIVE = 200  # the priority of a process that says it is ready only once all its routers are Active


def address_of(number: int) -> str:
    """The virtual address of the router with this number, counted from 0 over all links."""
    return f"10.200.{number // PER_LINK}.{number % PER_LINK + 1}"


async def run(count: int, priority: int, interval: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Node() as node:
        for number in range(count):
            config = ElectionConfig(
                vrid=number % PER_LINK + 1,
                addresses=[address_of(number)],
                priority=priority,
                advert_interval=interval,
            )
            await node.add_router(f"v{number // PER_LINK}", config)
        if priority == ACTIVE:
            await asyncio.gather(*(router.until(State.ACTIVE) for router in node.routers))
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await stop.wait()
        print(sum(router.counters.master_transitions for router in node.routers), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("priority", type=int)
    parser.add_argument("interval", type=float)
    options = parser.parse_args()
    asyncio.run(run(options.count, options.priority, options.interval))
