"""What is checked: servers, a script and an address, each of which can be made sick and well again."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from attrs import define, field

__all__ = ["CLIENTS", "GONE", "REFUSED", "AddressRig", "Rig", "ScriptRig", "TCPRig", "Talk", "UDPRig"]

#: From where they come.
CLIENTS: Final = {"keepalived": "127.0.0.1", "ours": "127.0.0.3"}

REFUSED: Final = "refused"
"""The state in which nobody listens."""

GONE: Final = "gone"
"""The state in which the address is nobody's."""

Talk: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@define(eq=False)
class Rig(ABC):
    """Something to be checked."""

    _asked: Counter[str] = field(factory=Counter, init=False)

    async def become(self, state: str) -> None:
        """Take another state."""
        await self._become(state)
        self._asked.clear()

    @abstractmethod
    async def _become(self, state: str) -> None: ...

    def asked(self, client: str) -> int:
        """How often a client has asked since the state is what it is; 0 where nobody counts."""
        return self._asked[client]

    async def close(self) -> None:
        """Be there no more."""
        await self._become(REFUSED)


@define(eq=False)
class TCPRig(Rig):
    """A server that talks with each connection as its state says."""

    port: int
    talks: Mapping[str, Talk]
    tls: ssl.SSLContext | None = None
    _state: str = REFUSED
    _server: asyncio.Server | None = None
    _talking: set[asyncio.Task[None]] = field(factory=set)

    async def _become(self, state: str) -> None:
        self._state = state
        if state != REFUSED and self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        if state == REFUSED and self._server is not None:
            self._server.close()
            self._server = None
            for task in self._talking:
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state != REFUSED:  # or it had been accepted before
            self._asked[writer.get_extra_info("peername")[0]] += 1
        talk = self.talks.get(self._state)
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                if self.tls is not None:
                    await writer.start_tls(self.tls)
                if talk is not None:
                    await talk(reader, writer)
                    await writer.drain()
        finally:
            self._talking.discard(task)
            writer.close()


@define(eq=False)
class UDPRig(Rig, asyncio.DatagramProtocol):
    """A server that answers each datagram as its state says, or not at all."""

    port: int
    answers: Mapping[str, Callable[[bytes], bytes | None]]
    _state: str = REFUSED
    _transport: asyncio.DatagramTransport | None = None

    async def _become(self, state: str) -> None:
        self._state = state
        if state != REFUSED and self._transport is None:
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", self.port))
        if state == REFUSED and self._transport is not None:
            self._transport.close()
            self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer, or not."""
        self._asked[addr[0]] += 1
        answer = self.answers[self._state](data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


@define(eq=False)
class ScriptRig(Rig):
    """A script that ends as its state says, a line of shell."""

    folder: Path

    _turn: int = 0

    def __attrs_post_init__(self) -> None:
        """Write it."""
        self.script.write_text(f"#!/bin/sh\n. {self.folder}/state\n", encoding="ascii")
        self.script.chmod(0o755)

    @property
    def script(self) -> Path:
        """The program; its argument is who asks."""
        return self.folder / "script"

    async def _become(self, state: str) -> None:
        self._turn += 1
        new = self.folder / "state.new"
        new.write_text(f'echo x >>{self.folder}/{self._turn}-"$1"\n{state}\n', encoding="ascii")
        new.rename(self.folder / "state")

    def asked(self, client: str) -> int:
        """Each run in this state has left a line."""
        lines = self.folder / f"{self._turn}-{client}"
        return len(lines.read_text(encoding="ascii").splitlines()) if lines.exists() else 0

    async def close(self) -> None:
        """Leave it to whoever removes the folder."""


@define(eq=False)
class AddressRig(Rig):
    """An address that is there or not: then what is sent to it is swallowed. It may have an open port."""

    address: str
    port: int | None = None
    _there: bool = False
    _server: asyncio.Server | None = None

    async def _become(self, state: str) -> None:
        there = state != GONE
        if there is not self._there:
            verb = "add" if there else "delete"
            await asyncio.to_thread(_ip, f"address {verb} {self.address}/32 dev dummy0")
        self._there = there
        if there and self.port is not None and self._server is None:
            self._server = await asyncio.start_server(_close, "0.0.0.0", self.port)

    async def close(self) -> None:
        """Be there no more, and nor the port."""
        await self._become(GONE)
        if self._server is not None:
            self._server.close()


async def _close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)
