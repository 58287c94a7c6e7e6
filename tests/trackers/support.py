"""What the tests of several trackers need."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tests.linux.support import Namespace, eventually, namespace
from vrrpkit.trackers import Tracker
from vrrpkit.tracking import Reading

__all__ = ["becomes", "connected", "nothing_left", "told"]


@contextmanager
def connected() -> Iterator[Namespace]:
    """A namespace of one's own whose `eth0` has its carrier."""
    with namespace() as ns:
        deadline = time.monotonic() + 15
        while not _has_carrier(ns):
            assert time.monotonic() < deadline
        yield ns


def _has_carrier(ns: Namespace) -> bool:
    command = ["ip", "-n", ns.name, "-json", "link", "show", "dev", "eth0"]
    shown = subprocess.run(command, capture_output=True, check=True)
    return b'"operstate":"UP"' in shown.stdout


def told(tracker: Tracker) -> tuple[Reading, str]:
    """What a tracker says."""
    return tracker.reading, tracker.detail


async def becomes(tracker: Tracker, reading: Reading, detail: str | None = None) -> None:
    """Wait until a tracker says this."""

    def says() -> bool:
        return tracker.reading == reading and detail in {None, tracker.detail}

    try:
        await eventually(says, f"{tracker.name} becomes {reading}")
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {told(tracker)}") from None


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """In the end there are no more open files and tasks than before, and no timer of what is closed goes off."""

    def now() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())  # noqa: PTH208 - pathlib opens one more

    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(str(context)))
    await asyncio.to_thread(lambda: None)  # the executor's own
    before = now()
    yield
    await eventually(lambda: now() <= before, f"{before} files and tasks, as before")
    await asyncio.sleep(0.02)
    assert complaints == []
