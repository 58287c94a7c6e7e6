"""What is said in several places about versions is the same everywhere."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from typing import Final

from tests.release.packing import ROOT

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMPATIBILITY: Final = (ROOT / "docs/explanation/compatibility.md").read_text("utf-8")


def floors() -> dict[str, str]:
    """The lowest version of each package that is asked for."""
    wanted = PROJECT["project"]["dependencies"]
    return {found[1]: found[2] for found in map(re.compile(r"([a-z0-9]+)>=([0-9.]+)").match, wanted) if found}


def test_lowest_versions_that_are_asked_for_are_those_that_are_tested() -> None:
    pins = [f"{name}=={version}" for name, version in sorted(floors().items())]
    assert pins == sorted(pin for pin in PROJECT["dependency-groups"]["lowest"] if isinstance(pin, str))
    assert len(pins) == len(PROJECT["project"]["dependencies"])


def test_page_about_compatibility_names_the_versions_that_are_asked_for() -> None:
    for name, version in floors().items():
        assert f"| {name} | {version} |" in COMPATIBILITY


def test_page_about_compatibility_names_every_python_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: 3."
    claimed = [name.rpartition(" ")[2] for name in PROJECT["project"]["classifiers"] if name.startswith(prefix)]
    assert re.findall(r"^\| CPython (3\.\d+) \| yes \|", COMPATIBILITY, re.MULTILINE) == claimed


def test_every_python_of_the_classifiers_is_tested_where_it_is_there() -> None:
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    [minors] = re.findall(r"^py3\{([\d,]+)\}-quick$", tox["tox"]["env_list"], re.MULTILINE)
    lowest = tox["testenv:lowest"]["base_python"].removeprefix("python3.")
    for minor in re.findall(r"^\| CPython 3\.(\d+) \| yes \|", COMPATIBILITY, re.MULTILINE):
        assert minor in {lowest, *minors.split(",")}
