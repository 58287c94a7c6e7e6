"""Whatever comes from the network, `decode()` returns or raises `PacketError`."""

import copy
import pickle

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from tests.packet.helpers import on_ipv4, on_ipv6
from tests.packet.strategies import adverts, headers, mutated, sent
from vrrpkit.packet import Advertisement, ChecksumForm, Datagram, PacketError, Version, decode, encode


def verdict(datagram: Datagram) -> Advertisement | PacketError:
    """Anything but a `PacketError` passes through and fails the test."""
    try:
        return decode(datagram)
    except PacketError as error:
        return error


@pytest.mark.conforms("9568 7.1-9")
@given(headers(st.binary(max_size=2000)))
@example(on_ipv4(b""))
@example(on_ipv6(b""))
@example(on_ipv4(b"\x31" * 7))
@example(on_ipv4(bytes(65515)))
@example(on_ipv6(b"\xff" * 65535))
def test_noise_is_answered_with_packet_errors(datagram: Datagram) -> None:
    verdict(datagram)


@given(mutated())
def test_mutations_of_good_datagrams_are_answered_with_packet_errors(datagram: Datagram) -> None:
    verdict(datagram)


@given(mutated())
def test_what_is_accepted_can_be_sent_again(datagram: Datagram) -> None:
    """A value that `decode()` returns is as good as one that was constructed."""
    accepted = verdict(datagram)
    if isinstance(accepted, Advertisement):
        again = encode(accepted, source=datagram.source, destination=datagram.destination)
        assert decode(again) == accepted


@given(sent())
def test_decoded_advertisement_is_as_good_as_a_constructed_one(datagram: Datagram) -> None:
    """It hashes, copies, travels and changes like any other value."""
    heard = decode(datagram)
    built = Advertisement(
        vrid=heard.vrid,
        priority=heard.priority,
        interval=heard.interval,
        addresses=heard.addresses,
        version=heard.version,
        password=heard.password,
        form=heard.form,
    )
    assert (built, hash(built), repr(built)) == (heard, hash(heard), repr(heard))
    assert heard == copy.copy(heard) == pickle.loads(pickle.dumps(heard))  # noqa: S301 - our own
    assert evolve(heard, priority=0) == evolve(built, priority=0)


@given(sent())
def test_verdict_is_the_same_every_time(datagram: Datagram) -> None:
    assert decode(datagram) == decode(datagram)


@given(adverts(), st.sampled_from(["a", "b"]))
def test_every_advertisement_survives_the_wire(advert: Advertisement, link: str) -> None:
    wire = on_ipv4 if advert.family == 4 else on_ipv6
    peer = wire(b"")
    destination = peer.destination if link == "a" else peer.source
    heard = decode(encode(advert, source=peer.source, destination=destination))
    assert (heard, heard.form) == (advert, expected_form(advert))


def expected_form(advert: Advertisement) -> ChecksumForm:
    if advert.version is Version.V2:
        return ChecksumForm.MESSAGE_ONLY
    return ChecksumForm.PSEUDO_HEADER if advert.family == 6 else advert.form
