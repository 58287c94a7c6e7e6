"""`examples/virtual_router.py` for a test that does something to it: `python -m tests.faults.subject FOLDER ...`.

It obeys the lines of the pipe `control` in its folder, and its snapshots tell how many tasks there are.

    block SECONDS    stand still, as an app does whose callback takes too long

With a file `options.json` in the folder: `fifo` is where to tell news, `script` a command line to track with weight
-10 every half second, and `log` a file to log to.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from vrrpkit.checks import Schedule
from vrrpkit.commands import Command
from vrrpkit.linux import Node
from vrrpkit.notifications import FifoNotifier
from vrrpkit.runtime import shut_down
from vrrpkit.trackers import ScriptTracker

_EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "virtual_router.py"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _obey(control: int) -> None:
    for line in os.read(control, 1 << 12).decode().splitlines():
        match line.split():
            case ["block", seconds]:
                time.sleep(float(seconds))
            case _:
                raise ValueError(f"no such order: {line!r}")


def _print_snapshots(node: Node) -> None:
    for router in node.routers:
        snapshot: dict[str, Any] = {**router.snapshot().to_dict(), "tasks": len(asyncio.all_tasks())}
        print(json.dumps({"snapshot": snapshot}), flush=True)  # noqa: T201 - as the example does


async def _run(folder: Path, arguments: list[str], options: dict[str, Any]) -> None:
    example = _load(_EXAMPLE)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    control = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK)
    loop.add_reader(control, _obey, control)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(Node())
        loop.add_signal_handler(signal.SIGUSR1, _print_snapshots, node)
        router = await example.add(node, example.parse(arguments))
        if "fifo" in options:
            router.notify(await stack.enter_async_context(FifoNotifier(options["fifo"])))
        if "script" in options:
            schedule = Schedule(interval=0.5)
            script = ScriptTracker("script", Command(options["script"]), schedule, weight=-10, driver=node.driver)
            router.track(await stack.enter_async_context(script))
        async with asyncio.TaskGroup() as reports:
            reports.create_task(example.report(router))
            await stop.wait()
            await shut_down(router)
    loop.remove_reader(control)
    os.close(control)


def main() -> None:
    """Run until SIGTERM."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    told = folder / "options.json"
    options = json.loads(told.read_text()) if told.exists() else {}
    logging.raiseExceptions = False  # as in production: a log that cannot be written is nobody's news
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", filename=options.get("log"))
    asyncio.run(_run(folder, arguments, options))


if __name__ == "__main__":
    main()
