"""Is it there at all?"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from typing import Final

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._via import DIRECT, Via, in_words
from vrrpkit.errors import Whole
from vrrpkit.packet._checksum import internet_checksum

__all__ = ["PingChecker"]

_LARGEST: Final = 65535
_NONCE: Final = 16
_HEADER: Final = struct.Struct("!BBHHH")
_ECHO: Final[dict[int, tuple[int, int]]] = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
_PROTOCOL: Final[dict[int, int]] = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}


@frozen(kw_only=True)
class PingChecker:
    """Sends one ICMP echo request, and waits for its reply (keepalived's `PING_CHECK`).

    Without privileges where the kernel allows it (sysctl `net.ipv4.ping_group_range`), otherwise with CAP_NET_RAW;
    nothing of the system is changed for it. Whoever runs the check bounds the wait.

    Attributes:
        host: The target's address, or its name.
        size: Octets of payload, 16-1472.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range.
    """

    host: str = field(validator=valid_host)
    size: int = field(default=56, validator=Whole(_NONCE, 1472))
    via: Via = DIRECT

    async def check(self) -> CheckResult:
        """Ask once; an answer that the network gives instead is a failure."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            await self._ask()
        except PermissionError:
            detail = "pinging needs CAP_NET_RAW, or a group within net.ipv4.ping_group_range"
            return CheckResult(ok=False, detail=detail, elapsed=clock() - started)
        except OSError as error:
            return CheckResult(ok=False, detail=in_words(error), elapsed=clock() - started)
        return CheckResult(ok=True, detail="replied", elapsed=clock() - started)

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        family, address = await self.via.look_up(self.host, 0)
        nonce = secrets.token_bytes(_NONCE)
        with self._open(family) as sock:
            # Connected, so that of all echo replies to this machine only the target's come here.
            sock.connect(address)
            await loop.sock_sendall(sock, _request(family, nonce.ljust(self.size, b"\0")))
            while True:
                await asyncio.sleep(0)  # a flood of replies is there at once, and others want their turn
                if _is_reply(family, await loop.sock_recv(sock, _LARGEST), nonce):
                    return

    def _open(self, family: int) -> socket.socket:
        try:
            return self.via.open_socket(family, socket.SOCK_DGRAM, _PROTOCOL[family])
        except PermissionError:
            return self.via.open_socket(family, socket.SOCK_RAW, _PROTOCOL[family])


def _request(family: int, payload: bytes) -> bytes:
    """RFC 792 and RFC 4443 section 4.1; for IPv6 the kernel sums up."""
    kind, _reply = _ECHO[family]
    blank = _HEADER.pack(kind, 0, 0, 0, 1) + payload
    padded = blank if len(blank) % 2 == 0 else blank + b"\0"
    return _HEADER.pack(kind, 0, internet_checksum(padded), 0, 1) + payload


def _is_reply(family: int, octets: bytes, nonce: bytes) -> bool:
    """A raw IPv4 socket tells the IP header, too; the random payload tells whose reply it is."""
    if family == socket.AF_INET and octets[:1] and octets[0] >> 4 == 4:
        octets = octets[4 * (octets[0] & 0xF) :]
    _request_kind, kind = _ECHO[family]
    return octets[:1] == bytes([kind]) and octets[_HEADER.size :].startswith(nonce)
