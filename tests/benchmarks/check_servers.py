"""The servers that the benchmarks of the checkers check: processes of their own, so that what they cost is not ours."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from tests.checks.talks import Credentials

BODY = "x" * 2000

_ACCEPTS = """
import socket
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(server.getsockname()[1], flush=True)
while True:
    connection, _peer = server.accept()
    connection.close()
"""

_ANSWERS = """\
global
 nbthread 1
 maxconn 8000
 stats socket {folder}/stats
defaults
 mode http
 timeout client 10s
 timeout server 10s
 timeout connect 1s
frontend tcp
 bind {address}:{tcp}
 http-request deny
frontend http
 bind {address}:{http}
 http-request return status 200 content-type text/plain string "{body}"
frontend https
 bind {address}:{https} ssl crt {folder}/both.pem
 http-request return status 200 content-type text/plain string "{body}"
"""


@contextmanager
def accepting() -> Iterator[int]:
    """A server that accepts and closes; its port."""
    with subprocess.Popen([sys.executable, "-c", _ACCEPTS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@frozen
class WebServer:
    """HAProxy, which answers by itself."""

    process: subprocess.Popen[bytes]
    folder: Path
    ports: Mapping[str, int]

    def connections(self, kind: str) -> int:
        """How many there have been to the port of this kind."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.folder / "stats"))
            sock.sendall(b"show stat\n")
            with sock.makefile(encoding="ascii") as lines:
                names, *rows = (line.rstrip("\n").split(",") for line in lines if "," in line)
        row = next(row for row in rows if row[:2] == [kind, "FRONTEND"])
        return int(row[names.index("conn_tot")])


@contextmanager
def answering(credentials: Credentials, address: str = "127.0.0.1") -> Iterator[WebServer]:
    """A web server with a port for `tcp`, `http` and `https` each."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        ports = dict(zip(("tcp", "http", "https"), free_ports(3), strict=True))
        config = folder / "haproxy.cfg"
        config.write_text(_ANSWERS.format(folder=folder, address=address, body=BODY, **ports), encoding="ascii")
        both = credentials.certificate.read_bytes() + credentials.key.read_bytes()
        (folder / "both.pem").write_bytes(both)
        with subprocess.Popen(["haproxy", "-db", "-f", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(ports["https"])
                yield WebServer(process, folder, ports)
            finally:
                process.kill()


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(sock.getsockname()[1]) for sock in held]


def _wait_for(port: int) -> None:
    while True:
        with socket.socket() as sock:
            if not sock.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.01)
