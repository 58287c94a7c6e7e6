"""`python -m tests.benchmarks [NAME ...]`: every benchmark, or the named ones."""

from __future__ import annotations

import sys
from importlib import import_module

from tests.benchmarks.table import machine

NAMES = ("codec", "simulation", "failover", "scale", "scripts", "checkers", "ipvs")

if __name__ == "__main__":
    print(machine())
    for name in sys.argv[1:] or NAMES:
        import_module(f"tests.benchmarks.{name}").run()
