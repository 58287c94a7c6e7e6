"""Commands as the systemd unit of docs/howto/privileges.md would run them: an ordinary user with few rights."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.support.requirements import require

__all__ = ["ROOT", "Unit", "environment", "unit"]

ROOT: Final = Path(__file__).parents[2]
_NOBODY: Final = "65534"
_PAGE: Final = ROOT / "docs" / "howto" / "privileges.md"


@frozen
class Unit:
    """The settings of a [Service], in order; one that is there twice has two values."""

    settings: dict[str, list[str]]

    @property
    def capabilities(self) -> list[str]:
        return self.settings["AmbientCapabilities"][0].split()

    def command(self, folder: Path, words: Iterable[str], *capabilities: str, netns: str | None = None) -> list[str]:
        """What to run: setpriv(1) for the user and the capabilities, and our own stand-in for the filters."""
        require(shutil.which("setpriv"), "needs setpriv (util-linux)")
        require(_has_libseccomp(), "needs libseccomp2")
        kept = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])
        return [
            *([] if netns is None else ["ip", "netns", "exec", netns]),
            *("unshare", "--mount", sys.executable, "-m", "tests.security.reachable", str(folder)),
            *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs"),
            *(f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}"),
            *(sys.executable, "-m", "tests.security.confined", str(self._filter(folder)), *words),
        ]

    def _filter(self, folder: Path) -> Path:
        names = self.settings["RestrictAddressFamilies"][0].split()
        path = folder / "filter"
        wanted = {
            "calls": sorted(self._calls()),
            "families": [int(getattr(socket, name)) for name in names],
            "execute": self.settings.get("MemoryDenyWriteExecute") != ["yes"],
        }
        path.write_text(json.dumps(wanted), encoding="utf-8")
        path.chmod(0o644)
        return path

    def _calls(self) -> set[str]:
        found = set(calls_of("@default"))
        for line in self.settings["SystemCallFilter"]:
            named = {call for word in line.lstrip("~").split() for call in calls_of(word)}
            found = found - named if line.startswith("~") else found | named
        return found


def unit() -> Unit:
    """The unit on the page."""
    text = _PAGE.read_text(encoding="utf-8").partition("```ini\n")[2].partition("```")[0]
    settings = defaultdict[str, list[str]](list)
    for line in text.partition("[Service]")[2].partition("[Install]")[0].splitlines():
        name, separator, value = line.partition("=")
        if separator:
            settings[name].append(value)
    return Unit(dict(settings))


@cache
def _has_libseccomp() -> bool:
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    return True


@cache
def calls_of(word: str) -> frozenset[str]:
    """The system calls in one of systemd's groups, or the one of this name."""
    if not word.startswith("@"):
        return frozenset({word})
    require(shutil.which("systemd-analyze"), "needs systemd-analyze (systemd)")
    listed = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    words = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return frozenset(_named(word for word in words if word and not word.startswith("#")))


def _named(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield from calls_of(word)


def environment() -> dict[str, str]:
    """What that Python finds our modules by."""
    path = ":".join([str(ROOT), *filter(None, sys.path)])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
