"""Two MySQL or MariaDB servers behind one address, which follows the server that answers.

Run this on each of the two nodes:

    python examples/mysql_failover.py --interface eth0 --address 192.0.2.20/24

The check speaks the protocol: it connects and reads the server's greeting. So it notices a server that hangs while its
process lives and its port accepts, and one that has too many connections. A node whose server fails three times in
a row is in fault: it resigns at once, and the other takes over one skew later. Nothing moves back by itself.

Only the server of the Active node is writable. What replicates the data, and what keeps a server that was cut off from
being written to by whoever is still connected to it, is not in here.

Every verdict and every change of state is a line on standard error. SIGTERM resigns and removes the address.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import signal
import sys

from vrrpkit import ElectionConfig, State, StateChanged, VirtualRouter
from vrrpkit.checks import CallableChecker, CheckResult, Schedule
from vrrpkit.commands import Command, run
from vrrpkit.linux import Placement, open_router
from vrrpkit.runtime import Moment
from vrrpkit.trackers import CheckTracker

log = logging.getLogger("mysql_failover")


async def greeting(host: str, port: int) -> CheckResult:
    """What a server says to whoever connects: version 10 of the protocol and its own, or why it refuses."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        header = await reader.readexactly(4)  # three octets of length, one of sequence
        said = await reader.readexactly(min(int.from_bytes(header[:3], "little"), 1024))
    except EOFError:
        return CheckResult(ok=False, detail="hung up without a greeting")
    finally:
        writer.close()
    match said[:1]:
        case b"\x0a":
            return CheckResult(ok=True, detail=said[1:].partition(b"\0")[0].decode(errors="replace"))
        case b"\xff":
            return CheckResult(ok=False, detail=said[3:].decode(errors="replace"))
        case other:
            return CheckResult(ok=False, detail=f"not a MySQL server: begins with {other!r}")


class Switch:
    """Lets a server be written to while its node is Active, and at no other time."""

    def __init__(self, router: VirtualRouter, client: Command) -> None:
        self._router = router
        self._client = client
        self._one_at_a_time = asyncio.Lock()
        self._done = ""

    async def settle(self, _change: StateChanged | None = None) -> None:
        """Set it as the state demands now."""
        async with self._one_at_a_time:
            statement = f"SET GLOBAL read_only={int(self._router.state is not State.ACTIVE)}"
            outcome = await run(self._client.with_arguments(f"--execute={statement}"), timeout=1.0, grace=0.0)
            done = f"{statement}: {outcome.detail}"
            if done != self._done:
                log.info(done)
            self._done = done

    async def insist(self) -> None:
        """Again and again: a server that was restarted, or hung when its node lost the address, is not as it was."""
        while True:
            await self.settle()
            await asyncio.sleep(1.0)


def parse() -> argparse.Namespace:
    """The settings, equal on both nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--address", required=True, metavar="ADDRESS/LENGTH")
    parser.add_argument("--vrid", type=int, default=51)
    parser.add_argument("--priority", type=int, default=100)
    parser.add_argument("--host", default="127.0.0.1", help="where the check connects to")
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--client", default="mariadb", metavar="COMMAND", help="with the options that let it in")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """Share the address until a signal asks to stop."""
    mysql = CheckTracker(
        "mysql",
        CallableChecker(lambda: greeting(options.host, options.port)),
        Schedule(interval=1.0, timeout=0.5, fall=3, rise=2),
    )
    place = Placement(address=options.address)
    config = ElectionConfig(vrid=options.vrid, priority=options.priority, addresses=[place.address], preempt=False)
    async with mysql, open_router(options.interface, config, placements=[place], tracks=[mysql]) as router:
        switch = Switch(router, Command(shlex.split(options.client)))
        router.hook(Moment.AFTER_ADDING, switch.settle)
        # Less than the skew, after which the other adds the address: a server that hangs must not make two of them.
        router.hook(Moment.BEFORE_REMOVING, switch.settle, timeout=0.5)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, router.shut_down)
        async with asyncio.TaskGroup() as tasks:
            insisting = tasks.create_task(switch.insist())
            await router.until(State.INITIALIZE)
            insisting.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        asyncio.run(main(parse()))
    except (ValueError, OSError) as error:
        sys.exit(f"mysql_failover: {error}")
