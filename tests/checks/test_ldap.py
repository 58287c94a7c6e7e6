"""LDAP checks against a real OpenLDAP, against servers that misbehave, and against any octets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.databases import Server, endless_after, programs, started, until
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
from vrrpkit.checks._ldap import LDAPChecker
from vrrpkit.checks._ldap_wire import (
    UNBIND_REQUEST,
    BindResponse,
    LDAPError,
    decode_bind_response,
    encode_bind_request,
    rest_of,
)
from vrrpkit.checks._tls import TLS

ADMIN: Final = "cn=admin,dc=example,dc=test"
SESAME: Final = "open sesame"
BOUND: Final = bytes.fromhex("30 0c 02 01 01 61 07 0a 01 00 04 00 04 00")


def openldap(stack: ExitStack, home: Path, *lines: str) -> tuple[Server, int]:
    """A real server; and its port for TLS."""
    (program,) = programs("usr/sbin", "slapd")
    keys = credentials()
    (home / "data").mkdir()
    configuration = [
        "include /etc/ldap/schema/core.schema",
        f"pidfile {home}/pid",
        f"TLSCertificateFile {keys.certificate}",
        f"TLSCertificateKeyFile {keys.key}",
        *lines,
        "database ldif",
        "suffix dc=example,dc=test",
        f"directory {home}/data",
        f"rootdn {ADMIN}",
        f'rootpw "{SESAME}"',
    ]
    (home / "slapd.conf").write_text("\n".join([*configuration, ""]))
    port, secure = free_port(), free_port()
    listen = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{secure}"
    command: list[str | Path] = [program, "-f", home / "slapd.conf", "-h", listen, "-d", "stats"]
    running = stack.enter_context(started(command, until="slapd starting", port=port))
    for checker in (ldap(port), ldap(secure, tls=TLS())):  # it says so before it listens
        until(lambda result: result.detail != "Connection refused", partial(told, checker))
    return running, secure


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One that lets everybody in."""
    with ExitStack() as stack:
        yield openldap(stack, tmp_path_factory.mktemp("slapd"))


def ldap(port: int, **settings: Any) -> LDAPChecker:
    return LDAPChecker(host="127.0.0.1", port=port, **settings)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_lets_one_in_is_well(slapd: tuple[Server, int], loop: str) -> None:
    plain, secure = slapd[0].port, slapd[1]
    assert told(ldap(plain), loop) == well("bound")
    assert told(ldap(plain, user=ADMIN, password=SESAME), loop) == well("bound")
    authority = TLS(ca_file=credentials().certificate)
    assert told(ldap(secure, user=ADMIN, password=SESAME, tls=authority), loop) == well("bound")
    assert told(ldap(secure, tls=TLS()), loop) == failed("TLS: self-signed certificate")


def test_a_password_that_is_wrong_is_told(slapd: tuple[Server, int]) -> None:
    wrong = ldap(slapd[0].port, user=ADMIN, password=f"not {SESAME}")
    assert told(wrong) == failed("49 invalidCredentials")
    assert told(ldap(slapd[0].port, user="nonsense", password=SESAME)) == failed("34 invalidDNSyntax: invalid DN")


def test_a_server_that_lets_nobody_in_anonymously_is_well(tmp_path: Path) -> None:
    with ExitStack() as stack:
        running, _ = openldap(stack, tmp_path, "disallow bind_anon")
        assert told(ldap(running.port)) == well("48 inappropriateAuthentication: anonymous bind disallowed")
        assert told(ldap(running.port, user=ADMIN, password=SESAME)) == well("bound")


def test_a_server_that_wants_tls_is_well_and_lets_nobody_in_without(tmp_path: Path) -> None:
    with ExitStack() as stack:
        running, secure = openldap(stack, tmp_path, "security tls=1")
        assert told(ldap(running.port)) == well("13 confidentialityRequired: TLS confidentiality required")
        user: dict[str, Any] = {"user": ADMIN, "password": SESAME}
        assert not told(ldap(running.port, **user)).ok
        assert told(ldap(secure, tls=TLS(verify=False), **user)) == well("bound")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_hangs_is_left_to_the_caller_and_recovers(slapd: tuple[Server, int], loop: str) -> None:
    with slapd[0].hanging():
        giving_up(ldap(slapd[0].port), loop)
    assert told(ldap(slapd[0].port), loop) == well("bound")


def test_a_port_that_nobody_listens_to_refuses() -> None:
    assert told(ldap(free_port())) == failed("Connection refused")


def found(octets: bytes, **settings: Any) -> CheckResult:
    """What a check finds of a server that answers so, and hangs up."""
    with server(hangs_up_after(b"", octets)) as made:
        return told(ldap(made.port, **settings))


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        (b"", "the server closed the connection"),
        (b"0", "the server closed the connection"),
        (BOUND[:-1], "the server closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not an LDAP server"),
        (b"\x30\x85", "not an LDAP message"),
        (b"\x30\x80" + BOUND[2:] + b"\0\0", "not an LDAP message"),
        (b"\x30\x83\1\0\0", "not an LDAP message, or too large a one"),
        (b"\x30\0", "not an LDAP message"),
        (BOUND.replace(b"\x61", b"\x65"), "not an answer to a bind request"),
        (BOUND.replace(b"\x0a\1\0", b"\x0a\1\x33"), "51 busy"),
        (BOUND.replace(b"\x0a\1\0", b"\x0a\1\x34"), "52 unavailable"),
        (BOUND.replace(b"\x0a\1\0", b"\x0a\1\x7f"), "127"),
        (
            bytes.fromhex("30 12 02 01 00 78 0d 0a 01 34 04 00 04 06") + b"bye\x1b\r\n",
            "the server disconnects: 52 unavailable: bye?",
        ),
    ],
)
def test_what_is_no_success_is_a_failure_in_words(octets: bytes, detail: str) -> None:
    assert found(octets) == failed(detail)


def test_a_connection_that_is_reset_is_told() -> None:
    with server(reset) as made:
        assert told(ldap(made.port)) == failed("Connection reset by peer")


@pytest.mark.parametrize("loop", LOOPS)
def test_the_caller_bounds_a_server_that_stays_silent(loop: str) -> None:
    with server(silence) as made:
        giving_up(ldap(made.port), loop)


def test_an_answer_may_come_octet_by_octet() -> None:
    with server(slowly(BOUND)) as made:
        assert told(ldap(made.port)) == well("bound")


def test_an_answer_without_an_end_is_not_waited_for() -> None:
    with server(endless_after(BOUND, b"x" * 1000)) as made:
        assert told(ldap(made.port)) == well("bound")
    with server(endless_after(b"\x30\x82\xff\xff", b"x" * 1000)) as made:
        assert told(ldap(made.port)) == failed("not an LDAP message")


def test_it_takes_leave_of_the_server() -> None:
    with server(says(b"", BOUND)) as made:
        assert told(ldap(made.port)) == well("bound")
    assert made.heard == bytes.fromhex("30 0c 02 01 01 60 07 02 01 03 04 00 80 00") + UNBIND_REQUEST


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": "no host"}, "host must be an IPv4 or IPv6 address or a host name, got 'no host'"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"user": ""}, "user must be a text that is not empty, without NUL characters, got ''"),
        ({"user": "x"}, "user and password need each other"),
        ({"password": "x"}, "user and password need each other"),
        ({"user": "x", "password": "sesame\0"}, "password must be a text that is not empty, without NUL characters"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        LDAPChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value).startswith(text)
    assert "sesame" not in str(refusal.value)


def test_the_password_is_not_shown() -> None:
    assert SESAME not in repr(LDAPChecker(host="x", user=ADMIN, password=SESAME))


def test_long_names_have_long_lengths() -> None:
    octets = encode_bind_request("x" * 200, "y")
    assert octets[:11] == bytes.fromhex("30 82 00 d9 02 01 01 60 82 00 d2")
    assert octets[11:18] == bytes.fromhex("02 01 03 04 82 00 c8")
    assert encode_bind_request("x" * 127, "y")[11:16] == bytes.fromhex("02 01 03 04 7f")
    assert encode_bind_request("x" * 128, "y")[11:18] == bytes.fromhex("02 01 03 04 82 00 80")
    assert rest_of(octets[:2]) == 2
    assert rest_of(octets[:4]) == 0xD9
    assert rest_of(octets) == 0


def test_a_response_is_read_whatever_its_lengths_look_like() -> None:
    octets = bytes.fromhex("30 84 00 00 00 11 02 01 01 61 84 00 00 00 08 0a 01 31 04 00 04 01 78")
    assert decode_bind_response(octets) == BindResponse(49, "x")


@pytest.mark.parametrize(
    "octets",
    [
        BOUND.replace(b"\x02\1\1", b"\x04\1\1"),
        BOUND.replace(b"\x0a\1\0", b"\x02\1\0"),
        BOUND.replace(b"\x61\7", b"\x61\x08"),
        BOUND[:-1] + b"\1",
        BOUND[:-2] + b"\x30\0",
    ],
)
def test_what_is_no_response_is_an_error(octets: bytes) -> None:
    with pytest.raises(LDAPError, match="not an LDAP message"):
        decode_bind_response(octets)


@given(st.binary(max_size=100))
def test_any_octets_are_a_response_or_an_error(octets: bytes) -> None:
    for tried in (octets, BOUND[:7] + octets, BOUND[: len(octets)] + octets):
        with suppress(LDAPError):
            assert str(decode_bind_response(tried)).isprintable()
        if len(tried) >= 2:
            with suppress(LDAPError):
                rest_of(tried)
