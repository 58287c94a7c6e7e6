"""Nobody's decision depends on the wall clock: there is nowhere to read it from but where it is shown to people.

A test that steps the clock would disturb the whole machine: a namespace of its own has no wall clock of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = Path(__file__).parents[2] / "src" / "vrrpkit"

_WALL: Final = {
    "time": (
        "time",
        "time_ns",
        "localtime",
        "gmtime",
        "ctime",
        "asctime",
        "strftime",
        "clock_gettime",
        "clock_settime",
    ),
    "datetime": ("now", "utcnow", "today"),
    "date": ("today",),
}

# Who reads it, and what for.
_ALLOWED: Final = {
    ("runtime/_router.py", "datetime.now"),  # `since` in a snapshot, for people
    ("checks/_certificate.py", "time.time"),  # until when a certificate is valid is told in wall-clock time
    ("testing/__main__.py", "time.time"),  # the seed of a campaign that was given none
}


def readings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Attribute(value=ast.Name(id=owner), attr=name)
                | ast.Attribute(value=ast.Attribute(attr=owner), attr=name)
            ) if name in _WALL.get(owner, ()):
                yield f"{owner}.{name}"
            case ast.ImportFrom(module="time", names=names):
                yield from (f"time.{alias.name}" for alias in names if alias.name in _WALL["time"])
            case _:
                pass


def test_wall_clock_is_read_only_where_it_is_shown() -> None:
    found = {
        (path.relative_to(_SOURCE).as_posix(), reading)
        for path in _SOURCE.rglob("*.py")
        for reading in readings(path.read_text(encoding="utf-8"))
    }
    assert found <= _ALLOWED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.time()", ["time.time"]),
        ("from time import monotonic, time_ns", ["time.time_ns"]),
        ("import datetime\nx = datetime.datetime.now", ["datetime.now"]),
        ("from datetime import date\ndate.today()", ["date.today"]),
        ("import time\ntime.monotonic()", []),
        ("loop.time()", []),
    ],
)
def test_reading_is_found(source: str, found: list[str]) -> None:
    assert list(readings(source)) == found
