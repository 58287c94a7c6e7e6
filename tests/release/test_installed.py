"""The wheel in an environment of its own: what comes along, what is imported, what runs."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Final

import pytest

from tests.release.packing import Built, Environment, environment
from tests.test_public_api import HOMES

pytestmark = pytest.mark.release

# All that aiohttp brings along, on some Python or other; attrs and pyroute2 need nothing.
COMPANY: Final = {
    "aiohappyeyeballs",
    "aiohttp",
    "aiosignal",
    "attrs",
    "frozenlist",
    "idna",
    "multidict",
    "propcache",
    "pyroute2",
    "typing_extensions",
    "vrrpkit",
    "yarl",
}
# What runs in seconds, and imports nothing but pytest, Hypothesis and the package.
QUICK: Final = ("tests/election", "tests/packet/test_vectors.py", "tests/tracking", "tests/testing/test_lan.py")

LISTED: Final = "from importlib.metadata import distributions; print(*{found.name for found in distributions()})"
STRANGERS: Final = """
import sys
before = set(sys.modules)
import vrrpkit
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(tops - sys.stdlib_module_names))
"""
PARTS: Final = """
import sys, vrrpkit
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("vrrpkit.")}))
"""


def test_only_what_is_needed_comes_along(installed: Environment) -> None:
    assert set(installed.run("-c", LISTED).split()) - {"pip", "setuptools"} <= COMPANY
    installed.run("-m", "pip", "check")


def test_every_public_module_can_be_imported(installed: Environment) -> None:
    installed.run("-W", "error", "-c", f"import vrrpkit, {', '.join(HOMES)}")


def test_import_of_the_package_brings_in_attrs_and_nobody_else(installed: Environment) -> None:
    assert installed.run("-c", STRANGERS).split() == ["attr", "attrs", "vrrpkit"]


def test_import_of_the_package_brings_in_these_of_its_parts(installed: Environment) -> None:
    assert installed.run("-c", PARTS).split() == [
        "_cheap",
        "_naming",
        "addresses",
        "announce",
        "election",
        "errors",
        "machine",
        "packet",
        "runtime",
        "stats",
        "sync",
        "tracking",
    ]


def test_demo_runs_from_the_wheel(installed: Environment) -> None:
    assert "--memory" in installed.run("-m", "vrrpkit.demo", "--help")
    assert "a is killed" in installed.run("-m", "vrrpkit.demo", "--memory")


def test_sdist_has_tests_that_pass_with_the_wheel_and_without_the_source(built: Built, tmp_path: Path) -> None:
    tested = environment(tmp_path / "tested", str(built.wheel), "pytest>=9", "hypothesis>=6.100")
    with tarfile.open(built.sdist) as sdist:
        sdist.extractall(tmp_path, filter="data")
    unpacked = tmp_path / built.sdist.name.removesuffix(".tar.gz")
    (unpacked / "src").rename(tmp_path / "src")
    assert " passed" in tested.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK, where=unpacked)
