"""What users import: sorted, documented, each name at home in one place, and light."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import FunctionType, ModuleType

import pytest

HOMES = (
    "vrrpkit.addresses",
    "vrrpkit.announce",
    "vrrpkit.checks",
    "vrrpkit.commands",
    "vrrpkit.election",
    "vrrpkit.errors",
    "vrrpkit.ipvs",
    "vrrpkit.keeping",
    "vrrpkit.linux",
    "vrrpkit.lvs",
    "vrrpkit.machine",
    "vrrpkit.notifications",
    "vrrpkit.packet",
    "vrrpkit.pool",
    "vrrpkit.runtime",
    "vrrpkit.stats",
    "vrrpkit.sync",
    "vrrpkit.testing",
    "vrrpkit.trackers",
    "vrrpkit.tracking",
)
HEADLINES = [
    "Advertisement",
    "AnnouncePolicy",
    "ChecksumForm",
    "ConfigError",
    "Election",
    "ElectionConfig",
    "Family",
    "IPAddress",
    "KernelError",
    "MACAddress",
    "Machine",
    "PacketError",
    "Reason",
    "Reject",
    "RouterSnapshot",
    "State",
    "StateChanged",
    "VRRPKitError",
    "Version",
    "VirtualRouter",
    "virtual_mac",
]


def modules() -> list[ModuleType]:
    return [import_module(name) for name in HOMES]


@pytest.mark.conforms("keyword library/import")
def test_headline_names_are_these() -> None:
    assert import_module("vrrpkit").__all__ == HEADLINES


@pytest.mark.parametrize("name", [*HOMES, "vrrpkit"])
def test_public_names_are_sorted_and_there(name: str) -> None:
    module = import_module(name)
    exported = module.__all__
    assert sorted(exported, key=lambda text: (not text.isupper(), not text[0].isupper(), text)) == exported
    assert [name for name in exported if not hasattr(module, name)] == []


def test_every_public_class_and_function_says_what_it_is_for() -> None:
    silent = [
        f"{module.__name__}.{name}"
        for module in modules()
        for name in module.__all__
        if isinstance(value := getattr(module, name), type | FunctionType) and not value.__doc__
    ]
    assert silent == []


@pytest.mark.parametrize("package", ["vrrpkit", "vrrpkit.testing"])
def test_importing_stays_light(package: str) -> None:
    """pyroute2 and aiohttp take a third of a second together; only what needs them imports them."""
    code = f"import sys, {package}; print(sorted({{'pyroute2', 'aiohttp', 'vrrpkit.linux'}} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
