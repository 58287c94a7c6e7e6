"""HAProxy on two nodes behind one address, which follows the HAProxy that lives.

Run this on each of the two:

    python examples/haproxy_failover.py --interface eth0 --address 192.0.2.10/24

A living HAProxy is worth two points: priority 52 with it, 50 without. When the check finds HAProxy gone, the repair
starts it again, and the check looks once more two seconds later. Only if HAProxy is still gone are the two points lost,
and the other node takes over: 52 against 50.

A client waits for the next check and the repair if that helps (measured: 0.2-2.4 s). If not, for the next check, the
repair, the second look, and the silence limit of the other node: 2 + repair + 2 + 3.8 s at most (measured: 5.5-6.8 s).

Every verdict and every change of state is a line on standard error. SIGTERM resigns and removes the address. Needs
CAP_NET_ADMIN and CAP_NET_RAW, and whatever the commands need.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
import sys

from vrrpkit import ElectionConfig, State
from vrrpkit.checks import Schedule
from vrrpkit.commands import Command
from vrrpkit.linux import Placement, open_router
from vrrpkit.notifications import ScriptNotifier
from vrrpkit.trackers import ScriptTracker

# A dead process keeps its number until somebody waits for it, in containers perhaps for ever; hence the run states.
ALIVE = "pgrep --exact --pidfile /run/haproxy.pid --runstates D,R,S haproxy"


def parse() -> argparse.Namespace:
    """The settings; equal on both nodes, except that the priorities may differ by less than the weight."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--address", required=True, metavar="ADDRESS/LENGTH")
    parser.add_argument("--vrid", type=int, default=150)
    parser.add_argument("--priority", type=int, default=50)
    parser.add_argument("--password", default="1111", help="at most 8 characters, sent in the clear")
    parser.add_argument("--check", default=ALIVE, metavar="LINE", help="for /bin/sh: exit 0 if HAProxy lives")
    parser.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="from one check to the next")
    parser.add_argument("--weight", type=int, default=2, help="what a living HAProxy adds; 0: resign without it")
    parser.add_argument("--repair", default="systemctl restart haproxy", metavar="LINE", help="for /bin/sh")
    parser.add_argument("--notify", metavar="COMMAND", help="is run at every change, with keepalived's four arguments")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    """Share the address until a signal asks to stop."""
    haproxy = ScriptTracker(
        "haproxy",
        Command.shell(options.check),
        Schedule(interval=options.interval, recheck_after=2.0),
        weight=options.weight,
        repair=Command.shell(options.repair),
    )
    scripts = ScriptNotifier(notify=Command(shlex.split(options.notify)) if options.notify else None)
    place = Placement(address=options.address)
    config = ElectionConfig(
        version=2, vrid=options.vrid, priority=options.priority, password=options.password, addresses=[place.address]
    )
    async with (
        scripts,
        haproxy,
        open_router(options.interface, config, placements=[place], tracks=[haproxy], notify=[scripts]) as router,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, router.shut_down)
        await router.until(State.INITIALIZE)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        asyncio.run(run(parse()))
    except (ValueError, OSError) as error:
        sys.exit(f"haproxy_failover: {error}")
