"""HTTP checks, against nginx and against servers that misbehave."""

from __future__ import annotations

import asyncio
import gc
import gzip
import hashlib
import shutil
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from ipaddress import IPv4Address
from socket import if_nametoindex
from typing import Any, ClassVar, Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checks.web import (
    Line,
    Script,
    Scripted,
    answer,
    cancel_at_any_moment,
    endless,
    find,
    findings,
    free_port,
    keep,
    leaving_nothing,
    nginx,
    reset,
    silence,
    sockets,
)
from tests.linux.support import LOOPS, namespace, run
from tests.support.requirements import require
from vrrpkit import ConfigError
from vrrpkit.checks import CheckResult, Via
from vrrpkit.checks._http import HTTPChecker
from vrrpkit.checks._http_expect import HTTPPath
from vrrpkit.checks._http_homes import close_http_connections
from vrrpkit.checks._via import SocketAddress
from vrrpkit.linux import in_netns

PORT: Final = free_port()
CLOSED: Final = free_port()

SPELL: Final = "open sesame"
CARD: Final = "me-too"

WELL: Final = CheckResult(ok=True, detail="status 200")
BODY: Final = b"Everything is fine.\n"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY

SERVERS: Final = f"""
    ssi on;
    server {{
        listen 127.0.0.1:{PORT}; listen [::1]:{PORT};
        root HOME;
        location /seen {{
            return 200 "$request_method $request_uri $server_protocol $http_host $remote_addr $connection_requests";
        }}
        location /unwell {{ return 503; }}
        location /teapot {{ return 418; }}
        location /nothing {{ return 204; }}
        location /moved {{ return 301 /fine; }}
        location /elsewhere {{ return 302 http://127.0.0.1:{CLOSED}/; }}
        location /packed {{ gzip on; gzip_types *; gzip_min_length 1; alias HOME/fine; }}
        location /members {{ auth_basic "Members"; auth_basic_user_file HOME/users; alias HOME/fine; }}
        location /token {{ if ($http_authorization != "Bearer {CARD}") {{ return 401; }} alias HOME/fine; }}
    }}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    require(shutil.which("openssl"), "needs openssl(1)")
    home = tmp_path_factory.mktemp("nginx")
    home.chmod(0o755)
    (home / "fine").write_bytes(BODY)
    (home / "large").write_bytes(bytes(200_000))
    (home / "chunked.html").write_bytes(b"<!--# echo var='host' -->" + BODY)
    locked = subprocess.run(["openssl", "passwd", "-apr1", SPELL], capture_output=True, text=True, check=True)
    (home / "users").write_text(f"probe:{locked.stdout}")
    with nginx(home, PORT, SERVERS.replace("HOME", str(home))):
        yield


def checker(*paths: str | HTTPPath, port: int = PORT, host: str = "127.0.0.1", **options: Any) -> HTTPChecker:
    return HTTPChecker(host=host, port=port, paths=paths or "/fine", **options)


def failure(detail: str) -> CheckResult:
    return CheckResult(ok=False, detail=detail)


@pytest.mark.conforms("keyword virtual_server/HTTP_GET")
@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_server_that_answers_is_well(loop: str, version: Any) -> None:
    assert find(checker(version=version), loop) == WELL


@pytest.mark.conforms("keyword virtual_server/HTTP_GET")
@pytest.mark.usefixtures("web")
def test_any_status_from_200_to_299_is_well_and_no_other() -> None:
    checkers = [checker(path) for path in ("/nothing", "/unwell", "/absent", "/teapot")]
    assert findings(checkers) == [
        CheckResult(ok=True, detail="status 204"),
        failure("status 503, not 200-299"),
        failure("status 404, not 200-299"),
        failure("status 418, not 200-299"),
    ]


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("status", [418, {418, 200}, range(400, 500), "200-299, 418", "100-599"])
def test_other_statuses_may_be_well(status: Any) -> None:
    assert find(checker(HTTPPath("/teapot", status=status))) == CheckResult(ok=True, detail="status 418")


@pytest.mark.usefixtures("web")
def test_statuses_that_are_well_are_told_when_there_is_another_one() -> None:
    path = HTTPPath("/fine", status="204, 301-303, 500-599, 206")
    assert find(checker(path)) == failure("status 200, not 204, 206, 301-303, 500-599")


@pytest.mark.usefixtures("web")
def test_all_paths_are_asked_for_until_one_is_not_well() -> None:
    with Scripted(answer(OK), answer(b"HTTP/1.1 500 Oh\r\n\r\n"), answer(OK)) as server:
        assert find(checker("/a", "/b?secret=1", "/c", port=server.port)) == failure("/b: status 500, not 200-299")
        assert [request.split()[1] for request in server.requests] == [b"/a", b"/b?secret=1"]
    assert find(checker("/fine", "/nothing", "/seen")) == CheckResult(ok=True, detail="all 3 paths are well")


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        (
            {},
            (
                b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                b"User-Agent: vrrpkit\r\nConnection: close\r\n\r\n"
            ),
        ),
        (
            {"version": "1.0"},
            (
                b"GET /a HTTP/1.0\r\nHost: 127.0.0.1:PORT\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                b"User-Agent: vrrpkit\r\n\r\n"
            ),
        ),
        (
            {"method": "HEAD", "virtual_host": "www.example", "headers": {"user-agent": "me", "X-One": "1"}},
            (
                b"HEAD /a HTTP/1.1\r\nHost: www.example\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                b"user-agent: me\r\nX-One: 1\r\nConnection: close\r\n\r\n"
            ),
        ),
        (
            {"method": "POST", "body": "Grüße", "user": "Aladdin", "password": "open sesame"},
            (
                b"POST /a HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                b"User-Agent: vrrpkit\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nContent-Length: 7\r\n"
                b"Content-Type: application/octet-stream\r\nConnection: close\r\n\r\nGr\xc3\xbc\xc3\x9fe"
            ),
        ),
        (
            {"method": "OPTIONS", "token": "abc", "paths": HTTPPath("/a", virtual_host="path.example:81")},
            (
                b"OPTIONS /a HTTP/1.1\r\nHost: path.example:81\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                b"User-Agent: vrrpkit\r\nAuthorization: Bearer abc\r\nConnection: close\r\n\r\n"
            ),
        ),
    ],
)
@pytest.mark.parametrize("loop", LOOPS)
def test_the_request_is_this_to_the_last_octet(options: dict[str, Any], request_: bytes, loop: str) -> None:
    with Scripted(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        plain = HTTPChecker(**{"host": "127.0.0.1", "port": server.port, "paths": "/a", **options})
        assert find(plain, loop) == WELL
        assert server.requests == [request_.replace(b"PORT", str(server.port).encode())]


@pytest.mark.parametrize(
    "path",
    ["/", "//a//b", "/a/../b/./c", "/%41%2f%zz", "/a;b=c?q=[]{}|\\^`\"'&&==", "/?a?b", "/a+b?c+d", "/~!$*()"],
)
def test_a_path_is_sent_as_it_is(path: str) -> None:
    with Scripted(answer(OK)) as server:
        assert find(checker(path, port=server.port)) == WELL
        assert server.requests[0].partition(b"\r\n")[0] == f"GET {path} HTTP/1.1".encode()


@pytest.mark.parametrize("loop", LOOPS)
def test_ipv6_is_written_in_brackets(loop: str) -> None:
    with Scripted(answer(OK), host="::1") as server:
        assert find(checker("/", host="::1", port=server.port), loop) == WELL
        assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in server.requests[0]


class Book(Via):
    """Knows where everybody lives, and who was asked for."""

    asked: ClassVar[list[tuple[str, int]]] = []

    async def look_up(self, host: str, port: int) -> tuple[int, SocketAddress]:
        self.asked.append((host, port))
        return socket.AF_INET, ("127.0.0.1", port)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_names_are_looked_up_on_the_way_and_anew_for_every_check(loop: str) -> None:
    one = checker(HTTPPath("/seen", regex=rf" www\.invalid:{PORT} 127\.0\.0\.1 "), host="www.invalid", via=Book())
    Book.asked.clear()
    assert findings([one, one], loop) == [WELL, WELL]
    assert Book.asked == [("www.invalid", PORT)] * 2
    assert findings([evolve(one, host="localhost", via=Via(), paths="/seen")], loop) == [WELL]


def test_a_name_that_does_not_exist_is_a_failure() -> None:
    result = find(checker("/", host="no-such-host.invalid"))
    assert not result.ok
    assert result.detail


@pytest.mark.usefixtures("web")
def test_the_source_address_is_chosen() -> None:
    path = HTTPPath("/seen", regex=r" 127\.0\.0\.9 ")
    assert find(checker(path, via=Via(source=IPv4Address("127.0.0.9")))) == WELL
    assert find(checker(path)) == failure(r"the body lacks ' 127\\.0\\.0\\.9 '")
    assert find(checker(path, via=Via(source=IPv4Address("192.0.2.1")))) == failure("Cannot assign requested address")


@pytest.mark.kernel
def test_a_server_in_another_namespace_is_asked_from_there_by_its_link_local_address() -> None:
    with namespace() as ns:
        ns.ip("addr add fe80::7/64 dev peer0 nodad")
        index = in_netns(ns.name, lambda: if_nametoindex("eth0"))
        host = f"fe80::7%{index}"
        listener = in_netns(ns.name, lambda: Scripted(answer(OK), host="::"))
        with listener as server:
            assert find(checker("/", host=host, port=server.port, via=Via(netns=ns.name))) == WELL
            assert f"\r\nHost: [fe80::7]:{server.port}\r\n".encode() in server.requests[0]
    gone = find(checker("/", via=Via(netns=ns.name)))
    assert gone == failure(f"there is no /run/netns/{ns.name}")


@pytest.mark.conforms("keyword virtual_server/HTTP_GET")
@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_the_body_s_digest_is_compared(loop: str) -> None:
    md5 = "bb4b80e2ec7b120895ed1e70e26c5a47"  # as md5sum(1) and sha256sum(1) have it
    sha256 = "301e15afaf8dfe2a960b2e3ba906196c82e6d622da45659b739f99b48ae3113d"
    for digest in (md5, sha256, sha256.upper()):
        assert find(checker(HTTPPath("/fine", digest=digest)), loop) == WELL
    wrong = HTTPPath("/fine", digest="0" * 32)
    assert find(checker(wrong), loop) == failure(f"the body's digest is {md5}")


@pytest.mark.usefixtures("web")
def test_a_body_is_not_unpacked() -> None:
    path = HTTPPath("/packed", regex="^Everything")
    assert find(checker(path)) == WELL  # nobody has asked for it in another form
    packed = gzip.compress(BODY)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    with Scripted(answer(head, packed)) as server:
        path = HTTPPath("/", digest=hashlib.sha256(packed).hexdigest())
        assert find(checker(path, port=server.port)) == WELL


@pytest.mark.usefixtures("web")
def test_expressions_are_looked_for_anywhere_in_the_body() -> None:
    checkers = [
        checker(HTTPPath("/fine", regex="is (fine|well)")),
        checker(HTTPPath("/fine", regex="IS FINE")),
        checker(HTTPPath("/fine", regex="(?i)IS FINE", regex_absent="error")),
        checker(HTTPPath("/fine", regex_absent="(?i)everything")),
    ]
    assert findings(checkers) == [
        WELL,
        failure("the body lacks 'IS FINE'"),
        WELL,
        failure("the body has '(?i)everything'"),
    ]


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_chunked_body_is_put_together(loop: str) -> None:
    assert find(checker(HTTPPath("/chunked.html", regex="(?s)^.*Everything is fine.\n$")), loop) == WELL


@pytest.mark.usefixtures("web")
def test_reading_stops_at_the_limit() -> None:
    head, tail = HTTPPath("/large", regex=r"^\0{1000}$"), HTTPPath("/large", digest="0" * 64)
    assert find(checker(head, max_body=1000)) == WELL
    assert find(checker(tail, max_body=1000)) == failure("the body is longer than 1000 octets: no digest")
    digest = HTTPPath("/large", digest=hashlib.sha256(bytes(200_000)).hexdigest())
    assert find(checker(digest, max_body=199_999)) == failure("the body is longer than 199999 octets: no digest")
    assert find(checker(digest, max_body=200_000)) == WELL


@pytest.mark.usefixtures("web")
def test_all_that_is_expected_must_hold() -> None:
    path = HTTPPath("/fine", status=200, digest=hashlib.sha256(BODY).hexdigest(), regex="fine", regex_absent="not")
    assert find(checker(path)) == WELL
    for change in ({"status": 204}, {"digest": "0" * 64}, {"regex": "not"}, {"regex_absent": "fine"}):
        assert not find(checker(evolve(path, **change))).ok


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_all_methods_work_with_a_real_server(method: Any) -> None:
    assert find(checker("/seen", method=method)) == WELL


def test_a_body_of_a_megabyte_is_sent_whole() -> None:
    with Scripted(answer(OK)) as server:
        assert find(checker("/", port=server.port, method="POST", body=bytes(1 << 20))) == WELL
        assert server.requests[0].endswith(b"\r\n\r\n" + bytes(1 << 20))


@pytest.mark.usefixtures("web")
def test_members_only() -> None:
    checkers = [
        checker("/members"),
        checker("/members", user="probe", password=SPELL),
        checker("/members", user="probe", password=f"not {SPELL}"),
        checker("/token", token=CARD),
        checker("/token", headers={"Authorization": f"Bearer {CARD}"}),
        checker("/token"),
    ]
    refused = failure("status 401, not 200-299")
    assert findings(checkers) == [refused, WELL, refused, WELL, WELL, refused]


def test_secrets_are_nowhere_to_be_seen() -> None:
    with Scripted(answer(b"HTTP/1.1 401 Unauthorized\r\n\r\n")) as server:
        for options in (
            {"user": "probe", "password": "secret"},
            {"token": "secret"},
            {"headers": {"X-Key": "secret"}, "body": b"secret"},
        ):
            one = checker("/?key=secret", "/b", port=server.port, **options)
            assert "secret" not in find(one).detail
            assert "secret" not in repr(evolve(one, paths="/"))
        assert len(server.requests) == 3
        assert all(b"secret" in request or b"Basic" in request for request in server.requests)


@pytest.mark.usefixtures("web")
def test_redirects_are_not_followed_unless_allowed() -> None:
    assert find(checker("/moved")) == failure(
        "status 301 to http://127.0.0.1:PORT/fine, not 200-299".replace("PORT", str(PORT))
    )
    assert find(checker("/moved", follow_redirects=1)) == WELL


def test_no_more_redirects_are_followed_than_allowed() -> None:
    with Scripted(answer(b"HTTP/1.1 302 Found\r\nLocation: on\r\n\r\n")) as server:
        assert find(checker("/a/b", port=server.port, follow_redirects=3)) == failure("status 302 to on, not 200-299")
        assert [request.split()[1] for request in server.requests] == [b"/a/b", b"/a/on", b"/a/on", b"/a/on"]


@pytest.mark.usefixtures("web")
def test_a_redirect_may_lead_to_another_server() -> None:
    assert find(checker("/elsewhere", follow_redirects=1)) == failure("Connection refused")


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://[::1/", "http://127.1/", "http://a b/", "//:1/"])
def test_a_redirect_to_nowhere_is_a_failure(location: str) -> None:
    with Scripted(answer(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())) as server:
        result = find(checker("/", port=server.port, follow_redirects=5))
        assert result == failure(f"status 302 leads nowhere: {location}")


def test_a_redirect_to_our_own_name_stays_at_our_address_and_keeps_the_credentials() -> None:
    with Scripted(answer(b"HTTP/1.1 307 x\r\nLocation: http://www.example/b\r\n\r\n"), answer(OK)) as server:
        one = checker(
            "/a",
            port=server.port,
            virtual_host="www.example",
            follow_redirects=1,
            token=CARD,
            method="POST",
            body="x",
        )
        assert find(one) == WELL
        first, second = server.requests
        assert second == first.replace(b"POST /a ", b"POST /b ")


def test_credentials_and_headers_stay_here_when_a_redirect_leads_away() -> None:
    with Scripted(answer(OK)) as there:
        away = f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{there.port}/b?c\r\n\r\n".encode()
        with Scripted(answer(away)) as here:
            one = checker(
                "/a", port=here.port, follow_redirects=1, token=CARD, headers={"X": "y"}, method="POST", body="x"
            )
            assert find(one) == WELL
        assert there.requests == [
            f"GET /b?c HTTP/1.1\r\nHost: 127.0.0.1:{there.port}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
            "User-Agent: vrrpkit\r\nConnection: close\r\n\r\n".encode()
        ]


def test_a_connection_is_not_kept_where_a_redirect_has_led() -> None:
    with Scripted(keep(OK), host="::1") as there:
        away = f"HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: http://[::1]:{there.port}/\r\n\r\n".encode()
        with Scripted(keep(away)) as here:

            async def scenario() -> list[bool]:
                one = checker("/", port=here.port, follow_redirects=1, keep_alive=True)
                found = [(await one.check()).ok for _ in range(3)]
                await close_http_connections()
                return found

            assert leaving_nothing(scenario) == [True, True, True]
            assert (here.connections, there.connections) == (1, 3)


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "GET", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "HEAD", "HEAD"),
        (303, "OPTIONS", "GET"),
        (301, "OPTIONS", "OPTIONS"),
    ],
)
def test_some_redirects_change_the_method(status: int, method: Any, then: str) -> None:
    moved = f"HTTP/1.1 {status} x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n".encode()
    with Scripted(answer(moved), answer(b"HTTP/1.1 204 x\r\n\r\n")) as server:
        assert find(checker("/", port=server.port, method=method, follow_redirects=1)).ok
        assert [request.split()[0].decode() for request in server.requests] == [method, then]


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_may_be_kept(loop: str, version: Any) -> None:
    async def scenario() -> list[CheckResult]:
        path = HTTPPath("/seen", regex=" 1$")
        kept = [await checker(path, keep_alive=True, version=version).check() for _ in range(3)]
        not_kept = [await checker(path, version=version).check() for _ in range(2)]
        await close_http_connections()
        fresh = await checker(path, keep_alive=True, version=version).check()
        await close_http_connections()
        await close_http_connections()
        return [evolve(result, elapsed=0.0) for result in (*kept, *not_kept, fresh)]

    no_more = failure("the body lacks ' 1$'")
    assert leaving_nothing(scenario, loop) == [WELL, no_more, no_more, WELL, WELL, WELL]


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
def test_kept_connections_end_with_their_loop(loop: str) -> None:
    before = sockets()
    for _ in range(3):
        assert run(checker(keep_alive=True).check(), loop).ok
    assert sockets() == before


def test_a_loop_that_is_closed_without_a_word_is_forgotten() -> None:
    with Scripted(answer(OK)) as server:
        loops = []
        for _ in range(3):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(checker("/", port=server.port).check()).ok
            loop.run_until_complete(asyncio.sleep(0))  # in which the socket is closed
            loop.close()
            loops.append(weakref.ref(loop))
            del loop
        run(checker("/", port=server.port).check())
        gc.collect()
        assert [loop() for loop in loops] == [None, None, None]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_the_server_has_closed_costs_nothing(method: Any) -> None:
    def once_and_away(line: Line) -> None:
        line.request()
        line.send(OK)
        line.request()  # and no answer

    with Scripted(once_and_away, answer(OK)) as server:

        async def scenario() -> list[bool]:
            one = checker("/", port=server.port, keep_alive=True, method=method)
            found = [(await one.check()).ok for _ in range(2)]
            await close_http_connections()
            return found

        assert leaving_nothing(scenario) == [True, True]
        assert server.connections == 2


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_server_that_hangs_up_has_failed_the_first_time(keep_alive: bool) -> None:
    with Scripted(answer(b""), answer(OK)) as server:
        result = find(checker("/", port=server.port, keep_alive=keep_alive))
        assert result == failure("the connection ended without a whole answer")
        assert server.connections == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_a_kept_connection_with_a_body_too_long_is_closed(loop: str) -> None:
    with Scripted(keep(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + bytes(2000))) as server:

        async def scenario() -> None:
            one = checker("/", port=server.port, keep_alive=True, max_body=10)
            assert (await one.check()).ok
            await close_http_connections()

        leaving_nothing(scenario, loop)


def greet(line: Line) -> None:
    line.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    line.until_hung_up()


SICK: Final[dict[str, tuple[Script, str | tuple[str, ...]]]] = {
    "empty": (answer(b""), "the connection ended without a whole answer"),
    "reset": (reset, "Connection reset by peer"),
    "half a head": (answer(b"HTTP/1.1 200 OK\r\nContent-"), "the connection ended without a whole answer"),
    "half a status": (answer(b"HTTP/1.1 2"), "the connection ended without a whole answer"),
    "half a body": (answer(OK[:-1]), "the body is broken, or ends too early"),
    "half a chunk": (
        answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nEvery"),
        "the body is broken, or ends too early",
    ),
    "no last chunk": (
        answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
        "the body is broken, or ends too early",
    ),
    "a chunk of no size": (
        answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nEverything"),
        "bad HTTP: ",
    ),
    "HTTP/0.9": (answer(BODY), "bad HTTP: "),
    "no HTTP": (greet, ("bad HTTP: ", "the connection ended without a whole answer")),
    "no status": (answer(b"HTTP/1.1 fine\r\n\r\n"), "bad HTTP: "),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100), "bad HTTP: "),
    "an endless header": (
        endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10000),
        "bad HTTP: ",
    ),
    "switching protocols": (
        answer(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"anything"),
        "status 101, not 200-299",
    ),
    "continue, and nothing": (
        answer(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "the connection ended without a whole answer",
    ),
    "another body": (answer(b"HTTP/1.1 200 OK\r\n\r\nOut of order"), "the body lacks 'fine'"),
    "two lengths": (
        answer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Length: 21\r\n\r\n" + BODY),
        "bad HTTP: ",
    ),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("keep_alive", [False, True])
@pytest.mark.parametrize("sickness", SICK)
def test_a_sick_server_has_failed_and_recovers(sickness: str, keep_alive: bool, loop: str) -> None:
    script, detail = SICK[sickness]
    with Scripted(script, answer(OK)) as server:

        async def scenario() -> list[CheckResult]:
            one = checker(HTTPPath("/", regex="fine"), port=server.port, keep_alive=keep_alive)
            found = [evolve(await one.check(), elapsed=0.0) for _ in range(2)]
            await close_http_connections()
            return found

        sick, well = leaving_nothing(scenario, loop)
        assert not sick.ok
        assert sick.detail.startswith(detail)
        assert well == WELL


def test_a_port_that_nobody_listens_to_has_failed() -> None:
    assert find(checker("/", port=CLOSED)) == failure("Connection refused")


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_status_is_enough_and_the_body_is_left(octets: bytes) -> None:
    with Scripted(endless(octets, b"5\r\nabcde\r\n" * 1000)) as server:
        assert find(checker("/", port=server.port)) == WELL


def test_an_endless_body_is_read_up_to_the_limit() -> None:
    with Scripted(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"fine" * 1000)) as server:
        assert find(checker(HTTPPath("/", regex="fine"), port=server.port)) == WELL
        result = find(checker(HTTPPath("/", regex="ill"), port=server.port))
        assert result == failure("the body lacks 'ill'")


def test_an_answer_may_come_octet_by_octet_and_after_others_that_are_none() -> None:
    octets = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK
    with Scripted(answer(*(octets[i : i + 1] for i in range(len(octets))))) as server:
        assert find(checker(HTTPPath("/", regex="fine"), port=server.port)) == WELL


STUCK: Final[dict[str, Script]] = {
    "silent": silence,
    "silent in the head": keep(OK[:30]),
    "silent in the body": keep(OK[:-1]),
    "an endless body of unknown length": keep(b"HTTP/1.1 200 OK\r\n\r\n" + BODY),
    "endless provisional answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("keep_alive", [False, True])
@pytest.mark.parametrize("sickness", STUCK)
def test_the_caller_bounds_a_server_that_gets_stuck(sickness: str, keep_alive: bool, loop: str) -> None:
    with Scripted(STUCK[sickness]) as server:
        one = checker(HTTPPath("/", regex="ill"), port=server.port, keep_alive=keep_alive)
        with pytest.raises(TimeoutError):
            find(one, loop, patience=0.1)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_check_may_be_cancelled_at_any_moment(method: Any, loop: str) -> None:
    body = bytes(100_000) if method == "POST" else None
    cancel_at_any_moment(checker(HTTPPath("/large", regex="a"), method=method, body=body), loop)
    cancel_at_any_moment(checker("/", host="localhost"), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_caller_bounds_a_server_that_does_not_read(loop: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        one = checker("/", port=deaf.getsockname()[1], method="POST", body=bytes(1 << 20))
        with pytest.raises(TimeoutError):
            find(one, loop, patience=0.1)


def test_hundreds_of_checks_run_at_once() -> None:
    all_here = asyncio.Event()

    async def scenario() -> None:
        count = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            await reader.readuntil(b"\r\n\r\n")
            count += 1
            if count == 300:
                all_here.set()
            await all_here.wait()
            writer.write(OK)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512) as server:
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(15):
                results = await asyncio.gather(*(checker("/", port=port).check() for _ in range(300)))
            assert all(result.ok for result in results)

    run(scenario())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", OK[:-20], b"HTTP/1.1 301 x\r\nLocation: "]),
)
def test_whatever_a_server_sends_there_is_a_result(octets: bytes, start: bytes) -> None:
    with Scripted(answer(start + octets)) as server:
        assert isinstance(find(checker(HTTPPath("/", regex="x"), port=server.port, follow_redirects=1)), CheckResult)


def test_nothing_heavy_is_imported_before_there_is_a_checker() -> None:
    code = "import sys, vrrpkit, vrrpkit.checks._http; sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": "a b"}, "host must be an IPv4 or IPv6 address or a host name, got 'a b'"),
        ({"host": "127.1"}, "host must be an IPv4 or IPv6 address or a host name, got '127.1'"),
        ({"host": "[::1]"}, "host must be an IPv4 or IPv6 address or a host name, got '[::1]'"),
        ({"host": ""}, "host must be an IPv4 or IPv6 address or a host name, got ''"),
        ({"host": "fe80::1%a/b"}, "host must be an IPv4 or IPv6 address or a host name, got 'fe80::1%a/b'"),
        ({"host": "127.0.0.1%lo"}, "host must be an IPv4 or IPv6 address or a host name, got '127.0.0.1%lo'"),
        ({"host": "a" * 64}, f"host must be an IPv4 or IPv6 address or a host name, got '{'a' * 64}'"),
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"paths": ()}, "paths must have 1-100 entries, got 0"),
        ({"method": "PUT"}, "method must be one of GET, HEAD, POST, OPTIONS, got 'PUT'"),
        ({"version": "2"}, "version must be '1.0' or '1.1', got '2'"),
        ({"body": bytes((1 << 20) + 1)}, "body must have at most 1048576 octets, got 1048577"),
        ({"headers": {"a b": "c"}}, "headers must have names of HTTP, got 'a b'"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers['a'] must be printable ASCII"),
        ({"headers": {"HOST": "a"}}, "headers must not have HOST: that is what virtual_host is for"),
        ({"headers": {"Content-Length": "1"}}, "headers must not have Content-Length: that is what body is for"),
        ({"virtual_host": "a/b"}, "virtual_host must be a host name or address, with or without a port, got 'a/b'"),
        ({"virtual_host": ":80"}, "virtual_host must be a host name or address, with or without a port, got ':80'"),
        ({"user": "a"}, "user and password must come together, and user without a colon"),
        ({"password": "a"}, "user and password must come together, and user without a colon"),
        ({"user": "a:b", "password": "c"}, "user and password must come together, and user without a colon"),
        ({"token": "a\n"}, "token must be printable ASCII"),
        ({"token": "a", "user": "b", "password": "c"}, "user, token and an Authorization header exclude each other"),
        (
            {"token": "a", "headers": {"authorization": "b"}},
            "user, token and an Authorization header exclude each other",
        ),
        ({"keep_alive": 1}, "keep_alive must be True or False, got 1"),
        ({"follow_redirects": 21}, "follow_redirects must be 0-20, got 21"),
        ({"max_body": 0}, "max_body must be 1-16777216, got 0"),
        ({"method": "HEAD", "body": b""}, "method HEAD has no body, neither to send nor to look at"),
        ({"method": "HEAD", "paths": HTTPPath(regex="a")}, "method HEAD has no body, neither to send nor to look at"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        HTTPChecker(**{"host": "127.0.0.1", "port": 80, **options})
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "a", "a-b.example.", "_x.example", "1.2.a3"]
)
def test_hosts_of_all_kinds_are_taken(host: str) -> None:
    assert HTTPChecker(host=host, port=80).host == host
