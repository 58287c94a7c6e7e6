"""Agent checks against agents that say all sorts of things, and against HAProxy's own reading of them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.talks import (
    Server,
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
from vrrpkit.checks._agent import AgentChecker
from vrrpkit.checks._agent_wire import AgentReport, decode_report
from vrrpkit.checks._base import CheckResult


def agent(port: int, **settings: Any) -> AgentChecker:
    return AgentChecker(host="127.0.0.1", port=port, **settings)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b"up\n", well("up")),
        (b"ready\r\n", well("ready")),
        (b"up\rdown\n", well("up")),
        (b"75%\n", well("75%", weight=75)),
        (b"0%\n", well("0%", weight=0)),
        (b"50%, 20%\n", well("50%, 20%", weight=20)),
        (b"900000%\n", well("900000%", weight=65535)),
        (b"drain 75%\n", well("drain 75%", weight=0)),
        (b"ready,up\t75%\n", well("ready,up 75%", weight=75)),
        (b"maxconn:30\n", well("maxconn:30")),
        (b"UP 33% whatever\n", well("UP 33% whatever", weight=33)),
        (b"down #disk is full\n", failed("down #disk is full")),
        (b"fail#at once\n", failed("fail#at once")),
        (b"failed\n", failed("failed")),
        (b"stopped 75%\n", failed("stopped 75%")),
        (b"maint up\n", failed("maint up")),
        (b"up # not down at all\n", well("up # not down at all")),
        (b"down #\x1b[31m\xff\n", failed("down #?[31m\\xff")),
        (b"\n", failed("this is no word of an agent: nothing")),
        (b"75\n", failed("this is no word of an agent: 75")),
        (b"# down\n", failed("this is no word of an agent: # down")),
        (b"220 mail.example ESMTP\r\n", failed("this is no word of an agent: 220 mail.example ESMTP")),
    ],
)
def test_the_line_says_how_it_is(line: bytes, result: CheckResult, loop: str) -> None:
    with server(says(line)) as peer:
        assert told(agent(peer.port), loop) == result


@pytest.mark.parametrize(
    ("base", "line", "weight"),
    [
        (256, b"50%\n", 128),
        (3, b"50%\n", 2),
        (1, b"1%\n", 1),
        (10, b"0%\n", 0),
        (0, b"50%\n", 0),
        (65535, b"200%\n", 65535),
    ],
)
def test_a_percentage_is_of_the_base_weight_and_rounded_up(base: int, line: bytes, weight: int) -> None:
    with server(says(line)) as peer:
        assert told(agent(peer.port, base_weight=base)).weight == weight


def test_what_is_to_be_sent_is_sent_first() -> None:
    with server(says(b"", b"up\n")) as peer:
        assert told(agent(peer.port, send=b"app1\n")) == well("up")
    assert bytes(peer.heard) == b"app1\n"


def test_an_agent_that_recovers_is_well_again() -> None:
    with server(in_turn(says(b"down\n"), says(b"up\n")), connections=2) as peer:
        checker = agent(peer.port)
        assert [told(checker), told(checker)] == [failed("down"), well("up")]


SICK = {
    "reset": (reset, "Connection reset by peer"),
    "nothing": (hangs_up_after(b""), "the server closed the connection"),
    "half a line": (hangs_up_after(b"75% dow"), "the server closed the connection"),
    "endless": (endless(b"x" * 1000), "a line of more than 4096 octets"),
    "too long a line": (says(b"up #" + b"x" * 4093 + b"\n"), "a line of more than 4096 octets"),
    "endless and slow": (slowly(b"x" * 5000), "a line of more than 4096 octets"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("sickness", SICK)
def test_an_agent_without_a_word_has_failed(sickness: str, loop: str) -> None:
    serve, detail = SICK[sickness]
    with server(serve) as peer:
        assert told(agent(peer.port), loop) == failed(detail)


@pytest.mark.parametrize("sickness", SICK)
def test_an_agent_without_a_word_is_passed_over_if_it_is_not_required(sickness: str) -> None:
    serve, detail = SICK[sickness]
    with server(serve) as peer:
        assert told(agent(peer.port, required=False, quiet=60)) == well(f"passed over: {detail}")


def test_an_agent_that_is_not_there_has_failed_if_it_is_required() -> None:
    port = free_port()
    assert told(agent(port)) == failed("Connection refused")
    assert told(agent(port, required=False)) == well("passed over: Connection refused")


@pytest.mark.parametrize("loop", LOOPS)
def test_silence_is_bounded_by_the_caller_if_the_agent_is_required(loop: str) -> None:
    with server(silence, connections=2) as peer:
        giving_up(agent(peer.port), loop)
        result = told(agent(peer.port, required=False, quiet=0.1), loop)
    assert result == well("passed over: no word in 0.1 s")


def test_an_agent_that_is_not_required_still_takes_its_server_down() -> None:
    with server(says(b"down\n")) as peer:
        assert told(agent(peer.port, required=False)) == failed("down")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "no host"}, "host must be an IPv4 or IPv6 address or a host name, got 'no host'"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"send": "text"}, "send must be 0-1024 octets, got 'text'"),
        ({"send": bytes(1025)}, "send must be 0-1024 octets"),
        ({"base_weight": 65536}, "base_weight must be 0-65535, got 65536"),
        ({"required": 1}, "required must be True or False, got 1"),
        ({"quiet": 0}, "quiet must be 0.01-3600 seconds, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        AgentChecker(**{"host": "127.0.0.1", "port": 9, **settings})
    assert str(refusal.value).startswith(text)


def test_a_line_is_read_like_this() -> None:
    assert decode_report(b"Drain, 75%\tdown stopped maxconn:3 #ready") == AgentReport("stopped", "drain", 75, True)
    assert decode_report(b"some words") == AgentReport(None, None, None, False)


@given(st.binary(max_size=300) | st.text("updownreaimt%#,:0123456789 \t", max_size=60).map(str.encode))
def test_any_octets_are_a_report(octets: bytes) -> None:
    report = decode_report(octets)
    weight = report.weight(65535, 65535)
    assert weight is None or (report.ok and 0 <= weight <= 65535)


HAPROXY = """\
global
    stats socket {home}/stats level admin
defaults
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen all
    bind 127.0.0.1:{front}
    server one 127.0.0.1:{front} weight 100 agent-check agent-port {port} agent-inter 50ms
"""


@contextmanager
def steady(line: bytes) -> Iterator[Server]:
    """An agent that says this to all who come, and counts them by dots in what it has heard."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Server(int(listener.getsockname()[1]))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _peer = listener.accept()
                    with connection, suppress(OSError):
                        connection.sendall(line)
                    made.heard += b"."

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def stats(path: Path) -> dict[str, str]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(b"show stat -1 4 -1\n")
        said = b""
        while more := sock.recv(65536):
            said += more
    names, values, *_rest = said.decode().removeprefix("# ").splitlines()
    return dict(zip(names.split(","), values.split(","), strict=False))


@pytest.mark.parametrize(
    ("line", "ok", "weight", "status", "its_weight"),
    [
        (b"up 75%\n", True, 75, "no check", "75"),
        (b"75%, 20%\r\n", True, 20, "no check", "20"),
        (b"ready\tup\n", True, None, "no check", "100"),
        (b"maxconn:30\n", True, None, "no check", "100"),
        (b"0%\n", True, 0, "no check", "0"),
        (b"drain 50% up\n", True, 0, "DRAIN (agent)", "50"),
        (b"down #why\n", False, None, "DOWN (agent)", "100"),
        (b"UP,STOPPED\n", False, None, "DOWN (agent)", "100"),
        (b"fail 40%\n", False, None, "DOWN (agent)", "40"),
        (b"maint up 75%\n", False, None, "MAINT", "100"),
    ],
)
def test_haproxy_understands_the_same(
    tmp_path: Path, line: bytes, ok: bool, weight: int | None, status: str, its_weight: str
) -> None:
    require(shutil.which("haproxy"), "needs haproxy")
    with steady(line) as peer:
        found = told(agent(peer.port))
        (tmp_path / "cfg").write_text(HAPROXY.format(home=tmp_path, front=free_port(), port=peer.port))
        with subprocess.Popen(["haproxy", "-db", "-q", "-f", str(tmp_path / "cfg")]) as process:
            try:
                eventually(lambda: len(peer.heard) > 3, process)  # so HAProxy has judged two answers
                seen = stats(tmp_path / "stats")
            finally:
                process.terminate()
    assert (found.ok, found.weight) == (ok, weight)
    assert (seen["status"], seen["weight"]) == (status, its_weight)
