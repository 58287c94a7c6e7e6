"""The frames that tell a LAN where an address lives, octet by octet."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.packet.helpers import textbook_checksum, textbook_pseudo_header
from vrrpkit.addresses import Family, MACAddress, virtual_mac, vrrp_group
from vrrpkit.packet import announcement_frame, gratuitous_arp, unsolicited_na

VMAC_V4 = MACAddress(bytes.fromhex("00005e000101"))
VMAC_V6 = MACAddress(bytes.fromhex("00005e000201"))

NEIGHBOR_ADVERTISEMENT = (
    "333300000001 00005e000201 86dd"  # to the MAC address of ff02::1 (RFC 2464 section 7), IPv6
    "60000000 0020 3a ff"  # version 6, 32 octets, ICMPv6, hop limit 255
    "20010db8000000000000000000000001"  # from the address itself
    "ff020000000000000000000000000001"  # to all nodes
    "88 00 1b2a"  # type 136, code 0
    "a0000000"  # Router and Override, not Solicited
    "20010db8000000000000000000000001"  # target
    "02 01 00005e000201"  # option 2, target link-layer address, 8 octets
)
# The checksum, on paper:
# message: 8800 + a000 + 2001 + 0db8 + 0001 + 0201 + 5e00 + 0201 = 1b7bc
# pseudo-header: 2001 + 0db8 + 0001 + ff02 + 0001 + 0020 + 003a = 12d17
# 1b7bc + 12d17 = 2e4d3; e4d5; complement 1b2a


@pytest.mark.conforms("9568 6.4.1-3", "9568 e7947-1", "9568 e7949-1")
def test_gratuitous_arp_octet_by_octet() -> None:
    frame = gratuitous_arp(VMAC_V4, IPv4Address("192.0.2.1"))
    assert (len(frame), frame[:32].hex(" ", 2), frame[38:].hex()) == (
        42,
        bytes.fromhex(
            "ffffffffffff 00005e000101 0806"  # broadcast, from the address to teach, ARP
            "0001 0800 06 04 0001"  # Ethernet, IPv4, lengths 6 and 4, request
            "00005e000101 c0000201"  # sender
        ).hex(" ", 2),
        "c0000201",  # target protocol address
    )


@pytest.mark.conforms("9568 e7947-1", "9568 e7949-1")
def test_target_of_a_gratuitous_arp_is_the_virtual_mac() -> None:
    """RFC 9568 section 6.4.2: its target link-layer address is the Virtual Router MAC address (erratum 7949)."""
    assert gratuitous_arp(VMAC_V4, IPv4Address("192.0.2.1"))[32:38].hex() == "00005e000101"


@pytest.mark.conforms("9568 6.4.1-5", "9568 6.4.2-12")
def test_unsolicited_neighbor_advertisement_octet_by_octet() -> None:
    frame = unsolicited_na(VMAC_V6, IPv6Address("2001:db8::1"))
    assert frame.hex(" ", 2) == bytes.fromhex(NEIGHBOR_ADVERTISEMENT).hex(" ", 2)


def test_host_leaves_the_router_flag_out() -> None:
    """a000 - 8000: 2e4d3 becomes 264d3; 64d5; complement 9b2a."""
    frame = unsolicited_na(VMAC_V6, IPv6Address("2001:db8::1"), router=False)
    expected = NEIGHBOR_ADVERTISEMENT.replace("88 00 1b2a" + "a0000000", "88 00 9b2a" + "20000000")
    assert frame.hex(" ", 2) == bytes.fromhex(expected).hex(" ", 2)


@given(st.binary(min_size=6, max_size=6).map(MACAddress), st.ip_addresses(v=6), st.booleans())
def test_checksum_of_a_neighbor_advertisement_is_right(mac: MACAddress, address: IPv6Address, router: bool) -> None:
    frame = unsolicited_na(mac, address, router=router)
    header, message = frame[14:54], frame[54:]
    source, destination = IPv6Address(header[8:24]), IPv6Address(header[24:40])
    assert (source, destination) == (address, IPv6Address("ff02::1"))
    pseudo_header = textbook_pseudo_header(source, destination, len(message), 58)
    assert textbook_checksum(pseudo_header + message) == 0


def test_frame_follows_the_family_of_the_address() -> None:
    v4, v6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
    assert announcement_frame(VMAC_V4, v4) == gratuitous_arp(VMAC_V4, v4)
    assert announcement_frame(VMAC_V6, v6) == unsolicited_na(VMAC_V6, v6)
    assert announcement_frame(VMAC_V6, v6, router=False) == unsolicited_na(VMAC_V6, v6, router=False)


@pytest.mark.conforms("9568 5.1.1.2-1", "9568 5.1.2.2-1")
def test_groups_are_those_of_the_standard() -> None:
    """RFC 9568 sections 5.1.1.2 and 5.1.2.2."""
    assert vrrp_group(Family.IPV4) == IPv4Address("224.0.0.18")
    assert vrrp_group(Family.IPV6) == IPv6Address("ff02::12")


@pytest.mark.conforms("9568 7.3-1", "9568 7.3-2", "3768 7.3-1")
@pytest.mark.parametrize(("family", "mac"), [(Family.IPV4, "00005e000196"), (Family.IPV6, "00005e000296")])
def test_virtual_mac_ends_in_the_vrid(family: Family, mac: str) -> None:
    """RFC 9568 section 7.3, VRID 150."""
    assert virtual_mac(150, family) == bytes.fromhex(mac)
