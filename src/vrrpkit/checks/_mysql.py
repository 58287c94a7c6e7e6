"""Does a MySQL or MariaDB server work, and is it the one to write to?"""

from __future__ import annotations

import asyncio
from typing import Final

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._mysql_session import MySQLSession
from vrrpkit.checks._mysql_wire import Greeting, Login, MySQLError, Table, seconds_behind
from vrrpkit.checks._sql import check_settings, check_text, check_words, judge_values
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import Handshake, handshake_for
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import discreet
from vrrpkit.errors import ConfigError, InRange, Whole, check_flag

__all__ = ["MySQLChecker"]

# Access denied, host not allowed, access denied without a password, account locked (MySQL, MariaDB).
_REFUSALS: Final = frozenset({1045, 1130, 1698, 3118, 4151})


@frozen(kw_only=True)
class MySQLChecker:
    """Asks a MySQL or MariaDB server how it is (HAProxy's `mysql-check`, and more).

    Without a user it hears the server's greeting and hangs up. The server counts that as an aborted handshake, and
    after `max_connect_errors` of them (100 by default) it lets nobody in from this host; only a login that succeeds
    resets the count. The addresses 127.0.0.1 and ::1 are exempt, and a server with `skip_name_resolve=ON` or
    `host_cache_size=0` counts nobody. So without a user, check by 127.0.0.1; over the network give a user, who needs
    neither a password nor a privilege.

    With a user it logs in, by `mysql_native_password` or `caching_sha2_password` (with a password, the latter works
    without TLS only after somebody else has logged in to the account), and with TLS also by `sha256_password` and
    `mysql_clear_password`. Then it asks what the settings say, or pings, and takes leave.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        user: Whom to log in; None not to.
        password: The password; None for an account that has none.
        may_refuse: Whether it is well, too, that the login is refused: the server works, and does not count that as an
            aborted handshake. It logs each, and MySQL's `connection_control` delays them more and more.
        read_only: What the server must be: True for read-only, False for writable, None for either.
        max_lag: How many seconds, 0-1000000, a replica may be behind its source; None not to ask. The user needs the
            privilege `SLAVE MONITOR` (MariaDB) or `REPLICATION CLIENT` (MySQL).
        query: A statement that must succeed; it should be a quick one.
        expect: What it must give in the first column of the first row, as text.
        tls: Speak TLS so; None for no TLS. The name that is verified is `tls.server_name`, or `host`.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or needs another one, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=3306, validator=Whole(1, 65535))
    user: str | None = field(default=None, validator=check_words)
    password: str | None = field(default=None, repr=False, validator=check_words)
    may_refuse: bool = field(default=False, validator=check_flag)
    read_only: bool | None = field(default=None, validator=optional(check_flag))
    max_lag: float | None = field(default=None, validator=optional(InRange(0, 1_000_000, "seconds")))
    query: str | None = field(default=None, validator=check_words)
    expect: str | None = field(default=None, validator=check_text)
    tls: TLS | None = None
    via: Via = DIRECT
    _handshake: Handshake | None = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell, and prepare what all checks need."""
        check_settings(self, "password", "read_only", "max_lag", "query", "tls")
        if self.may_refuse and self.user is None:
            raise ConfigError("may_refuse needs a user")
        object.__setattr__(self, "_handshake", handshake_for(self.tls, self.host))

    async def check(self) -> CheckResult:
        """Ask once; whoever runs it bounds the wait."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            with await self.via.connect(self.host, self.port) as sock:
                ok, detail = await self._ask(MySQLSession(Lines(sock)))
        except (OSError, LineError, MySQLError) as error:
            ok, detail = False, trouble_in_words(error)
        return CheckResult(ok=ok, detail=discreet(detail, [self.password]), elapsed=clock() - started)

    async def _ask(self, session: MySQLSession) -> tuple[bool, str]:
        try:
            greeting = await session.greeting()
            if self.user is None:
                return True, greeting.version
            await self._log_in(session, self.user, greeting)
        except MySQLError as error:
            return self.may_refuse and error.code in _REFUSALS, str(error)
        try:
            verdicts = [(True, greeting.version), *await self._verdicts(session)]
        except MySQLError as error:
            verdicts = [(False, str(error))]
        await session.quit()
        failures = [detail for ok, detail in verdicts if not ok]
        return not failures, ", ".join(failures or [detail for _ok, detail in verdicts])

    async def _log_in(self, session: MySQLSession, user: str, greeting: Greeting) -> None:
        if self.tls is not None and not greeting.tls:
            raise MySQLError("the server does not speak TLS")
        login = Login(user, self.password or "", self.tls is not None, greeting.plugin, greeting.seed)
        await session.log_in(login, self._handshake)

    async def _verdicts(self, session: MySQLSession) -> list[tuple[bool, str]]:
        verdicts: list[tuple[bool, str]] = []
        if self.read_only is not None:
            verdicts.append(_judge_mode(await session.query("SELECT @@global.read_only"), read_only=self.read_only))
        if self.max_lag is not None:
            verdicts.append(_judge_lag(await session.query("SHOW REPLICA STATUS"), self.max_lag))
        if self.query is not None:
            verdicts.append(judge_values((await session.query(self.query)).first_column, self.expect))
        if not verdicts:
            await session.ping()
        return verdicts


def _judge_mode(table: Table, *, read_only: bool) -> tuple[bool, str]:
    """Newer servers say OFF, and know several kinds of ON."""
    match table.first_column[:1]:
        case ("0" | "OFF",):
            found, other = "writable", "read-only"
        case (str(),):
            found, other = "read-only", "writable"
        case _:
            raise MySQLError("not an answer to the question for read_only")
    ok = read_only is (found == "read-only")
    return ok, found if ok else f"{found}, not {other}"


def _judge_lag(table: Table, longest: float) -> tuple[bool, str]:
    seconds = seconds_behind(table)
    if seconds is None:
        return False, "does not replicate"
    if seconds > longest:
        return False, f"{seconds:g} s behind, more than {longest:g} s"
    return True, f"{seconds:g} s behind"
