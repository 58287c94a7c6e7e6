"""Secrets are in no `repr()`, log, snapshot, error or detail; classes that have some are found by introspection."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import re
import socket
import struct
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any, Final

import attrs
import pytest

import vrrpkit
from tests.checks.talks import Server, server
from tests.linux.support import run
from vrrpkit import Advertisement, ConfigError, ElectionConfig, State, VirtualRouter
from vrrpkit.addresses import VRRP_GROUP_V4
from vrrpkit.checks import (
    TLS,
    Checker,
    HTTPChecker,
    HTTPPath,
    LDAPChecker,
    MySQLChecker,
    PostgreSQLChecker,
    RedisChecker,
)
from vrrpkit.checks._mysql_wire import Login
from vrrpkit.commands import Command
from vrrpkit.packet import Datagram, decode, encode
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

HIDDEN: Final = "hunter2!"  # as long as VRRP lets it be
SECRETIVE: Final = re.compile(r"passw|secret|token|credential|^env|^headers$|^ca_data$|_question")


def holders() -> Iterator[tuple[type, str]]:
    """Every attrs class of the library, and each of its fields that may hold a secret."""
    for module in pkgutil.walk_packages(vrrpkit.__path__, "vrrpkit."):
        if module.name.endswith("__main__"):
            continue
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and attrs.has(thing) and thing.__module__ == module.name:
                yield from ((thing, one.name) for one in attrs.fields(thing) if SECRETIVE.search(one.name))


def config(**settings: Any) -> ElectionConfig:
    return ElectionConfig(vrid=1, addresses=["192.0.2.100"], version=2, password=HIDDEN, **settings)


def headed(name: str, value: str) -> dict[str, Any]:
    return {"headers": {name: value}}


def login(**settings: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "user": "check", "password": HIDDEN, **settings}


EXAMPLES: Final[dict[str, Callable[[], object]]] = {
    "Advertisement.password": lambda: Advertisement(vrid=1, priority=1, version=2, password=HIDDEN.encode()),
    "ElectionConfig.password": config,
    "HTTPChecker.headers": lambda: HTTPChecker(host="127.0.0.1", port=80, **headed("Authorization", f"X {HIDDEN}")),
    "HTTPChecker.password": lambda: HTTPChecker(**login(port=80)),
    "HTTPChecker.token": lambda: HTTPChecker(host="127.0.0.1", port=80, token=HIDDEN),
    "LDAPChecker.password": lambda: LDAPChecker(**login()),
    "Login.password": lambda: Login("check", HIDDEN, secure=False, plugin="", seed=b""),
    "MySQLChecker.password": lambda: MySQLChecker(**login()),
    "PostgreSQLChecker.password": lambda: PostgreSQLChecker(**login()),
    "PostgreSQLChecker._credentials": lambda: PostgreSQLChecker(**login()),
    "RedisChecker.password": lambda: RedisChecker(**login()),
    "RedisChecker._question": lambda: RedisChecker(**login()),
    "TLS.password": lambda: TLS(certificate="/etc/key.pem", password=HIDDEN),
    "TLS.ca_data": lambda: TLS(ca_data=HIDDEN),
    "Command.env": lambda: Command(["true"], env={"TOKEN": HIDDEN}),
}
# What only the library itself makes: that `repr()` leaves the field out is enough.
INTERNAL: Final = {"HTTPRequest.headers", "Launch.environment"}


def test_every_class_that_may_hold_a_secret_is_looked_at() -> None:
    found = {f"{kind.__name__}.{name}" for kind, name in holders()}
    assert found == EXAMPLES.keys() | INTERNAL
    assert all(
        not attrs.fields_dict(kind)[name].repr for kind, name in holders() if f"{kind.__name__}.{name}" in INTERNAL
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_secret_is_in_no_repr(name: str) -> None:
    holder = EXAMPLES[name]()
    told = f"{holder!r} {holder} {[holder]} {attrs.asdict(Wrapper(holder), recurse=False)}"
    assert HIDDEN not in told
    assert HIDDEN not in "".join(chr(ord(char)) for char in told if char != "\\")


@attrs.frozen
class Wrapper:
    """Whatever holds it shows it no more than it shows itself."""

    held: object


REFUSED: Final[tuple[Callable[[], object], ...]] = (
    lambda: config(priority=0),
    lambda: ElectionConfig(vrid=1, addresses=["192.0.2.1"], version=2, password=HIDDEN * 2),
    lambda: ElectionConfig(vrid=1, addresses=["192.0.2.1"], password=HIDDEN),
    lambda: HTTPChecker(host="127.0.0.1", port=80, password=HIDDEN),
    lambda: HTTPChecker(host="127.0.0.1", port=80, token=f"{HIDDEN}\n"),
    lambda: HTTPChecker(host="127.0.0.1", port=80, **headed("Cookie", f"{HIDDEN}\n")),
    lambda: HTTPChecker(**login(port=0)),
    lambda: LDAPChecker(host="127.0.0.1", password=HIDDEN),
    lambda: LDAPChecker(**login(password=f"{HIDDEN}\0")),
    lambda: MySQLChecker(host="127.0.0.1", password=HIDDEN),
    lambda: MySQLChecker(**login(password=f"{HIDDEN}\0")),
    lambda: MySQLChecker(**login(password=HIDDEN.encode())),
    lambda: PostgreSQLChecker(host="127.0.0.1", password=HIDDEN),
    lambda: PostgreSQLChecker(**login(password=f"{HIDDEN}\0")),
    lambda: RedisChecker(**login(password=HIDDEN.encode())),
    lambda: TLS(password=HIDDEN),
    lambda: HTTPChecker(**login(port=80, tls=TLS(certificate="/nowhere/key.pem", password=HIDDEN))),
    lambda: Command(["true"], env={"TOKEN": f"{HIDDEN}\0"}),
)


@pytest.mark.parametrize("attempt", REFUSED, ids=range(len(REFUSED)))
def test_a_setting_that_is_refused_shows_no_secret(attempt: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as refused:
        attempt()
    assert HIDDEN not in f"{refused.value!r} {refused.value}"
    shown = traceback.format_exception_only(refused.value)
    assert HIDDEN not in "".join(shown)


def test_a_router_with_a_password_tells_it_to_the_wire_alone(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    wire: list[Datagram] = []

    async def life() -> None:
        lan = MemoryLan()
        lan.listen(wire.append)
        router = VirtualRouter(
            config(), transport=lan.attach(1, "192.0.2.1"), addresses=FakeAddresses(), announcer=FakeAnnouncer()
        )
        async with router:
            said.append(repr(await router.until(State.ACTIVE)))
            # Another password, none at all, the right one with an interval that is wrong, and a loser.
            for password, interval in ((b"other", 1.0), (None, 1.0), (HIDDEN.encode(), 7.0), (HIDDEN.encode(), 1.0)):
                advert = Advertisement(
                    vrid=1,
                    priority=50,
                    interval=interval,
                    version=2,
                    addresses=(IPv4Address("192.0.2.100"),),
                    password=password,
                )
                datagram = encode(advert, source=IPv4Address("192.0.2.9"), destination=VRRP_GROUP_V4)
                lan.inject(datagram)
                said.append(f"{datagram!r} {decode(datagram)!r}")
            snapshot = router.snapshot()
            said.extend((repr(snapshot), str(snapshot), json.dumps(snapshot.to_dict()), repr(router)))

    with caplog.at_level(logging.DEBUG):
        run_virtual(life())
    said.extend(record.getMessage() for record in caplog.records)
    assert len(caplog.records) >= 4
    assert HIDDEN not in " ".join(said)
    assert any(HIDDEN.encode() in datagram.payload for datagram in wire)


# Servers that quote what they hear -----------------------------------------------------------------------------------


def parrot(answer: Callable[[bytes], bytes], *first: bytes) -> Callable[[socket.socket, Server], None]:
    """A server that puts what it should keep to itself into its answer."""

    def serve(connection: socket.socket, made: Server) -> None:
        for one in first:
            connection.sendall(one)
        made.heard += connection.recv(4096)
        connection.sendall(answer(HIDDEN.encode()))

    return serve


def http_answer(status: str) -> Callable[[bytes], bytes]:
    return lambda secret: b"HTTP/1.1 " + status.encode() + b"\r\nLocation: /%b\r\nContent-Length: 0\r\n\r\n" % secret


def ldap_answer(secret: bytes) -> bytes:
    text = b"no " + secret
    result = b"\x0a\1\x31\4\0\4" + bytes([len(text)]) + text
    message = b"\2\1\1\x61" + bytes([len(result)]) + result
    return b"\x30" + bytes([len(message)]) + message


def postgresql_error(secret: bytes) -> bytes:
    text = b"SFATAL\0C28P01\0Mno user with password " + secret + b"\0\0"
    return b"E" + struct.pack("!I", len(text) + 4) + text


def mysql_error(secret: bytes) -> bytes:
    text = b"\xff\x15\x04#28000no user with password " + secret
    return len(text).to_bytes(3, "little") + b"\2" + text


GREETING: Final = (
    b"\x0a8.0\0"
    + bytes(4)
    + b"12345678\0\xff\xff\xff\2\0\xff\xdf\x15"
    + bytes(10)
    + b"123456789012\0caching_sha2_password\0"
)

PARROTS: Final[dict[str, tuple[Callable[[int], Checker], Callable[[socket.socket, Server], None]]]] = {
    "http status": (lambda port: HTTPChecker(**login(port=port)), parrot(http_answer("302 Found"))),
    "http token": (
        lambda port: HTTPChecker(host="127.0.0.1", port=port, token=HIDDEN),
        parrot(http_answer("302 Found")),
    ),
    "http header": (
        lambda port: HTTPChecker(host="127.0.0.1", port=port, **headed("authorization", f"Key {HIDDEN}")),
        parrot(http_answer("302 Found")),
    ),
    "http garbage": (
        lambda port: HTTPChecker(**login(port=port, paths=[HTTPPath(regex="x")])),
        parrot(lambda secret: secret + b"\r\n\r\n"),
    ),
    "redis": (
        lambda port: RedisChecker(**login(port=port)),
        parrot(lambda secret: b"-ERR unknown " + secret + b"\r\n"),
    ),
    "ldap": (lambda port: LDAPChecker(**login(port=port)), parrot(ldap_answer)),
    "postgresql": (lambda port: PostgreSQLChecker(**login(port=port)), parrot(postgresql_error)),
    "mysql": (
        lambda port: MySQLChecker(**login(port=port)),
        parrot(mysql_error, len(GREETING).to_bytes(3, "little") + b"\0" + GREETING),
    ),
}


@pytest.mark.parametrize("name", PARROTS)
def test_a_server_that_quotes_the_password_does_not_get_it_into_the_detail(name: str) -> None:
    make, serve = PARROTS[name]
    with server(serve) as made:
        result = run(make(made.port).check())
    assert not result.ok
    assert HIDDEN not in result.detail
    assert result.detail == "an answer that quotes the password"


def test_basic_credentials_are_not_quoted_either() -> None:
    encoded = b64encode(f"check:{HIDDEN}".encode())

    def serve(connection: socket.socket, made: Server) -> None:
        made.heard += connection.recv(4096)
        connection.sendall(http_answer("302 Found")(encoded))

    with server(serve) as made:
        result = run(HTTPChecker(**login(port=made.port)).check())
    assert encoded in made.heard
    assert encoded.decode() not in result.detail
