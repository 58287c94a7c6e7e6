"""What the example says where it cannot run; tests/uml/inside/test_pool_example.py runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.examples.support import example

USUAL = ("--service", "192.0.2.10:80", "--server", "10.1.0.1:80")
NO_ADDRESS = "lvs_pool: address must be an IPv4 or IPv6 address without a prefix length, got ''"


def run(*options: str) -> tuple[int, str]:
    """The status, and the last line."""
    ended = subprocess.run([*example("lvs_pool.py"), *options], capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ((), 2, "lvs_pool.py: error: the following arguments are required: --service, --server"),
        (
            (*USUAL, "--sorry", "80"),
            1,
            "lvs_pool: address must be an IPv4 or IPv6 address without a prefix length, got ''",
        ),
        ((*USUAL, "--quorum", "0"), 1, "lvs_pool: quorum must be 1-4294967295, got 0"),
    ],
)
def test_settings_that_cannot_be_are_one_line(options: tuple[str, ...], status: int, text: str) -> None:
    assert run(*options) == (status, text)


@pytest.mark.skipif(Path("/proc/net/ip_vs").exists(), reason="this kernel has IPVS")
def test_a_kernel_without_ipvs_is_one_line_that_says_what_to_do() -> None:
    status, text = run(*USUAL)
    assert (status, text.startswith("lvs_pool: "), "modprobe ip_vs" in text) == (1, True, True)
