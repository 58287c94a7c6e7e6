"""PostgreSQL's protocol: octets that a real server has taken and sent, and any octets."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.conversations import Said, driven
from vrrpkit.checks._lines import LineError
from vrrpkit.checks._postgresql import PostgreSQLChecker
from vrrpkit.checks._postgresql_session import PostgreSQLSession
from vrrpkit.checks._postgresql_wire import (
    TERMINATE,
    TLS_REQUEST,
    Challenge,
    Demand,
    PostgreSQLError,
    Scram,
    decode_demand,
    decode_error,
    decode_first_value,
    decode_parameter,
    encode_password,
    encode_query,
    encode_sasl,
    encode_startup,
    md5_proof,
    salted_password,
)

# What PostgreSQL 15.18 and this client have said to each other; the password is `secret`.
NONCE: Final = "2aSmYJV4vVrcnGZXcRsxD3Wr"
SERVER_FIRST: Final = b"r=2aSmYJV4vVrcnGZXcRsxD3WrgF9et2CmU0Lf/rXxzvdPn5bk,s=vpw0d9NjzYhs/T3dM/5QAA==,i=4096"
CLIENT_FINAL: Final = (
    b"c=biws,r=2aSmYJV4vVrcnGZXcRsxD3WrgF9et2CmU0Lf/rXxzvdPn5bk,p=nuw8T8rtAlLWW0DXBzZPhMoC7DRVIMy2eJof9HLXzaM="
)
SERVER_FINAL: Final = b"v=VJ26OCHhksPenvAhX3uVAkfotOVR3DN7b5K4bZmT6Bo="
SESAME: Final = "secret"


def test_messages_are_these_octets() -> None:
    assert bytes.fromhex("00000008 04d2162f") == TLS_REQUEST
    assert TERMINATE == b"X\0\0\0\x04"
    assert encode_query("SELECT 1") == b"Q\0\0\0\x0dSELECT 1\0"
    assert encode_password(b"abc") == b"p\0\0\0\x08abc\0"
    assert encode_startup("ü", None) == (
        b"\0\0\0?\0\3\0\0user\0\xc3\xbc\0application_name\0vrrpkit\0client_encoding\0UTF8\0\0"
    )
    assert encode_startup("x", "y").endswith(b"\0database\0y\0\0")


def test_a_password_is_proved_by_scram() -> None:
    scram = Scram(NONCE)
    assert encode_sasl(scram.first(), first=True) == (
        b"p\0\0\x006SCRAM-SHA-256\0\0\0\0 n,,n=,r=2aSmYJV4vVrcnGZXcRsxD3Wr"
    )
    challenge = scram.challenge(SERVER_FIRST)
    assert challenge == Challenge(salt=bytes.fromhex("be9c3477d363cd886cfd3ddd33fe5000"), iterations=4096)
    final = scram.final(salted_password(SESAME, challenge))
    assert final == CLIENT_FINAL
    assert encode_sasl(final, first=False) == b"p\0\0\0l" + CLIENT_FINAL
    scram.verify(SERVER_FINAL)


@pytest.mark.parametrize(
    "said", [b"", b"v=", b"v=AAAA", SERVER_FINAL[:-3], b"e=invalid-proof", SERVER_FINAL.swapcase(), b"v=\xff"]
)
def test_a_server_that_does_not_know_the_password_is_found_out(said: bytes) -> None:
    scram = Scram(NONCE)
    scram.final(salted_password(SESAME, scram.challenge(SERVER_FIRST)))
    with pytest.raises(PostgreSQLError):
        scram.verify(said)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        SERVER_FIRST.replace(b"r=2a", b"r=2b"),
        SERVER_FIRST.replace(b"i=4096", b"i=0"),
        SERVER_FIRST.replace(b"i=4096", b"i=-1"),
        SERVER_FIRST.replace(b"i=4096", b"i=1000001"),
        SERVER_FIRST.replace(b"i=4096", b"i=9999999999999999"),
        SERVER_FIRST.replace(b"i=4096", b"i=x"),
        SERVER_FIRST.replace(b"i=4096", b""),
        SERVER_FIRST.replace(b"==,", b",").replace(b"s=v", b"s=*"),
    ],
)
def test_what_is_no_challenge_is_an_error(said: bytes) -> None:
    with pytest.raises(PostgreSQLError, match="not a SCRAM"):
        Scram(NONCE).challenge(said)


@pytest.mark.parametrize(
    ("password", "alike"),
    [
        ("I\u00adX", "IX"),  # RFC 4013 section 3
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
    ],
)
def test_passwords_are_alike_after_saslprep(password: str, alike: str) -> None:
    challenge = Challenge(b"salt", 1)
    assert salted_password(password, challenge) == salted_password(alike, challenge)


def test_a_password_that_saslprep_forbids_stays_as_it_is() -> None:
    challenge = Challenge(b"salt", 1)
    assert salted_password("a\u00a0\x07b", challenge) != salted_password("a \x07b", challenge)
    assert salted_password("\u00ad", challenge) != salted_password("", challenge)


def test_a_password_is_proved_by_md5() -> None:
    assert md5_proof("mdfive", SESAME, b"\xb1\xae>}") == b"md5afe76c5f0dd01fbaae6e9b45db69084e"


@pytest.mark.parametrize(
    ("octets", "demand", "words"),
    [
        (b"\0\0\0\0", Demand(0, b""), "method 0"),
        (b"\0\0\0\x03", Demand(3, b""), "a password"),
        (b"\0\0\0\x05salt", Demand(5, b"salt"), "md5"),
        (b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", None, "SCRAM-SHA-256-PLUS or SCRAM-SHA-256"),
        (b"\0\0\0\x0a\x1b[2J\0" + b"x" * 99, None, f"?[2J or {'x' * 49}..."),
        (b"\xff\xff\xff\xff", Demand(0xFFFFFFFF, b""), "method 4294967295"),
    ],
)
def test_demands_are_put_in_words(octets: bytes, demand: Demand | None, words: str) -> None:
    found = decode_demand(octets)
    assert demand is None or found == demand
    assert str(found) == words


def test_errors_are_told_with_their_code() -> None:
    error = decode_error(b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0L1\0\0")
    assert (str(error), error.code) == ("57P03 the database system is starting up", "57P03")


@pytest.mark.parametrize(
    ("octets", "first"),
    [
        (b"\0\1\0\0\0\1f", "f"),
        (b"\0\2\0\0\0\2ab\0\0\0\1c", "ab"),
        (b"\0\1\0\0\0\0", ""),
        (b"\0\1\xff\xff\xff\xff", None),
        (b"\0\0", None),
    ],
)
def test_a_row_has_a_first_value(octets: bytes, first: str | None) -> None:
    assert decode_first_value(octets) == first


@pytest.mark.parametrize("octets", [b"", b"\0", b"\0\1", b"\0\1\0\0\0\2f", b"\0\1\x7f\xff\xff\xfff"])
def test_what_is_no_row_is_an_error(octets: bytes) -> None:
    with pytest.raises(PostgreSQLError):
        decode_first_value(octets)


def test_parameters_have_names() -> None:
    assert decode_parameter(b"server_version\x0018.1\0") == ("server_version", "18.1")
    assert decode_parameter(b"") == ("", "")


@given(st.binary(max_size=300))
def test_any_octets_are_a_message_or_an_error(octets: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [decode_demand, decode_first_value, decode_parameter]
    for reader in readers:
        with suppress(PostgreSQLError):
            reader(octets)
    assert str(decode_error(octets)).isprintable()
    assert str(Demand(10, octets)).isprintable()


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_any_octets_are_a_challenge_and_a_proof_or_an_error(first: bytes, second: bytes) -> None:
    for challenge in (first, b"r=" + NONCE.encode() + first + b",s=AAAA,i=1"):
        scram = Scram(NONCE)
        with suppress(PostgreSQLError):
            scram.challenge(challenge)
            scram.final(b"salted")
            scram.verify(second)


MESSAGES = st.lists(st.tuples(st.sampled_from(b"ERSZDCTNAKGWIXv"), st.binary(max_size=30)))


@given(MESSAGES, st.booleans())
def test_any_conversation_ends_in_a_verdict_or_an_error(messages: list[tuple[int, bytes]], known: bool) -> None:
    settings = {"user": "x", "password": SESAME, "role": "primary", "query": "x", "expect": "y"} if known else {}
    said = b"R\0\0\0\x08\0\0\0\0" + b"".join(
        bytes([kind]) + struct.pack("!I", len(payload) + 4) + payload for kind, payload in messages
    )
    with suppress(PostgreSQLError, LineError):
        driven(PostgreSQLChecker(host="x", **settings)._ask(PostgreSQLSession(Said(said))))  # type: ignore[arg-type]  # noqa: SLF001 - what check() does


@given(st.binary(max_size=200))
def test_any_octets_end_in_a_verdict_or_an_error(octets: bytes) -> None:
    for said in (octets, b"R\0\0\0\x0c\0\0\0\5salt" + octets):
        with suppress(PostgreSQLError, LineError):
            driven(PostgreSQLChecker(host="x", user="x", password=SESAME)._ask(PostgreSQLSession(Said(said))))  # noqa: SLF001 - the same
