"""Throw-away network namespaces, and waiting for what should come true in them."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, Final, TypeVar

import pytest
from attrs import frozen

from tests.support.requirements import require
from vrrpkit.linux._netns import in_netns

__all__ = ["LOOPS", "Namespace", "eventually", "namespace", "run", "without_capabilities"]

T = TypeVar("T")

_PATIENCE: Final = 15.0
_serials: Final = itertools.count(1)

LOOPS: Final = ("asyncio", "uvloop") if find_spec("uvloop") else ("asyncio",)
"""The event loops to be had here."""


@frozen
class Namespace:
    """A network namespace with a pair of interfaces, `eth0` and its other end `peer0`, both up."""

    name: str

    def ip(self, *lines: str, force: bool = False) -> None:
        """Carry out lines of ip(8)."""
        command = ["ip", "-n", self.name, *(["-force"] if force else []), "-batch", "-"]
        done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
        if done.returncode and not force:
            raise RuntimeError(f"{lines}: {done.stderr}")

    def sysctl(self, name: str, value: int) -> None:
        """Set one of net.*: `ipv6.conf.eth0.disable_ipv6`."""
        path = f"/proc/sys/net/{name.replace('.', '/')}"
        in_netns(self.name, lambda: _write(path, value))

    def addresses(self, device: str = "eth0") -> dict[str, dict[str, Any]]:
        """What ip(8) shows of an interface's addresses, by their text: `192.0.2.10/24`; no link-local IPv6 ones."""
        command = ["ip", "-n", self.name, "-json", "address", "show", "dev", device]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        (link,) = (link for link in json.loads(shown.stdout) if link)
        return {
            f"{info['local']}/{info['prefixlen']}": info
            for info in link["addr_info"]
            if not info["local"].startswith("fe80:")
        }

    def shown(self, device: str = "eth0") -> set[str]:
        """Those addresses alone."""
        return set(self.addresses(device))


def _write(path: str, value: int) -> None:
    with open(path, "w", encoding="ascii") as handle:  # noqa: PTH123 - a pathlib.Path knows no /proc/thread-self
        handle.write(str(value))


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace of one's own; skips without root."""
    _look_at_the_machine()
    name = f"vrrpkit-test-{os.getpid()}-{next(_serials)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Namespace(name)
        made.sysctl("ipv6.conf.default.accept_dad", 0)
        made.ip(
            "link set lo up",
            "link add eth0 type veth peer name peer0",
            "link set eth0 up",
            "link set peer0 up",
        )
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@cache
def _look_at_the_machine() -> None:
    require(os.geteuid() == 0, "needs root")
    require(shutil.which("ip"), "needs ip(8)")
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs network namespaces")


def run(scenario: Coroutine[Any, Any, T], loop: str = "asyncio") -> T:
    """Run a scenario on one of `LOOPS`."""
    if loop == "asyncio":
        return asyncio.run(scenario)
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(scenario)


async def eventually(condition: Callable[[], T], what: str, patience: float = _PATIENCE) -> T:
    """Let the event loop run until a condition holds; return what it gave."""
    deadline = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:g} s: {what}")
        await asyncio.sleep(0.005)


def without_capabilities(function: Callable[[], T]) -> T:
    """Call a function in a thread that may do nothing special."""

    def unprivileged() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
        if libc.capset(header, (ctypes.c_uint32 * 6)()):
            raise OSError(ctypes.get_errno(), "capset")
        return function()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(unprivileged).result()
