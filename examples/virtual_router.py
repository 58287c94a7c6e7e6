"""A virtual router as a program: share addresses with other routers, keepalived included.

    python examples/virtual_router.py --interface eth0 --vrid 51 --priority 150 --address 192.0.2.10/24

Several in one process, separated by a lone `+`:

    python examples/virtual_router.py -i eth0 --vrid 51 --address 192.0.2.10 + -i eth0 --vrid 52 --address 192.0.2.11

Every change of state is one JSON line on standard output. SIGTERM and SIGINT resign and release first; SIGUSR1
prints a snapshot of every router. Needs CAP_NET_ADMIN and CAP_NET_RAW.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from ipaddress import ip_interface

from vrrpkit import ElectionConfig, StateChanged, VirtualRouter
from vrrpkit.linux import Node, Placement
from vrrpkit.packet import ChecksumForm
from vrrpkit.runtime import shut_down


def parse(arguments: list[str]) -> argparse.Namespace:
    """One router's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--interface", required=True)
    parser.add_argument("--vrid", type=int, required=True, help="1-255, the same on every router")
    parser.add_argument("--priority", type=int, default=100, help="1-254; 255 for the address owner")
    parser.add_argument("--address", action="append", required=True, metavar="ADDRESS[/LENGTH]")
    parser.add_argument("--version", type=int, choices=(2, 3), default=3)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--no-preempt", action="store_true")
    parser.add_argument("--preempt-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--startup-delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--down-timer-adverts", type=int, default=3, metavar="N")
    parser.add_argument("--password", help="version 2 only, at most 8 characters, sent in the clear")
    parser.add_argument("--peer", action="append", default=[], help="unicast to this peer, not multicast")
    parser.add_argument("--checksum", choices=[form.value for form in ChecksumForm], default="pseudo-header")
    parser.add_argument("--no-link-local-first", action="store_true", help="IPv6: as keepalived's default")
    parser.add_argument("--virtual-mac", action="store_true", help="the addresses at 00:00:5e:00:01:VRID (02 for IPv6)")
    parser.add_argument("--netns", help="network namespace, the first router's for all")
    return parser.parse_args(arguments)


async def add(node: Node, options: argparse.Namespace) -> VirtualRouter:
    """Start one router."""
    interfaces = [ip_interface(text) for text in options.address]
    config = ElectionConfig(
        vrid=options.vrid,
        addresses=[interface.ip for interface in interfaces],
        priority=options.priority,
        version=options.version,
        advert_interval=options.interval,
        preempt=not options.no_preempt,
        preempt_delay=options.preempt_delay,
        startup_delay=options.startup_delay,
        down_timer_adverts=options.down_timer_adverts,
        password=options.password,
        checksum_form=ChecksumForm(options.checksum),
        link_local_first=not options.no_link_local_first,
    )
    placements = [Placement(address=text) for text in options.address]
    return await node.add_router(
        options.interface, config, placements=placements, peers=options.peer, virtual_mac=options.virtual_mac
    )


async def report(router: VirtualRouter) -> None:
    """Print every change of one router."""
    async for change in router.changes():
        print(json.dumps(line(router.name, change)), flush=True)


def line(name: str, change: StateChanged) -> dict[str, object]:
    """One change, as it is printed."""
    return {
        "time": datetime.now(UTC).isoformat(),
        "router": name,
        "old": change.old,
        "new": change.new,
        "reason": change.reason,
        "explanation": change.explanation,
        "priority": change.priority,
        "causes": sorted(change.causes),
    }


def print_snapshots(node: Node) -> None:
    """Print everything about every router."""
    for router in node.routers:
        print(json.dumps({"snapshot": router.snapshot().to_dict()}), flush=True)


async def run(routers: list[argparse.Namespace]) -> None:
    """Run until a signal asks to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Node(netns=routers[0].netns) as node:
        loop.add_signal_handler(signal.SIGUSR1, print_snapshots, node)
        for options in routers:
            await add(node, options)
        async with asyncio.TaskGroup() as reports:
            for router in node.routers:
                reports.create_task(report(router))
            await stop.wait()
            await shut_down(*node.routers)


def main() -> int:
    """Parse every group between `+` signs and run them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    groups: list[list[str]] = [[]]
    for argument in sys.argv[1:]:
        if argument == "+":
            groups.append([])
        else:
            groups[-1].append(argument)
    try:
        asyncio.run(run([parse(group) for group in groups]))
    except (ValueError, OSError) as error:
        print(f"virtual_router: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
