"""Network namespaces that live as long as the process that holds them."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from typing import Final

from pyroute2 import IPRoute

__all__ = ["HoldNamespace", "enter_namespaces", "hold"]

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000


def enter_namespaces() -> str | None:
    """Put this process into a network namespace of its own; say how, or None where it is not allowed."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        return "Network namespaces, as root." if _unshare(_CLONE_NEWNET) else None
    if not _unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        return None
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{file}", "w") as proc:  # noqa: PTH123 - a kernel interface, one write each
            proc.write(text)
    return "Network namespaces inside a user namespace."


def _unshare(flags: int) -> bool:
    result: int = ctypes.CDLL(None).unshare(flags)  # os.unshare is Python 3.12
    return result == 0


class HoldNamespace:
    """A child process that holds a network namespace with one link to a bridge of ours."""

    def __init__(self, name: str, address: str, bridge: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vrrpkit.demo", "--hold", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._await("ready")
        with IPRoute() as netlink:
            netlink.link("add", ifname=f"demo-{name}", kind="veth", peer={"ifname": f"move-{name}"})
            outer = socket.if_nametoindex(f"demo-{name}")
            netlink.link("set", index=outer, master=bridge, state="up")
            inner = socket.if_nametoindex(f"move-{name}")
            netlink.link("set", index=inner, net_ns_fd=self.path)
        self._tell("moved")
        self._await("up")

    @property
    def path(self) -> str:
        """The namespace, as `vrrpkit.linux` takes it."""
        return f"/proc/{self._process.pid}/ns/net"

    def close(self) -> None:
        """Let the namespace go, and everything in it."""
        self._process.communicate()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - we asked for a pipe
        print(word, file=self._process.stdin, flush=True)

    def _await(self, word: str) -> None:
        assert self._process.stdout is not None  # noqa: S101 - we asked for a pipe
        heard = self._process.stdout.readline().strip()
        if heard != word:
            raise RuntimeError(f"the holder of a namespace said {heard!r}, not {word!r}")


def hold(address: str) -> None:
    """The child: hold a namespace, set up the link that is moved into it, and end with the parent."""
    if not _unshare(_CLONE_NEWNET):
        raise OSError(1, "no network namespace")
    print("ready", flush=True)
    sys.stdin.readline()
    name = next(name for _index, name in socket.if_nameindex() if name != "lo")
    with IPRoute() as netlink:
        index = socket.if_nametoindex(name)
        netlink.link("set", index=index, ifname="eth0", state="up")
        netlink.addr("add", index=index, address=address, prefixlen=24)
    print("up", flush=True)
    sys.stdin.readline()
