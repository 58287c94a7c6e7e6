"""A small fuzzer of our own: mutations, and what reaches new lines of the library is mutated further.

It works wherever Python does. atheris, where it can be installed, is some ten times as fast.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

import vrrpkit
from tests.fuzz.target import Target

__all__ = ["Finding", "Report", "explore"]

Arc: TypeAlias = tuple[int, int]

_SOURCE: Final = str(Path(vrrpkit.__file__).parent)
_SLOW: Final = 1.0  # seconds of processor time for one input
_NUMBERS: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


@frozen
class Finding:
    """An input that should not do what it does."""

    octets: bytes
    why: str


@frozen
class Report:
    """How far a run has come.

    Attributes:
        executions: How many inputs were tried.
        arcs: How many ways from line to line they took.
        finding: What was found, which ends the run.
    """

    executions: int
    arcs: int
    finding: Finding | None


@define
class _Trail:
    """Which lines of the library follow each other."""

    arcs: set[Arc] = field(factory=set)
    _last: int = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> _Trail | None:
        if event == "call":
            return self if frame.f_code.co_filename.startswith(_SOURCE) else None
        if event == "line":
            here = hash((frame.f_code, frame.f_lineno))
            self.arcs.add((self._last, here))
            self._last = here
        return self

    @contextmanager
    def followed(self) -> Iterator[None]:
        self.arcs, self._last, before = set(), 0, sys.gettrace()
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)


def explore(target: Target, *, seconds: float, seed: int = 0) -> Report:
    """Try a target until something is found, or the time is over; at least each example once."""
    chance = random.Random(f"{target.name} {seed}")  # noqa: S311 - reproducible, and no secret
    pool = target.seeds()
    with suppress(Exception):
        target.run(pool[0])  # what is imported late takes long
    trail, seen, executions = _Trail(), set[Arc](), 0
    until = time.monotonic() + seconds
    waiting = list(pool)
    while waiting or time.monotonic() < until:
        octets = waiting.pop() if waiting else mutated(chance, pool, target.longest)
        finding = _attempt(target, octets, trail)
        executions += 1
        if finding is not None:
            return Report(executions, len(seen), finding)
        if not trail.arcs <= seen:
            seen |= trail.arcs
            if octets not in pool:
                pool.append(octets)
    return Report(executions, len(seen), None)


def _attempt(target: Target, octets: bytes, trail: _Trail) -> Finding | None:
    started = time.thread_time()
    try:
        with trail.followed():
            target.run(octets)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
        return Finding(octets, repr(error))
    spent = time.thread_time() - started
    return Finding(octets, f"takes {spent:.1f} s") if spent > _SLOW else None


def mutated(chance: random.Random, pool: list[bytes], longest: int) -> bytes:
    """One of the pool, changed a few times."""
    octets = bytearray(chance.choice(pool))
    for _ in range(1 << chance.randrange(4)):
        chance.choice(_MUTATIONS)(chance, octets, pool)
    return bytes(octets[:longest])


def _flip(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    if octets:
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def _replace(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    if octets:
        octets[chance.randrange(len(octets))] = chance.randrange(256)


def _insert(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    at = chance.randint(0, len(octets))
    octets[at:at] = chance.randbytes(1 << chance.randrange(6))


def _delete(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    at = chance.randint(0, len(octets))
    del octets[at : at + (1 << chance.randrange(6))]


def _number(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    """A length or a count, at an edge."""
    width, number = chance.choice((1, 2, 3, 4)), chance.choice((*_NUMBERS, len(octets)))
    at = chance.randint(0, len(octets))
    number &= (1 << 8 * width) - 1
    octets[at : at + width] = number.to_bytes(width, chance.choice(("big", "little")))


def _repeat(chance: random.Random, octets: bytearray, _pool: list[bytes]) -> None:
    at = chance.randint(0, len(octets))
    octets[at:at] = octets[at : at + chance.randint(1, 32)] * chance.randint(1, 8)


def _splice(chance: random.Random, octets: bytearray, pool: list[bytes]) -> None:
    other = chance.choice(pool)
    at, start = chance.randint(0, len(octets)), chance.randint(0, len(other))
    octets[at:] = other[start:]


_MUTATIONS: Final[tuple[Callable[[random.Random, bytearray, list[bytes]], None], ...]] = (
    _flip,
    _replace,
    _insert,
    _delete,
    _number,
    _repeat,
    _splice,
)
