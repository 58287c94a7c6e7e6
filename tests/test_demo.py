"""The demo plays to its end: every heir has served the client, and the limits shown are the RFC's."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.requirements import require

LIMITS = {"a is killed": 1.805, "a comes back": 0.0, "a stops gracefully": 0.305}


def play(*arguments: str) -> str:
    """The demo's output."""
    done = subprocess.run(
        [sys.executable, "-m", "vrrpkit.demo", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    table = re.findall(r"^(a .*?)\s+[\d.]+ s\s+([\d.]+) s$", done.stdout, re.MULTILINE)
    assert {title: float(limit) for title, limit in table} == LIMITS
    return done.stdout


def test_demo_plays_in_memory() -> None:
    assert "On a LAN in memory" in play("--memory")


@pytest.mark.kernel
def test_demo_plays_in_namespaces_and_leaves_nothing() -> None:
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs network namespaces")
    assert "Network namespaces" in play()
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert "demo" not in links
