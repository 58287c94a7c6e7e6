"""A virtual server of the kernel (IPVS) over real web servers that are checked.

    python examples/lvs_pool.py --service 192.0.2.10:80 --server 10.1.0.1:8080 --server 10.1.0.2:8080

The kernel sends each connection to 192.0.2.10:80 to one of the servers that are well, by NAT: their answers have to
come back through this machine. Each is asked for a page every two seconds. Two failures in a row take it out, one good
answer puts it back. While none is well, the sorry server answers, if there is one.

Commands are lines on standard input: `drain 10.1.0.1:8080` gives a server no new connections, and takes it out when it
has none; `maintain` and `serve` take it out and put it back at once; `show` writes everything as JSON.

Every verdict is a line on standard error. SIGTERM removes the virtual server, or leaves it as it is with `--leave`. A
program that was killed leaves it, too; the next one goes on with it, and no connection is disturbed. Needs
CAP_NET_ADMIN, and a kernel with IPVS (modprobe ip_vs). The virtual address has to be on this machine already: for one
that moves between machines, see docs/howto/run-a-server-pool.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress

from vrrpkit.checks import HTTPChecker, Schedule
from vrrpkit.ipvs import Endpoint, VirtualService
from vrrpkit.linux import IPVSManager
from vrrpkit.lvs import OnClose, ServerPool
from vrrpkit.pool import Member, PoolConfig


def place(text: str) -> tuple[str, int]:
    """`192.0.2.10:80` or `[2001:db8::10]:80`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def parse() -> argparse.Namespace:
    """The settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", type=place, required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--server", type=place, action="append", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--sorry", type=place, metavar="ADDRESS:PORT")
    parser.add_argument("--scheduler", default="wlc", help="rr, wrr, lc, wlc, sh, mh ...")
    parser.add_argument("--path", default="/", help="what the servers are asked for; 200-299 is well")
    parser.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="from one check to the next")
    parser.add_argument("--fall", type=int, default=2, help="so many failures in a row")
    parser.add_argument("--quorum", type=int, default=1, help="so many servers, or the sorry server alone")
    parser.add_argument("--leave", action="store_true", help="leave the virtual server as it is at the end")
    return parser.parse_args()


def make_config(options: argparse.Namespace) -> PoolConfig:
    """What the pool is made of."""
    service = VirtualService(Endpoint("tcp", *options.service), scheduler=options.scheduler)
    sorry = Member(*options.sorry, name="sorry") if options.sorry else None
    return PoolConfig(services=service, quorum=options.quorum, sorry_server=sorry)


def make_pool(options: argparse.Namespace, config: PoolConfig, ipvs: IPVSManager) -> ServerPool:
    """The pool with its members."""
    schedule = Schedule(interval=options.interval, fall=options.fall)
    on_close = OnClose.LEAVE if options.leave else OnClose.REMOVE
    pool = ServerPool("web", config, ipvs, schedule=schedule, on_close=on_close)
    for host, port in options.server:
        pool.add(Member(host, port), HTTPChecker(host=host, port=port, paths=options.path))
    return pool


def obey(pool: ServerPool, start: Callable[[Coroutine[None, None, int]], object]) -> None:
    """Carry out a command."""
    line = sys.stdin.readline()
    match line.split():
        case ["drain", name] if name in pool.members:
            start(pool.drain(name))
        case ["maintain", name] if name in pool.members:
            pool.begin_maintenance(name)
        case ["serve", name] if name in pool.members:
            pool.end_maintenance(name)
        case ["show"]:
            print(json.dumps(pool.snapshot().to_dict(), indent=2), flush=True)
        case [] if not line:  # there will be no more
            asyncio.get_running_loop().remove_reader(sys.stdin)
        case words:
            print(f"not understood: {' '.join(words)}", file=sys.stderr)


async def run(options: argparse.Namespace) -> None:
    """Balance until a signal asks to stop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config = make_config(options)
    async with IPVSManager(owns=lambda key: key in config.keys) as ipvs:
        pool = make_pool(options, config, ipvs)
        async with pool, asyncio.TaskGroup() as drains:
            with suppress(PermissionError):  # a file or /dev/null
                loop.add_reader(sys.stdin, obey, pool, drains.create_task)
            await stop.wait()
            loop.remove_reader(sys.stdin)
            await pool.aclose()  # which ends the drains


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        asyncio.run(run(parse()))
    except (ValueError, OSError) as error:
        sys.exit(f"lvs_pool: {error}")
