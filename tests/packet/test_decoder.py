"""`Decoder` is `decode()` with a memory: the same verdicts, bounded, and good ones only."""

import weakref
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.packet.helpers import SOURCE_V4, on_ipv4, on_ipv6, sealed
from tests.packet.strategies import datagrams
from tests.packet.test_vectors import V3_IPV6_OCTETS, V3_MESSAGE_ONLY_OCTETS, V3_PSEUDO_OCTETS
from vrrpkit.packet import Advertisement, Datagram, Decoder, PacketError, Reject, decode


def numbered(number: int) -> Datagram:
    """A good datagram unlike every other."""
    head = bytes([0x31, 1, 100, 1, 0, 100, 0, 0])
    return on_ipv4(sealed(head + (0x0A000000 + number).to_bytes(4, "big")))


def test_same_octets_are_read_once() -> None:
    decoder = Decoder()
    first = decoder.decode(on_ipv4(V3_PSEUDO_OCTETS))
    assert decoder.decode(on_ipv4(V3_PSEUDO_OCTETS)) is first


def test_memory_is_bounded() -> None:
    decoder = Decoder()
    remembered = [weakref.ref(decoder.decode(numbered(number))) for number in range(20_000)]
    alive = sum(reference() is not None for reference in remembered)
    assert 1 <= alive <= 8192


def test_memory_holds_8192_advertisements() -> None:
    decoder = Decoder()
    first = decoder.decode(numbered(0))
    for number in range(1, 8192):
        decoder.decode(numbered(number))
    assert decoder.decode(numbered(0)) is first
    decoder.decode(numbered(8192))
    assert decoder.decode(numbered(0)) == first
    assert decoder.decode(numbered(0)) is not first


def test_bad_datagrams_are_not_remembered() -> None:
    """A flood of them leaves the memory as it was."""
    decoder = Decoder()
    first = decoder.decode(numbered(0))
    for number in range(20_000):
        with pytest.raises(PacketError):
            decoder.decode(on_ipv4(number.to_bytes(8, "big")))
    assert decoder.decode(numbered(0)) is first


def test_bad_datagram_stays_bad() -> None:
    decoder = Decoder()
    reasons = []
    for _ in range(3):
        with pytest.raises(PacketError) as raised:
            decoder.decode(on_ipv4("3101 6401 0064 0000 c000 0201"))
        reasons.append(raised.value.reason)
    assert reasons == [Reject.CHECKSUM] * 3


def test_everything_that_enters_the_verdict_is_remembered() -> None:
    """Good octets are no pass for another hop limit, source, destination or family."""
    good = on_ipv4(V3_PSEUDO_OCTETS)
    decoder = Decoder()
    decoder.decode(good)
    decoder.decode(on_ipv6(V3_IPV6_OCTETS))
    strangers = [
        Datagram(good.payload, good.source, good.destination, 254),
        Datagram(good.payload, IPv4Address("192.0.2.6"), good.destination, 255),
        Datagram(good.payload, good.source, SOURCE_V4, 255),
        on_ipv6(good.payload),
        on_ipv4(V3_IPV6_OCTETS),
    ]
    reasons = []
    for stranger in strangers:
        with pytest.raises(PacketError) as raised:
            decoder.decode(stranger)
        reasons.append(raised.value.reason)
    assert reasons == [Reject.HOP_LIMIT, Reject.CHECKSUM, Reject.CHECKSUM, Reject.LENGTH, Reject.LENGTH]


def test_forms_of_equal_advertisements_are_kept_apart() -> None:
    decoder = Decoder()
    octets = [V3_PSEUDO_OCTETS, V3_MESSAGE_ONLY_OCTETS, V3_PSEUDO_OCTETS]
    forms = [decoder.decode(on_ipv4(text)).form.value for text in octets]
    assert forms == ["pseudo-header", "message-only", "pseudo-header"]


def test_decoders_share_nothing() -> None:
    assert Decoder().decode(numbered(0)) is not Decoder().decode(numbered(0))


@given(st.lists(datagrams(), min_size=1, max_size=8), st.data())
def test_decoder_agrees_with_decode(pool: list[Datagram], data: st.DataObject) -> None:
    decoder = Decoder()
    for datagram in data.draw(st.lists(st.sampled_from(pool), max_size=24)):
        assert outcome(decoder.decode, datagram) == outcome(decode, datagram)


def outcome(read: Callable[[Datagram], Advertisement], datagram: Datagram) -> tuple[object, ...]:
    try:
        advert = read(datagram)
    except PacketError as error:
        return error.reason, str(error)
    return advert, advert.form
