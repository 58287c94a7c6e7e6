"""MySQL's protocol: octets that real servers have taken and sent, and any octets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.conversations import Said, driven
from vrrpkit.checks._lines import LineError
from vrrpkit.checks._mysql import MySQLChecker
from vrrpkit.checks._mysql_session import MySQLSession
from vrrpkit.checks._mysql_wire import (
    Greeting,
    Login,
    MySQLError,
    Table,
    column_count,
    decode_column,
    decode_error,
    decode_greeting,
    decode_row,
    is_end,
    seconds_behind,
)

# What MariaDB 10.11.19 and MySQL 9.7.4 have said.
MARIADB: Final = bytes.fromhex(
    "0a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100030000006f5024613e50574600fef7080200ff8115"
    "0000000000001d000000367d3327644878442c4f2772006d7973716c5f6e61746976655f70617373776f726400"
)
MYSQL: Final = bytes.fromhex(
    "0a392e372e342d32000900000056211a377904541d00ffffff0200ffdf1500000000000000000000320c7f6a4b511d3b30221d0e00"
    "63616368696e675f736861325f70617373776f726400"
)
SESAME: Final = "secret"


def test_a_mariadb_greets() -> None:
    assert decode_greeting(MARIADB) == Greeting(
        version="10.11.19-MariaDB-0+deb12u1",
        tls=False,
        plugin="mysql_native_password",
        seed=b"oP$a>PWF6}3'dHxD,O'r",
    )


def test_a_mysql_greets() -> None:
    assert decode_greeting(MYSQL) == Greeting(
        version="9.7.4-2",
        tls=True,
        plugin="caching_sha2_password",
        seed=bytes.fromhex("56211a377904541d320c7f6a4b511d3b30221d0e"),
    )


def login(octets: bytes, user: str, password: str = SESAME, *, secure: bool = False) -> Login:
    greeting = decode_greeting(octets)
    return Login(user, password, secure, greeting.plugin, greeting.seed)


def test_a_native_password_is_proved_as_mariadb_wants_it() -> None:
    assert login(MARIADB, "np").request() == bytes.fromhex(
        "01820800000000012d00000000000000000000000000000000000000000000006e7000"
        "149e7d5d04aad4fae5fc684972d0f61d3b4a2ebdeb6d7973716c5f6e61746976655f70617373776f726400"
    )


def test_a_sha2_password_is_proved_as_mysql_wants_it() -> None:
    assert login(MYSQL, "pw").request() == bytes.fromhex(
        "01820800000000012d0000000000000000000000000000000000000000000000707700"
        "204e9cd78b82e8c17982d3721b62d103cde732961a6cde52579096c0cbde2d21fb"
        "63616368696e675f736861325f70617373776f726400"
    )


def test_tls_is_asked_for_before_the_login() -> None:
    asked = bytes.fromhex("018a0800000000012d0000000000000000000000000000000000000000000000")
    secure = login(MYSQL, "pw", secure=True)
    assert secure.tls_request() == asked
    assert secure.request().startswith(asked)


@pytest.mark.parametrize(
    ("said", "secure", "password", "answer", "hopeless"),
    [
        (b"\x01\x03", False, SESAME, None, ""),
        (b"\x01\x04", True, SESAME, b"secret\0", ""),
        (b"\x01\x04", False, SESAME, bytes(64), "caching_sha2_password wants the password by TLS"),
        (b"\xfemysql_native_password\0abcdefghijklmnopqrst\0", False, "", b"", ""),
        (b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0", False, "", b"\0", ""),
        (b"\xfesha256_password\0abcdefghijklmnopqrst\0", False, "", b"\0", ""),
        (b"\xfesha256_password\0abcdefghijklmnopqrst\0", True, SESAME, b"secret\0", ""),
        (b"\xfemysql_clear_password\0", True, SESAME, b"secret\0", ""),
        (b"\xfemysql_clear_password\0", False, SESAME, bytes(64), "mysql_clear_password wants the password by TLS"),
        (b"\xfeauth_gssapi_client\0", True, SESAME, bytes(64), "auth_gssapi_client is not supported"),
        (b"\xfe", True, SESAME, bytes(64), "mysql_old_password is not supported"),
        (b"\xfe\x1b[2J" + b"x" * 99, True, SESAME, bytes(64), f"?[2J{'x' * 33}... is not supported"),
    ],
)
def test_what_the_server_wants_is_answered(
    said: bytes, secure: bool, password: str, answer: bytes | None, hopeless: str
) -> None:
    machine = login(MYSQL, "pw", password, secure=secure)
    machine.request()
    assert machine.reply(said) == answer
    assert machine.hopeless == hopeless


def test_a_server_may_change_its_mind_about_the_seed() -> None:
    machine = login(MYSQL, "pw")
    octets = decode_greeting(MARIADB)
    assert machine.reply(b"\xfemysql_native_password\0" + octets.seed + b"\0") == bytes.fromhex(
        "9e7d5d04aad4fae5fc684972d0f61d3b4a2ebdeb"
    )


def test_an_unknown_way_to_begin_with_is_left_to_the_server_to_change() -> None:
    machine = Login("pw", SESAME, secure=False, plugin="client_ed25519", seed=b"x" * 20)
    assert machine.request().endswith(b"mysql_native_password\0")
    assert machine.hopeless == ""


def test_the_password_is_not_shown() -> None:
    assert SESAME not in repr(login(MYSQL, "pw"))


def test_errors_come_with_and_without_an_sqlstate() -> None:
    early, late = decode_error(b"\xff\x10\x04Too many connections"), decode_error(b"\xff\x15\x04#28000Access denied")
    assert (str(early), early.code) == ("1040 Too many connections", 1040)
    assert (str(late), late.code) == ("1045 Access denied", 1045)


def test_a_result_is_read() -> None:
    column = bytes.fromhex("03646566000000124040676c6f62616c2e726561645f6f6e6c79000c3f0001000000088000000000")
    assert column_count(b"\x01") == 1
    assert column_count(b"\0\0\0\2\0\0\0") == 0
    assert column_count(b"\xfc\x2c\x01") == 300
    assert decode_column(column) == "@@global.read_only"
    assert decode_row(b"\x010\xfb\x00\x03abc", 4) == ("0", None, "", "abc")
    assert decode_row(b"\xfd\x03\0\0abc", 1) == ("abc",)
    assert decode_row(b"\xfe\x03\0\0\0\0\0\0\0abc", 1) == ("abc",)


@pytest.mark.parametrize("octets", [b"", b"\xff", b"\x04abc", b"\xfc\x01", b"\xfd\x03\0abc", b"\xfe\xff\xff\xff\xff"])
def test_what_is_no_row_is_an_error(octets: bytes) -> None:
    with pytest.raises(MySQLError, match="not a MySQL packet"):
        decode_row(octets, 1)


def test_the_end_of_rows_is_no_row_with_a_long_text() -> None:
    assert is_end(b"\xfe\0\0\2\0")
    assert not is_end(b"\xfe\x03\0\0\0\0\0\0\0abc")
    assert not is_end(b"\x010")


@pytest.mark.parametrize(
    ("name", "values", "behind"),
    [
        ("Seconds_Behind_Source", ("3",), 3.0),
        ("Seconds_Behind_Master", ("0",), 0.0),
        ("Seconds_Behind_Master", ("3", "5", "1"), 5.0),
        ("Seconds_Behind_Master", (None,), None),
        ("Seconds_Behind_Master", ("3", None), None),
        ("Seconds_Behind_Master", ("-1",), None),
        ("Something_Else", ("3",), None),
    ],
)
def test_a_replica_is_as_late_as_its_latest_source(
    name: str, values: tuple[str | None, ...], behind: float | None
) -> None:
    table = Table(("Channel", name), tuple(("x", value) for value in values))
    assert seconds_behind(table) == behind


@given(st.binary(max_size=300))
def test_any_octets_are_a_greeting_or_an_error(octets: bytes) -> None:
    for tried in (octets, b"\x0a" + octets, MYSQL[: len(octets)] + octets):
        with suppress(MySQLError):
            assert decode_greeting(tried).version.isprintable()


@given(st.binary(max_size=300), st.integers(1, 10))
def test_any_octets_are_a_result_or_an_error(octets: bytes, count: int) -> None:
    readers: list[Callable[[bytes], object]] = [column_count, decode_column, lambda given: decode_row(given, count)]
    for reader in readers:
        with suppress(MySQLError):
            reader(octets)
    assert str(decode_error(octets)).isprintable()


@given(st.lists(st.binary(max_size=100)), st.booleans())
def test_any_words_are_answered_or_an_error(words: list[bytes], secure: bool) -> None:
    machine = login(MYSQL, "pw", secure=secure)
    for octets in words:
        for said in (octets, b"\xfe" + octets, b"\xfecaching_sha2_password\0" + octets):
            with suppress(MySQLError):
                machine.reply(said)


PACKETS = st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\0", b"\x01", b"\xfe", b"\x010", b"\xfb"]))


@given(PACKETS)
def test_any_conversation_ends_in_a_verdict_or_an_error(packets: list[bytes]) -> None:
    checker = MySQLChecker(host="x", user="pw", password=SESAME, read_only=True, max_lag=1, query="x", expect="y")
    octets = b"".join(len(packet).to_bytes(3, "little") + b"\0" + packet for packet in [MYSQL, b"\0", *packets])
    with suppress(MySQLError, LineError):
        driven(checker._ask(MySQLSession(Said(octets))))  # noqa: SLF001 - what check() does with a connection


@given(st.binary(max_size=200))
def test_any_octets_end_in_a_verdict_or_an_error(octets: bytes) -> None:
    with suppress(MySQLError, LineError):
        driven(MySQLChecker(host="x")._ask(MySQLSession(Said(octets))))  # noqa: SLF001 - the same
