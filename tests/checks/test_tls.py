"""TLS settings, and HTTPS checks against nginx, HAProxy, and servers that misbehave."""

from __future__ import annotations

import ssl
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any, Final

import pytest
from attrs import evolve

from tests.checks.web import (
    Line,
    Scripted,
    answer,
    cancel_at_any_moment,
    certificates,
    find,
    findings,
    free_port,
    haproxy,
    leaving_nothing,
    nginx,
    silence,
)
from tests.linux.support import LOOPS
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult
from vrrpkit.checks._certificate import CertificateChecker
from vrrpkit.checks._http import HTTPChecker
from vrrpkit.checks._http_expect import HTTPPath
from vrrpkit.checks._http_homes import close_http_connections
from vrrpkit.checks._tls import TLS, context_of

PORTS: Final = {
    name: free_port()
    for name in ("good", "expired", "future", "strange", "self", "members", "new", "haproxy", "closed")
}
WELL: Final = CheckResult(ok=True, detail="status 200")
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n"
SPELL: Final = "open sesame"


@pytest.fixture(scope="module")
def home() -> Path:
    return certificates()


@pytest.fixture(scope="module")
def web(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    def server(port: int, certificate: str, more: str = "") -> str:
        return f"""
            server {{
                listen 127.0.0.1:{port} ssl; listen [::1]:{port} ssl;
                ssl_certificate {home}/{certificate}.pem; ssl_certificate_key {home}/{certificate}.key; {more}
                set $names "{certificate} $host $ssl_server_name.";
                location / {{ return 200 "$names $ssl_protocol $ssl_client_s_dn $connection_requests"; }}
                location /moved {{ return 301 https://good.test:{PORTS["good"]}/there; }}
                location /plain {{ return 301 http://good.test:{PORTS["closed"]}/there; }}
            }}
        """

    servers = [server(PORTS[name], name) for name in ("good", "expired", "future", "strange", "self")]
    servers += [
        server(PORTS["good"], "second", "server_name second.test;"),
        server(PORTS["members"], "good", f"ssl_verify_client on; ssl_client_certificate {home}/ca.pem;"),
        server(PORTS["new"], "good", "ssl_protocols TLSv1.3;"),
    ]
    with nginx(tmp_path_factory.mktemp("nginx"), PORTS["good"], "\n".join(servers)):
        yield


@pytest.fixture
def tls(home: Path) -> TLS:
    return TLS(ca_file=home / "ca.pem")


def checker(server: str, tls: TLS, path: str | HTTPPath = "/", **options: Any) -> HTTPChecker:
    return HTTPChecker(**{"host": "127.0.0.1", "port": PORTS[server], "tls": tls, "paths": path, **options})


def failure(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


@pytest.mark.conforms("keyword virtual_server/SSL_GET")
@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_good_certificate_is_believed(tls: TLS, host: str, loop: str) -> None:
    assert find(checker("good", tls, host=host), loop) == WELL


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_bad_certificates_are_not_believed(tls: TLS, loop: str) -> None:
    checkers = [checker(name, tls) for name in ("expired", "future", "strange", "self")]
    assert findings([*checkers, checker("good", TLS())], loop) == [
        failure("TLS: certificate has expired"),
        failure("TLS: certificate is not yet valid"),
        failure("TLS: unable to get local issuer certificate"),
        failure("TLS: self-signed certificate"),
        failure("TLS: unable to get local issuer certificate"),
    ]


@pytest.mark.conforms("keyword virtual_server/SSL_GET")
@pytest.mark.usefixtures("web")
def test_every_certificate_is_believed_when_none_is_verified() -> None:
    checkers = [checker(name, TLS(verify=False)) for name in ("good", "expired", "future", "strange", "self")]
    assert findings(checkers) == [WELL] * 5


@pytest.mark.conforms("keyword virtual_server/SSL_GET")
@pytest.mark.usefixtures("web")
def test_the_virtual_host_is_asked_for_and_verified(tls: TLS) -> None:
    def shows(certificate: str, host: str, name: str) -> HTTPPath:
        return HTTPPath("/", regex=f"^{certificate} {host} {name}\\. TLS")

    checkers = [
        checker("good", tls, shows("good", "127.0.0.1", "")),  # an address is no name to ask for
        checker("good", tls, shows("good", "good.test", "good.test"), virtual_host="good.test"),
        checker("good", tls, shows("second", "second.test", "second.test"), virtual_host="second.test:4443"),
        checker("good", tls, evolve(shows("second", "second.test", "second.test"), virtual_host="second.test")),
        checker("good", tls, virtual_host="good.test."),
        checker("good", tls, virtual_host="third.test"),
        checker("good", evolve(tls, verify=False, ca_file=None), virtual_host="third.test"),
    ]
    wrong = "TLS: Hostname mismatch, certificate is not valid for 'third.test'."
    assert findings(checkers) == [WELL, WELL, WELL, WELL, WELL, failure(wrong), WELL]


@pytest.mark.usefixtures("web")
def test_another_name_may_be_asked_for_than_the_host_header_has(tls: TLS) -> None:
    one = checker("good", evolve(tls, server_name="second.test"), HTTPPath("/", regex="second.test. TLS"))
    assert find(evolve(one, virtual_host="third.test")) == WELL
    assert find(evolve(one, tls=evolve(tls, server_name="third.test"))) == failure(
        "TLS: Hostname mismatch, certificate is not valid for 'third.test'."
    )


@pytest.mark.usefixtures("web")
def test_authorities_come_from_a_file_or_a_directory_or_memory(home: Path, tmp_path: Path) -> None:
    copy(home / "ca.pem", tmp_path / f"{subject_hash(home / 'ca.pem')}.0")
    text = (home / "ca.pem").read_text()
    for tls in (TLS(ca_path=tmp_path), TLS(ca_data=text), TLS(ca_data=ssl.PEM_cert_to_DER_cert(text))):
        assert find(checker("good", tls)) == WELL


def subject_hash(path: Path) -> str:
    words = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_certificate_is_shown_when_asked_for(home: Path, tls: TLS, loop: str) -> None:
    locked = home / "client-locked.key"
    ours = evolve(tls, certificate=home / "client.pem", key=home / "client.key")
    path = HTTPPath("/", regex="CN=client")
    assert find(checker("members", ours, path), loop) == WELL
    assert find(checker("members", evolve(ours, key=locked, password=SPELL), path), loop) == WELL
    assert find(checker("members", tls, path), loop) == failure("status 400, not 200-299")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_insists_on_a_client_certificate_says_so(
    home: Path, tls: TLS, newest: ssl.TLSVersion, loop: str
) -> None:
    context = server_context(home)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(home / "ca.pem")
    context.maximum_version = newest
    with Scripted(answer(OK), context=context) as server:
        result = find(checker("good", tls, port=server.port), loop)
    assert not result.ok
    assert result.detail in {
        "TLS: tlsv13 alert certificate required",
        "TLS: sslv3 alert handshake failure",
        "TLS: ssl/tls alert handshake failure",
        "Connection reset by peer",
        "the connection ended without a whole answer",
    }


@pytest.mark.usefixtures("web")
def test_versions_are_bounded_below(home: Path, tls: TLS) -> None:
    new = evolve(tls, minimum_version=ssl.TLSVersion.TLSv1_3)
    assert find(checker("new", new, HTTPPath("/", regex="TLSv1.3"))) == WELL
    assert find(checker("new", tls)) == WELL
    old = server_context(home)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with Scripted(answer(OK), context=old) as server:
        assert find(checker("good", tls, port=server.port)) == WELL
        assert find(checker("good", new, port=server.port)) == failure("TLS: tlsv1 alert protocol version")


def test_a_server_of_another_age_needs_legacy(home: Path, tls: TLS) -> None:
    ancient = server_context(home)
    ancient.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        ancient.minimum_version = ancient.maximum_version = ssl.TLSVersion.TLSv1
    with Scripted(answer(OK), context=ancient) as server:
        assert not find(checker("good", tls, port=server.port)).ok
        assert find(checker("good", evolve(tls, legacy=True), port=server.port)) == WELL
        late = TLS(verify=False, legacy=True, minimum_version=ssl.TLSVersion.TLSv1_2)
        assert not find(checker("good", late, port=server.port)).ok


def test_legacy_takes_what_no_server_here_does_any_more() -> None:
    context = context_of(TLS(legacy=True))
    assert context.options & 0x4  # SSL_OP_LEGACY_SERVER_CONNECT
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_by_tls_may_be_kept(tls: TLS, loop: str) -> None:
    async def scenario() -> list[bool]:
        one = checker("good", tls, HTTPPath("/", regex=" 1$"), keep_alive=True)
        found = [(await one.check()).ok for _ in range(3)]
        other = evolve(one, virtual_host="second.test")  # which has another certificate
        found.append((await other.check()).ok)
        await close_http_connections()
        return found

    assert leaving_nothing(scenario, loop) == [True, False, False, True]


@pytest.mark.usefixtures("web")
def test_redirects_lead_from_name_to_name(tls: TLS) -> None:
    moved = checker("good", tls, "/moved", virtual_host="second.test", follow_redirects=1)
    assert not find(moved).ok  # there is no such name
    home = checker(
        "good", tls, HTTPPath("/moved", regex="^good good.test good.test"), virtual_host="good.test", follow_redirects=1
    )
    assert find(home) == WELL
    plain = checker("good", tls, "/plain", virtual_host="good.test", follow_redirects=1)
    assert find(plain) == failure("Connection refused")  # at our address


def test_haproxy_is_asked_the_same_way(home: Path, tls: TLS, tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text((home / "good.pem").read_text() + (home / "good.key").read_text())
    verify = f"ca-file {home}/ca.pem verify optional"
    configuration = f"""
        defaults
          mode http
          timeout client 5s
          timeout server 5s
          timeout connect 5s
        frontend web
          bind 127.0.0.1:{PORTS["haproxy"]} ssl crt {tmp_path}/both.pem alpn h2,http/1.1 {verify}
          http-request return status 403 if {{ path /members }} !{{ ssl_c_used }}
          http-request return status 200 content-type text/plain lf-string "%[ssl_fc_sni] %HV"
    """
    ours = evolve(tls, certificate=home / "client.pem", key=home / "client.key")
    with haproxy(tmp_path, PORTS["haproxy"], configuration):
        assert findings(
            [
                checker("haproxy", tls, HTTPPath("/", regex="^good.test HTTP/1.1$"), virtual_host="good.test"),
                checker("haproxy", tls, HTTPPath("/", regex=" HTTP/1.0$"), version="1.0"),
                checker("haproxy", tls, "/members"),
                checker("haproxy", ours, "/members", keep_alive=False),
                checker("haproxy", tls, method="HEAD"),
            ]
        ) == [WELL, WELL, failure("status 403, not 200-299"), WELL, WELL]


def server_context(home: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "good.pem", home / "good.key")
    return context


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_does_not_speak_tls_has_failed(tls: TLS, loop: str) -> None:
    def hang_up(line: Line) -> None:
        line.socket.recv(10)

    with Scripted(lambda line: line.send(b"220 mail.test ESMTP\r\n"), hang_up) as server:
        one = checker("good", tls, port=server.port)
        assert find(one, loop) == failure("TLS: wrong version number")
        assert not find(one, loop).ok


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_check_may_be_cancelled_at_any_moment(tls: TLS, loop: str) -> None:
    cancel_at_any_moment(checker("good", tls, HTTPPath("/", regex="good")), loop)
    cancel_at_any_moment(CertificateChecker(host="127.0.0.1", port=PORTS["good"], tls=tls), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_caller_bounds_a_handshake_that_gets_stuck(tls: TLS, loop: str) -> None:
    with Scripted(silence) as server, pytest.raises(TimeoutError):
        find(checker("good", tls, port=server.port), loop, patience=0.1)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_never_says_goodbye_leaves_no_socket(home: Path, tls: TLS, loop: str) -> None:
    def rude(line: Line) -> None:
        line.request()
        line.send(OK)
        line.until_broken_off()

    with Scripted(rude, context=server_context(home)) as server:
        assert find(checker("good", tls, HTTPPath("/", regex="fine"), port=server.port), loop) == WELL
        assert find(checker("good", tls, port=server.port, keep_alive=True, max_body=1), loop) == WELL
    with Scripted(silence, context=server_context(home)) as server, pytest.raises(TimeoutError):
        find(checker("good", tls, port=server.port), loop, patience=0.2)


def test_equal_settings_share_one_context_and_a_renewed_file_makes_another(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    copy(home / "ca.pem", path)
    tls = TLS(ca_file=path)
    context = context_of(tls)
    assert context_of(TLS(ca_file=str(path))) is context
    assert context_of(TLS(ca_file=path, server_name="any.test")) is context
    assert context_of(TLS(ca_file=path, legacy=True)) is not context
    path.write_text((home / "other-ca.pem").read_text() + "\n")
    assert context_of(tls) is not context


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"verify": 1}, "verify must be True or False, got 1"),
        ({"verify": False, "ca_file": "/a"}, "ca_file, ca_path and ca_data are of no use with verify=False"),
        ({"key": "/a"}, "key and password need a certificate"),
        ({"password": "a"}, "key and password need a certificate"),
        ({"server_name": "a b"}, "server_name must be an IPv4 or IPv6 address or a host name, got 'a b'"),
        (
            {"minimum_version": ssl.TLSVersion.SSLv3},
            f"minimum_version must be TLSVersion.TLSv1_2 or TLSv1_3, got {ssl.TLSVersion.SSLv3!r}",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        TLS(**settings)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ca_file": "HOME/absent"}, "ca_file HOME/absent cannot be read: No such file or directory"),
        ({"ca_path": "HOME/absent"}, "ca_path HOME/absent cannot be read: No such file or directory"),
        ({"ca_file": "HOME/good.key"}, "ca_file cannot be used: TLS: no certificate or crl found"),
        ({"ca_data": "no certificate"}, "ca_data cannot be used: "),
        ({"ca_data": b"no certificate"}, "ca_data cannot be used: "),
        ({"certificate": "HOME/absent"}, "certificate HOME/absent cannot be read: No such file or directory"),
        ({"certificate": "HOME/client.pem"}, "certificate HOME/client.pem cannot be used: TLS: "),
        (
            {"certificate": "HOME/client.pem", "key": "HOME/good.key"},
            "certificate HOME/client.pem cannot be used: TLS: ",
        ),
        (
            {"certificate": "HOME/client.pem", "key": "HOME/client-locked.key"},
            "certificate HOME/client.pem cannot be used: TLS: ",
        ),
        (
            {"certificate": "HOME/client.pem", "key": "HOME/client-locked.key", "password": "wrong"},
            "certificate HOME/client.pem cannot be used: TLS: ",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(home: Path, settings: dict[str, Any], text: str) -> None:
    here: dict[str, Any] = {name: _at(home, value) for name, value in settings.items()}
    with pytest.raises(ConfigError) as refusal:
        checker("good", TLS(**here))
    assert str(refusal.value).startswith(text.replace("HOME", str(home)))


def _at(home: Path, value: object) -> object:
    return value.replace("HOME", str(home)) if isinstance(value, str) else value


def test_the_password_and_the_authorities_are_not_shown(home: Path) -> None:
    tls = TLS(certificate=home / "client.pem", key=home / "client-locked.key", password=SPELL, ca_data="x" * 1000)
    assert SPELL not in repr(tls)
    assert "xxx" not in repr(tls)
