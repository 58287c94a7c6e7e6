"""Adverts and datagrams for Hypothesis."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from tests.packet.helpers import SOURCE_V4, SOURCE_V6, sealed
from vrrpkit.addresses import VRRP_GROUP_V4, VRRP_GROUP_V6, Family, IPAddress
from vrrpkit.packet import Advertisement, ChecksumForm, Datagram, Version, encode

V4_DESTINATIONS = (VRRP_GROUP_V4, IPv4Address("192.0.2.9"), IPv4Address("255.255.255.255"))
V6_DESTINATIONS = (VRRP_GROUP_V6, IPv6Address("2001:db8::9"))


def version_2() -> st.SearchStrategy[Advertisement]:
    return st.builds(
        Advertisement,
        vrid=st.integers(1, 255),
        priority=st.integers(0, 255),
        interval=st.integers(1, 255).map(float),
        addresses=st.lists(st.ip_addresses(v=4), max_size=20).map(tuple),
        version=st.just(Version.V2),
        password=st.none() | st.binary(max_size=8).map(lambda octets: octets.rstrip(b"\0")),
        form=st.just(ChecksumForm.MESSAGE_ONLY),
    )


def version_3(family: Family) -> st.SearchStrategy[Advertisement]:
    forms = st.sampled_from(ChecksumForm)
    return st.builds(
        Advertisement,
        vrid=st.integers(1, 255),
        priority=st.integers(0, 255),
        interval=st.integers(1, 4095).map(lambda centiseconds: centiseconds / 100),
        addresses=st.lists(st.ip_addresses(v=4 if family is Family.IPV4 else 6), min_size=1, max_size=20).map(tuple),
        form=forms if family is Family.IPV4 else st.just(ChecksumForm.PSEUDO_HEADER),
    )


def adverts() -> st.SearchStrategy[Advertisement]:
    return version_2() | version_3(Family.IPV4) | version_3(Family.IPV6)


def sources(family: Family) -> tuple[IPAddress, ...]:
    if family is Family.IPV4:
        return (SOURCE_V4, IPv4Address("10.255.255.254"))
    return (SOURCE_V6, IPv6Address("2001:db8::5"))


def destinations(family: Family) -> tuple[IPAddress, ...]:
    return V4_DESTINATIONS if family is Family.IPV4 else V6_DESTINATIONS


@st.composite
def headers(draw: st.DrawFn, payloads: st.SearchStrategy[bytes]) -> Datagram:
    """Any payload between two addresses of one family, with any hop limit."""
    family = draw(st.sampled_from(Family))
    hop_limit = draw(st.just(255) | st.integers(0, 255))
    source = draw(st.sampled_from(sources(family)))
    return Datagram(draw(payloads), source, draw(st.sampled_from(destinations(family))), hop_limit)


@st.composite
def sent(draw: st.DrawFn) -> Datagram:
    """What a correct router sends."""
    advert = draw(adverts())
    source = draw(st.sampled_from(sources(advert.family)))
    return encode(advert, source=source, destination=draw(st.sampled_from(destinations(advert.family))))


@st.composite
def mutated(draw: st.DrawFn) -> Datagram:
    """What a correct router sent, changed, cut or lengthened, and perhaps with a right checksum again."""
    datagram = draw(sent())
    octets = bytearray(datagram.payload)
    for at in draw(st.lists(st.integers(0, len(octets) - 1), max_size=4)):
        octets[at] = draw(st.integers(0, 255))
    surplus = draw(st.just(b"") | st.binary(max_size=16))
    kept = draw(st.just(len(octets)) | st.integers(0, len(octets)))
    payload = bytes(octets[:kept]) + surplus
    if len(payload) >= 8 and len(payload) % 2 == 0:
        broken = Datagram(payload, datagram.source, datagram.destination)
        payload = draw(st.sampled_from([payload, sealed(payload), sealed(payload, broken)]))
    hop_limit = draw(st.just(255) | st.integers(0, 255))
    return Datagram(payload, datagram.source, datagram.destination, hop_limit)


def datagrams() -> st.SearchStrategy[Datagram]:
    return headers(st.binary(max_size=64)) | mutated() | sent()
