"""What checked servers say: the messages of each protocol, and whole conversations."""

from __future__ import annotations

import asyncio
import re
import socket
from functools import cache
from typing import Final

from attrs import define

from tests.fuzz.target import Input, Target, told_briefly
from vrrpkit.checks import (
    AgentChecker,
    Checker,
    CheckResult,
    DNSChecker,
    HTTPChecker,
    HTTPPath,
    LDAPChecker,
    MySQLChecker,
    PostgreSQLChecker,
    RedisChecker,
    SMTPChecker,
)
from vrrpkit.checks._agent_wire import decode_report
from vrrpkit.checks._certificate_wire import CertificateError, validity
from vrrpkit.checks._dns_wire import DNSError, decode_reply
from vrrpkit.checks._http_expect import HTTPAnswer
from vrrpkit.checks._http_target import Target as HTTPTarget
from vrrpkit.checks._ldap_wire import LDAPError, decode_bind_response, rest_of
from vrrpkit.checks._lines import LineError, Lines
from vrrpkit.checks._mysql_wire import (
    Login,
    MySQLError,
    Table,
    column_count,
    decode_column,
    decode_greeting,
    decode_row,
    is_end,
    seconds_behind,
)
from vrrpkit.checks._mysql_wire import decode_error as decode_mysql_error
from vrrpkit.checks._postgresql_wire import (
    PostgreSQLError,
    Scram,
    decode_demand,
    decode_first_value,
    decode_parameter,
)
from vrrpkit.checks._postgresql_wire import decode_error as decode_postgresql_error
from vrrpkit.checks._redis_wire import Array, RedisError, Text, decode_header
from vrrpkit.checks._smtp_wire import Reply, SMTPError, decode_line
from vrrpkit.checks._words import printable

__all__ = ["TARGETS"]

_HIDDEN: Final = "hunter2-hunter2"


def _dns(octets: bytes) -> None:
    try:
        reply = decode_reply(octets)
    except DNSError:
        return
    for record in reply.answers:
        # A label may be shown by four characters for each of its octets.
        assert len(record.name) <= 4 * 255
        assert record.name.isascii()


def _smtp(octets: bytes) -> None:
    try:
        line = decode_line(octets)
    except SMTPError as error:
        told_briefly(error, 4 * len(octets) + 40)
        return
    assert 200 <= line.code <= 599
    reply = Reply(line.code, (line.text, line.text))
    assert all(word == word.upper() and word.split() == [word] for word in reply.keywords)
    assert printable(str(reply)).isprintable()


def _mysql(octets: bytes) -> None:
    given = Input(octets)
    kind, packet = given.number() % 6, given.octets
    is_end(packet)
    error = decode_mysql_error(packet)
    assert 0 <= error.code <= 0xFFFF
    assert str(error).isprintable()
    try:
        match kind:
            case 0:
                assert decode_greeting(packet).version.isprintable()
            case 1:
                assert column_count(packet) >= 0
            case 2:
                decode_column(packet)
            case 3:
                assert len(decode_row(packet, 5)) == 5
            case 4:
                names = ("Seconds_Behind_Source", "Other")
                behind = seconds_behind(Table(names, (decode_row(packet, 2),)))
                assert behind is None or behind >= 0
            case _:
                _log_in(packet)
    except MySQLError:
        return


def _log_in(packet: bytes) -> None:
    """A server that asks for the password may never get it in clear without TLS."""
    greeting = decode_greeting(packet)
    login = Login(user="check", password=_HIDDEN, secure=False, plugin=greeting.plugin, seed=greeting.seed)
    assert _HIDDEN.encode() not in login.request()
    answer = login.reply(b"\xfe" + packet)
    assert answer is None or _HIDDEN.encode() not in answer
    assert _HIDDEN not in repr(login)


def _postgresql(octets: bytes) -> None:
    given = Input(octets)
    kind, message = given.number() % 4, given.octets
    assert str(decode_postgresql_error(message)).isprintable()
    try:
        match kind:
            case 0:
                assert str(decode_demand(message)).isprintable()
            case 1:
                decode_first_value(message)
            case 2:
                decode_parameter(message)
            case _:
                _scram(message)
    except PostgreSQLError:
        return


def _scram(message: bytes) -> None:
    first, _, last = message.partition(b"|")
    scram = Scram("abc")
    challenge = scram.challenge(first)
    assert 1 <= challenge.iterations <= 1_000_000
    scram.final(bytes(32))
    scram.verify(last)
    raise AssertionError("a proof without the password")


def _ldap(octets: bytes) -> None:
    try:
        missing = rest_of(octets[:2].ljust(2, b"\0"))
        assert missing <= 2 + 4 + 65535
        decode_bind_response(octets)
    except LDAPError as error:
        told_briefly(error, 200)


def _redis(octets: bytes) -> None:
    try:
        header = decode_header(octets)
    except RedisError as error:
        told_briefly(error, 4 * len(octets) + 40)
        return
    match header:
        case Text(int(length)):
            assert 0 <= length <= 512
        case Array(int(count)):
            assert count >= 0
        case _:
            pass


def _agent(octets: bytes) -> None:
    report = decode_report(octets)
    weight = report.weight(100, 65535)
    assert weight is None or 0 <= weight <= 65535
    assert report.understood or (report.state, report.mode, report.percent) == (None, None, None)


def _certificate(octets: bytes) -> None:
    try:
        found = validity(octets)
    except CertificateError as error:
        told_briefly(error, 200)
        return
    # The years 1 and 9999.
    assert -62135596800 <= found.not_before <= 253402300799
    assert -62135596800 <= found.not_after <= 253402300799


_EXPECTATIONS: Final = (
    HTTPPath(),
    HTTPPath(digest="d41d8cd98f00b204e9800998ecf8427e"),
    HTTPPath(digest="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    HTTPPath(regex="ok|\\w+@[a-z]+", regex_absent="(?i)error"),
)


def _http(octets: bytes) -> None:
    given = Input(octets)
    status, whole, body = 100 + given.number() * 2 % 500, bool(given.number() & 1), given.octets
    answer = HTTPAnswer(status, given.text, body, whole)
    for expectation in _EXPECTATIONS:
        problem = expectation.problem(answer)
        assert problem is None or (problem.isprintable() and len(problem) < 400)
    here = HTTPTarget(secure=False, host="192.0.2.1", port=80, authority="www.example", path="/")
    try:
        there = here.redirected(given.octets.decode("latin-1"))
    except ValueError:
        return
    assert there.path.startswith("/")
    assert re.fullmatch("[!-~]+", there.path + there.authority)


# Whole conversations -------------------------------------------------------------------------------------------------


def _everybody(port: int) -> tuple[Checker, ...]:
    host = "127.0.0.1"
    return (
        HTTPChecker(host=host, port=port, paths=[HTTPPath("/?key=1", regex="ok")], user="check", password=_HIDDEN),
        HTTPChecker(host=host, port=port, paths=[HTTPPath(digest="0" * 32)], keep_alive=True, version="1.0"),
        SMTPChecker(host=host, port=port, helo="check.example"),
        RedisChecker(host=host, port=port, role="master", user="check", password=_HIDDEN),
        MySQLChecker(host=host, port=port, query="SELECT 1", user="check", password=_HIDDEN),
        PostgreSQLChecker(host=host, port=port, query="SELECT 1", user="check", password=_HIDDEN),
        LDAPChecker(host=host, port=port, user="check", password=_HIDDEN),
        AgentChecker(host=host, port=port),
        DNSChecker(host=host, port=port, tcp=True),
    )


@define
class _Conversations:
    """A server that says what it is told to, piece by piece, and the checks of it."""

    loop: asyncio.AbstractEventLoop
    listener: socket.socket
    checkers: tuple[Checker, ...]

    def hold(self, octets: bytes) -> None:
        given = Input(octets)
        checker = self.checkers[given.number() % len(self.checkers)]
        self.loop.run_until_complete(self._hold(checker, given.octets))

    async def _hold(self, checker: Checker, octets: bytes) -> None:
        # Everything is said at once, before anything is heard: what a hostile server may always do.
        task = self.loop.create_task(checker.check())
        try:
            connection, _peer = await asyncio.wait_for(self.loop.sock_accept(self.listener), 5)
            with connection:
                connection.setblocking(False)
                await self.loop.sock_sendall(connection, octets)
                connection.shutdown(socket.SHUT_WR)
                self._judge(await asyncio.wait_for(task, 5))
        finally:
            task.cancel()
            while True:  # a request that is sent again by a new connection
                try:
                    self.listener.accept()[0].close()
                except BlockingIOError:
                    break

    @staticmethod
    def _judge(result: CheckResult) -> None:
        assert result.detail.isprintable()
        assert len(result.detail) < 400
        assert _HIDDEN not in result.detail


@cache
def _conversations() -> _Conversations:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return _Conversations(asyncio.new_event_loop(), listener, _everybody(listener.getsockname()[1]))


def _converse(octets: bytes) -> None:
    _conversations().hold(octets)


# Lines ---------------------------------------------------------------------------------------------------------------


def _lines(octets: bytes) -> None:
    given = Input(octets)
    longest, said = given.number(), given.octets
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.sendall(said)
        far.close()
        read = _conversations().loop.run_until_complete(_all_lines(Lines(near), longest))
    assert all(len(line) <= longest for line in read)
    parts = re.split(rb"\r?\n", said)
    assert read == parts[: len(read)]


async def _all_lines(lines: Lines, longest: int) -> list[bytes]:
    read: list[bytes] = []
    try:
        while True:
            read.append(await lines.line(longest))
    except LineError:
        return read


TARGETS: Final = (
    Target("dns-reply", _dns),
    Target("smtp-line", _smtp),
    Target("lines", _lines),
    Target("mysql-packet", _mysql),
    Target("postgresql-message", _postgresql, longest=8192),
    Target("ldap-response", _ldap),
    Target("redis-header", _redis),
    Target("agent-line", _agent),
    Target("certificate", _certificate),
    Target("http-answer", _http),
    Target("conversation", _converse),
)
