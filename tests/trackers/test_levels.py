"""Numbers in files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit.tracking import Level
from vrrpkit.tracking._levels import LevelRead, read_level

NO_NUMBER = LevelRead(Level(0), "it does not begin with a number")
EMPTY = LevelRead(Level(0), "it is empty")
TOO_LARGE = LevelRead(None, "a number from -2147483648 to 2147483647 is wanted, and that is not one: ignored")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"12", 12),
        (b"12\n", 12),
        (b" \t\n\v\f\r12 13", 12),
        (b"-5\n", -5),
        (b"+5", 5),
        (b"0", 0),
        (b"-0", 0),
        (b"12apples", 12),
        (b"1.9", 1),
        (b"5\x006", 5),
        (b"0x1f", 31),
        (b"-0X1F", -31),
        (b"0x", 0),
        (b"0xg", 0),
        (b"017", 15),
        (b"08", 0),
        (b"0000000000000000000000000000000000012", 10),
        (b"0x000000000000000000000000000000012", 18),
        (b"2147483647", 2147483647),
        (b"-2147483648", -2147483648),
        (b"0x7fffffff", 2147483647),
        (b"017777777777", 2147483647),
        (b"-020000000000", -2147483648),
    ],
)
def test_a_number_is_read_from_the_beginning(text: bytes, number: int) -> None:
    assert read_level(text) == LevelRead(Level(number))


@pytest.mark.parametrize("text", [b"apples", b"-", b"+-5", b"- 5", b"x12", b"\xff12", b"\x0012", b"\xd9\xa1"])
def test_no_number_is_zero(text: bytes) -> None:
    assert read_level(text) == NO_NUMBER


@pytest.mark.parametrize("text", [b"", b"\n", b" \t "])
def test_an_empty_text_is_zero(text: bytes) -> None:
    assert read_level(text) == EMPTY


@pytest.mark.parametrize(
    "text", [b"2147483648", b"-2147483649", b"0x80000000", b"020000000000", b"9" * 5000, b"0x" + b"f" * 5000]
)
def test_a_number_that_32_bits_do_not_hold_is_ignored(text: bytes) -> None:
    assert read_level(text) == TOO_LARGE


@given(st.binary())
def test_any_octets_are_read(octets: bytes) -> None:
    level = read_level(octets).level
    assert level is None or -(2**31) <= level.value < 2**31


@given(st.integers(-(2**33), 2**33), st.sampled_from(["{}", "{:#x}", "{:+}", " {}\n"]), st.binary())
def test_every_number_is_read_whatever_follows(number: int, form: str, rest: bytes) -> None:
    found = read_level(form.format(number).encode() + b" " + rest)
    assert found == (LevelRead(Level(number)) if -(2**31) <= number < 2**31 else TOO_LARGE)
