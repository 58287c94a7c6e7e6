"""Boot User-Mode Linux once, and run in it the tests that need its kernel."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.requirements import require
from tests.uml.boot import boot

pytestmark = pytest.mark.interop

_TIMEOUT: Final = 600.0
_TOOLS: Final = ("keepalived", "ipvsadm", "ip", "openssl")


def test_everything_that_is_tested_inside_of_user_mode_linux() -> None:
    for tool in _TOOLS:
        require(shutil.which(tool), f"needs {tool}")
    ended = boot([sys.executable, "-m", "pytest", "-m", "uml", "-p", "no:cacheprovider", "tests/uml/inside"], _TIMEOUT)
    assert ended.status == 0, f"{ended.output}\n{ended.console}"
    assert " passed" in ended.output
    assert " skipped" not in ended.output


def test_a_status_and_an_output_come_out() -> None:
    ended = boot(["sh", "-c", "uname -s; echo oh >&2; exit 3"], _TIMEOUT)
    assert (ended.status, ended.output) == (3, "Linux\noh\n")


def test_the_files_of_this_machine_cannot_be_written(tmp_path: Path) -> None:
    ended = boot(["touch", str(tmp_path / "touched")], _TIMEOUT)
    assert (ended.status, list(tmp_path.iterdir())) == (1, [])
    assert "Read-only file system" in ended.output


def test_a_command_that_takes_too_long_is_ended() -> None:
    ended = boot(["sh", "-c", "echo begun; sleep 600"], 15.0)
    assert (ended.status, ended.output) == (None, "begun\n")
    assert ended.console.endswith("ended by force after 15 s\n")
