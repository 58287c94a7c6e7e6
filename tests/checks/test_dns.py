"""DNS checks against a real BIND, against servers that misbehave, and against any octets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.linux.support import LOOPS, eventually, run
from tests.support.requirements import require
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult
from vrrpkit.checks._dns import DNSChecker
from vrrpkit.checks._dns_wire import DNSError, Record, Reply, decode_reply, encode_query, type_code

ZONE = """\
$TTL 60
@ IN SOA ns admin 1 2 3 4 5
@ IN NS ns
ns IN A 192.0.2.1
www IN A 192.0.2.10
www IN A 192.0.2.11
www IN AAAA 2001:db8::10
@ IN MX 10 mail
mail IN A 192.0.2.20
txt IN TXT "v=spf1 -all" "two"
alias IN CNAME www
_sip._tcp IN SRV 1 2 5060 www
"""
MANY = "".join(f"big IN A 10.1.1.{number}\n" for number in range(1, 91))


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A BIND that serves `example.test`; its port."""
    require(shutil.which("named"), "needs named (bind9)")
    home = tmp_path_factory.mktemp("bind")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (home / "zone").write_text(ZONE + MANY)
    (home / "named.conf").write_text(
        f'options {{ directory "{home}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'recursion no; pid-file "{home}/pid"; session-keyfile "{home}/key"; }};\ncontrols {{ }};\n'
        f'zone "example.test" {{ type master; file "{home}/zone"; }};\n'
    )
    command = ["named", "-g", "-c", str(home / "named.conf"), "-n", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if line.rstrip().endswith("running"):
                break
        drain = threading.Thread(target=server.stderr.read)
        drain.start()
        yield port
        server.terminate()
        drain.join()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def told(loop: str = "asyncio", **settings: Any) -> CheckResult:
    """What one check finds, but for the time it took."""

    async def ask() -> CheckResult:
        before = descriptors()
        async with asyncio.timeout(5):
            result = await DNSChecker(host="127.0.0.1", **settings).check()
        await eventually(
            lambda: descriptors() <= before, "nothing is left open, not by the server in this process either"
        )
        return evolve(result, elapsed=0.0)

    return run(ask(), loop)


def well(detail: str) -> CheckResult:
    return CheckResult(ok=True, detail=detail)


def failed(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tcp", [False, True])
def test_a_server_that_answers_is_well(bind: int, loop: str, tcp: bool) -> None:
    assert told(loop, port=bind, name="www.example.test", type="A", tcp=tcp) == well("NOERROR, 2 answers")


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("www.example.test", "A", "192.0.2.11"),
        ("www.example.test.", "aaaa", "2001:db8::10"),
        ("example.test", "NS", "ns.example.test"),
        ("example.test", "SOA", "ns.example.test admin.example.test 1 2 3 4 5"),
        ("example.test", "MX", "10 mail.example.test."),
        ("txt.example.test", "TXT", '"v=spf1 -all" "two"'),
        ("alias.example.test", "CNAME", "WWW.example.test"),
        ("_sip._tcp.example.test", "SRV", "1 2 5060 www.example.test"),
        ("alias.example.test", "A", "192.0.2.10"),
    ],
)
def test_answers_are_compared_as_dig_shows_them(bind: int, name: str, kind: str, answer: str) -> None:
    assert told(port=bind, name=name, type=kind, answers=[answer]).ok


def test_an_answer_that_is_missing_is_named(bind: int) -> None:
    answers = ["192.0.2.10", "192.0.2.99"]
    assert told(port=bind, name="www.example.test", type="A", answers=answers) == failed("NOERROR, without 192.0.2.99")


def test_a_response_code_can_be_what_is_wanted(bind: int) -> None:
    asked: dict[str, Any] = {"port": bind, "name": "nobody.example.test", "type": "A"}
    assert told(**asked) == failed("NXDOMAIN")
    assert told(**asked, rcode="nxdomain") == well("NXDOMAIN, 0 answers")
    assert told(port=bind, name="example.org", type="A") == failed("REFUSED")


def test_a_truncated_answer_is_asked_for_again_by_tcp_when_it_matters(bind: int) -> None:
    asked: dict[str, Any] = {"port": bind, "name": "big.example.test", "type": "A"}
    assert told(**asked).ok
    assert told(**asked, least=90) == well("NOERROR, 90 answers")
    assert told(**asked, least=91) == failed("NOERROR, with 90 of at least 91 answers")


def test_a_port_that_nobody_listens_to_is_told_by_icmp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    assert told(port=port) == failed("Connection refused")


@contextmanager
def by_tcp(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server that answers one connection with whatever it likes, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.sendall(answer(connection.recv(512)))

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join()


SICK: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _query: b"", "the server closed the connection"),
    "half a length": (lambda _query: b"\0", "the server closed the connection"),
    "half a message": (lambda _query: b"\xff\xff" + b"x" * 100, "the server closed the connection"),
    "another protocol": (lambda _query: b"\0\x04HTTP", "not a DNS message"),
    "an echo": (lambda query: query, "a question, not a reply"),
    "no record": (
        lambda query: b"\0\x0c" + query[2:4] + b"\x80\0" + bytes(8),
        "NOERROR, with 0 of at least 1 answers",
    ),
    "another number": (
        lambda query: b"\0\x0c" + bytes([query[2] ^ 1, query[3]]) + b"\x80\0" + bytes(8),
        "an answer to another question",
    ),
}


@pytest.mark.parametrize("sickness", SICK)
def test_what_is_no_answer_is_a_failure_in_words(sickness: str) -> None:
    answer, detail = SICK[sickness]
    with by_tcp(answer) as port:
        assert told(port=port, tcp=True, least=1) == failed(detail)


def test_strange_datagrams_are_passed_over_until_the_answer_comes() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            query, peer = server.recvfrom(512)
            good = query[:2] + b"\x80\0" + query[4:]
            for octets in (b"", b"garbage", query, bytes([good[0] ^ 1]) + good[1:], good):
                server.sendto(octets, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert told(port=int(server.getsockname()[1])) == well("NOERROR, 0 answers")
        thread.join()


def test_the_caller_bounds_a_server_that_stays_silent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        async def scenario() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await DNSChecker(host="127.0.0.1", port=int(server.getsockname()[1])).check()

        run(scenario())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"name": "a..b"}, "name must be a domain name with labels of 1-63 ASCII characters, got 'a..b'"),
        ({"name": "x" * 64}, "name must be a domain name with labels of 1-63 ASCII characters"),
        ({"name": "ü.example"}, "name must be a domain name with labels of 1-63 ASCII characters"),
        ({"name": ".".join(["x" * 49] * 6)}, "name must be a domain name"),
        ({"type": "AAAAA"}, "type must be one of A, NS, CNAME"),
        ({"type": "TYPE65536"}, "type must be one of A, NS, CNAME"),
        (
            {"rcode": "BADNESS"},
            "rcode must be among NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, got BADNESS",
        ),
        ({"rcode": []}, "rcode must be among NOERROR"),
        ({"answers": "192.0.2.1"}, "answers must be a list, got the text '192.0.2.1'"),
        ({"least": -1}, "least must be 0-1000, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        DNSChecker(host="127.0.0.1", **settings)
    assert str(refusal.value).startswith(text)


def test_a_question_is_these_octets() -> None:
    assert encode_query(0x1234, "a.bc.", 28) == bytes.fromhex(
        "1234 0100 0001 0000 0000 0000 01 61 02 6263 00 001c 0001"
    )


def test_an_answer_with_compressed_names_is_read() -> None:
    octets = bytes.fromhex(
        "1234 8180 0001 0001 0000 0000 01 61 02 6263 00 000f 0001 c00c 000f 0001 00000e10 0006 000a 016d c00e"
    )
    assert decode_reply(octets) == Reply(0x1234, False, 0, ("a.bc", 15), (Record("a.bc", 15, "10 m.bc"),))


@pytest.mark.parametrize("pointer", ["c00c", "c00e", "ffff"])
def test_a_name_in_a_circle_is_no_message(pointer: str) -> None:
    with pytest.raises(DNSError):
        decode_reply(
            bytes.fromhex("1234 8180 0001 0000 0000 0000") + bytes.fromhex(pointer) + bytes.fromhex("00010001")
        )


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ("00 0001 0001 00000e10 0005 c0000201", "a record beyond the message's end"),
        ("00 0001 0001 00000e10 0003 c00002", "an address of another length"),
        ("80 0001 0001 00000e10 0000", "a label of an unknown kind"),
        ("00 000f 0001 00000e10 0004 000a 3f 61", "a name without an end"),
    ],
)
def test_a_record_that_cannot_be_is_told(record: str, text: str) -> None:
    with pytest.raises(DNSError, match=text):
        decode_reply(bytes.fromhex("1234 8180 0000 0001 0000 0000") + bytes.fromhex(record))


def test_a_type_may_be_a_number() -> None:
    assert [type_code(name) for name in ("TYPE64", "type65535", "A")] == [64, 65535, 1]


def test_a_record_of_an_unknown_type_is_shown_as_octets() -> None:
    octets = bytes.fromhex("1234 8180 0000 0001 0000 0000 00 0040 0001 00000e10 0002 beef")
    assert decode_reply(octets).answers == (Record("", 64, "beef"),)


@given(st.binary(max_size=600))
def test_any_octets_are_a_reply_or_an_error(octets: bytes) -> None:
    with suppress(DNSError):
        decode_reply(octets)


@given(st.integers(0, 5), st.binary(max_size=300))
def test_any_octets_after_a_good_header_are_a_reply_or_an_error(answers: int, octets: bytes) -> None:
    header = struct.pack("!6H", 1, 0x8180, 1, answers, 0, 0)
    with suppress(DNSError):
        decode_reply(header + octets)
