"""Does a PostgreSQL server work, and is it the primary?"""

from __future__ import annotations

import asyncio
from typing import Final, Literal, TypeAlias, get_args

from attrs import Attribute, Factory, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._postgresql_session import Credentials, PostgreSQLSession
from vrrpkit.checks._postgresql_wire import PostgreSQLError
from vrrpkit.checks._sql import check_settings, check_text, check_words, judge_values
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import Handshake, handshake_for
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import discreet
from vrrpkit.errors import ConfigError, Whole

__all__ = ["PostgreSQLChecker"]

Role: TypeAlias = Literal["primary", "replica"]

_NOBODY: Final = "postgres"

# SQLSTATE classes of a server that works, and lets us not in: no such user, no access for it, no such database.
_REFUSALS: Final = ("28", "3D")


def _check_role(_instance: object, attribute: Attribute[Role | None], role: Role | None) -> None:
    given: object = role
    if given is not None and given not in get_args(Role):
        raise ConfigError(f"{attribute.name} must be primary or replica, got {role!r}")


@frozen(kw_only=True)
class PostgreSQLChecker:
    """Asks a PostgreSQL server how it is (HAProxy's `pgsql-check`, pg_isready(1), and more).

    Without a user it begins to log in as `postgres`, and hangs up when asked for the password. That the server
    refuses the login for who we are or where we come from (SQLSTATE class 28), or for the database (3D), is well, too:
    it works. Any other error is a failure, as 57P03 while it starts up, recovers or shuts down, and 53300 when it has
    too many connections.

    With a user it logs in: without a password (`trust`), by SCRAM-SHA-256 or MD5, and with TLS also with the password
    as it is. Then it asks what the settings say, and takes leave.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        user: Whom to log in; None not to.
        password: The password; None for none.
        database: Where to log in to; the database of the user's name when None.
        role: What the server must be, `primary` or `replica`; None for either. A server in recovery is a replica.
        query: A statement that must succeed; it should be a quick one.
        expect: What it must give in the first column of the first row, as text: `t` for true.
        tls: Speak TLS so; None for no TLS. The name that is verified is `tls.server_name`, or `host`.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or needs another one, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=5432, validator=Whole(1, 65535))
    user: str | None = field(default=None, validator=check_words)
    password: str | None = field(default=None, repr=False, validator=check_words)
    database: str | None = field(default=None, validator=check_words)
    role: Role | None = field(default=None, validator=_check_role)
    query: str | None = field(default=None, validator=check_words)
    expect: str | None = field(default=None, validator=check_text)
    tls: TLS | None = None
    via: Via = DIRECT
    _handshake: Handshake | None = field(init=False, repr=False, eq=False)
    _credentials: Credentials = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda self: Credentials(self.user or _NOBODY, self.password), takes_self=True),
    )

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell, and prepare what all checks need."""
        check_settings(self, "password", "database", "role", "query", "tls")
        object.__setattr__(self, "_handshake", handshake_for(self.tls, self.host))

    async def check(self) -> CheckResult:
        """Ask once; whoever runs it bounds the wait."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            with await self.via.connect(self.host, self.port) as sock:
                ok, detail = await self._ask(PostgreSQLSession(Lines(sock)))
        except (OSError, LineError, PostgreSQLError) as error:
            ok, detail = False, trouble_in_words(error)
        return CheckResult(ok=ok, detail=discreet(detail, [self.password]), elapsed=clock() - started)

    async def _ask(self, session: PostgreSQLSession) -> tuple[bool, str]:
        if self._handshake is not None:
            await session.secure(self._handshake)
        try:
            demand = await session.start(self._credentials.user, self.database)
            if self.user is None and demand.method:
                return True, f"asks for {demand}"
            await session.authenticate(demand, self._credentials)
            version = await session.version()
        except PostgreSQLError as error:
            return self.user is None and error.code.startswith(_REFUSALS), str(error)
        try:
            verdicts = [(True, version), *await self._verdicts(session)]
        except PostgreSQLError as error:
            verdicts = [(False, str(error))]
        await session.quit()
        failures = [detail for ok, detail in verdicts if not ok]
        return not failures, ", ".join(failures or [detail for _ok, detail in verdicts])

    async def _verdicts(self, session: PostgreSQLSession) -> list[tuple[bool, str]]:
        verdicts: list[tuple[bool, str]] = []
        if self.role is not None:
            verdicts.append(_judge_role(await session.query("SELECT pg_is_in_recovery()"), self.role))
        if self.query is not None:
            verdicts.append(judge_values(await session.query(self.query), self.expect))
        return verdicts


def _judge_role(in_recovery: list[str | None], wanted: Role) -> tuple[bool, str]:
    found = "primary" if in_recovery[:1] == ["f"] else "replica"
    return found == wanted, found if found == wanted else f"{found}, not {wanted}"
