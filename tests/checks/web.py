"""Certificates, real web servers, and servers that misbehave."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Self, TypeAlias, TypeVar

from attrs import evolve, frozen

from tests.linux.support import eventually
from tests.linux.support import run as run_on
from tests.support.requirements import require
from vrrpkit.checks import Checker, CheckResult

__all__ = [
    "Line",
    "Script",
    "Scripted",
    "answer",
    "cancel_at_any_moment",
    "certificates",
    "endless",
    "find",
    "findings",
    "free_port",
    "haproxy",
    "keep",
    "leaving_nothing",
    "nginx",
    "reset",
    "silence",
    "sockets",
]

T = TypeVar("T")

_PATIENCE: Final = 15.0

_AUTHORITY: Final = """
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = optional
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $ENV::NAMES
"""


@cache
def certificates() -> Path:
    """A directory with certificates (`.pem`) and their keys (`.key`), made once: `ca`, `good` and all that is bad."""
    require(shutil.which("openssl"), "needs openssl(1)")
    home = Path(tempfile.mkdtemp(prefix="vrrpkit-certificates-"))
    atexit.register(shutil.rmtree, home)
    (home / "openssl.cnf").write_text(_AUTHORITY)
    (home / "index.txt").touch()
    today = datetime.now(UTC)
    for authority in ("ca", "other-ca"):
        _key_and(home, authority, "-x509", "-days", "30", "-extensions", "authority")
    for name, names, first, last in (
        ("good", "DNS:good.test,IP:127.0.0.1,IP:::1", -1, 20),
        ("second", "DNS:second.test", -1, 20),
        ("expired", "DNS:good.test,IP:127.0.0.1", -5, -2),
        ("future", "DNS:good.test,IP:127.0.0.1", 2, 20),
        ("client", "DNS:client.test", -1, 20),
    ):
        _signed(home, name, names, today + timedelta(first), today + timedelta(last))
    _signed(home, "strange", "DNS:good.test,IP:127.0.0.1", today, today + timedelta(20), authority="other-ca")
    _key_and(home, "self", "-x509", "-days", "20", "-extensions", "leaf", names="DNS:good.test,IP:127.0.0.1")
    secret = ("-aes128", "-passout", "pass:open sesame")
    _openssl(home, "pkey", "-in", "client.key", *secret, "-out", "client-locked.key")
    return home


def _signed(home: Path, name: str, names: str, first: datetime, last: datetime, authority: str = "ca") -> None:
    _key_and(home, name, request=True)
    span = ("-startdate", f"{first:%Y%m%d%H%M%SZ}", "-enddate", f"{last:%Y%m%d%H%M%SZ}")
    signer = ("-cert", f"{authority}.pem", "-keyfile", f"{authority}.key", "-extensions", "leaf")
    files = ("-in", f"{name}.csr", "-out", f"{name}.pem")
    _openssl(home, "ca", "-config", "openssl.cnf", "-batch", "-notext", *signer, *span, *files, names=names)


def _key_and(home: Path, name: str, *options: str, names: str = "DNS:unused", request: bool = False) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    out = ("-out", f"{name}.csr" if request else f"{name}.pem", "-subj", f"/CN={name}")
    _openssl(home, "req", "-new", "-config", "openssl.cnf", *key, *out, *options, names=names)


def _openssl(home: Path, *words: str, names: str = "DNS:unused") -> None:
    done = subprocess.run(
        ["openssl", *words], cwd=home, env={**os.environ, "NAMES": names}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(words)}: {done.stderr}")


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(entry.readlink()).startswith("socket:")
    return found


_ports: Final = itertools.count(20000 + os.getpid() * 16 % 10000)


def free_port() -> int:
    """A port that nobody listens to, and that no socket gets by chance: those begin at 32768."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", next(_ports))) as server:
            return int(server.getsockname()[1])


@contextmanager
def nginx(home: Path, ready: int, servers: str) -> Iterator[None]:
    """An nginx with these `server` blocks, one of them on port `ready`; `home` is for its files."""
    require(shutil.which("nginx"), "needs nginx")
    places = "".join(f"{it}_temp_path {home}/{it};\n" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (home / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
        events {{ worker_connections 512; }}
        http {{ access_log off; default_type text/plain; ssl_session_cache off; {places} {servers} }}
    """)
    with _process(["nginx", "-p", str(home), "-e", f"{home}/error.log", "-c", str(home / "nginx.conf")], home, ready):
        yield


@contextmanager
def haproxy(home: Path, ready: int, configuration: str) -> Iterator[None]:
    """An HAProxy with this configuration, which listens on port `ready`; `home` is for its files."""
    require(shutil.which("haproxy"), "needs haproxy")
    (home / "haproxy.cfg").write_text(f"{configuration}\n")
    with _process(["haproxy", "-db", "-f", str(home / "haproxy.cfg")], home, ready):
        yield


@contextmanager
def _process(command: list[str], home: Path, ready: int) -> Iterator[None]:
    output = home / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _listens(ready):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    time.sleep(0.01)
    return False


@frozen
class Line:
    """One connection to a `Scripted` server."""

    socket: socket.socket
    requests: list[bytes]

    def request(self) -> bytes:
        """Read a request with its body; nothing when the client has hung up."""
        octets = b""
        while b"\r\n\r\n" not in octets:
            more = self.socket.recv(65536)
            if not more:
                return b""
            octets += more
        length = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", octets)
        wanted = octets.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
        while len(octets) < wanted:
            octets += self.socket.recv(65536)
        self.requests.append(octets)
        return octets

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def until_hung_up(self) -> None:
        while self.socket.recv(65536):
            pass

    def until_broken_off(self) -> None:
        """The same without a TLS goodbye of our own."""
        while os.read(self.socket.fileno(), 65536):
            pass

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script: TypeAlias = Callable[[Line], None]
"""What a server does with a connection, which is closed afterwards."""


def answer(*parts: bytes, times: int = 1) -> Script:
    """Read a request, send these parts one by one, and so on; then hang up."""

    def script(line: Line) -> None:
        for _ in range(times):
            if not line.request():
                return
            line.send(*parts)

    return script


def keep(*parts: bytes) -> Script:
    """The same, and keep the connection until the client hangs up."""

    def script(line: Line) -> None:
        while line.request():
            line.send(*parts)

    return script


def endless(first: bytes, more: bytes) -> Script:
    """Send something, and then something else for ever."""

    def script(line: Line) -> None:
        line.request()
        line.send(first)
        while True:
            line.send(more)

    return script


def silence(line: Line) -> None:
    """Read, and say nothing."""
    line.until_hung_up()


def reset(line: Line) -> None:
    """Read a request, and reset the connection."""
    line.request()
    line.reset()


class Scripted:
    """A server that does with its connections what it is told: with the first the first script, and so on.

    The last script is for all further ones, too.

    Attributes:
        port: Where.
        requests: All requests so far, with their bodies.
        connections: How many connections there have been.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self.requests: list[bytes] = []
        self.connections = 0
        self._scripts = scripts
        self._context = context
        self._open: list[socket.socket] = []
        self._server = threading.Thread(target=self._serve)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._server.join()
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._play, args=(connection, script))
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: socket.socket, script: Script) -> None:
        with ExitStack() as closing:
            closing.callback(connection.close)
            closing.enter_context(suppress(OSError))
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                closing.callback(connection.close)
            script(Line(connection, self.requests))


def find(checker: Checker, loop: str = "asyncio", patience: float = _PATIENCE) -> CheckResult:
    """What a checker finds, but for the time it took; it must leave no socket and no task."""
    return findings([checker], loop, patience)[0]


def findings(checkers: Sequence[Checker], loop: str = "asyncio", patience: float = _PATIENCE) -> list[CheckResult]:
    """What several find, one after the other, in one event loop."""

    async def scenario() -> list[CheckResult]:
        return [await _found(checker) for checker in checkers]

    return leaving_nothing(scenario, loop, patience)


async def _found(checker: Checker) -> CheckResult:
    result = await checker.check()
    assert 0 <= result.elapsed < _PATIENCE
    assert result.detail.isprintable()
    assert len(result.detail) <= 250
    return evolve(result, elapsed=0.0)


def cancel_at_any_moment(checker: Checker, loop: str) -> None:
    """Begin checks, and cancel the first at once, the second one turn of the event loop later, and so on."""

    async def scenario() -> None:
        for turns in range(0, 400, 7):
            task = asyncio.get_running_loop().create_task(checker.check())
            for _ in range(turns):
                await asyncio.sleep(0)
            late = task.done()
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled() is not late

    leaving_nothing(scenario, loop)


def leaving_nothing(scenario: Callable[[], Awaitable[T]], loop: str = "asyncio", patience: float = _PATIENCE) -> T:
    """Run a scenario; sockets and tasks must be gone soon after, while the loop goes on."""

    async def play() -> T:
        await asyncio.get_running_loop().run_in_executor(None, int)  # the executor's own
        before = sockets()
        try:
            async with asyncio.timeout(patience):
                return await scenario()
        finally:
            await eventually(lambda: sockets() == before, "no sockets are left")
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return run_on(play(), loop)
