"""Programs to run, and proof that running them leaves nothing behind."""

from __future__ import annotations

import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve

from tests.linux.support import eventually
from tests.linux.support import run as run_on
from vrrpkit.commands import Command, Outcome, run

__all__ = [
    "alive",
    "children",
    "descriptors",
    "end_of",
    "leaving_nothing",
    "number_in",
    "outcome_of",
    "parent_of",
    "script",
]

T = TypeVar("T")


def script(path: Path, *lines: str, mode: int = 0o755, interpreter: str = "/bin/sh") -> str:
    """Write a script; return its path."""
    path.write_text("\n".join([f"#!{interpreter}", *lines, ""]))
    path.chmod(mode)
    return str(path)


def outcome_of(command: Command, loop: str = "asyncio", timeout: float = 15.0, **limits: Any) -> Outcome:
    """Run a command, and see that neither a child nor a descriptor is left."""

    async def scenario() -> Outcome:
        return await run(command, timeout=timeout, **limits)

    return run_on(leaving_nothing(scenario), loop)


def end_of(command: Command, loop: str = "asyncio", timeout: float = 15.0, **limits: Any) -> Outcome:
    """The same without the time it took, to be compared as a whole."""
    return evolve(outcome_of(command, loop, timeout, **limits), elapsed=0.0)


async def leaving_nothing(scenario: Callable[[], Awaitable[T]]) -> T:
    before = (descriptors(), children())
    result = await scenario()
    assert (descriptors(), children()) == before
    return result


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def spare_descriptors(count: int) -> Iterator[None]:
    """No more free descriptors than so many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def children() -> set[int]:
    """This process's children, the dead among them."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid for pid in pids if parent_of(pid) == os.getpid()}


def parent_of(pid: int) -> int | None:
    fields = _status(pid)
    return int(fields[1]) if fields else None


def alive(pid: int) -> bool:
    """Whether it runs: a dead process that nobody has waited for does not."""
    fields = _status(pid)
    return bool(fields) and fields[0] not in {"Z", "X"}


def _status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


async def number_in(path: Path) -> int:
    """The number that a script writes into a file, once it has."""
    return int(await eventually(lambda: _line_of(path), f"a number in {path}"))


def _line_of(path: Path) -> str:
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else ""
