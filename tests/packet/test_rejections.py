"""Every reason to reject a datagram, in the order of the checks (RFC 9568 section 7.1, RFC 3768 section 7.1)."""

from itertools import combinations

import pytest
from attrs import evolve, frozen

from tests.packet.helpers import SOURCE_V4, on_ipv4, on_ipv6, sealed
from vrrpkit.packet import Datagram, PacketError, Reject, Version, decode


@frozen(kw_only=True)
class Recipe:
    """A version 2 datagram with one place to break for every check; right as it stands."""

    hop_limit: int = 255
    kept: int | None = None
    version: int = 2
    type: int = 1
    surplus: int = 0
    checksum_error: int = 0
    vrid: int = 150
    interval: int = 1
    auth_type: int = 0

    def cook(self) -> Datagram:
        kind = self.version << 4 | self.type
        header = bytes([kind, self.vrid, 50, 2, self.auth_type, self.interval, 0, 0])
        message = sealed(header + bytes.fromhex("c0000201 c0000202 0000000000000000"))
        checksum = int.from_bytes(message[6:8], "big") ^ self.checksum_error
        octets = message[:6] + checksum.to_bytes(2, "big") + message[8:] + bytes(self.surplus)
        return on_ipv4(octets[: self.kept], hop_limit=self.hop_limit)


FAULTS: dict[Reject, tuple[dict[str, int], str]] = {
    Reject.HOP_LIMIT: ({"hop_limit": 254}, "ip-ttl-errors: hop limit must be 255, got 254"),
    Reject.TRUNCATED: ({"kept": 7}, "truncated-packets: 7 octets are less than a header of 8"),
    Reject.VERSION: ({"version": 4}, "version-errors: version must be 2 or 3, got 4"),
    Reject.TYPE: ({"type": 2}, "invalid-type-pkts-rcvd: type must be 1, got 2"),
    Reject.LENGTH: ({"surplus": 8}, "packet-length-errors: 8 octets behind a message of 24"),
    # 2196 + 3202 + 0001 + c000 + 0201 + c000 + 0202 = 1d79c; d79d; complement 2862; with the lowest bit flipped 2863
    Reject.CHECKSUM: ({"checksum_error": 1}, "checksum-errors: checksum 0x2863 is wrong"),
    Reject.VRID: ({"vrid": 0}, "vrid-errors: virtual router identifier must be 1-255, got 0"),
    Reject.INTERVAL: ({"interval": 0}, "interval-errors: interval must be 1-255 s, got 0"),
    Reject.AUTH_TYPE: ({"auth_type": 2}, "invalid-auth-type: authentication type must be 0 or 1, got 2"),
}


def rejection(datagram: Datagram) -> tuple[Reject, str]:
    with pytest.raises(PacketError) as raised:
        decode(datagram)
    return raised.value.reason, str(raised.value)


def test_recipe_is_right_as_it_stands() -> None:
    assert decode(Recipe().cook()).version is Version.V2


@pytest.mark.conforms("9568 5.1.1.3-2", "9568 7.1-1", "3768 5.2.3-2", "3768 7.1-1", "3768 7.1-3", "3768 7.1-4")
@pytest.mark.parametrize("reason", FAULTS)
def test_one_fault_is_one_reason(reason: Reject) -> None:
    fault, text = FAULTS[reason]
    assert rejection(evolve(Recipe(), **fault).cook()) == (reason, text)


@pytest.mark.parametrize(("earlier", "later"), list(combinations(FAULTS, 2)))
def test_of_two_faults_the_earlier_check_is_the_reason(earlier: Reject, later: Reject) -> None:
    broken = evolve(Recipe(), **FAULTS[earlier][0], **FAULTS[later][0])
    assert rejection(broken.cook())[0] is earlier


def test_reasons_of_the_decoder_come_in_the_order_of_its_checks() -> None:
    assert list(Reject)[: len(FAULTS)] == list(FAULTS)


@pytest.mark.conforms("9568 5.1.2.3-2", "9568 7.1-2")
@pytest.mark.parametrize("hop_limit", [0, 1, 64, 254])
def test_hop_limit_of_ipv6_multicast_is_255_too(hop_limit: int) -> None:
    assert rejection(on_ipv6("", hop_limit=hop_limit))[0] is Reject.HOP_LIMIT


def test_unicast_peer_may_be_routers_away() -> None:
    unicast = Datagram(Recipe().cook().payload, SOURCE_V4, SOURCE_V4, 62)
    assert decode(unicast).vrid == 150


@pytest.mark.conforms("9568 7.1-5")
@pytest.mark.parametrize("octets", range(8))
def test_less_than_a_header_is_truncated(octets: int) -> None:
    assert rejection(on_ipv4(Recipe().cook().payload[:octets]))[0] is Reject.TRUNCATED


@pytest.mark.conforms("9568 7.1-3", "3768 7.1-2")
@pytest.mark.parametrize("version", [0, 1, *range(4, 16)])
def test_unknown_version_is_rejected(version: int) -> None:
    expected = (Reject.VERSION, f"version-errors: version must be 2 or 3, got {version}")
    assert rejection(Recipe(version=version).cook()) == expected


@pytest.mark.conforms("9568 5.2.2-1", "9568 7.1-4", "3768 5.3.2-1")
@pytest.mark.parametrize("kind", [0, *range(2, 16)])
def test_unknown_type_is_rejected(kind: int) -> None:
    expected = (Reject.TYPE, f"invalid-type-pkts-rcvd: type must be 1, got {kind}")
    assert rejection(Recipe(type=kind).cook()) == expected


def test_version_2_has_no_ipv6() -> None:
    ipv6 = on_ipv6(Recipe().cook().payload)
    assert rejection(ipv6) == (Reject.VERSION, "version-errors: version 2 has no IPv6")


def test_version_is_judged_before_the_type_over_ipv6_too() -> None:
    wrong_type = on_ipv6(Recipe(type=2).cook().payload)
    assert rejection(wrong_type) == (Reject.VERSION, "version-errors: version 2 has no IPv6")


@pytest.mark.conforms("3768 5.3.6-1")
@pytest.mark.parametrize("auth_type", [2, 3, 254, 255])
def test_authentication_other_than_text_is_rejected(auth_type: int) -> None:
    """2 was RFC 2338's IP authentication header, 254 is Cisco's MD5."""
    assert rejection(Recipe(auth_type=auth_type).cook())[0] is Reject.AUTH_TYPE


@pytest.mark.conforms("9568 e8301-2")
def test_interval_zero_is_rejected_in_version_3() -> None:
    """RFC 9568 erratum 8301. 15767 - 0064 = 15703; 5704; complement a8fb."""
    expected = (Reject.INTERVAL, "interval-errors: interval must be 0.01-40.95 s, got 0")
    assert rejection(on_ipv4("3101 6401 0000 a8fb c000 0201")) == expected


def test_interval_zero_is_zero_whatever_the_reserved_bits_say() -> None:
    """15703 + f000 = 24703; 4705; complement b8fa."""
    assert rejection(on_ipv4("3101 6401 f000 b8fa c000 0201"))[0] is Reject.INTERVAL


def test_vrid_zero_is_rejected_in_version_3() -> None:
    """15767 - 0001 = 15766; 5767; complement a898."""
    assert rejection(on_ipv4("3100 6401 0064 a898 c000 0201"))[0] is Reject.VRID


@pytest.mark.conforms("3768 5.3.8-1")
def test_checksum_of_version_2_has_no_pseudo_header() -> None:
    message = Recipe().cook()
    with_pseudo_header = on_ipv4(sealed(message.payload, message))
    assert rejection(with_pseudo_header)[0] is Reject.CHECKSUM


@pytest.mark.conforms("9568 5.2.8-3")
def test_checksum_of_ipv6_has_a_pseudo_header() -> None:
    """The message alone: 3101 + 6401 + 0064 + fe80 + 0001 = 193e7; 93e8; complement 6c17."""
    message_only = on_ipv6("3101 6401 0064 6c17 fe80 0000 0000 0000 0000 0000 0000 0001")
    expected = (Reject.CHECKSUM, "checksum-errors: checksum 0x6c17 is wrong")
    assert rejection(message_only) == expected
