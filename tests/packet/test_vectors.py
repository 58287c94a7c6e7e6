"""Whole messages, octet by octet.

Every sum below was added up on paper from the 16-bit words of the message, with the rule of RFC 1071: fold the
carries back in, take the complement.
"""

from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.packet.helpers import SOURCE_V4, SOURCE_V6, VIP, facts, on_ipv4, on_ipv6
from vrrpkit.packet import Advertisement, ChecksumForm, Datagram, Version, decode, encode

V2_PLAIN = Advertisement(
    vrid=150,
    priority=50,
    interval=1.0,
    addresses=(IPv4Address("192.168.1.100"),),
    version=Version.V2,
    form=ChecksumForm.MESSAGE_ONLY,
)
# RFC 3768 section 5.1: version 2 type 1, VRID 150, priority 50, one address, no authentication, 1 s.
# 2196 + 3201 + 0001 + c0a8 + 0164 = 115a4; 15a4 + 1 = 15a5; complement ea5a.
V2_PLAIN_OCTETS = "2196 3201 0001 ea5a c0a8 0164 0000 0000 0000 0000"

V2_TEXT_AUTH = Advertisement(
    vrid=150,
    priority=50,
    interval=1.0,
    addresses=(IPv4Address("192.168.1.100"),),
    version=Version.V2,
    password=b"1111",
    form=ChecksumForm.MESSAGE_ONLY,
)
# RFC 2338 section 5.3.10: the same with authentication type 1 and "1111", padded with zeros to eight octets.
# 2196 + 3201 + 0101 + c0a8 + 0164 + 3131 + 3131 = 17906; 7906 + 1 = 7907; complement 86f8.
V2_TEXT_AUTH_OCTETS = "2196 3201 0101 86f8 c0a8 0164 3131 3131 0000 0000"

V3_PSEUDO = Advertisement(vrid=1, priority=100, interval=1.0, addresses=(VIP,), form=ChecksumForm.PSEUDO_HEADER)
# RFC 5798 section 5.1: version 3 type 1, VRID 1, priority 100, one address, 100 cs.
# message: 3101 + 6401 + 0064 + c000 + 0201 = 15767
# pseudo-header: c000 + 0205 + e000 + 0012 + 0070 (protocol 112) + 000c (12 octets) = 1a293
# 15767 + 1a293 = 2f9fa; f9fa + 2 = f9fc; complement 0603.
V3_PSEUDO_OCTETS = "3101 6401 0064 0603 c000 0201"

V3_MESSAGE_ONLY = Advertisement(vrid=1, priority=100, interval=1.0, addresses=(VIP,), form=ChecksumForm.MESSAGE_ONLY)
# RFC 9568 section 5.2.8: for IPv4 the message alone. 15767; 5767 + 1 = 5768; complement a897.
V3_MESSAGE_ONLY_OCTETS = "3101 6401 0064 a897 c000 0201"

V3_IPV6 = Advertisement(
    vrid=1,
    priority=100,
    interval=1.0,
    addresses=(IPv6Address("fe80::1"), IPv6Address("2001:db8::1")),
    form=ChecksumForm.PSEUDO_HEADER,
)
# RFC 9568 sections 5.2.8 and 5.2.9: the link-local address first, and the pseudo-header of RFC 8200 section 8.1.
# message: 3101 + 6402 + 0064 + fe80 + 0001 + 2001 + 0db8 + 0001 = 1c1a2
# pseudo-header: fe80 + 0005 + ff02 + 0012 + 0028 (40 octets) + 0070 (next header 112) = 1fe31
# 1c1a2 + 1fe31 = 3bfd3; bfd3 + 3 = bfd6; complement 4029.
V3_IPV6_OCTETS = "3101 6402 0064 4029 fe80 0000 0000 0000 0000 0000 0000 0001 2001 0db8 0000 0000 0000 0000 0000 0001"

VECTORS = [
    pytest.param(V2_PLAIN, on_ipv4(V2_PLAIN_OCTETS), id="v2"),
    pytest.param(V2_TEXT_AUTH, on_ipv4(V2_TEXT_AUTH_OCTETS), id="v2-text-auth"),
    pytest.param(V3_PSEUDO, on_ipv4(V3_PSEUDO_OCTETS), id="v3-pseudo-header"),
    pytest.param(V3_MESSAGE_ONLY, on_ipv4(V3_MESSAGE_ONLY_OCTETS), id="v3-message-only"),
    pytest.param(V3_IPV6, on_ipv6(V3_IPV6_OCTETS), id="v3-ipv6"),
]


@pytest.mark.conforms(
    "9568 5.2.1-1",
    "9568 5.2.8-1",
    "9568 5.2.8-2",
    "9568 5.2.8-3",
    "9568 7.2-1",
    "9568 7.2-2",
    "3768 5.3.1-1",
    "3768 5.3.7-1",
    "3768 5.3.8-1",
    "3768 5.3.10-1",
    "3768 7.2-1",
    "3768 7.2-2",
)
@pytest.mark.parametrize(("advert", "datagram"), VECTORS)
def test_advertisement_becomes_these_octets(advert: Advertisement, datagram: Datagram) -> None:
    assert encode(advert, source=datagram.source, destination=datagram.destination) == datagram


@pytest.mark.conforms("3768 5.3.6.1-1")
@pytest.mark.parametrize(("advert", "datagram"), VECTORS)
def test_octets_become_this_advertisement(advert: Advertisement, datagram: Datagram) -> None:
    assert facts(decode(datagram)) == facts(advert)


def test_checksum_form_does_not_matter_for_version_2_and_for_ipv6() -> None:
    def octets(advert: Advertisement, peer: Datagram) -> bytes:
        return encode(advert, source=peer.source, destination=peer.destination).payload

    v2 = Advertisement(
        vrid=150, priority=50, addresses=V2_PLAIN.addresses, version=Version.V2, form=ChecksumForm.PSEUDO_HEADER
    )
    v3 = Advertisement(vrid=1, priority=100, addresses=V3_IPV6.addresses, form=ChecksumForm.MESSAGE_ONLY)
    assert octets(v2, on_ipv4("")) == bytes.fromhex(V2_PLAIN_OCTETS)
    assert octets(v3, on_ipv6("")) == bytes.fromhex(V3_IPV6_OCTETS)


def test_unicast_enters_the_pseudo_header() -> None:
    """192.0.2.9 for 224.0.0.18: c000 + 0209 - e000 - 0012 makes 2f9fa into 2dbf1; dbf1 + 2 = dbf3; 240c."""
    sent = encode(V3_PSEUDO, source=SOURCE_V4, destination=IPv4Address("192.0.2.9"))
    assert sent == Datagram(bytes.fromhex("3101 6401 0064 240c c000 0201"), SOURCE_V4, IPv4Address("192.0.2.9"), 255)


def test_ipv6_unicast_enters_the_pseudo_header() -> None:
    """fe80::9 for ff02::12: fe80 + 0009 - ff02 - 0012 makes 3bfd3 into 3bf48; bf48 + 3 = bf4b; 40b4."""
    sent = encode(V3_IPV6, source=SOURCE_V6, destination=IPv6Address("fe80::9"))
    assert sent.payload[6:8] == bytes.fromhex("40b4")


@pytest.mark.conforms("9568 5.2.4-4")
def test_resignation_has_priority_zero() -> None:
    """3101 + 0001 for 6401: 2f9fa - 6400 = 295fa; 95fa + 2 = 95fc; complement 6a03."""
    datagram = on_ipv4("3101 0001 0064 6a03 c000 0201")
    advert = Advertisement(vrid=1, priority=0, addresses=(VIP,))
    assert encode(advert, source=SOURCE_V4, destination=datagram.destination) == datagram
    assert decode(datagram) == advert


@pytest.mark.conforms("9568 5.2.6-2")
def test_reserved_bits_of_the_interval_are_ignored() -> None:
    """RFC 9568 section 5.2.6: f064 for 0064: 15767 + f000 = 24767; 4767 + 2 = 4769; complement b896."""
    assert decode(on_ipv4("3101 6401 f064 b896 c000 0201")) == V3_MESSAGE_ONLY


@pytest.mark.conforms("9568 5.2.6-1")
def test_reserved_bits_of_the_interval_are_sent_as_zero() -> None:
    """RFC 9568 section 5.2.6: 40.95 s is 0fff."""
    advert = Advertisement(vrid=1, priority=100, interval=40.95, addresses=(VIP,))
    assert encode(advert, source=SOURCE_V4, destination=SOURCE_V4).payload[4:6] == bytes.fromhex("0fff")


@pytest.mark.conforms("9568 5.2.7-1")
@pytest.mark.parametrize(("interval", "octets"), [(0.01, "0001"), (0.1 + 0.2, "001e"), (2.54, "00fe"), (10.0, "03e8")])
def test_version_3_counts_centiseconds(interval: float, octets: str) -> None:
    advert = Advertisement(vrid=1, priority=100, interval=interval, addresses=(VIP,))
    assert encode(advert, source=SOURCE_V4, destination=SOURCE_V4).payload[4:6] == bytes.fromhex(octets)


@pytest.mark.conforms("9568 5.2.7-1")
def test_every_interval_of_version_3_survives_the_wire() -> None:
    for centiseconds in range(1, 4096):
        advert = Advertisement(vrid=1, priority=100, interval=centiseconds / 100, addresses=(VIP,))
        sent = encode(advert, source=SOURCE_V4, destination=SOURCE_V4)
        assert sent.payload[4:6] == centiseconds.to_bytes(2, "big")
        assert decode(sent) == advert


@pytest.mark.conforms("3768 5.3.10-2")
def test_authentication_data_is_ignored_without_authentication() -> None:
    """RFC 3768 section 5.3.10. 15a5 + ffff * 4 folds to 15a5 again."""
    assert decode(on_ipv4("2196 3201 0001 ea5a c0a8 0164 ffff ffff ffff ffff")) == V2_PLAIN


def test_password_of_eight_octets_fills_the_field() -> None:
    """2196 + 3201 + 0101 + c0a8 + 0164 = 116a4; 6162 + 6364 + 6566 + 6768 = 19194; 2a838; a83a; 57c5."""
    octets = "2196 3201 0101 57c5 c0a8 0164 6162 6364 6566 6768"
    advert = Advertisement(
        vrid=150, priority=50, addresses=V2_PLAIN.addresses, version=Version.V2, password=b"abcdefgh"
    )
    assert encode(advert, source=SOURCE_V4, destination=SOURCE_V4).payload == bytes.fromhex(octets)
    assert decode(on_ipv4(octets)).password == b"abcdefgh"


def test_empty_password_is_not_the_absence_of_one() -> None:
    """Authentication type 1 with eight zeros: 116a4; 16a5; complement e95a."""
    assert decode(on_ipv4("2196 3201 0101 e95a c0a8 0164 0000 0000 0000 0000")).password == b""
