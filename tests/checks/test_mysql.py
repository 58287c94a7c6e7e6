"""MySQL checks against a real MariaDB, and against servers that misbehave."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve, frozen

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
from tests.support.requirements import require
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult, Via
from vrrpkit.checks._mysql import MySQLChecker
from vrrpkit.checks._tls import TLS

SMALL: Final = (
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=8M",
)

OWN: Final = ("--user=root",) if os.geteuid() == 0 else ()
SESAME: Final = "open sesame ü"

VARIABLE: Final = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{}'"
THOUSAND: Final = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 1000) SELECT n FROM t"

USERS: Final = f"""
CREATE USER checker;
CREATE USER secretive IDENTIFIED BY '{SESAME}';
CREATE USER admin;
GRANT ALL ON *.* TO admin WITH GRANT OPTION;
CREATE USER modern IDENTIFIED VIA ed25519 USING PASSWORD('{SESAME}');
"""


@frozen
class MariaDB:
    """A real server, and what it calls itself."""

    server: Server
    version: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def told(self, loop: str = "asyncio", **settings: Any) -> CheckResult:
        """What one check of it finds."""
        return told(MySQLChecker(host="127.0.0.1", port=self.port, **settings), loop)

    def ask(self, statement: str) -> str:
        """What a statement gives, as its administrator."""
        result = self.told(user="admin", query=statement)
        assert result.ok, result.detail
        return result.detail.removeprefix(f"{self.version}, the query gives ")

    def count(self, name: str) -> int:
        """One of its status variables."""
        return int(self.ask(VARIABLE.format(name)))

    def wait_until_alone(self) -> None:
        """Until it has taken note that all the others are gone."""
        alone: dict[str, Any] = {"user": "admin", "query": VARIABLE.format("Threads_connected"), "expect": "1"}
        until(lambda result: result.ok, lambda: self.told(**alone))


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """The files of a server that has never run."""
    (program,) = programs("usr/bin", "mariadb-install-db")
    with home_of(unprivileged("root")) as home:
        install = [program, "--no-defaults", *SMALL, *OWN, "--auth-root-authentication-method=normal"]
        install += [f"--datadir={home}/data", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        (home / "users.sql").write_text(USERS)
        yield home


def mariadb(stack: ExitStack, template: Path, *options: str, wrapper: tuple[str, ...] = ()) -> MariaDB:
    """Start one."""
    home = stack.enter_context(home_of(unprivileged("root")))
    shutil.copytree(template / "data", home / "data")
    port = free_port()
    (program,) = programs("usr/sbin", "mariadbd")
    command: list[str | Path] = [*wrapper, program, "--no-defaults", *SMALL, *OWN]
    command += [f"--datadir={home}/data", f"--socket={home}/socket", f"--pid-file={home}/pid", f"--port={port}"]
    command += [f"--init-file={template}/users.sql", "--plugin-load-add=auth_ed25519", "--skip-networking=0", *options]
    started_server = stack.enter_context(started(command, until="ready for connections", port=port))
    version = told(MySQLChecker(host="127.0.0.1", port=port)).detail
    assert re.fullmatch(r"\d+\.\d+\.\d+-MariaDB.*", version)
    return MariaDB(started_server, version)


@pytest.fixture(scope="module")
def maria(template: Path) -> Iterator[MariaDB]:
    """A server that replicates from nobody, and speaks TLS."""
    keys = credentials()
    options = [f"--ssl-cert={keys.certificate}", f"--ssl-key={keys.key}", "--log-bin=binlog", "--server-id=1"]
    with ExitStack() as stack:
        yield mariadb(stack, template, *options, "--bind-address=127.0.0.1", "--performance-schema=OFF")


@pytest.mark.conforms("keyword program/MySQL")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_greets_is_well(maria: MariaDB, loop: str) -> None:
    assert maria.told(loop) == well(maria.version)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [None, TLS(verify=False)])
def test_logins_with_and_without_a_password_and_tls(maria: MariaDB, loop: str, tls: TLS | None) -> None:
    assert maria.told(loop, user="checker", tls=tls) == well(maria.version)
    assert maria.told(loop, user="secretive", password=SESAME, tls=tls) == well(maria.version)


def test_a_password_that_is_wrong_is_told(maria: MariaDB) -> None:
    denied = "1045 Access denied for user 'secretive'@'localhost' (using password: {})"
    assert maria.told(user="secretive", password=f"not {SESAME}") == failed(denied.format("YES"))
    assert maria.told(user="secretive") == failed(denied.format("NO"))


def test_a_refusal_is_well_if_one_says_so(maria: MariaDB) -> None:
    refused = maria.told(user="nobody")
    assert not refused.ok
    # To those who do not exist it pretends that they have a password, of any of the kinds that it knows.
    assert "1045 Access denied for user 'nobody'@'localhost'" in refused.detail
    assert maria.told(user="nobody", may_refuse=True) == evolve(refused, ok=True)
    assert maria.told(user="checker", may_refuse=True) == well(maria.version)
    assert not maria.told(user="checker", may_refuse=True, query="nonsense").ok


def test_an_account_that_proves_its_password_in_another_way_is_told(maria: MariaDB) -> None:
    denied = "1045 Access denied for user 'modern'@'localhost' (using password: YES)"
    assert maria.told(user="modern", password=SESAME) == failed(f"client_ed25519 is not supported: {denied}")


def test_the_certificate_is_verified(maria: MariaDB) -> None:
    authority = credentials().certificate
    assert maria.told(user="checker", tls=TLS(ca_file=authority)) == well(maria.version)
    assert maria.told(user="checker", tls=TLS()) == failed("TLS: self-signed certificate")
    other = maria.told(user="checker", tls=TLS(ca_file=authority, server_name="other.example.test"))
    assert other == failed("TLS: Hostname mismatch, certificate is not valid for 'other.example.test'.")


def test_what_the_server_counts_as_aborted(maria: MariaDB) -> None:
    def counted(**settings: Any) -> list[int]:
        names = ("Aborted_connects", "Aborted_connects_preauth", "Aborted_clients")
        before = [maria.count(name) for name in names]
        maria.told(**settings)
        maria.told(**settings)
        maria.wait_until_alone()
        return [maria.count(name) - was for name, was in zip(names, before, strict=True)]

    maria.wait_until_alone()
    assert counted(user="checker") == [0, 0, 0]
    assert counted(user="checker", tls=TLS(verify=False)) == [0, 0, 0]
    assert counted(user="checker", query="nonsense") == [0, 0, 0]
    assert counted(user="checker", read_only=True) == [0, 0, 0]
    assert counted(user="nobody", may_refuse=True) == [2, 0, 0]
    assert counted(user="modern", password=SESAME) == [2, 0, 0]
    assert counted() == [2, 2, 0]


def test_what_it_is_must_be_what_it_should_be(maria: MariaDB) -> None:
    assert maria.told(user="checker", read_only=False) == well(f"{maria.version}, writable")
    assert maria.told(user="checker", read_only=True) == failed("writable, not read-only")
    maria.ask("SET GLOBAL read_only=1")
    try:
        assert maria.told(user="checker", read_only=True) == well(f"{maria.version}, read-only")
        assert maria.told(user="checker", read_only=False) == failed("read-only, not writable")
    finally:
        maria.ask("SET GLOBAL read_only=0")


@pytest.mark.parametrize(
    ("query", "expect", "result"),
    [
        ("SELECT 6*7", None, well("the query gives 42")),
        ("SELECT 6*7, 'x'", "42", well("the query gives 42")),
        ("SELECT 'ü\n\x1b'", "ü\n\x1b", well("the query gives ü ?")),
        ("SELECT 6*7", "43", failed("the query gives 42, not 43")),
        ("SELECT NULL", None, well("the query gives NULL")),
        ("SELECT NULL", "x", failed("the query gives NULL, not x")),
        ("SELECT ''", "", well("the query gives ")),
        ("SELECT 1 FROM DUAL WHERE FALSE", None, well("the query gives no row")),
        ("SELECT 1 FROM DUAL WHERE FALSE", "1", failed("the query gives no row")),
        ("SET @x=1", None, well("the query gives no row")),
        ("SELECT REPEAT('x', 1000)", None, well(f"the query gives {'x' * 57}...")),
        ("SELECT REPEAT('x', 100000)", None, failed("not a MySQL packet, or too large a one")),
        (THOUSAND, "1", well("the query gives 1")),
        (
            THOUSAND.replace("SELECT n FROM", "SELECT REPEAT('x', n) FROM"),
            None,
            failed("the server sends more than 262144 octets"),
        ),
        ("SELECT nonsense", None, failed("1054 Unknown column 'nonsense' in 'SELECT'")),
    ],
)
def test_a_query_is_judged(maria: MariaDB, query: str, expect: str | None, result: CheckResult) -> None:
    found = maria.told(user="checker", query=query, expect=expect)
    assert found.ok is result.ok
    assert found.detail.removeprefix(f"{maria.version}, ").replace("'field list'", "'SELECT'") == result.detail


def test_all_that_is_asked_must_be_so(maria: MariaDB) -> None:
    asked: dict[str, Any] = {"user": "checker", "read_only": False, "query": "SELECT 1"}
    assert maria.told(**asked) == well(f"{maria.version}, writable, the query gives 1")
    assert maria.told(**asked, expect="2") == failed("the query gives 1, not 2")
    assert maria.told(**{**asked, "read_only": True}, expect="2") == failed(
        "writable, not read-only, the query gives 1, not 2"
    )


def test_a_server_that_is_no_replica_has_no_lag(maria: MariaDB) -> None:
    assert maria.told(user="admin", max_lag=5) == failed("not a replica")
    assert maria.told(user="checker", max_lag=5).detail.startswith("1227 Access denied")


def test_a_replica_may_be_behind_by_so_much(maria: MariaDB, template: Path) -> None:
    with ExitStack() as stack:
        replica = mariadb(stack, template, "--bind-address=127.0.0.1", "--server-id=2", "--read-only=1")
        position = maria.ask("SELECT @@gtid_binlog_pos")
        replica.ask(f"SET GLOBAL gtid_slave_pos='{position}'")
        replica.ask(
            f"CHANGE MASTER TO master_host='127.0.0.1', master_port={maria.port}, master_user='admin', "
            "master_use_gtid=slave_pos, master_ssl=0"
        )
        asked: dict[str, Any] = {"user": "admin", "read_only": True, "max_lag": 0}
        assert replica.told(**asked) == failed("does not replicate")
        replica.ask("START SLAVE")
        up_to_date = until(lambda result: result.ok, lambda: replica.told(**asked))
        assert up_to_date == well(f"{replica.version}, read-only, 0 s behind")
        replica.ask("STOP SLAVE")
        assert replica.told(**asked) == failed("does not replicate")
        replica.ask("CHANGE MASTER TO master_delay=3600")
        replica.ask("START SLAVE")
        maria.ask("CREATE DATABASE something_new")
        late = re.compile(r"\d+ s behind, more than 0 s")
        assert not until(lambda result: late.fullmatch(result.detail), lambda: replica.told(**asked)).ok


def test_a_server_with_too_many_connections_has_failed_and_recovers(maria: MariaDB) -> None:
    maria.ask("SET GLOBAL max_connections=10")
    try:
        with ExitStack() as stack:
            for _ in range(11):
                taken = stack.enter_context(socket.create_connection(("127.0.0.1", maria.port)))
                assert taken.recv(1)
            for settings in ({}, {"user": "checker"}, {"user": "checker", "may_refuse": True}):
                checker = MySQLChecker(host="127.0.0.1", port=maria.port, **settings)
                assert glance(checker) == failed("1040 Too many connections")
        assert until(lambda result: result.ok, maria.told) == well(maria.version)
    finally:
        maria.ask("SET GLOBAL max_connections=151")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("user", [None, "checker"])
def test_a_server_that_hangs_is_left_to_the_caller_and_recovers(maria: MariaDB, loop: str, user: str | None) -> None:
    checker = MySQLChecker(host="127.0.0.1", port=maria.port, user=user)
    with maria.server.hanging():
        giving_up(checker, loop)
    assert told(checker, loop) == well(maria.version)


def test_a_query_that_hangs_is_left_to_the_caller(maria: MariaDB) -> None:
    giving_up(MySQLChecker(host="127.0.0.1", port=maria.port, user="checker", query="SELECT SLEEP(3)"))


@pytest.mark.kernel
def test_a_host_that_only_hears_the_greeting_is_shut_out_and_one_that_logs_in_is_not(
    template: Path, tmp_path: Path
) -> None:
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs root and mount namespaces")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n127.0.0.2 checker.example.test\n")
    wrapper = ("unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path}/hosts /etc/hosts && exec "$@"', "sh")
    with ExitStack() as stack:
        # Only this very address, 127.0.0.1, is exempt: whoever comes from 127.0.0.2 is counted like any other host.
        maria = mariadb(stack, template, "--max-connect-errors=3", "--bind-address=0.0.0.0", wrapper=wrapper)

        def told_from_outside(**settings: Any) -> CheckResult:
            return told(MySQLChecker(host="127.0.0.2", port=maria.port, via=Via(source="127.0.0.2"), **settings))

        for _ in range(10):
            assert told_from_outside(user="checker") == well(maria.version)
            assert told_from_outside(user="nobody", may_refuse=True).ok
        for _ in range(2):
            assert told_from_outside() == well(maria.version)
        assert told_from_outside(user="checker") == well(maria.version)
        result = until(lambda result: not result.ok, told_from_outside)
        assert result.detail.startswith("1129 Host '127.0.0.2' is blocked because of many connection errors")
        assert told_from_outside(user="checker", may_refuse=True) == result
        assert maria.told() == well(maria.version)


def test_a_port_that_nobody_listens_to_refuses() -> None:
    assert told(MySQLChecker(host="127.0.0.1", port=free_port())) == failed("Connection refused")


def packet(number: int, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(capabilities: int = 0x000AFFFF, plugin: bytes = b"mysql_native_password") -> bytes:
    low, high = capabilities & 0xFFFF, capabilities >> 16
    numbers = struct.pack("<BHBHHB10x", 0, low, 45, 2, high, 21)
    return packet(0, b"\x0a8.4.0\0", b"\1\0\0\0", b"abcdefgh", numbers, b"ijklmnopqrst\0", plugin, b"\0")


OK: Final = b"\0\0\0\2\0\0\0"
HELLO: Final = greeting()
IN: Final = packet(2, OK)
TABLE: Final = packet(1, b"\1") + packet(2, b"\0" * 5) + packet(3, b"\xfe")


def found(*turns: bytes, **settings: Any) -> CheckResult:
    """What a check finds of a server that says so, turn by turn, and hangs up."""
    with server(hangs_up_after(*turns)) as made:
        return told(MySQLChecker(host="127.0.0.1", port=made.port, **settings))


def test_an_error_instead_of_a_greeting_is_told() -> None:
    early = packet(0, b"\xff", struct.pack("<H", 1130), b"Host '192.0.2.1' is not allowed to connect\x1b[2J")
    assert found(early) == failed("1130 Host '192.0.2.1' is not allowed to connect?[2J")
    assert found(early, user="checker", may_refuse=True).ok
    assert found(packet(0, b"\xff")) == failed("0")
    assert found(packet(0, b"\xff\x69\x04#HY000", b"x" * 500)) == failed(f"1129 {'x' * 117}...")


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (b"", "the server closed the connection"),
        (HELLO[:3], "the server closed the connection"),
        (HELLO[:40], "the server closed the connection"),
        (packet(0, b"\x09", b"3.23\0"), "not a MySQL server"),
        (packet(0, b"\x0a8.4.0"), "a MySQL greeting without its end"),
        (packet(0, b"\x0a8.4.0\0", b"abc"), "a MySQL greeting without its end"),
        (packet(0), "not a MySQL packet, or too large a one"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a MySQL packet, or too large a one"),
        (b"220 mail.example.test ESMTP\r\n", "not a MySQL packet, or too large a one"),
        (b"\x05\0\0\0\x0b\x08\x05\x1a\0", "not a MySQL server"),
    ],
)
def test_what_is_no_greeting_is_a_failure_in_words(said: bytes, detail: str) -> None:
    assert found(said) == failed(detail)


@pytest.mark.parametrize(
    ("settings", "turns", "detail"),
    [
        ({}, [HELLO], "the server closed the connection"),
        ({}, [HELLO, packet(2, b"\x02")], "not an answer to a login"),
        ({}, [HELLO, packet(2, b"\x01\x05")], "not an answer to a login"),
        ({}, [HELLO, IN], "the server closed the connection"),
        ({}, [HELLO, IN, packet(1, b"\xff\x28\x04#08S01Shutting down")], "1064 Shutting down"),
        ({"read_only": True}, [HELLO, IN, packet(1, OK)], "not an answer to the question for read_only"),
        ({"query": "x"}, [HELLO, IN, packet(1, b"\xfb/etc/passwd")], "the server asks for a file"),
        ({"query": "x"}, [HELLO, IN, packet(1, b"\2") + packet(2, b"\xfe")], "not a MySQL result"),
        ({"query": "x"}, [HELLO, IN, packet(1, b"\1") + packet(2, b"\3de") + packet(3, b"\xfe")], "not a MySQL packet"),
        ({"tls": TLS(verify=False)}, [greeting(0x000AF7FF)], "the server does not speak TLS"),
        ({"tls": TLS(verify=False)}, [HELLO, b"HTTP/1.1 400 Bad Request\r\n"], "TLS: wrong version number"),
        ({"tls": TLS(verify=False)}, [HELLO + b"x"], "the server says more than it was asked for before TLS begins"),
    ],
)
def test_what_is_no_answer_is_a_failure_in_words(settings: dict[str, Any], turns: list[bytes], detail: str) -> None:
    result = found(*turns, **{"user": "checker", **settings})
    assert result == failed(detail)


@pytest.mark.parametrize(
    ("value", "mode"), [(b"0", "writable"), (b"OFF", "writable"), (b"1", "read-only"), (b"NO_LOCK", "read-only")]
)
def test_newer_servers_have_names_for_what_they_are(value: bytes, mode: str) -> None:
    row = packet(4, bytes([len(value)]), value)
    result = found(HELLO, IN, TABLE + row + packet(5, b"\xfe"), user="checker", read_only=mode == "read-only")
    assert result == well(f"8.4.0, {mode}")


def test_a_connection_that_is_reset_is_told() -> None:
    with server(reset) as made:
        assert told(MySQLChecker(host="127.0.0.1", port=made.port)) == failed("Connection reset by peer")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("user", [None, "checker"])
def test_the_caller_bounds_a_server_that_stays_silent(loop: str, user: str | None) -> None:
    talk = silence if user is None else says(HELLO)
    with server(talk) as made:
        giving_up(MySQLChecker(host="127.0.0.1", port=made.port, user=user), loop)


def test_an_answer_may_come_octet_by_octet() -> None:
    with server(slowly(HELLO)) as made:
        assert told(MySQLChecker(host="127.0.0.1", port=made.port)) == well("8.4.0")


@pytest.mark.parametrize(
    ("first", "chunk"),
    [
        (HELLO, packet(9, b"\x01\x03")),
        (HELLO + IN, packet(9, b"\xfc\xff\xff") + packet(9, b"x" * 60000)),
        (HELLO + IN + TABLE, packet(9, b"\0")),
        (HELLO + IN + TABLE, packet(9, b"x" * 60000)),
    ],
)
def test_an_answer_without_an_end_is_given_up(first: bytes, chunk: bytes) -> None:
    with server(endless_after(first, chunk)) as made:
        result = told(MySQLChecker(host="127.0.0.1", port=made.port, user="checker", query="x"))
    assert result == failed("the server sends more than 262144 octets")


def test_the_password_is_sent_in_clear_only_by_tls_and_shown_nowhere() -> None:
    checker = MySQLChecker(host="127.0.0.1", user="checker", password=SESAME)
    assert SESAME not in repr(checker)
    for switch in (b"\xfemysql_clear_password\0", b"\xfesha256_password\0abc\0", b"\x01\x04"):
        with server(says(HELLO, packet(2, switch), packet(4, b"\xff\x15\x04#28000Access denied"))) as made:
            result = told(MySQLChecker(host="127.0.0.1", port=made.port, user="checker", password=SESAME))
            assert result.detail.endswith("wants the password by TLS: 1045 Access denied")
        assert SESAME.encode() not in made.heard
        assert bytes(64) in made.heard


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "no host"}, "host must be an IPv4 or IPv6 address or a host name, got 'no host'"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"user": ""}, "user must be a text that is not empty, without NUL characters, got ''"),
        ({"user": "a\0b"}, "user must be a text that is not empty, without NUL characters, got 'a\\x00b'"),
        ({"user": "\udcff"}, "user must be a text that is not empty, without NUL characters, got"),
        ({"user": "x", "password": "sesame\0"}, "password must be a text that is not empty, without NUL characters"),
        ({"user": "x", "query": 1}, "query must be a text that is not empty, without NUL characters, got 1"),
        ({"user": "x", "query": "x", "expect": 1}, "expect must be a text, got 1"),
        ({"user": "x", "read_only": 1}, "read_only must be True or False, got 1"),
        ({"user": "x", "may_refuse": 1}, "may_refuse must be True or False, got 1"),
        ({"user": "x", "max_lag": -1}, "max_lag must be 0-1e+06 seconds, got -1"),
        ({"password": "x"}, "password needs a user"),
        ({"read_only": False}, "read_only needs a user"),
        ({"max_lag": 0}, "max_lag needs a user"),
        ({"query": "x"}, "query needs a user"),
        ({"tls": TLS(verify=False)}, "tls needs a user"),
        ({"may_refuse": True}, "may_refuse needs a user"),
        ({"user": "x", "expect": "x"}, "expect needs a query"),
        ({"user": "x", "tls": TLS(ca_file="/nowhere")}, "ca_file /nowhere cannot be read"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        MySQLChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value).startswith(text)
    assert "sesame" not in str(refusal.value)
