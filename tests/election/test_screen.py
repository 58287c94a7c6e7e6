"""The configuration's half of RFC 9568 section 7.1: what to let in, and what to tell the operator."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from attrs import evolve

from tests.election.helpers import OWN, VIP, VIP6, config, router
from vrrpkit.addresses import IPAddress
from vrrpkit.election import Difference, Election, ElectionConfig, SendAdvertisement, Startup, differences, screen
from vrrpkit.packet import Advertisement, Reject, Version

OTHER = IPv4Address("192.0.2.77")
V3 = Advertisement(vrid=1, priority=100, addresses=(VIP,))
V2 = Advertisement(vrid=1, priority=100, addresses=(VIP,), version=Version.V2)
IPV6 = Advertisement(vrid=1, priority=100, addresses=(VIP6,))


def config_v6(*, link_local_first: bool = True) -> ElectionConfig:
    addresses = [VIP6] if link_local_first else ["2001:db8::1"]
    return ElectionConfig(vrid=1, addresses=addresses, link_local_first=link_local_first)


# Version 3 ---------------------------------------------------------------------------------------


def test_own_advertisements_are_let_in() -> None:
    for settings in (config(), config(version=2), config(version=2, password=b"1111"), config_v6()):
        election = Election(settings, OWN)
        election.handle(Startup(), 0.0)
        (advert,) = [
            action.advert
            for action in Election(evolve(settings, priority=255), OWN).handle(Startup(), 0.0)
            if isinstance(action, SendAdvertisement)
        ]
        assert screen(advert, settings) is None
        assert differences(advert, settings) == ()


@pytest.mark.conforms("9568 7.1-3", "9568 8.4.2-2", "3768 7.1-2")
def test_other_version_is_refused() -> None:
    assert screen(V2, config(version=3)) is Reject.VERSION
    assert screen(V3, config(version=2)) is Reject.VERSION


@pytest.mark.conforms("9568 7.1-7", "9568 e8298-1", "3768 7.1-5")
def test_other_vrid_is_refused() -> None:
    assert screen(evolve(V3, vrid=2), config()) is Reject.VRID
    assert screen(evolve(V2, vrid=2), config(version=2)) is Reject.VRID


def test_version_is_judged_before_the_vrid() -> None:
    assert screen(evolve(V2, vrid=2), config()) is Reject.VERSION


@pytest.mark.conforms("9568 7.1-12")
def test_other_interval_is_let_in_and_told() -> None:
    """RFC 9568 section 7.1: SHOULD be logged, never a reason to drop."""
    slower = evolve(V3, interval=2.0)
    assert screen(slower, config()) is None
    assert differences(slower, config()) == (Difference.INTERVAL,)


def test_interval_of_a_resignation_is_not_worth_telling() -> None:
    assert differences(evolve(V3, interval=2.0, priority=0), config()) == ()


@pytest.mark.conforms("9568 7.1-15")
@pytest.mark.parametrize("addresses", [(OTHER,), (VIP, OTHER), (OTHER, VIP)])
def test_other_address_list_is_let_in_and_told(addresses: tuple[IPAddress, ...]) -> None:
    """During a roll-out two routers list different addresses; dropping would make both Active."""
    other = evolve(V3, addresses=addresses)
    assert screen(other, config()) is None
    assert differences(other, config()) == (Difference.ADDRESS_LIST,)


@pytest.mark.conforms("9568 5.2.9-1")
def test_order_of_addresses_is_no_difference() -> None:
    listed = evolve(V3, addresses=(OTHER, VIP))
    assert differences(listed, config(addresses=(VIP, OTHER))) == ()


def test_unadvertised_addresses_are_no_difference() -> None:
    assert differences(V3, config(unadvertised=[OTHER])) == ()


@pytest.mark.conforms("9568 7.1-8", "9568 e8298-2", "3768 7.1-6")
def test_second_owner_is_let_in_and_told() -> None:
    """RFC 9568 section 7.1, erratum 8298."""
    owner = evolve(V3, priority=255)
    assert screen(owner, config(priority=255)) is None
    assert differences(owner, config(priority=255)) == (Difference.SECOND_OWNER,)
    assert differences(owner, config(priority=254)) == ()


def test_all_differences_are_told() -> None:
    wrong = evolve(V3, priority=255, interval=2.0, addresses=(OTHER,))
    assert differences(wrong, config(priority=255)) == (
        Difference.INTERVAL,
        Difference.ADDRESS_LIST,
        Difference.SECOND_OWNER,
    )


@pytest.mark.conforms("9568 5.2.9-2", "9568 e8300-1")
def test_ipv6_list_that_begins_without_a_link_local_address_is_refused() -> None:
    """RFC 9568 section 5.2.9, erratum 8300."""
    unlike = evolve(IPV6, addresses=(IPv6Address("2001:db8::1"), VIP6))
    assert screen(IPV6, config_v6()) is None
    assert screen(unlike, config_v6()) is Reject.ADDRESS_LIST
    assert screen(unlike, config_v6(link_local_first=False)) is None


@pytest.mark.conforms("9568 5.2.9-3")
def test_advertisement_of_the_other_family_is_refused() -> None:
    """RFC 9568 section 5.2.9 and the abstract: the families are virtual routers of their own, whatever the VRID."""
    assert screen(IPV6, config()) is Reject.ADDRESS_LIST
    assert screen(V3, config_v6()) is Reject.ADDRESS_LIST
    assert screen(V3, config_v6(link_local_first=False)) is Reject.ADDRESS_LIST


# Version 2 ---------------------------------------------------------------------------------------


@pytest.mark.conforms("3768 7.1-15")
def test_other_interval_is_refused_in_version_2() -> None:
    """RFC 3768 section 7.1."""
    assert screen(evolve(V2, interval=2.0), config(version=2)) is Reject.INTERVAL
    assert screen(evolve(V2, interval=2.0), config(version=2, advert_interval=2)) is None


def test_resignation_with_another_interval_is_refused_in_version_2() -> None:
    assert screen(evolve(V2, interval=2.0, priority=0), config(version=2)) is Reject.INTERVAL


@pytest.mark.conforms("3768 5.3.6-2", "3768 7.1-7")
def test_password_on_one_side_only_is_a_mismatch() -> None:
    with_password = evolve(V2, password=b"1111")
    assert screen(with_password, config(version=2)) is Reject.AUTH_TYPE_MISMATCH
    assert screen(V2, config(version=2, password=b"1111")) is Reject.AUTH_TYPE_MISMATCH


def test_empty_password_is_not_the_absence_of_one() -> None:
    assert screen(evolve(V2, password=b""), config(version=2)) is Reject.AUTH_TYPE_MISMATCH
    assert screen(evolve(V2, password=b""), config(version=2, password=b"")) is None


@pytest.mark.conforms("3768 5.3.6-2", "3768 7.1-7")
@pytest.mark.parametrize("wrong", [b"", b"1", b"111", b"1112", b"11111", b"\0001111"])
def test_other_password_is_an_authentication_failure(wrong: bytes) -> None:
    assert screen(evolve(V2, password=wrong), config(version=2, password=b"1111")) is Reject.AUTH_FAILURE


@pytest.mark.conforms("3768 7.1-7")
def test_same_password_is_let_in() -> None:
    assert screen(evolve(V2, password=b"1111"), config(version=2, password=b"1111")) is None


def test_authentication_is_judged_before_the_interval() -> None:
    wrong = evolve(V2, password=b"2222", interval=2.0)
    assert screen(wrong, config(version=2, password=b"1111")) is Reject.AUTH_FAILURE


def test_version_2_is_let_in_without_addresses() -> None:
    empty = evolve(V2, addresses=())
    assert screen(empty, config(version=2)) is None
    assert differences(empty, config(version=2)) == (Difference.ADDRESS_LIST,)


def test_effective_priority_is_no_matter_of_the_configuration() -> None:
    assert differences(evolve(V3, priority=1), router().config) == ()
