"""The scenario on real links: each router a process, each node a network namespace."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from pyroute2 import IPRoute

from vrrpkit.demo._namespaces import HoldNamespace
from vrrpkit.demo._scenario import CONFIGS, View
from vrrpkit.linux import in_netns, open_router

__all__ = ["NetworkStage", "serve"]

_PORT: Final = 5051
_OWN: Final = {"a": "192.0.2.1", "b": "192.0.2.2"}
_CLIENT: Final = "192.0.2.254"


class NetworkStage:
    """A bridge, where the client lives, and a namespace per router."""

    def __init__(self, about: str) -> None:
        self.about: Final = about
        with IPRoute() as netlink:
            netlink.link("add", ifname="demo", kind="bridge")
            bridge = socket.if_nametoindex("demo")
            netlink.link("set", index=bridge, state="up")
            netlink.addr("add", index=bridge, address=_CLIENT, prefixlen=24)
        self._nodes = {name: HoldNamespace(name, address, bridge) for name, address in _OWN.items()}
        # Not connected: it hears no ICMP errors, and takes answers from whatever address they come.
        self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._routers: dict[str, asyncio.subprocess.Process] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Nothing to wait for."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End every process; the namespaces and their links go with them."""
        for router in self._routers.values():
            if router.returncode is None:
                router.kill()
            await router.wait()
        await asyncio.gather(*self._readers)
        for node in self._nodes.values():
            node.close()
        self._client.close()

    async def start(self, name: str, view: View) -> None:
        """Start a router process, and follow what it says."""
        router = self._routers[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vrrpkit.demo", "--router", name, "--netns", self._nodes[name].path,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        reader = asyncio.create_task(_follow(name, router, view))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def kill(self, name: str) -> None:
        """SIGKILL: it resigns nothing and removes nothing."""
        self._routers[name].kill()

    async def stop(self, name: str) -> None:
        """SIGTERM: it resigns and removes its addresses."""
        self._routers[name].terminate()

    def ask(self, view: View) -> None:
        """Take the answers that have come, and ask again."""
        address = str(CONFIGS["a"].addresses[0])
        while (answer := self._receive()) is not None:
            view.answered(answer)
        with suppress(BlockingIOError):  # while nobody answers ARP, questions fill the socket's buffer
            self._client.sendto(b"who?", (address, _PORT))

    def _receive(self) -> str | None:
        try:
            return self._client.recv(64).decode()
        except BlockingIOError:
            return None


async def _follow(name: str, router: asyncio.subprocess.Process, view: View) -> None:
    assert router.stdout is not None  # noqa: S101 - we asked for a pipe
    async for line in router.stdout:
        news = json.loads(line)
        view.changed(name, news["state"], news["why"])


async def serve(name: str, netns: str) -> None:
    """The router process: hold the address, and answer whoever asks it."""
    loop = asyncio.get_running_loop()
    service = in_netns(netns, _open_service)
    loop.add_reader(service, _answer, service, name.encode())
    async with open_router("eth0", CONFIGS[name], netns=netns) as router:
        loop.add_signal_handler(signal.SIGTERM, router.shut_down)
        async for change in router.changes():
            print(json.dumps({"state": change.new, "why": change.explanation}), flush=True)
    loop.remove_reader(service)
    service.close()


def _open_service() -> socket.socket:
    service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    service.bind(("", _PORT))
    return service


def _answer(service: socket.socket, name: bytes) -> None:
    _question, client = service.recvfrom(64)
    service.sendto(name, client)
