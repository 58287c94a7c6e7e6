"""PostgreSQL checks against a real server, and against servers that misbehave."""

from __future__ import annotations

import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen

from tests.checks.databases import (
    Server,
    endless_after,
    glance,
    home_of,
    programs,
    started,
    unprivileged,
    until,
)
from tests.checks.talks import (
    credentials,
    failed,
    free_port,
    giving_up,
    hangs_up_after,
    reset,
    says,
    server,
    silence,
    slowly,
    told,
    well,
)
from tests.linux.support import LOOPS
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult
from vrrpkit.checks._postgresql import PostgreSQLChecker
from vrrpkit.checks._tls import TLS

SESAME: Final = "open sesame"
ODD: Final = "Ⅸ\u00adª\u00a0x"  # what SASLprep (RFC 4013) makes of it is `IXa x`
RAW: Final = "tab\tü"  # and this it forbids

USERS: Final = f"""
CREATE USER scram PASSWORD '{SESAME}';
CREATE USER odd PASSWORD '{ODD}';
CREATE USER raw PASSWORD '{RAW}';
CREATE USER plain PASSWORD '{SESAME}';
CREATE USER trusted;
SET password_encryption = md5;
CREATE USER "md5 ü" PASSWORD '{SESAME}';
"""

HBA: Final = """\
local all all trust
host all admin 127.0.0.1/32 trust
host all trusted 127.0.0.1/32 trust
host all vanished 127.0.0.1/32 trust
host all plain 127.0.0.1/32 password
host all rejected 127.0.0.1/32 reject
host all "md5 ü" 127.0.0.1/32 md5
host all postgres,scram,odd,raw,changing 127.0.0.1/32 scram-sha-256
"""

CONFIGURATION: Final = """\
listen_addresses = '127.0.0.1'
max_connections = 10
superuser_reserved_connections = 1
shared_buffers = 1MB
fsync = off
"""


@frozen
class PostgreSQL:
    """A real server, and what it calls itself."""

    server: Server
    version: str

    def told(self, loop: str = "asyncio", **settings: Any) -> CheckResult:
        """What one check of it finds."""
        settings = {"database": "postgres"} | settings if "user" in settings else settings
        return told(PostgreSQLChecker(host="127.0.0.1", port=self.server.port, **settings), loop)

    def glance(self, **settings: Any) -> CheckResult:
        """The same, while there are visitors."""
        settings = {"database": "postgres"} | settings if "user" in settings else settings
        return glance(PostgreSQLChecker(host="127.0.0.1", port=self.server.port, **settings))

    def ask(self, statement: str) -> None:
        """Have its administrator do something."""
        result = self.told(user="admin", query=statement)
        assert result.ok, result.detail


OWNER: Final = unprivileged("postgres")
FOLDERS: Final = "usr/lib/postgresql/*/bin"
READY: Final = "ready to accept connections"


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """The files of a server that has never run."""
    (initdb,) = programs(FOLDERS, "initdb")
    with home_of(OWNER) as home:
        command: list[str | Path] = [
            initdb,
            "-D",
            home / "data",
            "-U",
            "admin",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(command, check=True, capture_output=True, user=OWNER)
        (home / "data" / "pg_hba.conf").write_text(HBA)
        with (home / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        keys = credentials()
        for path, name in ((keys.certificate, "server.crt"), (keys.key, "server.key")):
            shutil.copy(path, home / "data" / name)
            (home / "data" / name).chmod(0o600)
            shutil.chown(home / "data" / name, OWNER)
        yield home


def postgresql(
    stack: ExitStack, template: Path, *options: str, ready: str = READY, standby: bool = False
) -> PostgreSQL:
    """Start one; a standby recovers for ever, as its primary never comes."""
    (program,) = programs(FOLDERS, "postgres")
    home = stack.enter_context(home_of(OWNER))
    subprocess.run(["cp", "-a", template / "data", home / "data"], check=True)
    if standby:
        (home / "data" / "standby.signal").touch()
        shutil.chown(home / "data" / "standby.signal", OWNER)
    port = free_port()
    command: list[str | Path] = [program, "-D", home / "data", "-p", str(port), "-k", home, *options]
    running = stack.enter_context(started(command, until=ready, port=port, user=OWNER, end=signal.SIGQUIT))
    shown = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return PostgreSQL(running, shown.strip().removeprefix("postgres (PostgreSQL) "))


def visit(stack: ExitStack, host: PostgreSQL, user: bytes) -> None:
    """Log in, and stay."""
    visitor = stack.enter_context(socket.create_connection(("127.0.0.1", host.server.port)))
    words = b"user\0" + user + b"\0database\0postgres\0\0"
    visitor.sendall(struct.pack("!II", len(words) + 8, 3 << 16) + words)
    said = b""
    while b"Z\0\0\0\5I" not in said:
        more = visitor.recv(4096)
        assert more, said
        said += more


@pytest.fixture(scope="module")
def primary(template: Path) -> Iterator[PostgreSQL]:
    """A server that speaks TLS."""
    with ExitStack() as stack:
        made = postgresql(stack, template, "-c", "ssl=on")
        made.ask(USERS)
        yield made


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_asks_for_a_password_is_well(primary: PostgreSQL, loop: str) -> None:
    assert primary.told(loop) == well("asks for SCRAM-SHA-256")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [None, TLS(verify=False)])
@pytest.mark.parametrize("user", ["trusted", "scram", "md5 ü"])
def test_logins_with_and_without_a_password_and_tls(primary: PostgreSQL, loop: str, tls: TLS | None, user: str) -> None:
    password = None if user == "trusted" else SESAME
    assert primary.told(loop, user=user, password=password, tls=tls) == well(primary.version)


@pytest.mark.parametrize(("user", "password"), [("odd", ODD), ("odd", "IXa x"), ("raw", RAW)])
def test_strange_passwords_are_prepared_as_by_the_server(primary: PostgreSQL, user: str, password: str) -> None:
    assert primary.told(user=user, password=password) == well(primary.version)


def test_a_checker_logs_in_again_and_again_also_after_the_password_has_changed(primary: PostgreSQL) -> None:
    primary.ask(f"CREATE USER changing PASSWORD '{SESAME}'")
    checker = PostgreSQLChecker(
        host="127.0.0.1", port=primary.server.port, user="changing", password=SESAME, database="postgres"
    )
    assert told(checker).ok
    assert told(checker).ok
    primary.ask("ALTER USER changing PASSWORD 'another'")
    assert told(checker) == failed('28P01 password authentication failed for user "changing"')
    primary.ask(f"ALTER USER changing PASSWORD '{SESAME}'")
    assert told(checker).ok


@pytest.mark.parametrize("user", ["scram", "md5 ü"])
def test_a_password_that_is_wrong_or_missing_is_told(primary: PostgreSQL, user: str) -> None:
    wrong = primary.told(user=user, password=f"not {SESAME}")
    assert wrong == failed(f'28P01 password authentication failed for user "{user}"')
    asks = "SCRAM-SHA-256" if user == "scram" else "md5"
    assert primary.told(user=user) == failed(f"the server asks for {asks}, and there is no password")


def test_the_password_is_sent_as_it_is_only_by_tls(primary: PostgreSQL) -> None:
    asked = "the server asks for the password as it is, which needs tls"
    assert primary.told(user="plain", password=SESAME) == failed(asked)
    assert primary.told(user="plain", password=SESAME, tls=TLS(verify=False)) == well(primary.version)
    wrong = primary.told(user="plain", password=f"not {SESAME}", tls=TLS(verify=False))
    assert wrong == failed('28P01 password authentication failed for user "plain"')


def test_the_certificate_is_verified(primary: PostgreSQL) -> None:
    authority = credentials().certificate
    asked: dict[str, Any] = {"user": "scram", "password": SESAME}
    assert primary.told(**asked, tls=TLS(ca_file=authority)) == well(primary.version)
    assert primary.told(**asked, tls=TLS()) == failed("TLS: self-signed certificate")


def test_a_server_without_tls_is_told(template: Path) -> None:
    with ExitStack() as stack:
        made = postgresql(stack, template)
        assert made.told(user="trusted", tls=TLS(verify=False)) == failed("the server does not speak TLS")


def test_a_login_that_is_refused_is_a_failure(primary: PostgreSQL) -> None:
    assert primary.told(user="vanished") == failed('28000 role "vanished" does not exist')
    assert primary.told(user="trusted", database="nowhere") == failed('3D000 database "nowhere" does not exist')
    assert primary.told(user="trusted", database=None) == failed('3D000 database "trusted" does not exist')
    rejected = primary.told(user="rejected")
    assert not rejected.ok
    assert rejected.detail.startswith('28000 pg_hba.conf rejects connection for host "127.0.0.1", user "rejected"')


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("host all postgres 127.0.0.1/32 md5", "asks for SCRAM-SHA-256"),
        ("host all postgres 127.0.0.1/32 password", "asks for a password"),
        ("host all postgres 127.0.0.1/32 trust", '28000 role "postgres" does not exist'),
        ("host all postgres 127.0.0.1/32 reject", '28000 pg_hba.conf rejects connection for host "127.0.0.1"'),
        ("local all all trust", '28000 no pg_hba.conf entry for host "127.0.0.1"'),
    ],
)
def test_without_a_user_a_refusal_is_well(template: Path, line: str, detail: str) -> None:
    with ExitStack() as stack:
        hba = stack.enter_context(home_of(OWNER)) / "hba.conf"
        hba.write_text(f"{line}\n")
        result = postgresql(stack, template, "-c", f"hba_file={hba}").told()
        assert result.ok
        assert result.detail.startswith(detail)


def test_what_it_is_must_be_what_it_should_be(primary: PostgreSQL) -> None:
    assert primary.told(user="trusted", role="primary") == well(f"{primary.version}, primary")
    assert primary.told(user="trusted", role="replica") == failed("primary, not replica")


def test_a_replica_becomes_a_primary(template: Path) -> None:
    with ExitStack() as stack:
        options = ("-c", "max_connections=100")  # as of its primary, which is what initdb has written down
        replica = postgresql(stack, template, *options, ready="ready to accept read-only connections", standby=True)
        assert replica.told() == well("asks for SCRAM-SHA-256")
        assert replica.told(user="admin", role="replica") == well(f"{replica.version}, replica")
        assert replica.told(user="admin", role="primary") == failed("replica, not primary")
        replica.ask("SELECT pg_promote()")
        assert replica.told(user="admin", role="primary") == well(f"{replica.version}, primary")
        assert replica.told(user="admin", role="replica") == failed("primary, not replica")


def test_a_server_that_recovers_and_lets_nobody_in_has_failed(template: Path) -> None:
    with ExitStack() as stack:
        options = ("-c", "hot_standby=off")
        recovering = postgresql(stack, template, *options, ready="consistent recovery state reached", standby=True)
        for settings in ({}, {"user": "trusted"}):
            result = recovering.told(**settings)
            assert not result.ok
            assert result.detail.startswith("57P03 the database system is ")


def test_a_server_that_shuts_down_has_failed(template: Path) -> None:
    with ExitStack() as stack:
        made = postgresql(stack, template)
        visit(stack, made, b"admin")
        made.server.process.send_signal(signal.SIGTERM)  # waits for the visitor
        assert until(lambda result: not result.ok, made.glance) == failed("57P03 the database system is shutting down")


@pytest.mark.parametrize(
    ("query", "expect", "result"),
    [
        ("SELECT 6*7", None, well("the query gives 42")),
        ("SELECT 6*7, 'x'", "42", well("the query gives 42")),
        ("SELECT true", "t", well("the query gives t")),
        ("SELECT 'ü'||chr(10)||chr(27)", "ü\n\x1b", well("the query gives ü ?")),
        ("SELECT 6*7", "43", failed("the query gives 42, not 43")),
        ("SELECT NULL", None, well("the query gives NULL")),
        ("SELECT NULL", "x", failed("the query gives NULL, not x")),
        ("SELECT 1 WHERE false", None, well("the query gives no row")),
        ("SELECT 1 WHERE false", "1", failed("the query gives no row")),
        ("SELECT", None, well("the query gives NULL")),
        ("SET search_path = x", None, well("the query gives no row")),
        ("DO $$ BEGIN RAISE NOTICE 'hello'; END $$", None, well("the query gives no row")),
        ("SELECT 1; SELECT 2", "1", well("the query gives 1")),
        ("COPY (SELECT 1) TO STDOUT", None, well("the query gives no row")),
        ("CREATE TEMP TABLE x (n int); COPY x FROM STDIN", None, failed("the statement waits for data")),
        ("SELECT generate_series(1, 1000)", "1", well("the query gives 1")),
        ("SELECT generate_series(1, 1000000)", "1", failed("the server sends more than 262144 octets")),
        ("SELECT repeat('x', 100000)", None, failed("not a PostgreSQL message, or too large a one")),
        ("SELECT nonsense", None, failed('42703 column "nonsense" does not exist')),
        (
            "SELECT pg_terminate_backend(pg_backend_pid())",
            None,
            failed("57P01 terminating connection due to administrator command"),
        ),
    ],
)
def test_a_query_is_judged(primary: PostgreSQL, query: str, expect: str | None, result: CheckResult) -> None:
    found = primary.told(user="trusted", query=query, expect=expect)
    assert found.ok is result.ok
    assert found.detail.removeprefix(f"{primary.version}, ") == result.detail


def test_all_that_is_asked_must_be_so(primary: PostgreSQL) -> None:
    asked: dict[str, Any] = {"user": "trusted", "query": "SELECT 1"}
    assert primary.told(**asked, role="primary") == well(f"{primary.version}, primary, the query gives 1")
    assert primary.told(**asked, role="replica", expect="2") == failed("primary, not replica, the query gives 1, not 2")


def test_a_server_with_too_many_connections_has_failed_and_recovers(primary: PostgreSQL) -> None:
    # Those who have left may still be there.
    alone = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
    until(lambda result: result.ok, lambda: primary.told(user="admin", query=alone, expect="t"))
    with ExitStack() as stack:
        for _ in range(9):
            visit(stack, primary, b"trusted")
        # The last connection is the superusers': only somebody who logs in is told so.
        assert primary.glance() == well("asks for SCRAM-SHA-256")
        reserved = primary.glance(user="trusted")
        assert not reserved.ok
        assert reserved.detail.startswith("53300 remaining connection slots are reserved for")
        visit(stack, primary, b"admin")
        assert primary.glance() == failed("53300 sorry, too many clients already")
        assert primary.glance(user="trusted") == failed("53300 sorry, too many clients already")
    until(lambda result: result.ok, lambda: primary.told(user="trusted"))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("user", [None, "trusted"])
def test_a_server_that_hangs_is_left_to_the_caller_and_recovers(
    primary: PostgreSQL, loop: str, user: str | None
) -> None:
    checker = PostgreSQLChecker(host="127.0.0.1", port=primary.server.port, user=user, database=user and "postgres")
    with primary.server.hanging():
        giving_up(checker, loop)
    assert told(checker, loop).ok


def test_a_query_that_hangs_is_left_to_the_caller(primary: PostgreSQL) -> None:
    settings: dict[str, Any] = {"user": "trusted", "database": "postgres", "query": "SELECT pg_sleep(3)"}
    giving_up(PostgreSQLChecker(host="127.0.0.1", port=primary.server.port, **settings))


def test_a_port_that_nobody_listens_to_refuses() -> None:
    assert told(PostgreSQLChecker(host="127.0.0.1", port=free_port())) == failed("Connection refused")


def message(kind: bytes, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return kind + struct.pack("!I", len(payload) + 4) + payload


def demand(method: int, data: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", method), data)


IN: Final = demand(0) + message(b"S", b"server_version\x0018.1\0") + message(b"Z", b"I")
FORK: Final = "could not fork new process for connection: Resource temporarily unavailable"
SCRAM: Final = demand(10, b"SCRAM-SHA-256\0\0")
TOO_MANY: Final = message(b"E", b"SFATAL\0C53300\0Msorry, too many clients already\0\0")


def found(*turns: bytes, **settings: Any) -> CheckResult:
    """What a check finds of a server that answers so, turn by turn, and hangs up."""
    with server(hangs_up_after(b"", *turns)) as made:
        return told(PostgreSQLChecker(host="127.0.0.1", port=made.port, **settings))


@pytest.mark.parametrize(
    ("turns", "detail"),
    [
        ([demand(7)], "asks for GSSAPI"),
        ([demand(2)], "asks for Kerberos V5"),
        ([demand(99)], "asks for method 99"),
        ([demand(10, b"OAUTHBEARER\0\0")], "asks for OAUTHBEARER"),
        ([message(b"v", b"\0\0\0\0\0\0\0\0") + message(b"N", b"Mhello\0\0") + demand(3)], "asks for a password"),
        ([message(b"E", b"C28000" + b"0" * 500)], "28000"),
        ([IN], "18.1"),
    ],
)
def test_a_server_that_gets_so_far_is_well(turns: list[bytes], detail: str) -> None:
    assert found(*turns) == well(detail)


@pytest.mark.parametrize(
    ("turns", "detail"),
    [
        ([b""], "the server closed the connection"),
        ([b"R\0\0"], "the server closed the connection"),
        ([demand(5)[:-2]], "the server closed the connection"),
        ([message(b"R", b"\0\0")], "not a PostgreSQL message"),
        ([message(b"Z", b"I")], "not a PostgreSQL message"),
        ([b"R\0\0\0\3"], "not a PostgreSQL message, or too large a one"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not a PostgreSQL message, or too large a one"),
        ([b"J\0\0\0\x0a8.4.0\0"], "not a PostgreSQL message, or too large a one"),
        ([demand(0)], "the server closed the connection"),
        ([demand(0) + message(b"D", b"\0\0")], "the server closed the connection"),
        ([demand(0) + TOO_MANY], "53300 sorry, too many clients already"),
        ([b"Ecould not fork new process for connection: Resource temporarily unavailable\n\0"], FORK),
        ([b"E" + b"x" * 500], f"{'x' * 117}..."),
        ([message(b"E")], "an error without a text"),
        ([message(b"E", b"M\x1b[2J" + b"x" * 500)], f"?[2J{'x' * 113}..."),
    ],
)
def test_what_is_no_answer_is_a_failure_in_words(turns: list[bytes], detail: str) -> None:
    assert found(*turns) == failed(detail)


@pytest.mark.parametrize(
    ("settings", "turns", "detail"),
    [
        ({}, [demand(5, b"salt"), demand(5, b"salt")], "not an answer to a login"),
        ({}, [demand(7)], "the server asks for GSSAPI, which is not supported"),
        ({}, [demand(10, b"SCRAM-SHA-256-PLUS\0\0")], "the server asks for SCRAM-SHA-256-PLUS, which is not supported"),
        ({}, [SCRAM, demand(0)], "not a SCRAM challenge"),
        ({}, [SCRAM, demand(11, b"r=abc,s=c2FsdA==,i=4096")], "not a SCRAM challenge"),
        ({}, [IN, b""], "the server closed the connection"),
        ({}, [IN, message(b"Z", b"I")], "replica, not primary"),
        ({}, [IN, message(b"D", b"\0\1\0\0\0\1f") + message(b"Z", b"I")], "18.1, primary"),
        ({}, [IN, message(b"D", b"\0\1\0\0\0\2f")], "not a PostgreSQL message"),
        ({}, [IN, message(b"W", b"\0\0\0")], "the statement waits for data"),
        ({"tls": TLS(verify=False)}, [b"N"], "the server does not speak TLS"),
        ({"tls": TLS(verify=False)}, [TOO_MANY], "not a PostgreSQL server"),
        (
            {"tls": TLS(verify=False)},
            [b"S" + demand(0)],
            "the server says more than it was asked for before TLS begins",
        ),
    ],
)
def test_what_is_no_answer_to_a_login_is_a_failure_in_words(
    settings: dict[str, Any], turns: list[bytes], detail: str
) -> None:
    result = found(*turns, user="checker", password=SESAME, role="primary", **settings)
    assert result == (well(detail) if detail == "18.1, primary" else failed(detail))


def test_a_server_that_knows_no_password_does_not_pass_for_one_that_does() -> None:
    def pretend(connection: socket.socket, _made: object) -> None:
        connection.recv(4096)
        connection.sendall(SCRAM)
        nonce = connection.recv(4096).partition(b"r=")[2]
        connection.sendall(demand(11, b"r=" + nonce + b"x,s=AAAA,i=1"))
        connection.recv(4096)
        connection.sendall(demand(12, b"v=AAAA") + IN)

    with server(pretend) as made:
        checker = PostgreSQLChecker(host="127.0.0.1", port=made.port, user="checker", password=SESAME)
        assert told(checker) == failed("the server does not prove that it knows the password")


@pytest.mark.parametrize("answer", [message(b"Z", b"I"), message(b"E", b"C42703\0Mno such column\0\0")])
def test_it_takes_leave_of_the_server(answer: bytes) -> None:
    with server(says(b"", IN, answer)) as made:
        told(PostgreSQLChecker(host="127.0.0.1", port=made.port, user="checker", query="x"))
    assert made.heard.endswith(b"X\0\0\0\4")


def test_a_connection_that_is_reset_is_told() -> None:
    with server(reset) as made:
        assert told(PostgreSQLChecker(host="127.0.0.1", port=made.port)) == failed("Connection reset by peer")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [None, TLS(verify=False)])
def test_the_caller_bounds_a_server_that_stays_silent(loop: str, tls: TLS | None) -> None:
    with server(silence) as made:
        giving_up(PostgreSQLChecker(host="127.0.0.1", port=made.port, user="x", tls=tls), loop)
    with server(says(b"", IN if tls is None else b"S")) as made:
        giving_up(PostgreSQLChecker(host="127.0.0.1", port=made.port, user="x", query="x", tls=tls), loop)


def test_an_answer_may_come_octet_by_octet() -> None:
    with server(slowly(demand(5, b"salt"))) as made:
        assert told(PostgreSQLChecker(host="127.0.0.1", port=made.port)) == well("asks for md5")


@pytest.mark.parametrize("chunk", [message(b"N", b"Mx\0"), message(b"D", b"\0\0"), message(b"N", b"x" * 60000)])
@pytest.mark.parametrize(("first", "settings"), [(b"", {}), (IN, {"user": "x", "query": "x"})])
def test_an_answer_without_an_end_is_given_up(first: bytes, settings: dict[str, Any], chunk: bytes) -> None:
    with server(endless_after(first, chunk)) as made:
        result = told(PostgreSQLChecker(host="127.0.0.1", port=made.port, **settings))
    unasked = not first and chunk.startswith(b"D")
    assert result == failed("not a PostgreSQL message" if unasked else "the server sends more than 262144 octets")


@pytest.mark.parametrize("asked", [demand(3), demand(5, b"salt"), SCRAM])
def test_the_password_is_shown_nowhere(asked: bytes) -> None:
    with server(hangs_up_after(b"", asked, b"")) as made:
        checker = PostgreSQLChecker(host="127.0.0.1", port=made.port, user="checker", password=SESAME)
        assert not told(checker).ok
    assert SESAME.encode() not in made.heard
    assert SESAME not in repr(checker)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "no host"}, "host must be an IPv4 or IPv6 address or a host name, got 'no host'"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"user": ""}, "user must be a text that is not empty, without NUL characters, got ''"),
        ({"user": "x", "password": "sesame\0"}, "password must be a text that is not empty, without NUL characters"),
        ({"user": "x", "database": ""}, "database must be a text that is not empty, without NUL characters, got ''"),
        ({"user": "x", "query": 1}, "query must be a text that is not empty, without NUL characters, got 1"),
        ({"user": "x", "query": "x", "expect": 1}, "expect must be a text, got 1"),
        ({"user": "x", "role": "master"}, "role must be primary or replica, got 'master'"),
        ({"password": "x"}, "password needs a user"),
        ({"database": "x"}, "database needs a user"),
        ({"role": "primary"}, "role needs a user"),
        ({"query": "x"}, "query needs a user"),
        ({"tls": TLS(verify=False)}, "tls needs a user"),
        ({"user": "x", "expect": "x"}, "expect needs a query"),
        ({"user": "x", "tls": TLS(ca_file="/nowhere")}, "ca_file /nowhere cannot be read"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        PostgreSQLChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value).startswith(text)
    assert "sesame" not in str(refusal.value)
