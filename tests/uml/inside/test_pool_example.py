"""The example, as an operator runs it: a client, a director with the virtual server, and a farm of web servers."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from attrs import define, field

from vrrpkit.linux import in_netns

pytestmark = pytest.mark.uml

_EXAMPLE: Final = Path(__file__).parents[3] / "examples" / "lvs_pool.py"
_SERVICE: Final = ("10.94.0.1", 80)
_SORRY: Final = "9"
_PATIENCE: Final = 30.0
_HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
_WEIGHT: Final = re.compile(r"-r 10\.95\.0\.(\d):8080 -m -w (\d+)")


@define(eq=False)
class WebServer:
    """Answers every request with its name, until it dies."""

    netns: str
    name: str
    _listening: socket.socket | None = None
    _connections: list[socket.socket] = field(factory=list)

    @property
    def place(self) -> tuple[str, int]:
        """Where it is."""
        return f"10.95.0.{self.name}", 8080

    def live(self) -> None:
        """Begin to answer."""
        listening = self._listening = in_netns(self.netns, lambda: socket.create_server(self.place))
        Thread(target=self._accept, args=(listening,), daemon=True).start()

    def die(self) -> None:
        """Refuse everybody, and hang up."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # that is its end
            while True:
                connection, _peer = listening.accept()
                self._connections.append(connection)
                Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while b"\r\n\r\n" in connection.recv(4096):
                connection.sendall(f"{_HEAD}{self.name}".encode())


@define(eq=False)
class Visitor:
    """A connection to the virtual server that is used again and again."""

    _socket: socket.socket

    def ask(self) -> str:
        """Who answers."""
        self._socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        return self._socket.recv(4096).decode()[-1]

    def hang_up(self) -> None:
        """By a reset, which the kernel remembers for ten seconds only."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@define(eq=False)
class Town:
    """The namespaces, the servers, and the example in the director's."""

    director: str
    client: str
    servers: dict[str, WebServer]
    log: Path
    _stack: ExitStack

    def balance(self, *options: str) -> subprocess.Popen[str]:
        """Run the example."""
        places = [f"10.95.0.{name}:8080" for name in self.servers if name != _SORRY]
        command = [
            *("ip", "netns", "exec", self.director, sys.executable, str(_EXAMPLE), "--service", "10.94.0.1:80"),
            *("--scheduler", "rr", "--interval", "1", "--sorry", f"10.95.0.{_SORRY}:8080"),
            *(word for place in places for word in ("--server", place)),
            *options,
        ]
        with self.log.open("a") as log:
            example = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._stack.enter_context(example)
        self._stack.callback(example.kill)
        return example

    def table(self) -> dict[str, int] | None:
        """The weights by server; None if there is no virtual server."""
        command = ["ip", "netns", "exec", self.director, "ipvsadm", "-Sn"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "-A -t 10.94.0.1:80 -s rr" not in shown:
            return None
        return {name: int(weight) for name, weight in _WEIGHT.findall(shown)}

    def visit(self) -> Visitor:
        """Connect."""
        connection = in_netns(self.client, lambda: socket.socket(socket.AF_INET))
        connection.settimeout(10)
        connection.connect(_SERVICE)
        return Visitor(connection)

    def answers(self, count: int) -> set[str]:
        """Who answers new visitors."""
        found = set()
        for _ in range(count):
            visitor = self.visit()
            found.add(visitor.ask())
            visitor.hang_up()
        return found

    def until(self, table: dict[str, int] | None) -> float:
        """Wait for a table; how long it took."""
        return until(lambda: self.table() == table, lambda: f"{table}, not {self.table()}:\n{self.log.read_text()}")


def until(condition: Callable[[], bool], what: Callable[[], str]) -> float:
    """Wait until something is so; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + _PATIENCE, what()
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def town(log: Path) -> Iterator[Town]:
    """Build it."""
    names = {name: f"town-{os.getpid()}-{name}" for name in ("director", "client", "farm")}
    with ExitStack() as stack:
        for name in names.values():
            _ip(f"netns add {name}")
            stack.callback(_ip, f"netns delete {name}")
        for other, network in (("client", "10.94.0"), ("farm", "10.95.0")):
            _ip(f"-n {names['director']} link add {other} type veth peer name eth0 netns {names[other]}")
            gateway = f"{network}.1" if other == "client" else f"{network}.254"
            _ip(f"-n {names['director']} address add {gateway}/24 dev {other}")
            _ip(f"-n {names['director']} link set {other} up")
            addresses = ("10.94.0.2",) if other == "client" else tuple(f"10.95.0.{name}" for name in "1239")
            for address in addresses:
                _ip(f"-n {names[other]} address add {address}/24 dev eth0")
            _ip(f"-n {names[other]} link set eth0 up")
            _ip(f"-n {names[other]} route add default via {gateway}")
        subprocess.run(["ip", "netns", "exec", names["director"], "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        servers = {name: WebServer(names["farm"], name) for name in "1239"}
        for server in servers.values():
            server.live()
            stack.callback(server.die)
        yield Town(names["director"], names["client"], servers, log, stack)


def _ip(line: str) -> None:
    subprocess.run(["ip", *line.split()], check=True)


def command(example: subprocess.Popen[str], line: str) -> None:
    """Tell the example something."""
    assert example.stdin is not None
    example.stdin.write(f"{line}\n")
    example.stdin.flush()


def stop(example: subprocess.Popen[str]) -> int:
    """SIGTERM."""
    example.terminate()
    return example.wait(_PATIENCE)


@pytest.mark.conforms("keyword program/LVS", "keyword virtual_server/real_server", "keyword virtual_server/HTTP_GET")
def test_a_day_of_the_example(tmp_path: Path) -> None:
    with town(tmp_path / "log") as here:
        example = here.balance()
        here.until({"1": 1, "2": 1, "3": 1})
        assert here.answers(6) == {"1", "2", "3"}

        # One dies: a second until the next check, one more for the second failure; then nobody is sent there.
        here.servers["2"].die()
        assert here.until({"1": 1, "3": 1}) < 10
        assert here.answers(6) == {"1", "3"}
        here.servers["2"].live()
        here.until({"1": 1, "2": 1, "3": 1})

        # Killed and started again: the table is never another one, and a connection lasts.
        visitor = here.visit()
        served_by = visitor.ask()
        example.kill()
        example.wait()
        assert visitor.ask() == served_by
        here.log.write_text("")
        example = here.balance()
        until(lambda: here.log.read_text().count("-> up") == 3, here.log.read_text)
        assert here.table() == {"1": 1, "2": 1, "3": 1}
        assert re.findall(r" (?:add|set|remove) ", here.log.read_text()) == []
        assert visitor.ask() == served_by

        # That server drains: nobody new is sent there, the connection goes on, and when it ends the server leaves.
        others = {name: 1 for name in "123" if name != served_by}
        command(example, f"drain 10.95.0.{served_by}:8080")
        here.until({**others, served_by: 0})
        assert here.answers(6) == set(others)
        assert visitor.ask() == served_by
        visitor.hang_up()
        here.until(others)

        # All die: the sorry server serves. They come back.
        for name in others:
            here.servers[name].die()
        here.until({_SORRY: 1})
        assert here.answers(2) == {_SORRY}
        command(example, "show")
        command(example, "dance")
        assert example.stdout is not None
        shown, _end = json.JSONDecoder().raw_decode("".join(iter(example.stdout.readline, "}\n")) + "}")
        assert (shown["quorum_held"], shown["sorry_serves"], shown["error"]) == (False, True, None)
        for name in others:
            here.servers[name].live()
        here.until(others)
        assert here.answers(4) == set(others)

        # Out for maintenance and back.
        one = min(others)
        command(example, f"maintain 10.95.0.{one}:8080")
        here.until({**others, one: 0})
        command(example, f"serve 10.95.0.{one}:8080")
        here.until(others)

        assert stop(example) == 0
        assert here.table() is None
        assert "not understood: dance" in here.log.read_text()
