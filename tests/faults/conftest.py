"""Trials spend their time waiting, so several are played at a time, ahead of their report; some are played alone.

Each is an ordinary test function that takes nothing but its parameters. A module with `ALONE = True` measures what
others would disturb, or would disturb others.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

import pytest

from tests.faults.trial import RESULTS
from tests.interop.conftest import machine
from tests.support.lab import GIVING_UP

__all__ = ["machine"]

_AT_A_TIME: Final = 8
_HERE: Final = Path(__file__).parent

_Plays = dict[str, Future[object]]
_PLAYS: Final = pytest.StashKey[_Plays]()
_POOL: Final = pytest.StashKey[ThreadPoolExecutor]()


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Report a trial that is being played, and start all with the first; one that is alone waits for the others."""
    if not _is_trial(pyfuncitem):
        return None
    stash = pyfuncitem.session.stash
    if _PLAYS not in stash:
        stash[_POOL] = pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="trial")
        items = [item for item in _items(pyfuncitem.session) if not _is_alone(item)]
        stash[_PLAYS] = {item.nodeid: pool.submit(item.obj, **_arguments(item)) for item in items}
    if _is_alone(pyfuncitem):
        wait(stash[_PLAYS].values())
        return None
    stash[_PLAYS][pyfuncitem.nodeid].result()
    return True


def _items(session: pytest.Session) -> Iterator[pytest.Function]:
    for item in session.items:
        if isinstance(item, pytest.Function) and item.path.is_relative_to(_HERE) and _is_trial(item):
            yield item


def _is_trial(item: pytest.Function) -> bool:
    return item.get_closest_marker("interop") is not None


def _is_alone(item: pytest.Function) -> bool:
    return bool(getattr(item.module, "ALONE", False))


def _arguments(item: pytest.Function) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured, for the page that tells it."""
    if RESULTS:
        terminalreporter.section("what was measured")
    for fault, program, text in sorted(RESULTS):
        terminalreporter.write_line(f"{fault:44} {program:10} {text}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whatever is still being played when the run ends early gives up and cleans up."""
    if _POOL in session.stash:
        GIVING_UP.set()
        session.stash[_POOL].shutdown(cancel_futures=True)
