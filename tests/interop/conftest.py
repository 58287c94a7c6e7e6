"""Interop tests spend their time waiting for timers, so several are played at a time, ahead of their report.

Each is an ordinary test function that builds a lab of its own and takes nothing but its parameters.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.lab import GIVING_UP
from tests.support.requirements import require

_TOOLS: Final = ("keepalived", "ip", "bridge", "nsenter", "setpriv")
_AT_A_TIME: Final = 8
_HERE: Final = Path(__file__).parent

_Plays = dict[str, Future[object]]
_PLAYS: Final = pytest.StashKey[_Plays]()
_POOL: Final = pytest.StashKey[ThreadPoolExecutor]()


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest) -> None:
    """Look for all that the tests with a lab need."""
    if request.node.get_closest_marker("interop") is not None:
        _look_at_the_machine()


@cache
def _look_at_the_machine() -> None:
    require(os.geteuid() == 0, "needs root")
    for tool in _TOOLS:
        require(shutil.which(tool), f"needs {tool}")
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs network namespaces")


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Report a test that is being played, and start all with the first."""
    stash = pyfuncitem.session.stash
    if _PLAYS not in stash:
        stash[_POOL] = pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="lab")
        items = _items(pyfuncitem.session)
        stash[_PLAYS] = {item.nodeid: pool.submit(item.obj, **_arguments(item)) for item in items}
    stash[_PLAYS][pyfuncitem.nodeid].result()
    return True


def _items(session: pytest.Session) -> Iterator[pytest.Function]:
    for item in session.items:
        if isinstance(item, pytest.Function) and item.path.is_relative_to(_HERE):
            yield item


def _arguments(item: pytest.Function) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whatever is still being played when the run ends early gives up and cleans up."""
    if _POOL in session.stash:
        GIVING_UP.set()
        session.stash[_POOL].shutdown(cancel_futures=True)
