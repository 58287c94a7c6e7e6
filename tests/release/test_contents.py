"""What is in the wheel and in the source distribution, to the last file."""

from __future__ import annotations

import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests.release.packing import ROOT, Built, build, members

pytestmark = pytest.mark.release


def files(folder: str) -> set[str]:
    """List what is in a folder of this tree, without what Python leaves there."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_wheel_has_the_package_its_marker_of_types_and_its_licence(built: Built) -> None:
    about = "vrrpkit-" + built.wheel.name.split("-")[1] + ".dist-info/"
    package = {name.removeprefix("src/") for name in files("src")}
    assert "vrrpkit/py.typed" in package
    assert {Path(name).suffix for name in package} == {".py", ".typed"}
    assert members(built.wheel) == package | {
        about + name for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")
    }


def test_wheel_is_for_every_machine(built: Built) -> None:
    assert built.wheel.name.endswith("-py3-none-any.whl")


def test_sdist_has_what_the_tests_and_the_documentation_need(built: Built) -> None:
    folders = files("src") | files("tests") | files("docs") | files("examples") | files(".ci")
    assert members(built.sdist) == folders | {
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "tox.ini",
    }


def test_same_tree_makes_the_same_octets(built: Built, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_wheel_asks_for_three_packages_and_has_no_extras(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        about = HeaderParser().parsestr(wheel.read(name).decode())
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "Apache-2.0"
    assert about.get_all("Provides-Extra", []) == []
    wanted = about.get_all("Requires-Dist", [])
    assert sorted(requirement.partition(">=")[0] for requirement in wanted) == ["aiohttp", "attrs", "pyroute2<0.10,"]
