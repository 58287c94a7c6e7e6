"""Does a mail server answer?"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from attrs import Attribute, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._smtp_wire import Reply, SMTPError, decode_line
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import Handshake, handshake_for
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import printable
from vrrpkit.errors import ConfigError, Whole, check_flag

__all__ = ["SMTPChecker"]

_HELO: Final = re.compile(r"[!-~]{1,255}")
_LONGEST_LINE: Final = 2048  # RFC 5321 section 4.5.3.1.5 has 512
_MOST_LINES: Final = 100
_READY, _DONE = 220, 250
_UNKNOWN_COMMAND: Final = frozenset({500, 502})

# Seconds to wait for the answer to QUIT, which says nothing that matters any more.
_PARTING: Final = 1.0


def _check_helo(_instance: object, _attribute: object, name: str) -> None:
    if not _HELO.fullmatch(name):
        raise ConfigError(f"helo must be a host name, or an address in brackets, got {name!r}")


def _to_codes(value: int | Iterable[int]) -> frozenset[int]:
    return frozenset({value} if isinstance(value, int) else value)


def _check_codes(_instance: object, attribute: Attribute[frozenset[int]], codes: frozenset[int]) -> None:
    if not codes or not all(200 <= code <= 599 for code in codes):
        shown = ", ".join(map(str, sorted(codes))) or "none"
        raise ConfigError(f"{attribute.name} must be reply codes of 200-599, got {shown}")


@frozen(kw_only=True)
class SMTPChecker:
    """Greets a mail server, and looks at what it answers (keepalived's `SMTP_CHECK`, and more).

    The server must greet with 220 and answer EHLO with 250; to a server that does not know EHLO, HELO is said
    instead. Replies may have several lines. (keepalived says HELO only, and such a reply is a failure for it.) No mail
    is begun, and the check takes its leave with QUIT, whose answer it awaits for at most a second.

    A server that makes strangers wait for its greeting (Postfix's postscreen: 6 s) needs as much patience here.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        helo: Who we are, which some servers examine: a host name, or an address in brackets; the name of this
            machine as it is when the checker is constructed.
        expect: The codes that are well as the server's last word, 200-599. That is its answer to EHLO or HELO, or a
            greeting that is not 220, after which nothing is asked.
        tls: How to speak TLS, after STARTTLS; None for not at all. A server that does not offer STARTTLS has failed
            then. EHLO is said again by TLS, and that answer counts.
        implicit: Whether to speak TLS from the first octet, without STARTTLS, as on port 465 (RFC 8314).
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=25, validator=Whole(1, 65535))
    helo: str = field(factory=socket.gethostname, validator=_check_helo)
    expect: frozenset[int] = field(default=frozenset({_DONE}), converter=_to_codes, validator=_check_codes)
    tls: TLS | None = None
    implicit: bool = field(default=False, validator=check_flag)
    via: Via = DIRECT
    _handshake: Handshake | None = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Prepare what all checks need."""
        if self.implicit and self.tls is None:
            raise ConfigError("implicit needs tls")
        object.__setattr__(self, "_handshake", handshake_for(self.tls, self.host))

    async def check(self) -> CheckResult:
        """Greet once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            ok, detail = await self._ask()
        except (OSError, LineError, SMTPError) as error:
            ok, detail = False, trouble_in_words(error)
        return CheckResult(ok=ok, detail=printable(detail), elapsed=clock() - started)

    async def _ask(self) -> tuple[bool, str]:
        with await self.via.connect(self.host, self.port) as sock:
            lines = Lines(sock)
            if self._handshake is not None and self.implicit:
                await lines.secure(self._handshake)
            greeting = await _reply(lines)
            verdict = await self._greet(lines) if greeting.code == _READY else self._judge(greeting)
            await _part(lines)
        return verdict

    async def _greet(self, lines: Lines) -> tuple[bool, str]:
        reply = await self._say_hello(lines)
        if self._handshake is None or self.implicit or reply.code != _DONE:
            return self._judge(reply)
        if "STARTTLS" not in reply.keywords:
            return False, "the server does not offer STARTTLS"
        reply = await _ask(lines, "STARTTLS")
        if reply.code != _READY:
            return False, f"the server refuses STARTTLS: {reply}"
        await lines.secure(self._handshake)
        return self._judge(await self._say_hello(lines))

    def _judge(self, reply: Reply) -> tuple[bool, str]:
        return reply.code in self.expect, str(reply)

    async def _say_hello(self, lines: Lines) -> Reply:
        """RFC 5321 section 3.2: a server may know HELO only."""
        reply = await _ask(lines, f"EHLO {self.helo}")
        if reply.code in _UNKNOWN_COMMAND - self.expect:
            return await _ask(lines, f"HELO {self.helo}")
        return reply


async def _ask(lines: Lines, command: str) -> Reply:
    await lines.send(f"{command}\r\n".encode())
    return await _reply(lines)


async def _reply(lines: Lines) -> Reply:
    texts: list[str] = []
    while len(texts) < _MOST_LINES:
        line = decode_line(await lines.line(_LONGEST_LINE))
        texts.append(line.text)
        if line.last:
            return Reply(line.code, tuple(texts))
    raise SMTPError(f"a reply of more than {_MOST_LINES} lines")


async def _part(lines: Lines) -> None:
    """RFC 5321 section 4.1.1.10: QUIT, and then wait for the reply; but not for long, and whatever it is."""
    with suppress(OSError, LineError, SMTPError):  # TimeoutError is an OSError
        async with asyncio.timeout(_PARTING):
            await _ask(lines, "QUIT")
