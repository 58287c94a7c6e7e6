"""One target under atheris, which never returns: `python -m tests.fuzz.guided TARGET -max_total_time=60 CORPUS...`."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def main(name: str, arguments: list[str]) -> None:
    """Instrument the library, and run."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["vrrpkit"]):
        targets = importlib.import_module("tests.fuzz.targets")
    target = targets.TARGETS[name]
    for octets in target.seeds():
        target.run(octets)  # what is imported late takes long
    atheris.Setup([name, *arguments], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
