"""The number of addresses, and what may stand behind the message."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.packet.helpers import VIP, on_ipv4, on_ipv6, sealed
from tests.packet.test_vectors import (
    V2_PLAIN,
    V2_PLAIN_OCTETS,
    V3_IPV6_OCTETS,
    V3_MESSAGE_ONLY,
    V3_MESSAGE_ONLY_OCTETS,
    V3_PSEUDO,
    V3_PSEUDO_OCTETS,
)
from vrrpkit.addresses import VRRP_GROUP_V4, VRRP_GROUP_V6
from vrrpkit.packet import Advertisement, Datagram, PacketError, Reject, Version, decode, encode


def many_v4(count: int) -> tuple[IPv4Address, ...]:
    return tuple(IPv4Address("10.0.0.0") + number for number in range(1, count + 1))


def many_v6(count: int) -> tuple[IPv6Address, ...]:
    return tuple(IPv6Address("fe80::") + number for number in range(1, count + 1))


def rejection(datagram: Datagram) -> tuple[Reject, str]:
    with pytest.raises(PacketError) as raised:
        decode(datagram)
    return raised.value.reason, str(raised.value)


def version_3(count: int) -> bytes:
    """A message of version 3 over IPv4 that lists so many addresses, sealed without a pseudo-header."""
    body = b"".join(address.packed for address in many_v4(count))
    return sealed(bytes([0x31, 1, 100, count, 0, 100, 0, 0]) + body)


# Addresses ---------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 5.2.5-1", "3768 5.3.5-1")
@pytest.mark.parametrize("version", [Version.V2, Version.V3])
def test_255_ipv4_addresses_fit(version: Version) -> None:
    advert = Advertisement(vrid=1, priority=100, addresses=many_v4(255), version=version)
    sent = encode(advert, source=VIP, destination=VRRP_GROUP_V4)
    assert (len(sent.payload), sent.payload[3]) == (1036 if version is Version.V2 else 1028, 255)
    assert decode(sent) == advert


@pytest.mark.conforms("9568 5.2.5-1")
def test_255_ipv6_addresses_fit() -> None:
    advert = Advertisement(vrid=1, priority=100, addresses=many_v6(255))
    sent = encode(advert, source=IPv6Address("fe80::5"), destination=VRRP_GROUP_V6)
    assert (len(sent.payload), sent.payload[3]) == (4088, 255)
    assert decode(sent) == advert


@pytest.mark.conforms("9568 5.2.9-1")
def test_order_of_addresses_is_kept() -> None:
    addresses = (IPv4Address("192.0.2.9"), IPv4Address("192.0.2.1"), IPv4Address("192.0.2.9"))
    advert = Advertisement(vrid=1, priority=100, addresses=addresses)
    assert decode(encode(advert, source=VIP, destination=VRRP_GROUP_V4)).addresses == addresses


@pytest.mark.conforms("9568 5.2.5-2", "9568 e8299-1")
def test_version_3_without_addresses_is_rejected() -> None:
    """RFC 9568 section 5.2.5, erratum 8299."""
    text = "packet-length-errors: an advertisement of version 3 has at least one address"
    assert rejection(on_ipv4(version_3(0))) == (Reject.LENGTH, text)
    assert rejection(on_ipv6(version_3(0))) == (Reject.LENGTH, text)


@pytest.mark.conforms("3768 5.3.5-1")
def test_version_2_without_addresses_is_accepted() -> None:
    """RFC 3768 names no minimum. 2196 + 3200 + 0001 = 5397; complement ac68."""
    empty = on_ipv4("2196 3200 0001 ac68 0000 0000 0000 0000")
    assert decode(empty) == Advertisement(vrid=150, priority=50, version=Version.V2)


# Too short ---------------------------------------------------------------------------------------


@pytest.mark.conforms("9568 7.1-5")
@pytest.mark.parametrize("missing", range(1, 5))
def test_incomplete_address_is_a_wrong_length(missing: int) -> None:
    octets = bytes.fromhex(V3_MESSAGE_ONLY_OCTETS)[:-missing]
    text = f"packet-length-errors: 1 addresses make 12 octets, got {12 - missing}"
    assert rejection(on_ipv4(octets)) == (Reject.LENGTH, text)


@pytest.mark.conforms("9568 7.1-5")
def test_count_beyond_the_octets_is_a_wrong_length() -> None:
    octets = bytearray(version_3(3))
    octets[3] = 255
    text = "packet-length-errors: 255 addresses make 1028 octets, got 20"
    assert rejection(on_ipv4(bytes(octets))) == (Reject.LENGTH, text)


@pytest.mark.conforms("3768 7.1-3")
def test_version_2_without_its_authentication_field_is_a_wrong_length() -> None:
    octets = bytes.fromhex(V2_PLAIN_OCTETS)[:12]
    text = "packet-length-errors: 1 addresses make 20 octets, got 12"
    assert rejection(on_ipv4(octets)) == (Reject.LENGTH, text)


def test_ipv6_addresses_take_sixteen_octets() -> None:
    text = "packet-length-errors: 1 addresses make 24 octets, got 12"
    assert rejection(on_ipv6(V3_PSEUDO_OCTETS)) == (Reject.LENGTH, text)


# Ethernet padding --------------------------------------------------------------------------------
# A frame's payload has at least 46 octets: behind an IPv4 header of 20 the message is padded to 26,
# behind an IPv6 header of 40 to 6, which no message is shorter than.


@pytest.mark.parametrize("padding", range(15))
def test_short_message_of_version_3_may_be_padded_to_26_octets(padding: int) -> None:
    assert decode(on_ipv4(bytes.fromhex(V3_PSEUDO_OCTETS) + bytes(padding))) == V3_PSEUDO
    assert decode(on_ipv4(bytes.fromhex(V3_MESSAGE_ONLY_OCTETS) + bytes(padding))) == V3_MESSAGE_ONLY


def test_27_octets_are_no_padding() -> None:
    octets = bytes.fromhex(V3_PSEUDO_OCTETS) + bytes(15)
    text = "packet-length-errors: 15 octets behind a message of 12"
    assert rejection(on_ipv4(octets)) == (Reject.LENGTH, text)


def test_short_message_of_version_2_may_be_padded_to_26_octets() -> None:
    octets = bytes.fromhex(V2_PLAIN_OCTETS)
    assert decode(on_ipv4(octets + bytes(6))) == V2_PLAIN
    text = "packet-length-errors: 7 octets behind a message of 20"
    assert rejection(on_ipv4(octets + bytes(7))) == (Reject.LENGTH, text)


def test_what_the_padding_says_does_not_matter() -> None:
    leaky_driver = b"GET / HTTP/1.1"
    assert decode(on_ipv4(bytes.fromhex(V3_PSEUDO_OCTETS) + leaky_driver)) == V3_PSEUDO


@pytest.mark.parametrize("surplus", [1, 2, 8])
def test_ipv6_message_is_never_padded(surplus: int) -> None:
    text = f"packet-length-errors: {surplus} octets behind a message of 40"
    assert rejection(on_ipv6(bytes.fromhex(V3_IPV6_OCTETS) + bytes(surplus))) == (Reject.LENGTH, text)


def test_shortest_ipv6_message_is_never_padded() -> None:
    """24 octets: 3101 + 6401 + 0064 + fe80 + 0001 = 193e7; fe80 + 0005 + ff02 + 0012 + 0018 + 0070 = 1fe21."""
    octets = bytes.fromhex("3101 6401 0064 6df4 fe80 0000 0000 0000 0000 0000 0000 0001")
    assert decode(on_ipv6(octets)).addresses == (IPv6Address("fe80::1"),)
    text = "packet-length-errors: 2 octets behind a message of 24"
    assert rejection(on_ipv6(octets + bytes(2))) == (Reject.LENGTH, text)


@pytest.mark.parametrize(("count", "size"), [(3, 20), (5, 28), (255, 1028)])
def test_authentication_field_of_zeros_behind_version_3_is_rejected(count: int, size: int) -> None:
    """Zeros do not change the checksum, so only the length tells; twenty octets and eight are more than padding."""
    octets = version_3(count)
    assert decode(on_ipv4(octets)).addresses == many_v4(count)
    text = f"packet-length-errors: 8 octets behind a message of {size}"
    assert rejection(on_ipv4(octets + bytes(8))) == (Reject.LENGTH, text)


def test_padding_ends_where_the_message_is_long_enough() -> None:
    assert decode(on_ipv4(version_3(4) + bytes(2))).addresses == many_v4(4)
    assert rejection(on_ipv4(version_3(4) + bytes(3)))[0] is Reject.LENGTH
    assert rejection(on_ipv4(version_3(5) + bytes(1)))[0] is Reject.LENGTH
