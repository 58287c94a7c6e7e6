"""What the tests of this folder build: the two distributions, and environments that have nothing else in them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.support.requirements import require

__all__ = ["ROOT", "Built", "Environment", "build", "environment", "members"]

ROOT: Final = Path(__file__).parents[2]


@frozen
class Built:
    """A wheel and a source distribution."""

    wheel: Path
    sdist: Path


@frozen
class Environment:
    """A virtual environment; what runs in it sees neither this folder nor the variables of Python."""

    folder: Path

    def run(self, *arguments: str, where: Path | None = None) -> str:
        """Run its Python and return what that printed; the test fails with the output when it does."""
        command = [str(self.folder / "bin/python"), *arguments]
        done = subprocess.run(command, cwd=where or self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def build(folder: Path) -> Built:
    """Build both from this tree into a folder, with the hatchling that is installed here."""
    require(find_spec("hatchling"), "needs hatchling: tox -e release")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


def environment(folder: Path, *wanted: str) -> Environment:
    """Make an environment and install into it; whatever would have to be compiled is refused."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    made = Environment(folder)
    made.run("-m", "pip", "install", "--quiet", "--only-binary", ":all:", *wanted)
    return made


def members(distribution: Path) -> set[str]:
    """List the files in a wheel, or those in a source distribution, below its one folder."""
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as wheel:
            return set(wheel.namelist())
    with tarfile.open(distribution) as sdist:
        return {file.name.partition("/")[2] for file in sdist if file.isfile()}
