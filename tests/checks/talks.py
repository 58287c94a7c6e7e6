"""Servers that say what a test tells them to, and what a check finds of them."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Protocol, TypeAlias

from attrs import define, evolve, field

from tests.linux.support import run
from tests.support.requirements import require
from vrrpkit.checks import Checker, CheckResult

__all__ = [
    "Credentials",
    "Serve",
    "Server",
    "accepts",
    "credentials",
    "endless",
    "eventually",
    "failed",
    "free_port",
    "giving_up",
    "hangs_up_after",
    "in_turn",
    "reset",
    "says",
    "server",
    "silence",
    "slowly",
    "told",
    "well",
]

Serve: TypeAlias = Callable[[socket.socket, "Server"], None]

_PATIENCE: Final = 15.0


@define
class Server:
    """What a server has heard so far."""

    port: int
    heard: bytearray = field(factory=bytearray)


@contextmanager
def server(serve: Serve, connections: int = 1) -> Iterator[Server]:
    """A server that treats so many connections like this, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_PATIENCE)
        made = Server(int(listener.getsockname()[1]))

        def accept() -> None:
            for _ in range(connections):
                connection, _peer = listener.accept()
                connection.settimeout(_PATIENCE)
                with connection, suppress(ConnectionError, ssl.SSLError):
                    serve(connection, made)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield made
        finally:
            thread.join()


def says(*answers: bytes) -> Serve:
    """Says the first at once, and each of the others after something was heard; then waits for the client's end."""

    def serve(connection: socket.socket, made: Server) -> None:
        for number, answer in enumerate(answers):
            if number:
                made.heard += connection.recv(4096)
            connection.sendall(answer)
        while more := connection.recv(4096):
            made.heard += more

    return serve


def hangs_up_after(*answers: bytes) -> Serve:
    """The same, but says no more after the last; what comes then is read, or the kernel would reset the connection."""

    def serve(connection: socket.socket, made: Server) -> None:
        for number, answer in enumerate(answers):
            if number:
                made.heard += connection.recv(4096)
            connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    return serve


def in_turn(*serves: Serve) -> Serve:
    """Treats each connection in another way."""
    remaining = iter(serves)

    def serve(connection: socket.socket, made: Server) -> None:
        next(remaining)(connection, made)

    return serve


def silence(connection: socket.socket, made: Server) -> None:
    """Listens until the client has had enough."""
    while more := connection.recv(4096):
        made.heard += more


def reset(connection: socket.socket, _made: Server) -> None:
    """Tears the connection down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless(chunk: bytes) -> Serve:
    """Says the same without an end."""

    def serve(connection: socket.socket, _made: Server) -> None:
        while True:
            connection.sendall(chunk)

    return serve


def slowly(octets: bytes) -> Serve:
    """Says one octet after the other, each alone."""

    def serve(connection: socket.socket, made: Server) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in octets:
            connection.sendall(bytes([octet]))
        silence(connection, made)

    return serve


class Connecting(Checker, Protocol):
    """A check that connects to a port."""

    @property
    def port(self) -> int: ...


def told(checker: Connecting, loop: str = "asyncio") -> CheckResult:
    """What it finds, but for the time it took; it leaves nothing open and nothing running."""

    async def ask() -> CheckResult:
        async with asyncio.timeout(_PATIENCE):
            result = await checker.check()
        assert _connections_to(checker.port) == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert 0 <= result.elapsed < _PATIENCE
        assert result.detail.isprintable()
        assert len(result.detail) <= 200
        return evolve(result, elapsed=0.0)

    return run(ask(), loop)


def giving_up(checker: Connecting, loop: str = "asyncio") -> None:
    """Let the check's time run out: that comes out, and nothing stays."""

    async def ask() -> None:
        gave_up = False
        try:
            async with asyncio.timeout(0.2):
                await checker.check()
        except TimeoutError:
            gave_up = True
        assert gave_up
        assert _connections_to(checker.port) == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(ask(), loop)


def well(detail: str, weight: int | None = None) -> CheckResult:
    return CheckResult(ok=True, detail=detail, weight=weight)


def failed(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def eventually(condition: Callable[[], bool], process: subprocess.Popen[Any] | None = None) -> None:
    """Wait until a condition holds, while a process goes on, if any."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert process is None or process.poll() is None, "the server has ended"
        assert time.monotonic() < deadline, "the server does not get there"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether anybody listens."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _connections_to(port: int) -> int:
    """How many of this process's sockets are connected to that port."""
    return sum(_port_of_peer(int(entry.name)) == port for entry in Path("/proc/self/fd").iterdir())


def _port_of_peer(descriptor: int) -> int | None:
    with suppress(OSError):  # what was listed may be gone, and need not be a socket, nor connected
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            with socket.socket(fileno=os.dup(descriptor)) as sock:
                return int(sock.getpeername()[1]) if sock.family == socket.AF_INET else None
    return None


@define
class Credentials:
    """A certificate for 127.0.0.1 and `service.example.test`, which is its own authority, and its key."""

    certificate: Path
    key: Path

    def served(self, plain: Serve, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Serve:
        """The same service, by TLS from the first octet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        context.load_cert_chain(self.certificate, self.key)

        def serve(connection: socket.socket, made: Server) -> None:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                plain(wrapped, made)

        return serve


@cache
def credentials() -> Credentials:
    require(shutil.which("openssl"), "needs openssl(1)")
    home = Path(mkdtemp())
    atexit.register(shutil.rmtree, home)
    made = Credentials(home / "certificate.pem", home / "key.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=service"
    names = "-addext subjectAltName=IP:127.0.0.1,DNS:service.example.test"
    files = f"-keyout {made.key} -out {made.certificate}"
    subprocess.run(f"{command} {names} {files}".split(), check=True, capture_output=True)
    return made
