"""Does a Redis server serve, and as what?"""

from __future__ import annotations

import asyncio
from typing import Final, Literal, TypeAlias, get_args

from attrs import Attribute, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._redis_wire import (
    Array,
    Integer,
    RedisError,
    Refusal,
    ReplyHeader,
    Status,
    Text,
    decode_header,
    encode_command,
)
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import Handshake, handshake_for
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import discreet, printable
from vrrpkit.errors import ConfigError, Whole

__all__ = ["RedisChecker", "RedisRole"]

RedisRole: TypeAlias = Literal["master", "replica"]

_LONGEST_LINE: Final = 4096
_LINE_END: Final = 2
_ROLES: Final = {"slave": "replica"}


def _check_text(_instance: object, attribute: Attribute[str | None], text: str | None) -> None:
    given: object = text
    if given is not None and not isinstance(given, str):
        raise ConfigError(f"{attribute.name} must be a text")  # which may be secret


def _check_role(_instance: object, attribute: Attribute[RedisRole | None], role: str | None) -> None:
    if role is not None and role not in get_args(RedisRole):
        raise ConfigError(f"{attribute.name} must be 'master', 'replica' or None, got {role!r}")


@frozen(kw_only=True)
class RedisChecker:
    """Says PING to a Redis server, or to one that speaks its protocol, and wants to hear PONG.

    A server that answers with an error has failed, and the detail says what it says: LOADING while it reads its data,
    NOAUTH without a password that it wants, MASTERDOWN for a replica that is told to serve nothing without its
    master, and so on.

    With `role`, it is asked for its role, too (ROLE). A replica is one whether its link to its master is up or not;
    the detail tells.

    The password is shown neither by `repr()` nor in details.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        user: The user to be (Redis 6 and later); the default one when None.
        password: The password to give; none when None.
        role: What the server must be, `master` or `replica`; any when None.
        tls: How to speak TLS; None for not at all.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=6379, validator=Whole(1, 65535))
    user: str | None = field(default=None, validator=_check_text)
    password: str | None = field(default=None, validator=_check_text, repr=False)
    role: RedisRole | None = field(default=None, validator=_check_role)
    tls: TLS | None = None
    via: Via = DIRECT
    _handshake: Handshake | None = field(init=False, repr=False, eq=False)
    _question: bytes = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Prepare what all checks need."""
        if self.user is not None and self.password is None:
            raise ConfigError("user needs a password")
        object.__setattr__(self, "_handshake", handshake_for(self.tls, self.host))
        object.__setattr__(self, "_question", self._commands())

    async def check(self) -> CheckResult:
        """Ask once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            ok, detail = await self._ask()
        except (OSError, LineError, RedisError) as error:
            ok, detail = False, trouble_in_words(error)
        return CheckResult(ok=ok, detail=printable(discreet(detail, [self.password])), elapsed=clock() - started)

    def _commands(self) -> bytes:
        commands = encode_command("PING")
        if self.password is not None:
            names = () if self.user is None else (self.user,)
            commands = encode_command("AUTH", *names, self.password) + commands
        return commands if self.role is None else commands + encode_command("ROLE")

    async def _ask(self) -> tuple[bool, str]:
        with await self.via.connect(self.host, self.port) as sock:
            lines = Lines(sock)
            if self._handshake is not None:
                await lines.secure(self._handshake)
            await lines.send(self._question)
            if self.password is not None:
                await _status(lines, "AUTH", "OK")
            await _status(lines, "PING", "PONG")
            if self.role is None:
                return True, "PONG"
            return await self._judge_role(lines)

    async def _judge_role(self, lines: Lines) -> tuple[bool, str]:
        """Of a replica: its role, its master's address and port, and the state of the link. Masters list replicas."""
        match await _header(lines, "ROLE"):
            case Array(int(count)) if count:
                named = await _scalar(lines)
            case other:
                raise RedisError(_strange("ROLE", other))
        role = _ROLES.get(named, named)
        shown = role
        if role == "replica" and count > 3:
            host, port, state = [await _scalar(lines) for _ in range(3)]
            shown = f"replica of {host} port {port}, {state}"
        return role == self.role, f"PONG from a {shown}{'' if role == self.role else f', not a {self.role}'}"


async def _status(lines: Lines, command: str, wanted: str) -> None:
    header = await _header(lines, command)
    if header != Status(wanted):
        raise RedisError(_strange(command, header))


async def _header(lines: Lines, command: str) -> ReplyHeader:
    header = decode_header(await lines.line(_LONGEST_LINE))
    if isinstance(header, Refusal):
        raise RedisError(f"{command}: {header.text}")
    return header


async def _scalar(lines: Lines) -> str:
    match decode_header(await lines.line(_LONGEST_LINE)):
        case Status(text):
            return text
        case Integer(number):
            return str(number)
        case Text(int(length)):
            octets = await lines.exactly(length + _LINE_END)
            return octets[:length].decode("utf-8", "backslashreplace")
        case other:
            raise RedisError(_strange("ROLE", other))


def _strange(command: str, header: ReplyHeader) -> str:
    said = header.text if isinstance(header, Status) else f"({type(header).__name__.lower()})"
    return f"{command} was answered with {said}"
