"""SMTP checks against a real Postfix, against servers that misbehave, and against any octets."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.talks import (
    Serve,
    Server,
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
from vrrpkit.checks._smtp import SMTPChecker
from vrrpkit.checks._smtp_wire import Reply, ReplyLine, SMTPError, decode_line
from vrrpkit.checks._tls import TLS

GREETING = b"220 mail.example.test ESMTP\r\n"
HELLO = b"250-mail.example.test\r\n250-SIZE 100\r\n250 STARTTLS\r\n"
BYE = b"221 2.0.0 Bye\r\n"


def smtp(port: int, **settings: Any) -> SMTPChecker:
    return SMTPChecker(**{"host": "127.0.0.1", "port": port, "helo": "check.example.test", **settings})


def believing() -> TLS:
    return TLS(ca_file=credentials().certificate)


@frozen
class Postfix:
    """The ports of a Postfix that runs, and its log.

    `well` answers; `secure` speaks TLS from the first octet; `patient` is postscreen, with a greeting in two lines;
    `deaf` refuses all clients; `picky` refuses all names; `plain` offers no STARTTLS.
    """

    ports: dict[str, int]
    log: Path
    process: subprocess.Popen[bytes]

    def logs(self, text: str) -> None:
        """Wait until it does."""
        eventually(lambda: text in self.log.read_text(), self.process)


SERVICES = {
    "well": "smtpd",
    "secure": "smtpd -o smtpd_tls_wrappermode=yes",
    "patient": "postscreen",
    "deaf": "smtpd -o smtpd_client_restrictions=reject -o smtpd_delay_reject=no",
    "picky": "smtpd -o smtpd_helo_restrictions=reject -o smtpd_delay_reject=no",
    "plain": "smtpd -o smtpd_discard_ehlo_keywords=starttls",
}
INNER_SERVICES = """\
smtpd pass - - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
postlog unix-dgram n - n - 1 postlogd
"""
SETTINGS = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
myhostname = mail.example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:none
maillog_file_prefixes = {home}
maillog_file = {home}/log
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
postscreen_cache_map =
postscreen_access_list =
postscreen_greet_wait = 1s
postscreen_greet_action = enforce
"""


@contextmanager
def running(ports: dict[str, int]) -> Iterator[Postfix]:
    master = Path("/usr/lib/postfix/sbin/master")
    require(master.exists(), "needs postfix")
    require(os.geteuid() == 0, "needs root")
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)  # it does not stay root
        configure(home, ports)
        command = [str(master), "-c", str(home / "etc"), "-d"]
        with subprocess.Popen(command, start_new_session=True) as process:
            try:
                eventually(lambda: all(map(accepts, ports.values())), process)
                yield Postfix(ports, home / "log", process)
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running({service: free_port() for service in SERVICES}) as made:
        yield made


def configure(home: Path, ports: dict[str, int]) -> None:
    lines = [
        f"127.0.0.1:{ports[name]} inet n - n - 1 {program}\n" for name, program in SERVICES.items() if name in ports
    ]
    (home / "etc").mkdir()
    (home / "etc" / "master.cf").write_text("".join(lines) + INNER_SERVICES)
    settings = SETTINGS.format(home=home, certificate=credentials().certificate, key=credentials().key)
    (home / "etc" / "main.cf").write_text(settings)
    for directory in ("data", "queue/pid", "queue/private", "queue/public", "queue/maildrop"):
        (home / directory).mkdir(parents=True)
        shutil.chown(home / directory, "postfix")
    shutil.chown(home / "queue" / "pid", "root")


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_postfix_that_answers_is_well_and_hears_a_goodbye(postfix: Postfix, loop: str) -> None:
    name = f"{loop}.example.test"
    assert told(smtp(postfix.ports["well"], helo=name), loop) == well("250 mail.example.test")
    postfix.logs("ehlo=1 quit=1 commands=2")


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_a_postfix_speaks_tls_after_starttls_and_at_once(postfix: Postfix, loop: str) -> None:
    for name in ("127.0.0.1", "service.example.test"):
        tls = TLS(ca_file=credentials().certificate, server_name=name)
        assert told(smtp(postfix.ports["well"], tls=tls), loop) == well("250 mail.example.test")
        assert told(smtp(postfix.ports["secure"], tls=tls, implicit=True), loop) == well("250 mail.example.test")
    postfix.logs("ehlo=2 starttls=1 quit=1 commands=4")


@pytest.mark.kernel
def test_a_postfix_is_well_from_its_start_to_its_end() -> None:
    ports = {"well": free_port()}
    checker = smtp(ports["well"])
    assert told(checker) == failed("Connection refused")
    with running(ports):
        assert told(checker) == well("250 mail.example.test")
    eventually(lambda: not accepts(ports["well"]))  # the last of its programs have ended
    assert told(checker) == failed("Connection refused")


@pytest.mark.kernel
@pytest.mark.parametrize("service", ["well", "secure"])
def test_a_certificate_that_is_not_believed_is_a_failure(postfix: Postfix, service: str) -> None:
    asked: dict[str, Any] = {"port": postfix.ports[service], "implicit": service == "secure"}
    assert told(smtp(**asked, tls=TLS())) == failed("TLS: self-signed certificate")
    postfix.logs("SSL alert number 48")  # unknown authority: the server is told why
    other = TLS(ca_file=credentials().certificate, server_name="other.example.test")
    detail = "TLS: Hostname mismatch, certificate is not valid for 'other.example.test'."
    assert told(smtp(**asked, tls=other)) == failed(detail)
    assert told(smtp(**asked, tls=TLS(verify=False))) == well("250 mail.example.test")


@pytest.mark.kernel
def test_a_greeting_in_several_lines_is_well_unlike_in_keepalived(postfix: Postfix) -> None:
    assert told(smtp(postfix.ports["patient"])) == well("250 mail.example.test")


@pytest.mark.kernel
def test_a_postfix_that_refuses_has_failed_unless_that_is_expected(postfix: Postfix) -> None:
    picky, deaf = (smtp(postfix.ports[name]) for name in ("picky", "deaf"))
    assert told(picky) == failed("554 5.7.1 <check.example.test>: Helo command rejected: Access denied")
    assert told(deaf) == failed("554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied")
    assert told(smtp(postfix.ports["picky"], expect=[250, 554])).ok
    assert told(smtp(postfix.ports["deaf"], expect=554)).ok


@pytest.mark.kernel
def test_tls_that_a_postfix_does_not_offer_is_a_failure(postfix: Postfix) -> None:
    asked = smtp(postfix.ports["plain"], tls=believing())
    assert told(asked) == failed("the server does not offer STARTTLS")
    at_once = told(smtp(postfix.ports["plain"], tls=believing(), implicit=True))
    assert not at_once.ok
    assert at_once.detail.startswith("TLS: ")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_knows_helo_only_is_well(loop: str) -> None:
    answers = (GREETING, b"502 5.5.1 what?\r\n", b"250 hello\n", BYE)
    with server(says(*answers)) as peer:
        assert told(smtp(peer.port), loop) == well("250 hello")
    assert bytes(peer.heard) == b"EHLO check.example.test\r\nHELO check.example.test\r\nQUIT\r\n"


def test_a_server_that_knows_neither_has_failed() -> None:
    with server(says(GREETING, b"500 what?\r\n", b"500 what?\r\n", BYE)) as peer:
        assert told(smtp(peer.port)) == failed("500 what?")


def test_a_server_may_be_expected_not_to_know() -> None:
    with server(says(GREETING, b"500 what?\r\n", BYE)) as peer:
        assert told(smtp(peer.port, expect={500})) == well("500 what?")


def test_a_server_that_recovers_is_well_again() -> None:
    with server(in_turn(says(b"421 too busy\r\n", BYE), says(GREETING, HELLO, BYE)), connections=2) as peer:
        checker = smtp(peer.port)
        assert [told(checker), told(checker)] == [failed("421 too busy"), well("250 mail.example.test")]


def test_a_server_that_does_not_say_goodbye_is_well_within_the_time_for_that() -> None:
    with server(says(GREETING, HELLO)) as peer:
        assert told(smtp(peer.port)) == well("250 mail.example.test")


def test_a_port_that_nobody_listens_to_has_failed() -> None:
    assert told(smtp(free_port())) == failed("Connection refused")


SICK: dict[str, tuple[Serve, str]] = {
    "reset": (reset, "Connection reset by peer"),
    "nothing": (hangs_up_after(b""), "the server closed the connection"),
    "half a greeting": (hangs_up_after(b"220 mail.exa"), "the server closed the connection"),
    "half a reply": (hangs_up_after(GREETING, b"250-mail\r\n"), "the server closed the connection"),
    "another protocol": (says(b"SSH-2.0-\x1b[31mOpenSSH\r\n"), "this is not SMTP: SSH-2.0-?[31mOpenSSH"),
    "no blank": (says(b"2200 mail\r\n"), "this is not SMTP: 2200 mail"),
    "a code of four hundred kinds": (says(b"199 mail\r\n"), "this is not SMTP: 199 mail"),
    "an endless line": (endless(b"220 " * 1000), "a line of more than 2048 octets"),
    "an endless reply": (endless(b"220-mail\r\n" * 100), "a reply of more than 100 lines"),
    "an endless line, slowly": (slowly(b"2" * 3000), "a line of more than 2048 octets"),
    "a greeting, slowly, that is none": (slowly(b"+OK POP3 ready\r\n"), "this is not SMTP: +OK POP3 ready"),
    "a busy one": (says(b"421-4.3.2 too\r\n421 busy\r\n", BYE), "421 4.3.2 too"),
    "a code alone": (says(b"554\r\n", BYE), "554"),
    "a long text": (says(b"554 " + b"x" * 300 + b"\r\n", BYE), "554 " + "x" * 113 + "..."),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("sickness", SICK)
def test_what_is_no_answer_is_a_failure_in_words(sickness: str, loop: str) -> None:
    serve, detail = SICK[sickness]
    with server(serve) as peer:
        assert told(smtp(peer.port), loop) == failed(detail)


SICK_TLS: dict[str, tuple[Serve, str]] = {
    "not offered": (says(GREETING, b"250 mail\r\n", BYE), "the server does not offer STARTTLS"),
    "refused": (says(GREETING, HELLO, b"454 no\r\n", BYE), "the server refuses STARTTLS: 454 no"),
    "something slipped in": (
        says(GREETING, HELLO, b"220 go\r\n250 STARTTLS\r\n"),
        "the server says more than it was asked for before TLS begins",
    ),
    "not TLS": (says(GREETING, HELLO, b"220 go\r\n", b"500 what?\r\n"), "TLS: wrong version number"),
    "gone": (hangs_up_after(GREETING, HELLO, b"220 go\r\n"), "the server closed the connection"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("sickness", SICK_TLS)
def test_what_is_no_starttls_is_a_failure_in_words(sickness: str, loop: str) -> None:
    serve, detail = SICK_TLS[sickness]
    with server(serve) as peer:
        assert told(smtp(peer.port, tls=believing(), expect=[250, 454]), loop) == failed(detail)


def test_what_is_said_by_tls_is_bounded_too() -> None:
    with server(credentials().served(endless(b"220 " * 1000))) as peer:
        checker = smtp(peer.port, tls=believing(), implicit=True)
        assert told(checker) == failed("a line of more than 2048 octets")


def test_a_server_that_closes_by_tls_has_closed() -> None:
    def says_goodbye(connection: socket.socket, _made: Server) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        with suppress(OSError):
            connection.unwrap()

    for serve in (hangs_up_after(b"220 ma"), says_goodbye):
        with server(credentials().served(serve)) as peer:
            checker = smtp(peer.port, tls=believing(), implicit=True)
            assert told(checker) == failed("the server closed the connection")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "serve",
    [silence, says(GREETING), says(GREETING, HELLO, b"220 go\r\n"), says(GREETING, b"250-mail\r\n")],
    ids=["silent", "silent after the greeting", "silent after STARTTLS", "silent in the middle"],
)
def test_the_caller_bounds_a_server_that_stays_silent(serve: Serve, loop: str) -> None:
    with server(serve) as peer:
        giving_up(smtp(peer.port, tls=believing()), loop)


def test_it_says_the_name_of_the_machine() -> None:
    assert SMTPChecker(host="127.0.0.1").helo == socket.gethostname()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": ""}, "host must be an IPv4 or IPv6 address or a host name, got ''"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"helo": "a b"}, "helo must be a host name, or an address in brackets, got 'a b'"),
        ({"helo": "a\r\nQUIT"}, "helo must be a host name, or an address in brackets, got 'a\\r\\nQUIT'"),
        ({"expect": []}, "expect must be reply codes of 200-599, got none"),
        ({"expect": 199}, "expect must be reply codes of 200-599, got 199"),
        ({"implicit": True}, "implicit needs tls"),
        ({"implicit": 1}, "implicit must be True or False, got 1"),
        ({"tls": TLS(ca_file="/no/such/file")}, "ca_file /no/such/file cannot be read: No such file or directory"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        SMTPChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (b"220 mail ready", ReplyLine(220, True, "mail ready")),
        (b"250-SIZE", ReplyLine(250, False, "SIZE")),
        (b"554", ReplyLine(554, True, "")),
        (b"421 \xff", ReplyLine(421, True, "\\xff")),
    ],
)
def test_a_line_is_read_like_this(octets: bytes, line: ReplyLine) -> None:
    assert decode_line(octets) == line


def test_what_a_server_can_do_is_in_the_lines_after_the_first() -> None:
    assert Reply(250, ("starttls", "Size 100", "", " ", "auth PLAIN")).keywords == {"SIZE", "AUTH"}


@given(st.binary(max_size=100) | st.from_regex(rb"[0-9]{3}[ -].*", fullmatch=True))
def test_any_octets_are_a_line_or_an_error(octets: bytes) -> None:
    with suppress(SMTPError):
        assert 200 <= decode_line(octets).code <= 599
