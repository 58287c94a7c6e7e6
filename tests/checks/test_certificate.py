"""Certificate checks, against real servers and any octets."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.web import Line, Scripted, certificates, find, findings, free_port, silence
from tests.linux.support import LOOPS
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult
from vrrpkit.checks._certificate import CertificateChecker
from vrrpkit.checks._certificate_wire import CertificateError, Validity, validity
from vrrpkit.checks._tls import TLS


@pytest.fixture(scope="module")
def home() -> Path:
    return certificates()


@pytest.fixture(scope="module")
def ports(home: Path) -> Iterator[dict[str, int]]:
    """By certificate, the port of a server that has it."""
    with ExitStack() as servers:
        started = {}
        for name in ("good", "expired", "future", "strange", "self"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(home / f"{name}.pem", home / f"{name}.key")
            started[name] = servers.enter_context(Scripted(Line.until_broken_off, context=context)).port
        yield started


@pytest.fixture
def tls(home: Path) -> TLS:
    return TLS(ca_file=home / "ca.pem")


def checker(port: int, tls: TLS, **options: Any) -> CertificateChecker:
    return CertificateChecker(host="127.0.0.1", port=port, tls=tls, **options)


def failure(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_certificate_must_be_valid_for_some_days_yet(home: Path, ports: dict[str, int], tls: TLS, loop: str) -> None:
    until = ssl.cert_time_to_seconds(not_after(home / "good.pem"))
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(until))
    checkers = [checker(ports["good"], tls), checker(ports["good"], tls, min_days=20.01)]
    long_yet, not_long = findings(checkers, loop)
    assert long_yet in {
        CheckResult(ok=True, detail=f"the certificate is valid for {days} days, until {shown}")
        for days in ("20.0", "19.9")
    }
    assert not_long in {failure(f"the certificate expires in {days} days, {shown}") for days in ("20.0", "19.9")}


@pytest.mark.parametrize("loop", LOOPS)
def test_certificates_that_are_not_verified_must_be_valid_all_the_same(ports: dict[str, int], loop: str) -> None:
    found = {name: find(checker(port, TLS(verify=False)), loop) for name, port in ports.items()}
    assert {name for name, result in found.items() if result.ok} == {"good", "strange", "self"}
    assert found["expired"].detail.startswith("the certificate has expired 2.0 days ago, ")
    assert found["future"].detail.startswith("the certificate is not valid before ")


def test_verification_tells_what_is_wrong(ports: dict[str, int], tls: TLS) -> None:
    found = {name: find(checker(port, tls)) for name, port in ports.items() if name != "good"}
    assert found == {
        "expired": failure("TLS: certificate has expired"),
        "future": failure("TLS: certificate is not yet valid"),
        "strange": failure("TLS: unable to get local issuer certificate"),
        "self": failure("TLS: self-signed certificate"),
    }


def test_the_name_is_verified(ports: dict[str, int], tls: TLS) -> None:
    assert find(checker(ports["good"], evolve(tls, server_name="good.test"))).ok
    assert find(checker(ports["good"], evolve(tls, server_name="good.test."))).ok
    wrong = find(checker(ports["good"], evolve(tls, server_name="bad.test")))
    assert wrong == failure("TLS: Hostname mismatch, certificate is not valid for 'bad.test'.")


def test_a_server_that_wants_to_know_us_shows_its_certificate_first(home: Path, tls: TLS) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "good.pem", home / "good.key")
    context.load_verify_locations(home / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with Scripted(silence, context=context) as server:
        assert find(checker(server.port, tls)).ok


@pytest.mark.parametrize("loop", LOOPS)
def test_servers_without_tls_have_failed(tls: TLS, loop: str) -> None:
    def hang_up(line: Line) -> None:
        line.socket.recv(100)

    with Scripted(lambda line: line.send(b"220 mail\r\n"), hang_up) as server:
        one = checker(server.port, tls)
        assert find(one, loop) == failure("TLS: wrong version number")
        assert not find(one, loop).ok
    assert find(checker(free_port(), tls), loop) == failure("Connection refused")


@pytest.mark.parametrize("loop", LOOPS)
def test_the_caller_bounds_a_handshake_that_gets_stuck(tls: TLS, loop: str) -> None:
    with Scripted(silence) as server, pytest.raises(TimeoutError):
        find(checker(server.port, tls), loop, patience=0.1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": ""}, "host must be an IPv4 or IPv6 address or a host name, got ''"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"min_days": -1}, "min_days must be 0-3650 days, got -1"),
        ({"tls": TLS(ca_file="/absent")}, "ca_file /absent cannot be read: No such file or directory"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        CertificateChecker(**{"host": "127.0.0.1", **settings})
    assert str(refusal.value) == text


@pytest.mark.parametrize("name", ["good", "expired", "future", "self", "ca"])
def test_the_dates_are_those_that_openssl_shows(home: Path, name: str) -> None:
    path = home / f"{name}.pem"
    shown = decoded(path)
    expected = Validity(ssl.cert_time_to_seconds(shown["notBefore"]), ssl.cert_time_to_seconds(shown["notAfter"]))
    assert validity(ssl.PEM_cert_to_DER_cert(path.read_text())) == expected


def decoded(path: Path) -> dict[str, str]:
    shown: dict[str, str] = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined] # noqa: SLF001 - not in the public ssl
    return shown


def not_after(path: Path) -> str:
    return decoded(path)["notAfter"]


def element(tag: int, *content: bytes) -> bytes:
    octets = b"".join(content)
    length = bytes([len(octets)]) if len(octets) < 128 else bytes([0x82, *len(octets).to_bytes(2, "big")])
    return bytes([tag]) + length + octets


def certificate(first: bytes, last: bytes, *, version: bytes = element(0xA0, element(2, b"\2"))) -> bytes:
    """What is before the dates, and nothing of what is behind them."""
    number, algorithm, issuer = element(2, b"\1"), element(0x30), element(0x30, bytes(200))
    return element(0x30, element(0x30, version, number, algorithm, issuer, element(0x30, first, last)))


def utc(text: bytes) -> bytes:
    return element(0x17, text)


def generalized(text: bytes) -> bytes:
    return element(0x18, text)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (utc(b"700101000000Z"), utc(b"491231235959Z"), Validity(0.0, 2524607999.0)),
        (utc(b"500101000000Z"), utc(b"000229120000Z"), Validity(-631152000.0, 951825600.0)),
        (generalized(b"20500101000000Z"), generalized(b"99991231235959Z"), Validity(2524608000.0, 253402300799.0)),
    ],
)
def test_both_forms_of_time_are_read(first: bytes, last: bytes, expected: Validity) -> None:
    assert validity(certificate(first, last)) == expected
    assert validity(certificate(first, last, version=b"")) == expected  # X.509 version 1


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (b"", "1 octets are missing"),
        (b"\x30", "1 octets are missing"),
        (b"\x30\x03\x30\x01", "1 octets are missing"),
        (b"\x31\x00", "tag 0x31 where 0x30 was expected"),
        (b"\x30\x80", "a length of 0 octets"),
        (b"\x30\x85\0\0\0\0\1a", "a length of 5 octets"),
        (b"\x30\x84\xff\xff\xff\xff", "4294967295 octets are missing"),
        (
            certificate(utc(b"700101000000Z"), utc(b"7001010000Z")),
            "b'7001010000Z' (tag 0x17) where a time was expected",
        ),
        (
            certificate(utc(b"700101000000+0100"), b""),
            "b'700101000000+0100' (tag 0x17) where a time was expected",
        ),
        (certificate(element(4, b"x" * 99), b""), f"b'{'x' * 20}' (tag 0x4) where a time was expected"),
        (certificate(utc(b"700230000000Z"), b""), "b'700230000000Z': day is out of range for month"),
        (certificate(generalized(b"00000101000000Z"), b""), "b'00000101000000Z': year 0 is out of range"),
    ],
)
def test_what_is_no_certificate_is_told(der: bytes, text: str) -> None:
    with pytest.raises(CertificateError) as refusal:
        validity(der)
    assert str(refusal.value) == text


def complaint(octets: bytes) -> str:
    try:
        validity(octets)
    except CertificateError as error:
        return str(error)
    return ""


@given(st.binary())
def test_any_octets_are_a_certificate_or_an_error(octets: bytes) -> None:
    assert len(complaint(octets)) < 150


@given(st.integers(0), st.binary(min_size=1, max_size=1))
def test_any_change_to_a_certificate_is_read_or_an_error(at: int, octet: bytes) -> None:
    good = certificate(utc(b"700101000000Z"), generalized(b"20500101000000Z"))
    at %= len(good)
    assert len(complaint(good[:at] + octet + good[at + 1 :])) < 150
