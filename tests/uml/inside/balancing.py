"""A director between a client and two servers, each in a network namespace of its own; and what ipvsadm says of it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import Final

from attrs import define, evolve, field

from tests.linux.support import Namespace
from vrrpkit.ipvs import AddServer, AddService, Endpoint, RealServer, Table, as_ipvsadm
from vrrpkit.linux import in_netns

__all__ = ["ANSWERS", "VIRTUAL", "Client", "Site", "lines_of", "restored", "saved", "site"]

VIRTUAL: Final = Endpoint("tcp", "10.90.0.10", 80)

#: What each server sends to whoever connects, and again for every octet that it gets.
ANSWERS: Final = {RealServer("10.91.0.2", 8080): b"1", RealServer("10.92.0.2", 8080): b"2"}

_PATIENCE: Final = 10.0
_NETWORKS: Final = {"client": "10.90.0", "first": "10.91.0", "second": "10.92.0"}


# Tables ---------------------------------------------------------------------------------------------------------------


def ipvsadm(netns: str, *words: str, given: str = "") -> str:
    def run() -> str:
        """In a thread that is there, as is the process that it starts."""
        return subprocess.run(["ipvsadm", *words], input=given, capture_output=True, text=True, check=True).stdout

    return in_netns(netns, run)


def saved(netns: str) -> list[str]:
    """What `ipvsadm -Sn` writes, sorted, in the words of `as_ipvsadm()` as far as they differ."""
    written = ipvsadm(netns, "-Sn").splitlines()
    return sorted(line.replace(" --tun-type ipip", "").removesuffix(" -b ") for line in written)


def lines_of(table: Table) -> list[str]:
    """What `as_ipvsadm()` says of a table, sorted, without what ipvsadm takes but does not save."""
    return sorted(_saved_part(line) for line in _lines(table))


def _saved_part(line: str) -> str:
    words = line.split()
    for option in ("-x", "-y"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    if "-b" in words and words[words.index("-s") + 1] in {"sh", "mh"}:
        flags = words[-1].split(",")
        words[-1:] = [",".join(flag for flag in flags if flag != "flag-3")]
    return " ".join(words).removesuffix(" -b ")


def restored(netns: str, table: Table) -> None:
    """Have ipvsadm make a table of what `as_ipvsadm()` says; it was empty before."""
    ipvsadm(netns, "-R", given="".join(f"{line}\n" for line in _lines(table)))


def _lines(table: Table) -> Iterator[str]:
    for service in table.values():
        yield as_ipvsadm(AddService(evolve(service, servers=())))
        for server in service.servers:
            yield as_ipvsadm(AddServer(service.key, server))


# Traffic --------------------------------------------------------------------------------------------------------------


@define(eq=False)
class Client:
    """A connection to the virtual server."""

    _socket: socket.socket

    def answer(self, patience: float = _PATIENCE) -> bytes:
        """The next octet from whoever it is connected to; nothing if none comes."""
        self._socket.settimeout(patience)
        with suppress(TimeoutError):
            return self._socket.recv(1)
        return b""

    def ask(self, patience: float = _PATIENCE) -> bytes:
        """Have the server answer once more."""
        self._socket.send(b"?")
        return self.answer(patience)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@define(eq=False)
class Site:
    """The namespaces: `director` balances."""

    director: str
    client: str
    _clients: list[Client] = field(factory=list)

    def connect(self) -> Client:
        """Connect from the client to the virtual server; OSError if nobody answers."""
        connection = in_netns(self.client, lambda: socket.socket(socket.AF_INET))
        connection.settimeout(_PATIENCE)
        self._clients.append(Client(connection))
        connection.connect((str(VIRTUAL.address), VIRTUAL.port))
        return self._clients[-1]

    def answers(self, count: int) -> list[bytes]:
        """Connect so many times, one after the other; what was answered, sorted."""
        found: list[bytes] = []
        for _ in range(count):
            client = self.connect()
            found.append(client.answer())
            client.close()
        return sorted(found)

    def close(self) -> None:
        """Hang up everywhere."""
        for client in self._clients:
            client.close()


@contextmanager
def site() -> Iterator[Site]:
    """Namespaces, wires, and servers that answer."""
    names = {name: f"balancing-{os.getpid()}-{name}" for name in ("director", "client", "first", "second")}
    with ExitStack() as stack:
        stack.callback(_ip, [f"netns delete {name}" for name in names.values()])
        _wire(names)
        for server, answer in ANSWERS.items():
            where = names["first" if answer == b"1" else "second"]
            address = (str(server.address), server.port)
            listening = in_netns(where, lambda address=address: socket.create_server(address))  # type: ignore[misc]  # a default argument is how a loop's variable is kept
            stack.callback(_stop, listening)
            Thread(target=_serve, args=(listening, answer), daemon=True).start()
        made = Site(names["director"], names["client"])
        stack.callback(made.close)
        yield made


def _wire(names: dict[str, str]) -> None:
    _ip([f"netns add {name}" for name in names.values()])
    director = Namespace(names["director"])
    for other, network in _NETWORKS.items():
        director.ip(
            f"link add {other} type veth peer name eth0 netns {names[other]}",
            f"address add {network}.1/24 dev {other}",
            f"link set {other} up",
        )
        Namespace(names[other]).ip(
            f"address add {network}.2/24 dev eth0",
            "link set eth0 up",
            f"route add default via {network}.1",
        )
    director.ip(f"address add {VIRTUAL.address}/32 dev client")
    director.sysctl("ipv4.ip_forward", 1)


def _ip(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _serve(listening: socket.socket, answer: bytes) -> None:
    with suppress(OSError):  # that is the end of it
        while True:
            connection, _peer = listening.accept()
            Thread(target=_talk, args=(connection, answer), daemon=True).start()


def _talk(connection: socket.socket, answer: bytes) -> None:
    with connection, suppress(OSError):
        connection.send(answer)
        while connection.recv(1):
            connection.send(answer)


def _stop(listening: socket.socket) -> None:
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
