"""`python -m vrrpkit.demo`; the other arguments are how it starts its own processes."""

from __future__ import annotations

import argparse
import asyncio

from vrrpkit.demo import _memory, _namespaces, _network, _scenario


async def _play(stage: _memory.MemoryStage | _network.NetworkStage) -> None:
    async with stage:
        await _scenario.perform(stage)


def main() -> None:
    """Play, or be one of the processes of a play."""
    parser = argparse.ArgumentParser(prog="python -m vrrpkit.demo", description=__doc__)
    parser.add_argument("--memory", action="store_true", help="play on a LAN in memory, even where more is allowed")
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    parser.add_argument("--router", help=argparse.SUPPRESS)
    parser.add_argument("--netns", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        _namespaces.hold(options.hold)
    elif options.router:
        asyncio.run(_network.serve(options.router, options.netns))
    else:
        about = None if options.memory else _namespaces.enter_namespaces()
        asyncio.run(_play(_memory.MemoryStage() if about is None else _network.NetworkStage(about)))


if __name__ == "__main__":
    main()
