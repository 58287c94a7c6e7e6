"""A sync group of vrrpkit as a program: one virtual router on each of its links.

    python run_group.py --priority 200 --interval 0.2 eth0/51/10.77.0.100/24 eth1/52/10.78.0.100/24

Every change of a router is one JSON line on standard output, and so is every change of the group, as that of VRID 0.
SIGTERM resigns and releases first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator

from vrrpkit import ElectionConfig, StateChanged
from vrrpkit.linux import Node, Placement
from vrrpkit.sync import GroupChanged


async def add(node: Node, link: str, options: argparse.Namespace) -> None:
    """Start the virtual router of one link."""
    interface, vrid, address = link.split("/", 2)
    config = ElectionConfig(
        vrid=int(vrid),
        addresses=[address.partition("/")[0]],
        priority=options.priority,
        advert_interval=options.interval,
    )
    (group,) = node.groups
    await node.add_router(interface, config, placements=[Placement(address=address)], group=group)


async def report(name: str, changes: AsyncIterator[StateChanged] | AsyncIterator[GroupChanged]) -> None:
    """Print every change."""
    async for change in changes:
        line = json.dumps({"router": name, "new": change.new, "reason": change.reason, "why": change.explanation})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


async def run(options: argparse.Namespace) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as reports, Node() as node:
        group = node.add_group("VG_1")
        for link in options.links:
            await add(node, link, options)
        reports.create_task(report("VG_1/0", group.changes()))
        for router in node.routers:
            reports.create_task(report(router.name, router.changes()))
        group.start()
        await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("links", nargs="+", metavar="INTERFACE/VRID/ADDRESS/LENGTH")
    parser.add_argument("--priority", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    asyncio.run(run(parser.parse_args()))
