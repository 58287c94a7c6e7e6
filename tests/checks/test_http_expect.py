"""What HTTP answers must be, and where redirects lead, without a network."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit import ConfigError
from vrrpkit.checks._hosts import check_host
from vrrpkit.checks._http_expect import HTTPAnswer, HTTPPath
from vrrpkit.checks._http_target import Target, authority_of, check_authority, name_in
from vrrpkit.checks._words import printable

HERE = Target(secure=False, host="192.0.2.1", port=8080, authority="www.example", path="/a/b?c")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"path": "a"},
            "path must begin with / and have no space, no # and nothing but ASCII, and no empty query, got 'a'",
        ),
        (
            {"path": ""},
            "path must begin with / and have no space, no # and nothing but ASCII, and no empty query, got ''",
        ),
        ({"path": "/a b"}, "path must begin with / and have no space, no # and nothing but ASCII"),
        ({"path": "/a#b"}, "path must begin with / and have no space, no # and nothing but ASCII"),
        ({"path": "/ä"}, "path must begin with / and have no space, no # and nothing but ASCII"),
        ({"path": "/a?"}, "path must begin with / and have no space, no # and nothing but ASCII"),
        ({"path": "/a\r\nb: c"}, "path must begin with / and have no space, no # and nothing but ASCII"),
        ({"status": ()}, "status must be among 100-599, got none"),
        ({"status": 99}, "status must be among 100-599, got 99"),
        ({"status": "200-600"}, "status must be among 100-599, got 200-600"),
        ({"status": "2xx"}, "status must be like '200-299, 404', got '2xx'"),
        ({"status": "299-200"}, "status must be among 100-599, got none"),
        ({"digest": "abc"}, "digest must be 32 (MD5) or 64 (SHA-256) hexadecimal digits, got 'abc'"),
        ({"digest": "g" * 32}, f"digest must be 32 (MD5) or 64 (SHA-256) hexadecimal digits, got '{'g' * 32}'"),
        ({"regex": "("}, "regex '(' is none: "),
        ({"virtual_host": ""}, "virtual_host must be a host name or address, with or without a port, got ''"),
        ({"virtual_host": "a\r\nb"}, "virtual_host must be a host name or address, with or without a port"),
    ],
)
def test_paths_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        HTTPPath(**settings)
    assert str(refusal.value).startswith(text)


def test_a_path_is_shown_in_short() -> None:
    path = HTTPPath("/a", status="200-299,404", regex="b")
    assert repr(path) == (
        "HTTPPath(path='/a', status='200-299, 404', digest=None, regex=re.compile(b'b'), regex_absent=None, "
        "virtual_host=None)"
    )
    assert path == HTTPPath("/a", status={404, *range(200, 300)}, regex=re.compile(b"b"))
    assert hash(path) == hash(HTTPPath("/a", status={404, *range(200, 300)}, regex=re.compile(b"b")))


def test_text_is_looked_for_in_utf_8() -> None:
    path = HTTPPath(regex="grün")
    assert path.problem(HTTPAnswer(200, body="alles grün".encode())) is None
    assert path.problem(HTTPAnswer(200, body="alles grün".encode("latin-1"))) == r"the body lacks 'gr\xfcn'"


def test_only_what_is_said_about_the_body_wants_it() -> None:
    assert not HTTPPath("/", status=404, virtual_host="a").wants_body
    assert HTTPPath(digest="0" * 32).wants_body
    assert HTTPPath(regex="a").wants_body
    assert HTTPPath(regex_absent="a").wants_body


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("/x", {"path": "/x"}),
        ("x?y=1", {"path": "/a/x?y=1"}),
        ("?z", {"path": "/a/b?z"}),
        ("../x#fragment", {"path": "/x"}),
        ("//www.example/x", {"path": "/x"}),
        ("http://WWW.example/ü ö", {"path": "/%C3%BC%20%C3%B6"}),
        ("http://www.example", {"path": "/"}),
        ("http://user:secret@www.example/x", {"path": "/x"}),
        ("http://www.example:81/x", {"port": 81, "authority": "www.example:81", "path": "/x"}),
        ("https://www.example/x", {"secure": True, "port": 443, "path": "/x"}),
        ("https://www.example:8443/x", {"secure": True, "port": 8443, "authority": "www.example:8443", "path": "/x"}),
        ("http://other.example/x", {"host": "other.example", "port": 80, "authority": "other.example", "path": "/x"}),
        ("http://[2001:db8::1]:81/", {"host": "2001:db8::1", "port": 81, "authority": "[2001:db8::1]:81", "path": "/"}),
    ],
)
def test_redirects_lead_there(location: str, there: dict[str, Any]) -> None:
    here = {"secure": False, "host": "192.0.2.1", "port": 8080, "authority": "www.example", "path": "/a/b?c"}
    assert HERE.redirected(location) == Target(**{**here, **there})


@given(st.text())
def test_any_location_leads_somewhere_or_nowhere(location: str) -> None:
    try:
        there = HERE.redirected(location)
    except ValueError:
        return
    HTTPPath(there.path)
    check_host("host", there.host)
    check_authority("authority", there.authority)
    assert 1 <= there.port <= 65535


def test_a_target_is_a_url() -> None:
    assert HERE.url == "http://192.0.2.1:8080/a/b?c"
    target = Target(secure=True, host="fe80::1%eth0", port=443, authority="[fe80::1]", path="/")
    assert target.url == "https://[fe80::1%eth0]:443/"


@pytest.mark.parametrize(
    ("host", "port", "secure", "authority", "name"),
    [
        ("www.example", 80, False, "www.example", "www.example"),
        ("www.example", 443, True, "www.example", "www.example"),
        ("www.example", 443, False, "www.example:443", "www.example"),
        ("192.0.2.1", 8080, False, "192.0.2.1:8080", "192.0.2.1"),
        ("fe80::1%eth0", 80, False, "[fe80::1]", "fe80::1"),
        ("2001:db8::1", 80, True, "[2001:db8::1]:80", "2001:db8::1"),
    ],
)
def test_the_host_header_has_no_zone_and_no_usual_port(
    host: str, port: int, secure: bool, authority: str, name: str
) -> None:
    assert authority_of(host, port, secure=secure) == authority
    assert name_in(authority) == name


def test_text_of_others_is_made_fit_for_one_line() -> None:
    assert printable("all well") == "all well"
    assert printable(" a\r\n\tb\x1b[31m\0 ü\u202e ") == "a b?[31m? ü?"
    assert printable("x" * 121) == "x" * 117 + "..."
    assert printable("x" * 1_000_000, 10) == "xxxxxxx..."


@given(st.text())
def test_any_text_becomes_printable_and_short(text: str) -> None:
    shown = printable(text, 20)
    assert shown.isprintable()
    assert len(shown) <= 20
