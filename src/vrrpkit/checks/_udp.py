"""Does somebody listen to this UDP port, and answer?"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._via import DIRECT, Via, in_words
from vrrpkit.errors import ConfigError, InRange, Whole, check_flag

__all__ = ["UDPChecker"]

_LARGEST: Final = 65535
_LONGEST_PAYLOAD: Final = 1472
_PATTERN: Final = re.compile(r"(?:[0-9A-FX]{2})*")


def _to_pattern(value: str | None) -> str | None:
    return None if value is None else "".join(value.split()).upper()


def _check_pattern(_instance: object, _attribute: object, pattern: str | None) -> None:
    if pattern is not None and not _PATTERN.fullmatch(pattern):
        raise ConfigError(f"reply must be hexadecimal octets, with X for any digit, got {pattern!r}")


def _check_payload(_instance: object, _attribute: object, payload: bytes) -> None:
    given: object = payload
    if not isinstance(given, bytes) or len(given) > _LONGEST_PAYLOAD:
        raise ConfigError(f"payload must be 0-{_LONGEST_PAYLOAD} octets, got {payload!r:.80}")


@frozen(kw_only=True)
class UDPChecker:
    """Sends one datagram (keepalived's `UDP_CHECK`).

    A port that nobody listens to is told by the network (ICMP). So without `require_reply`, silence of `quiet`
    seconds is well; it may as well mean that a firewall swallows everything.

    Attributes:
        host: The target's address, or its name.
        port: Its port, 1-65535.
        payload: What to send, 0-1472 octets.
        require_reply: Whether silence is a failure; whoever runs the check bounds the wait.
        reply: How the reply must begin, in hexadecimal digits, with X for any digit: `FFX1 00`. Implies
            `require_reply`.
        shortest: The least number of octets of the reply, 0-65535.
        longest: The greatest, 0-65535.
        quiet: Seconds of silence, 0.01-3600, that are well without `require_reply`.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range.
    """

    host: str = field(validator=valid_host)
    port: int = field(validator=Whole(1, 65535))
    payload: bytes = field(default=bytes(32), validator=_check_payload)
    require_reply: bool = field(default=False, validator=check_flag)
    reply: str | None = field(default=None, converter=_to_pattern, validator=_check_pattern)
    shortest: int = field(default=0, validator=Whole(0, _LARGEST))
    longest: int = field(default=_LARGEST, validator=Whole(0, _LARGEST))
    quiet: float = field(default=1.0, validator=InRange(0.01, 3600, "seconds"))
    via: Via = DIRECT

    async def check(self) -> CheckResult:
        """Send once, and wait for what comes of it."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            ok, detail = await self._ask()
        except OSError as error:
            ok, detail = False, in_words(error)
        return CheckResult(ok=ok, detail=detail, elapsed=clock() - started)

    async def _ask(self) -> tuple[bool, str]:
        loop = asyncio.get_running_loop()
        family, address = await self.via.look_up(self.host, self.port)
        with self.via.open_socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(address)  # of a datagram socket; does not wait
            await loop.sock_sendall(sock, self.payload)
            receiving = loop.sock_recv(sock, _LARGEST)
            if self.require_reply or self.reply is not None:
                return self._judge(await receiving)
            try:
                return self._judge(await asyncio.wait_for(receiving, self.quiet))
            except TimeoutError:
                return True, f"no objection in {self.quiet:g} s"

    def _judge(self, octets: bytes) -> tuple[bool, str]:
        if not self.shortest <= len(octets) <= self.longest:
            return False, f"a reply of {len(octets)} octets, not {self.shortest}-{self.longest}"
        digits = octets.hex().upper()
        wanted = self.reply or ""
        alike = all(want in {"X", digit} for want, digit in zip(wanted, digits, strict=False))
        if not alike or len(wanted) > len(digits):
            return False, f"another reply: {digits[: len(wanted)] or 'empty'}"
        return True, f"a reply of {len(octets)} octets"
