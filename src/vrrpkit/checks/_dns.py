"""Does a name server answer, and with what?"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Iterable

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._dns_wire import RCODES, DNSError, Reply, decode_reply, encode_name, encode_query, type_code
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._via import DIRECT, Via, in_words
from vrrpkit.errors import ConfigError, Whole, check_flag

__all__ = ["DNSChecker"]

_LARGEST = 65535
_NAMES = {code: name for name, code in RCODES.items()}


def _to_rcodes(value: str | Iterable[str]) -> frozenset[str]:
    return frozenset({value.upper()} if isinstance(value, str) else {one.upper() for one in value})


def _check_rcodes(_instance: object, _attribute: object, rcodes: frozenset[str]) -> None:
    if not rcodes or not rcodes <= RCODES.keys():
        raise ConfigError(f"rcode must be among {', '.join(RCODES)}, got {', '.join(sorted(rcodes)) or 'none'}")


def _check_name(_instance: object, _attribute: object, name: str) -> None:
    encode_name(name)


def _check_type(_instance: object, _attribute: object, type_: str) -> None:
    type_code(type_)


def _to_answers(value: Iterable[str]) -> frozenset[str]:
    if isinstance(value, str):
        raise ConfigError(f"answers must be a list, got the text {value!r}")
    return frozenset(one.rstrip(".").lower() for one in value)


@frozen(kw_only=True)
class DNSChecker:
    """Asks a name server one question, and looks at the answer (keepalived's `DNS_CHECK`, and more).

    By UDP one datagram is sent; whoever runs the check bounds the wait, and a lost datagram is a failure, as many in
    a row as `fall` says. A truncated answer is asked for again by TCP if `answers` or `least` are to be judged.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        name: What to ask for; the root by default, as keepalived.
        type: The type of record: `A`, `AAAA`, `SOA` and so on, or `TYPE64`.
        rcode: The response codes that are well: `NOERROR`, `NXDOMAIN` and so on.
        answers: Answers that must all be there, as dig(1) shows them, in any order and among others.
        least: How many answers of that type there must be.
        tcp: Whether to ask by TCP at once.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=53, validator=Whole(1, 65535))
    name: str = field(default=".", validator=_check_name)
    type: str = field(default="SOA", validator=_check_type)
    rcode: frozenset[str] = field(default=frozenset({"NOERROR"}), converter=_to_rcodes, validator=_check_rcodes)
    answers: frozenset[str] = field(default=frozenset(), converter=_to_answers)
    least: int = field(default=0, validator=Whole(0, 1000))
    tcp: bool = field(default=False, validator=check_flag)
    via: Via = DIRECT

    async def check(self) -> CheckResult:
        """Ask once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            ok, detail = self._judge(await self._ask())
        except OSError as error:
            ok, detail = False, in_words(error)
        except DNSError as error:
            ok, detail = False, str(error)
        return CheckResult(ok=ok, detail=detail, elapsed=clock() - started)

    async def _ask(self) -> Reply:
        ident = secrets.randbelow(0x10000)
        query = encode_query(ident, self.name, type_code(self.type))
        if self.tcp:
            return await self._ask_by_tcp(query, ident)
        reply = await self._ask_by_udp(query, ident)
        if reply.truncated and (self.answers or self.least):
            return await self._ask_by_tcp(query, ident)
        return reply

    async def _ask_by_udp(self, query: bytes, ident: int) -> Reply:
        loop = asyncio.get_running_loop()
        family, address = await self.via.look_up(self.host, self.port)
        with self.via.open_socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(address)  # of a datagram socket; does not wait
            await loop.sock_sendall(sock, query)
            while True:
                await asyncio.sleep(0)  # a flood of datagrams is there at once, and others want their turn
                octets = await loop.sock_recv(sock, _LARGEST)
                try:
                    reply = decode_reply(octets)
                except DNSError:
                    continue  # anybody can send us datagrams; the answer may still come
                if self._answers(reply, ident):
                    return reply

    async def _ask_by_tcp(self, query: bytes, ident: int) -> Reply:
        """RFC 1035 section 4.2.2: two octets of length before each message."""
        loop = asyncio.get_running_loop()
        with await self.via.connect(self.host, self.port) as sock:
            await loop.sock_sendall(sock, struct.pack("!H", len(query)) + query)
            (length,) = struct.unpack("!H", await _exactly(sock, 2))
            reply = decode_reply(await _exactly(sock, length))
        if not self._answers(reply, ident):
            raise DNSError("an answer to another question")
        return reply

    def _answers(self, reply: Reply, ident: int) -> bool:
        asked = (self.name.rstrip(".").lower(), type_code(self.type))
        return reply.ident == ident and reply.question in {asked, ("", 0)}

    def _judge(self, reply: Reply) -> tuple[bool, str]:
        rcode = _NAMES.get(reply.rcode, f"RCODE{reply.rcode}")
        if rcode not in self.rcode:
            return False, rcode
        found = [record.data for record in reply.answers if record.type == type_code(self.type)]
        missing = self.answers - {one.rstrip(".").lower() for one in found}
        if missing:
            return False, f"{rcode}, without {', '.join(sorted(missing))}"
        if len(found) < self.least:
            return False, f"{rcode}, with {len(found)} of at least {self.least} answers"
        return True, f"{rcode}, {len(found)} answers"


async def _exactly(sock: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length:
        more = await asyncio.get_running_loop().sock_recv(sock, length - len(octets))
        if not more:
            raise DNSError("the server closed the connection")
        octets += more
    return octets
