"""Redis checks against a real Redis, against servers that misbehave, and against any octets."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.talks import (
    Serve,
    accepts,
    credentials,
    endless,
    eventually,
    failed,
    free_port,
    giving_up,
    hangs_up_after,
    in_turn,
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
from vrrpkit.checks._redis import RedisChecker
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

PHRASE = "correct horse battery staple"
UMLAUT = "ö"


def redis(port: int, **settings: Any) -> RedisChecker:
    return RedisChecker(host="127.0.0.1", port=port, **settings)


@frozen
class Redis:
    port: int
    process: subprocess.Popen[bytes]

    def cli(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), "--no-auth-warning", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=15).stdout.strip()


@contextmanager
def serving(*options: str, home: Path | None = None, port: int | None = None, tls: bool = False) -> Iterator[Redis]:
    """A Redis with these options."""
    require(shutil.which("redis-server"), "needs redis-server")
    with ExitStack() as stack:
        home = home or Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        port = port or free_port()
        ports = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
        command = ["redis-server", *ports, "--bind", "127.0.0.1", "--dir", str(home), "--save", "", *options]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        try:
            eventually(lambda: accepts(port), process)
            yield Redis(port, process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def master() -> Iterator[Redis]:
    with serving("--repl-diskless-sync-delay", "0") as made:
        yield made


@pytest.mark.parametrize("loop", LOOPS)
def test_a_redis_that_answers_is_well(master: Redis, loop: str) -> None:
    assert told(redis(master.port), loop) == well("PONG")
    assert told(redis(master.port, role="master"), loop) == well("PONG from a master")
    assert told(redis(master.port, role="replica"), loop) == failed("PONG from a master, not a replica")


def test_a_replica_tells_of_its_master(master: Redis) -> None:
    with serving("--replicaof", f"127.0.0.1 {master.port}") as replica:
        eventually(lambda: "connected" in replica.cli("role").split(), replica.process)
        shown = f"PONG from a replica of 127.0.0.1 port {master.port}, connected"
        assert told(redis(replica.port)) == well("PONG")
        assert told(redis(replica.port, role="replica")) == well(shown)
        assert told(redis(replica.port, role="master")) == failed(f"{shown}, not a master")
        assert told(redis(master.port, role="master")) == well("PONG from a master")
        replica.cli("replicaof", "no", "one")
        assert told(redis(replica.port, role="master")) == well("PONG from a master")


def test_a_replica_without_its_master_is_still_one_unless_it_is_told_to_serve_nothing() -> None:
    gone = free_port()
    with serving("--replicaof", f"127.0.0.1 {gone}") as replica:
        eventually(lambda: "connect" in replica.cli("role").split(), replica.process)
        shown = f"PONG from a replica of 127.0.0.1 port {gone}, connect"
        assert told(redis(replica.port, role="replica")) == well(shown)
        replica.cli("config", "set", "replica-serve-stale-data", "no")
        detail = "PING: MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
        assert told(redis(replica.port, role="replica")) == failed(detail)


def test_a_password_is_given_and_never_shown() -> None:
    with serving("--requirepass", PHRASE) as locked:
        locked.cli("-a", PHRASE, "acl", "setuser", "check", "on", f">{PHRASE}", "+ping")
        assert told(redis(locked.port, password=PHRASE, role="master")) == well("PONG from a master")
        assert told(redis(locked.port, user="check", password=PHRASE)) == well("PONG")
        assert told(redis(locked.port)) == failed("PING: NOAUTH Authentication required.")
        detail = "AUTH: WRONGPASS invalid username-password pair or user is disabled."
        assert told(redis(locked.port, password=PHRASE[1:])) == failed(detail)
        assert told(redis(locked.port, user="nobody", password=PHRASE)) == failed(detail)
        result = told(redis(locked.port, user="check", password=PHRASE, role="master"))
        assert not result.ok
        assert result.detail.startswith("ROLE: NOPERM ")


def test_a_password_that_nobody_wants_is_a_failure(master: Redis) -> None:
    result = told(redis(master.port, password=PHRASE))
    assert not result.ok
    assert result.detail.startswith("AUTH: ERR AUTH <password> called without any password configured")


def test_an_error_that_quotes_the_password_is_not_shown() -> None:
    with serving("--rename-command", "AUTH", "") as odd:
        for password in (PHRASE, PHRASE * 10, "x"):
            assert told(redis(odd.port, password=password)) == failed("an answer that quotes the password")
    assert PHRASE not in repr(redis(1, user="me", password=PHRASE))


def test_a_redis_that_reads_its_data_is_not_well_yet() -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as home, ExitStack() as stack:
        with serving(home=Path(home)) as first:
            first.cli("eval", "for i = 1, 1000 do redis.call('set', i, i) end", "0")
            first.cli("save")
        slow = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]
        second = stack.enter_context(serving(*slow, home=Path(home), port=first.port))
        checker = redis(second.port, role="master")
        assert told(checker) == failed("PING: LOADING Redis is loading the dataset in memory")
        eventually(lambda: told(checker).ok, second.process)


def test_a_redis_with_too_many_clients_has_failed_until_one_leaves() -> None:
    with serving("--maxclients", "1") as full:
        checker = redis(full.port, password=None)
        with subprocess.Popen(["redis-cli", "-p", str(full.port), "subscribe", "x"], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert told(checker) == failed("PING: ERR max number of clients reached")
            other.terminate()
        eventually(lambda: told(checker).ok, full.process)


def test_a_redis_that_has_stopped_is_bounded_by_the_caller_and_recovers(master: Redis) -> None:
    checker = redis(master.port)
    master.process.send_signal(signal.SIGSTOP)
    try:
        giving_up(checker)
    finally:
        master.process.send_signal(signal.SIGCONT)
    assert told(checker) == well("PONG")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_redis_speaks_tls(loop: str) -> None:
    made = credentials()
    options = ["--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key), "--tls-auth-clients", "no"]
    with serving(*options, "--tls-ca-cert-file", str(made.certificate), tls=True) as secure:
        tls = TLS(ca_file=made.certificate)
        assert told(redis(secure.port, tls=tls, role="master"), loop) == well("PONG from a master")
        assert told(redis(secure.port, tls=TLS()), loop) == failed("TLS: self-signed certificate")
        assert told(redis(secure.port), loop).ok is False
        assert told(redis(secure.port, tls=TLS(verify=False)), loop) == well("PONG")


def test_a_redis_that_wants_a_certificate_has_one_shown() -> None:
    made = credentials()
    options = ["--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key)]
    with serving(*options, "--tls-ca-cert-file", str(made.certificate), tls=True) as secure:
        ours = TLS(ca_file=made.certificate, certificate=made.certificate, key=made.key)
        assert told(redis(secure.port, tls=ours)) == well("PONG")
        result = told(redis(secure.port, tls=TLS(ca_file=made.certificate)))
        assert not result.ok
        assert "TLS: " in result.detail or result.detail == "Connection reset by peer"


def test_the_caller_bounds_a_redis_that_waits_for_the_end_of_what_is_tls(master: Redis) -> None:
    giving_up(redis(master.port, tls=TLS(verify=False)))


def test_a_port_that_nobody_listens_to_has_failed() -> None:
    assert told(redis(free_port())) == failed("Connection refused")


def test_these_octets_are_sent() -> None:
    with server(says(b"", b"+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n")) as peer:
        assert told(redis(peer.port, user="me", password=UMLAUT, role="master")) == well("PONG from a master")
    auth = b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\n\xc3\xb6\r\n"
    assert bytes(peer.heard) == auth + b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n"


def test_a_server_that_recovers_is_well_again() -> None:
    with server(in_turn(says(b"-LOADING wait\r\n"), says(b"+PONG\r\n")), connections=2) as peer:
        checker = redis(peer.port)
        assert [told(checker), told(checker)] == [failed("PING: LOADING wait"), well("PONG")]


PONG = b"+PONG\r\n"
SICK: dict[str, tuple[Serve, str]] = {
    "reset": (reset, "Connection reset by peer"),
    "nothing": (hangs_up_after(b"", b""), "the server closed the connection"),
    "half a word": (hangs_up_after(b"", b"+PO"), "the server closed the connection"),
    "half a reply": (hangs_up_after(b"", PONG + b"*3\r\n$6\r\nmas"), "the server closed the connection"),
    "another protocol": (
        says(b"", b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"),
        "this is not Redis: HTTP/1.1 400 Bad Request",
    ),
    "a mailbox": (says(b"+OK POP3 ready\r\n"), "PING was answered with OK POP3 ready"),
    "a number": (says(b":1\r\n"), "PING was answered with (integer)"),
    "no number": (says(b":one\r\n"), "this is not Redis: one"),
    "an echo": (says(b"*1\r\n$4\r\nPING\r\n"), "PING was answered with (array)"),
    "an endless line": (endless(b"+PONG" * 1000), "a line of more than 4096 octets"),
    "an endless line, slowly": (slowly(b"+" * 5000), "a line of more than 4096 octets"),
    "an endless text": (says(PONG + b"*3\r\n$513\r\n"), "a text of 513 octets"),
    "a text of no length": (says(PONG + b"*3\r\n$-2\r\n"), "a text of -2 octets"),
    "no role": (says(PONG + b"*0\r\n"), "ROLE was answered with (array)"),
    "no array": (says(PONG + b"*-1\r\n"), "ROLE was answered with (array)"),
    "no text": (says(PONG + b"*3\r\n$-1\r\n"), "ROLE was answered with (text)"),
    "a role of its own": (says(PONG + b"*1\r\n+\x1b[1mking\r\n"), "PONG from a ?[1mking, not a master"),
    "a sentinel": (says(PONG + b"*2\r\n$8\r\nsentinel\r\n*0\r\n"), "PONG from a sentinel, not a master"),
    "a replica of few words": (says(PONG + b"*1\r\n$5\r\nslave\r\n"), "PONG from a replica, not a master"),
    "a replica, slowly": (
        slowly(PONG + b"*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:6379\r\n$4\r\nsync\r\n:-1\r\n"),
        "PONG from a replica of h port 6379, sync, not a master",
    ),
    "an error instead of a role": (says(PONG + b"-ERR unknown command\r\n"), "ROLE: ERR unknown command"),
    "an error in a role": (says(PONG + b"*1\r\n-ERR no\r\n"), "ROLE was answered with (refusal)"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("sickness", SICK)
def test_what_is_no_answer_is_a_failure_in_words(sickness: str, loop: str) -> None:
    serve, detail = SICK[sickness]
    with server(serve) as peer:
        assert told(redis(peer.port, role="master"), loop) == failed(detail)


def test_the_replicas_of_a_master_need_not_be_read() -> None:
    with server(says(PONG + b"*3\r\n$6\r\nmaster\r\n:1\r\n*1000000\r\n" + b"$1\r\nx\r\n" * 100_000)) as peer:
        assert told(redis(peer.port, role="master")) == well("PONG from a master")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [None, TLS(verify=False)], ids=["plain", "TLS"])
def test_the_caller_bounds_a_server_that_stays_silent(tls: TLS | None, loop: str) -> None:
    with server(silence) as peer:
        giving_up(redis(peer.port, tls=tls), loop)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "a b"}, "host must be an IPv4 or IPv6 address or a host name, got 'a b'"),
        ({"port": 65536}, "port must be 1-65535, got 65536"),
        ({"user": "me"}, "user needs a password"),
        ({"user": 7, "password": ""}, "user must be a text"),
        ({"password": b"secret"}, "password must be a text"),
        ({"role": "king"}, "role must be 'master', 'replica' or None, got 'king'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        RedisChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"+PONG", Status("PONG")),
        (b"+", Status("")),
        (b"-ERR \xff", Refusal("ERR \\xff")),
        (b":-12", Integer(-12)),
        (b"$0", Text(0)),
        (b"$-1", Text(None)),
        (b"*3", Array(3)),
        (b"*-1", Array(None)),
    ],
)
def test_the_beginning_of_a_reply_is_read_like_this(line: bytes, header: ReplyHeader) -> None:
    assert decode_header(line) == header


@given(st.binary(max_size=100) | st.from_regex(rb"[+:$*-]-?[0-9]+", fullmatch=True))
def test_any_octets_begin_a_reply_or_are_an_error(line: bytes) -> None:
    with suppress(RedisError):
        decode_header(line)


@given(st.lists(st.text(), min_size=1))
def test_any_words_are_a_command_that_can_be_read_back(words: list[str]) -> None:
    count, rest = encode_command(*words).split(b"\r\n", 1)
    assert decode_header(count) == Array(len(words))
    for word in map(str.encode, words):
        length, rest = rest.split(b"\r\n", 1)
        assert length == b"$%d" % len(word)
        assert rest[: len(word) + 2] == word + b"\r\n"
        rest = rest[len(word) + 2 :]
    assert rest == b""
