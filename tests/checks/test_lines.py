"""Lines and octets from a socket, in whatever pieces they come."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.checks.talks import Server, credentials, server
from tests.linux.support import LOOPS, run
from vrrpkit.checks._lines import LineError, Lines
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import handshake_for
from vrrpkit.checks._via import DIRECT


@contextmanager
def connected() -> Iterator[tuple[Lines, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield Lines(ours), theirs


def play(scenario: Callable[[Lines, socket.socket], Awaitable[None]], loop: str = "asyncio") -> None:
    async def playing() -> None:
        with connected() as (lines, peer):
            await scenario(lines, peer)

    run(playing(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_lines_and_octets_come_one_after_the_other(loop: str) -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        peer.sendall(b"one\r\ntwo\n\n12345six\r\r\n")
        assert [await lines.line(3), await lines.line(3), await lines.line(3)] == [b"one", b"two", b""]
        assert [await lines.exactly(2), await lines.exactly(3), await lines.exactly(0)] == [b"12", b"345", b""]
        assert await lines.line(4) == b"six\r"

    play(scenario, loop)


def test_an_end_that_comes_in_two_pieces_is_one() -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        peer.sendall(b"xPONG\r")
        assert await lines.exactly(1) == b"x"
        peer.sendall(b"\n")
        assert await lines.line(4) == b"PONG"

    play(scenario)


def test_a_line_may_end_otherwise() -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        peer.sendall(b"up\rdown\n")
        end = re.compile(rb"[\r\n]")
        assert [await lines.line(4, end), await lines.line(4, end)] == [b"up", b"down"]

    play(scenario)


@pytest.mark.parametrize("octets", [b"12345\n", b"12345\r\n", b"1234567"])
def test_a_line_that_is_too_long_is_none(octets: bytes) -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        peer.sendall(octets)
        with pytest.raises(LineError, match="a line of more than 4 octets"):
            await lines.line(4)

    play(scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_half_a_line_is_none(loop: str) -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        peer.sendall(b"12")
        peer.close()
        with pytest.raises(LineError, match="the server closed the connection"):
            await lines.line(4)
        with pytest.raises(LineError, match="the server closed the connection"):
            await lines.exactly(3)

    play(scenario, loop)


def test_what_is_sent_arrives() -> None:
    async def scenario(lines: Lines, peer: socket.socket) -> None:
        await lines.send(b"hello\r\n")
        assert peer.recv(100) == b"hello\r\n"

    play(scenario)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_by_tls_everything_comes_and_everything_arrives(version: ssl.TLSVersion, loop: str) -> None:
    much = b"x" * 100_000

    def serve(connection: socket.socket, made: Server) -> None:
        connection.sendall(b"hello\r\n" + much)
        while more := connection.recv(4096):
            made.heard += more

    async def scenario(port: int) -> None:
        handshake = handshake_for(TLS(ca_file=credentials().certificate), "127.0.0.1")
        assert handshake is not None
        with await DIRECT.connect("127.0.0.1", port) as sock:
            lines = Lines(sock)
            await lines.secure(handshake)
            assert await lines.line(100) == b"hello"
            assert await lines.exactly(len(much)) == much
            await lines.send(much)

    with server(credentials().served(serve, version)) as peer:
        run(scenario(peer.port), loop)
    assert bytes(peer.heard) == much


def test_without_settings_there_is_no_handshake() -> None:
    assert handshake_for(None, "127.0.0.1") is None


def test_the_name_to_verify_has_no_zone() -> None:
    tls = TLS(verify=False)
    handshake = handshake_for(tls, "fe80::1%eth0")
    assert handshake is not None
    assert handshake.name == "fe80::1"
