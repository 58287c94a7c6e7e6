"""Pure modules read no clock, open nothing, draw no random number and log nothing: their imports prove it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

PURE_FILES = (
    "errors.py",
    "addresses.py",
    "machine.py",
    "announce.py",
    "keeping.py",
    "stats.py",
    "checks/_agent_wire.py",
    "checks/_base.py",
    "checks/_certificate_wire.py",
    "checks/_dns_wire.py",
    "checks/_events.py",
    "checks/_hosts.py",
    "checks/_http_expect.py",
    "checks/_http_target.py",
    "checks/_ldap_wire.py",
    "checks/_machine.py",
    "checks/_mysql_wire.py",
    "checks/_pace.py",
    "checks/_postgresql_wire.py",
    "checks/_redis_wire.py",
    "checks/_schedule.py",
    "checks/_smtp_wire.py",
    "checks/_words.py",
    "lvs/_lookout.py",
    "runtime/_stalls.py",
    "testing/_arrows.py",
    "testing/_code.py",
    "testing/_flags.py",
    "testing/_history.py",
    "testing/_legend.py",
    "testing/_mishaps.py",
    "testing/_paint.py",
    "testing/_picture.py",
    "testing/_rows.py",
    "testing/_svg.py",
    "testing/_transcript.py",
    "testing/_words.py",
)
PURE_PACKAGES = ("packet", "election", "ipvs", "pool", "sync", "tracking")

FORBIDDEN = (
    "aiohttp",
    "asyncio",
    "logging",
    "os",
    "pyroute2",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
    "vrrpkit.checks",
    "vrrpkit.commands",
    "vrrpkit.linux",
    "vrrpkit.lvs",
    "vrrpkit.runtime",
    "vrrpkit.testing",
)


def pure_modules() -> list[Path]:
    root = SOURCE / "vrrpkit"
    files = [root / name for name in PURE_FILES]
    packages = [path for name in PURE_PACKAGES for path in sorted((root / name).rglob("*.py"))]
    return [path for path in files if path.exists()] + packages


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute name of everything the module imports, wherever it does; `package` is its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: -node.level + 1 or None] if node.level else []
            origin = ".".join([*parents, *filter(None, [node.module])])
            # "from vrrpkit import runtime" imports a module too.
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def impurities(source: str, package: str) -> list[str]:
    """List the forbidden imports in a module's source; `package` is the one the module belongs to."""
    return [
        name
        for name in imported(ast.parse(source), package)
        if any(f"{name}.".startswith(f"{forbidden}.") for forbidden in FORBIDDEN)
        and not any(name.startswith(f"vrrpkit.{pure.removesuffix('.py').replace('/', '.')}.") for pure in PURE_FILES)
    ]


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_pure_module_imports_nothing_impure(path: Path) -> None:
    package = ".".join(path.relative_to(SOURCE).parent.parts)
    assert impurities(path.read_text(encoding="utf-8"), package) == []


@pytest.mark.parametrize("name", PURE_PACKAGES)
def test_pure_package_has_modules_to_look_at(name: str) -> None:
    modules = set((SOURCE / "vrrpkit" / name).glob("*.py"))
    assert modules - {SOURCE / "vrrpkit" / name / "__init__.py"}
    assert modules <= set(pure_modules())


@pytest.mark.parametrize(
    ("source", "culprits"),
    [
        ("import time", ["time"]),
        ("import attrs, asyncio.events as events", ["asyncio.events"]),
        ("from os import path", ["os.path"]),
        ("from random import *", ["random.*"]),
        ("def now():\n    import time\n    return time.monotonic()", ["time"]),
        ("if TYPE_CHECKING:\n    from socket import socket", ["socket.socket"]),
        ("try:\n    import pyroute2\nexcept ImportError:\n    import aiohttp", ["pyroute2", "aiohttp"]),
        ("from vrrpkit import runtime", ["vrrpkit.runtime"]),
        ("import vrrpkit.linux._ipvs", ["vrrpkit.linux._ipvs"]),
        ("from .. import testing, errors", ["vrrpkit.testing"]),
        ("from ..checks._script import ScriptChecker", ["vrrpkit.checks._script.ScriptChecker"]),
    ],
)
def test_impure_import_is_found_wherever_it_hides(source: str, culprits: list[str]) -> None:
    assert impurities(source, package="vrrpkit.packet") == culprits


@pytest.mark.parametrize(
    "source",
    [
        "import struct, enum",
        "from collections.abc import Iterator",
        "from . import _reject",
        "from .runtime import Packet",  # vrrpkit.packet.runtime, a neighbour
        "from ..addresses import IPAddress",
        "from vrrpkit.packet import Advertisement",
        "import timeit, osmosis",  # a longer name is another module
        "text = 'import time'",
    ],
)
def test_pure_import_is_left_alone(source: str) -> None:
    assert impurities(source, package="vrrpkit.packet") == []
