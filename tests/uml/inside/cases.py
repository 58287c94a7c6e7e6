"""What is checked by both, and what each is to find."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from tests.checks.talks import Credentials
from tests.uml.inside.rigs import CLIENTS, GONE, REFUSED, AddressRig, Rig, ScriptRig, Talk, TCPRig, UDPRig
from vrrpkit.checks import (
    TLS,
    Checker,
    DNSChecker,
    HTTPChecker,
    HTTPPath,
    PingChecker,
    ScriptChecker,
    SMTPChecker,
    TCPChecker,
    UDPChecker,
    Via,
)
from vrrpkit.commands import Command

__all__ = ["Case", "Turn", "cases"]

_HERE: Final = "127.0.0.1"
_ALONES: Final = ("10.98.0.9", "10.98.0.10")
_OURS: Final = Via(source=CLIENTS["ours"])
_BODY: Final = b"hello"
_GET: Final = "HTTP_GET url {\npath /\nstatus_code 200\n}"
_MD5: Final = hashlib.md5(_BODY, usedforsecurity=False).hexdigest()


@frozen
class Turn:
    """A state, and what comes of it.

    Attributes:
        state: The rig's.
        keepalived: What keepalived says; `after 2` counts how often it has asked.
        ours: What we say; the same, unless given.
    """

    state: str
    keepalived: str
    ours: str = field()

    @ours.default
    def _alike(self) -> str:
        return self.keepalived


@frozen
class Case:
    """One real server, its checker in keepalived's words and in ours, and what happens to it.

    Attributes:
        name: What it is about.
        rig: The server.
        block: keepalived's checker, but for what all have.
        checker: Ours.
        turns: What happens; the first state is there before anybody asks.
        retry: How often a failure is tried again.
        alpha: Whether it is down until it was checked.
        delay_loop: Seconds between two checks; between a failure and its retry there is one always.
        host: Where it is.
        port: The same.
    """

    name: str
    rig: Rig
    block: str
    checker: Checker
    turns: tuple[Turn, ...]
    retry: int = 1
    alpha: bool = True
    delay_loop: int = 1
    host: str = _HERE
    port: int = 80


def cases(folder: Path, credentials: Credentials) -> Iterator[Case]:
    """All of them; every timeout is a second."""
    yield from _tcp()
    yield from _http(credentials)
    yield from _smtp()
    yield from _udp()
    yield from _others(folder)


def _tcp() -> Iterator[Case]:
    gone = Turn(REFUSED, "down")
    yield Case(
        "TCP_CHECK",
        TCPRig(8001, {"silent": _silence}),
        "TCP_CHECK",
        TCPChecker(host=_HERE, port=8001, via=_OURS),
        (Turn("well", "up after 1"), gone, Turn("silent", "up after 1"), Turn("well", "stays up"), gone),
        port=8001,
    )
    yield Case(
        "TCP_CHECK of a server that is dead from the start, and assumed to be up",
        TCPRig(8002, {}),
        "TCP_CHECK",
        TCPChecker(host=_HERE, port=8002, via=_OURS),
        (gone, Turn("well", "up after 1")),
        alpha=False,
        port=8002,
    )


def _http(credentials: Credentials) -> Iterator[Case]:
    well = _after_request(_answer(200, _BODY))
    talks = {
        "well": well,
        "503": _after_request(_answer(503, _BODY)),
        "half an answer": _after_request(b"HTTP/1.1 2"),
        "nothing": _after_request(b""),
        "silent": _silence,
        "another body": _after_request(_answer(200, b"olleh")),
        "half a body": _after_request(_answer(200, _BODY)[:-2]),
        "keeps the connection open": _after_request(_answer(200, _BODY), then_close=False),
    }
    good, bad = Turn("well", "up after 1"), "down after 3"
    # After a failure keepalived asks until the path is well, and then for all paths from the first.
    again = Turn("well", "up after 2", "up after 1")
    yield Case(
        "HTTP_GET with status_code",
        TCPRig(8010, talks),
        _GET,
        HTTPChecker(host=_HERE, port=8010, paths=(HTTPPath("/", status=200),), via=_OURS),
        (good, Turn("503", bad), again, Turn("half an answer", bad), again, Turn("nothing", bad), again),
        retry=2,
        port=8010,
    )
    yield Case(
        "HTTP_GET, and answers that do not end, or too early",
        TCPRig(8015, talks),
        _GET,
        HTTPChecker(host=_HERE, port=8015, paths=(HTTPPath("/", status=200),), via=_OURS),
        (
            *(good, Turn("silent", bad), again, Turn("half a body", "stays up"), Turn(REFUSED, "down"), again),
            # keepalived knows the end of a body by the end of the connection alone.
            Turn("keeps the connection open", bad, "stays up"),
        ),
        retry=2,
        port=8015,
    )
    yield Case(
        "HTTP_GET with digest",
        TCPRig(8011, talks),
        f"HTTP_GET url {{\npath /\ndigest {_MD5}\n}}",
        HTTPChecker(host=_HERE, port=8011, paths=(HTTPPath("/", digest=_MD5),), via=_OURS),
        (good, Turn("another body", bad), again, Turn("half a body", bad), again, Turn("503", bad)),
        retry=2,
        port=8011,
    )
    yield Case(
        "HTTP_GET of a server that is ill from the start, and assumed to be up",
        TCPRig(8012, talks),
        _GET,
        HTTPChecker(host=_HERE, port=8012, via=_OURS),
        (Turn("503", "down after 1"), again),
        retry=2,
        alpha=False,
        port=8012,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.certificate, credentials.key)
    yield Case(
        "SSL_GET, which verifies nothing",
        TCPRig(8013, talks, context),
        _GET.replace("HTTP", "SSL"),
        HTTPChecker(host=_HERE, port=8013, tls=TLS(verify=False), via=_OURS),
        (good, Turn("503", bad), again, Turn("half an answer", bad), again, Turn(REFUSED, "down")),
        retry=2,
        port=8013,
    )
    yield Case(
        "SSL_GET, and a certificate that nobody has signed",
        TCPRig(8014, talks, context),
        _GET.replace("HTTP", "SSL"),
        HTTPChecker(host=_HERE, port=8014, tls=TLS(), via=_OURS),
        # keepalived verifies none.
        (Turn("well", "up after 1", "stays down"),),
        port=8014,
    )


def _smtp() -> Iterator[Case]:
    greeting, hello, bye = b"220 mail ESMTP\r\n", b"250 mail\r\n", b"221 bye\r\n"
    talks = {
        "well": _in_turn(greeting, hello, bye),
        "421": _in_turn(b"421 too busy\r\n"),
        "550 to HELO": _in_turn(greeting, b"550 not you\r\n", bye),
        "half a greeting": _in_turn(b"22"),
        "silent": _silence,
        "greets in two lines": _in_turn(b"220-mail\r\n220 ESMTP\r\n", hello, bye),
    }
    good, bad = Turn("well", "up after 1"), "down after 2"
    yield Case(
        "SMTP_CHECK",
        TCPRig(8025, talks),
        "SMTP_CHECK",
        SMTPChecker(host=_HERE, port=8025, helo="test", via=_OURS),
        (good, Turn("421", bad), good, Turn("550 to HELO", bad), good, Turn("half a greeting", bad), good),
        port=8025,
    )
    yield Case(
        "SMTP_CHECK, and a server that says too little, or too much",
        TCPRig(8027, talks),
        "SMTP_CHECK",
        SMTPChecker(host=_HERE, port=8027, helo="test", via=_OURS),
        (
            *(good, Turn("silent", bad), good, Turn(REFUSED, "down"), good),
            # keepalived does not know replies of several lines.
            Turn("greets in two lines", bad, "stays up"),
        ),
        port=8027,
    )
    yield Case(
        "SMTP_CHECK of a server that is ill from the start, and assumed to be up",
        TCPRig(8026, talks),
        "SMTP_CHECK",
        SMTPChecker(host=_HERE, port=8026, helo="test", via=_OURS),
        # keepalived believes the first failure of every other checker.
        (Turn("421", "down after 2", "down after 1"), good),
        alpha=False,
        port=8026,
    )


def _udp() -> Iterator[Case]:
    talks = {
        "well": lambda _octets: b"\xca\xfe\x01",
        "another reply": lambda _octets: b"\xca\xff\x01",
        "silent": lambda _octets: None,
    }
    good, bad = Turn("well", "up after 1"), "down after 2"
    yield Case(
        "UDP_CHECK",
        UDPRig(8030, talks),
        "UDP_CHECK payload 3f",
        UDPChecker(host=_HERE, port=8030, payload=b"?", quiet=0.5, via=_OURS),
        (good, Turn(REFUSED, "down"), Turn("silent", "up after 1"), Turn("another reply", "stays up")),
        port=8030,
    )
    yield Case(
        "UDP_CHECK with a reply",
        UDPRig(8031, talks),
        "UDP_CHECK payload 3f\nrequire_reply cafeXX",
        UDPChecker(host=_HERE, port=8031, payload=b"?", reply="cafeXX", via=_OURS),
        (good, Turn("silent", bad), good, Turn("another reply", bad), good, Turn(REFUSED, "down"), good),
        port=8031,
    )
    answers = {
        "well": _dns,
        "SERVFAIL": lambda query: _dns(query, rcode=2),
        "another id": lambda query: _dns(bytes([query[0] ^ 1]) + query[1:]),
        "an answer to another question": lambda query: _dns(query.replace(b"\7example", b"\7elpmaxe")),
        "silent": lambda _query: None,
    }
    yield Case(
        "DNS_CHECK",
        UDPRig(8053, answers),
        "DNS_CHECK type A\nname example.test",
        DNSChecker(host=_HERE, port=8053, name="example.test", type="A", via=_OURS),
        (
            *(good, Turn("SERVFAIL", bad), good, Turn("another id", bad), good, Turn("silent", bad)),
            # keepalived does not look at the question.
            *(good, Turn(REFUSED, "down"), good, Turn("an answer to another question", "stays up", bad)),
        ),
        port=8053,
    )


def _others(folder: Path) -> Iterator[Case]:
    rig = ScriptRig(folder)
    good, bad = Turn("exit 0", "up after 1"), "down after 2"
    yield Case(
        "MISC_CHECK",
        rig,
        f'MISC_CHECK misc_path "{rig.script} {CLIENTS["keepalived"]}"\nmisc_timeout 1',
        ScriptChecker(command=Command([str(rig.script), CLIENTS["ours"]]), timeout=1),
        (
            *(good, Turn("exit 1", bad), good, Turn("exit 2", bad)),
            *(good, Turn("kill -9 $$", bad), good, Turn("sleep 30", bad)),
        ),
        delay_loop=2,
        port=8040,
    )
    yield Case(
        "PING_CHECK",
        AddressRig(_ALONES[0]),
        "PING_CHECK",
        PingChecker(host=_ALONES[0]),
        (Turn("there", "up"), Turn(GONE, "down"), Turn("there", "up")),
        host=_ALONES[0],
    )
    yield Case(
        "TCP_CHECK of a host that is gone",
        AddressRig(_ALONES[1], 8003),
        "TCP_CHECK",
        TCPChecker(host=_ALONES[1], port=8003),
        (Turn("there", "up"), Turn(GONE, "down"), Turn("there", "up")),
        host=_ALONES[1],
        port=8003,
    )


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def _after_request(answer: bytes, *, then_close: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not then_close:
            await writer.drain()
            await _silence(reader, writer)

    return talk


def _in_turn(*answers: bytes) -> Talk:
    """The first at once, and each of the others after a line."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readuntil(b"\n")
            writer.write(answer)
            await writer.drain()

    return talk


async def _silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


def _dns(query: bytes, rcode: int = 0) -> bytes:
    """An answer without answers."""
    return query[:2] + bytes([0x81, 0x80 | rcode]) + query[4:]
