"""The checksum in one big number equals the textbook's loop, and finds what a checksum can find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.packet.helpers import on_ipv4, on_ipv6, sealed, textbook_checksum
from tests.packet.test_vectors import (
    V2_PLAIN_OCTETS,
    V2_TEXT_AUTH_OCTETS,
    V3_IPV6_OCTETS,
    V3_MESSAGE_ONLY_OCTETS,
    V3_PSEUDO,
    V3_PSEUDO_OCTETS,
)
from vrrpkit.packet import ChecksumForm, Datagram, PacketError, Reject, decode, internet_checksum


def test_checksum_of_the_example_in_rfc_1071_section_3() -> None:
    """0001 + f203 + f4f5 + f6f7 = 2ddf0; ddf2; complement 220d."""
    assert internet_checksum(bytes.fromhex("0001 f203 f4f5 f6f7")) == 0x220D


def test_checksum_of_octets_that_carry_theirs_is_zero() -> None:
    assert internet_checksum(bytes.fromhex("0001 f203 220d f4f5 f6f7")) == 0


def test_what_stands_before_enters_as_a_sum() -> None:
    """0001 + f203 = f204 beforehand, in one number or in words."""
    assert internet_checksum(bytes.fromhex("f4f5 f6f7"), 0xF204) == 0x220D
    assert internet_checksum(bytes.fromhex("f4f5 f6f7"), 0x0001F203) == 0x220D


@pytest.mark.conforms("9568 5.2.8-1")
@given(st.binary(max_size=1100).filter(any))
def test_checksum_is_the_textbook_loop(octets: bytes) -> None:
    even = octets + bytes(len(octets) % 2)
    assert internet_checksum(even) == textbook_checksum(even)


@pytest.mark.conforms("9568 5.2.8-2")
def test_both_forms_are_accepted_and_told_apart() -> None:
    forms = [decode(on_ipv4(octets)).form for octets in (V3_PSEUDO_OCTETS, V3_MESSAGE_ONLY_OCTETS)]
    assert forms == [ChecksumForm.PSEUDO_HEADER, ChecksumForm.MESSAGE_ONLY]


def test_pseudo_header_binds_the_message_to_its_addresses() -> None:
    """The same octets from another source, as after a translation of addresses."""
    moved = Datagram(bytes.fromhex(V3_PSEUDO_OCTETS), V3_PSEUDO.addresses[0], on_ipv4("").destination, 255)
    with pytest.raises(PacketError) as raised:
        decode(moved)
    assert raised.value.reason is Reject.CHECKSUM


@pytest.mark.conforms("9568 7.1-6")
def test_zero_is_no_free_pass() -> None:
    """A checksum field of 0 says nothing in VRRP; UDP's rule is UDP's."""
    with pytest.raises(PacketError) as raised:
        decode(on_ipv4("3101 6401 0064 0000 c000 0201"))
    assert raised.value.reason is Reject.CHECKSUM


def flipped(datagram: Datagram, bit: int) -> Datagram:
    octets = bytearray(datagram.payload)
    octets[bit // 8] ^= 0x80 >> bit % 8
    return Datagram(bytes(octets), datagram.source, datagram.destination, datagram.hop_limit)


def is_rejected(datagram: Datagram) -> bool:
    try:
        decode(datagram)
    except PacketError:
        return True
    return False


@pytest.mark.conforms("9568 7.1-6", "3768 7.1-4")
@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(on_ipv4(V2_PLAIN_OCTETS), id="v2"),
        pytest.param(on_ipv4(V2_TEXT_AUTH_OCTETS), id="v2-text-auth"),
        pytest.param(on_ipv4(V3_PSEUDO_OCTETS), id="v3-pseudo-header"),
        pytest.param(on_ipv4(V3_MESSAGE_ONLY_OCTETS), id="v3-message-only"),
        pytest.param(on_ipv6(V3_IPV6_OCTETS), id="v3-ipv6"),
    ],
)
def test_any_flipped_bit_is_found(datagram: Datagram) -> None:
    bits = range(8 * len(datagram.payload))
    assert [bit for bit in bits if not is_rejected(flipped(datagram, bit))] == []


def test_flipped_bit_of_the_padding_does_not_matter() -> None:
    padded = on_ipv4(bytes.fromhex(V3_PSEUDO_OCTETS) + bytes(14))
    bits = range(8 * len(padded.payload))
    assert [bit for bit in bits if not is_rejected(flipped(padded, bit))] == list(range(8 * 12, 8 * 26))


@given(
    vrid=st.integers(1, 255),
    priority=st.integers(0, 255),
    centiseconds=st.integers(1, 4095),
    addresses=st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=4),
    data=st.data(),
)
def test_any_flipped_bit_of_any_ipv6_message_is_found(
    vrid: int, priority: int, centiseconds: int, addresses: list[bytes], data: st.DataObject
) -> None:
    """Over IPv6 one form is right; over IPv4 the two differ by a sum that a flip could happen to equal."""
    head = bytes([0x31, vrid, priority, len(addresses), *centiseconds.to_bytes(2, "big"), 0, 0])
    message = head + b"".join(addresses)
    datagram = on_ipv6(sealed(message, on_ipv6("")))
    assert not is_rejected(datagram)
    assert is_rejected(flipped(datagram, data.draw(st.integers(0, 8 * len(message) - 1))))
