"""An interface that other programs do things to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from tests.faults.trial import KINDS, Trial, trial
from tests.support.lab import Node, Router

pytestmark = pytest.mark.interop

_VIRTUAL = IPv4Address("10.77.0.100")


def delete(node: Node) -> None:
    """Delete the interface, and its port with it."""
    node.run("ip", "link", "delete", "eth0")


def make(node: Node) -> None:
    """Make it anew, as the lab did."""
    bridge = node.lab.bridge
    ip(bridge, "link", "add", "name", node.name, "type", "veth", "peer", "name", "eth0", "netns", node.namespace)
    ip(bridge, "link", "set", "dev", node.name, "addrgenmode", "none", "master", "br0", "up")
    ip(node.namespace, "link", "set", "dev", "eth0", "addrgenmode", "none")
    ip(node.namespace, "address", "add", f"{node.ipv4}/24", "brd", "+", "dev", "eth0")
    ip(node.namespace, "address", "add", f"{node.ipv6}/64", "dev", "eth0", "nodad")
    ip(node.namespace, "address", "add", f"{node.link_local}/64", "dev", "eth0", "nodad")
    ip(node.namespace, "link", "set", "dev", "eth0", "up")


def ip(namespace: str, *words: str) -> None:
    subprocess.run(["ip", "-n", namespace, *words], check=True, capture_output=True)


def down(node: Node) -> None:
    node.run("ip", "link", "set", "dev", "eth0", "down")


def up(node: Node) -> None:
    node.run("ip", "link", "set", "dev", "eth0", "up")


def rename(node: Node) -> None:
    down(node)
    node.run("ip", "link", "set", "dev", "eth0", "name", "other")
    node.run("ip", "link", "set", "dev", "other", "up")


def rename_back(node: Node) -> None:
    node.run("ip", "link", "set", "dev", "other", "down")
    node.run("ip", "link", "set", "dev", "other", "name", "eth0")
    up(node)


def lose_and_return(tried: Trial, lose: Callable[[Node], None], give: Callable[[Node], None], fault: str) -> None:
    """The other one takes over after its silence; whoever was better takes the role back."""
    lose(tried.lab.one)
    tried.lab.until(lambda: tried.backup.state() == "active", "the Backup takes over")
    tried.duel.further(tried.backup, 2)
    back = time.time()
    give(tried.lab.one)
    tried.duel.settle(tried.active)
    assert tried.intrusions() == ()
    took = next(one.at for one in tried.sent(tried.lab.one, back)) - back
    tried.record(fault, f"back {took:.2f} s after the interface")


@pytest.mark.parametrize("kind", KINDS)
def test_interface_goes_down_and_up(kind: type[Router]) -> None:
    with trial(kind) as tried:
        lose_and_return(tried, down, up, "interface down, up")


@pytest.mark.parametrize("kind", KINDS)
def test_interface_is_deleted_and_made_anew(kind: type[Router]) -> None:
    with trial(kind) as tried:
        lose_and_return(tried, delete, make, "interface deleted, made anew")


@pytest.mark.parametrize("kind", KINDS)
def test_interface_is_renamed_and_renamed_back(kind: type[Router]) -> None:
    with trial(kind) as tried:
        lose_and_return(tried, rename, rename_back, "interface renamed, renamed back")


@pytest.mark.parametrize("kind", KINDS)
def test_address_that_another_program_removes_is_there_again_at_once(kind: type[Router]) -> None:
    with trial(kind) as tried:
        removed = time.monotonic()
        tried.lab.one.run("ip", "address", "delete", f"{_VIRTUAL}/24", "dev", "eth0")
        tried.lab.until(lambda: _VIRTUAL in tried.lab.one.held(), "it is there again")
        took = time.monotonic() - removed
        tried.further(3)
        tried.record("address removed by another program", f"there again within {took * 1000:.0f} ms")
