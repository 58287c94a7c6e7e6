"""One virtual router of both families."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from vrrpkit.election import Election, ElectionConfig, Startup, State, TimerFired
from vrrpkit.errors import ConfigError
from vrrpkit.sync import SyncGroup, dual_stack

MIXED = ["2001:db8::10", "192.0.2.10", "fe80::10", "192.0.2.11"]


def test_each_family_gets_its_addresses_in_their_order_and_all_else() -> None:
    assert dual_stack(
        vrid=51,
        addresses=["fe80::10", "192.0.2.10", IPv6Address("2001:db8::10"), IPv4Address("192.0.2.11")],
        unadvertised=["2001:db8:1::10", "198.51.100.10"],
        priority=200,
        advert_interval=0.5,
        preempt=False,
    ) == (
        ElectionConfig(
            vrid=51,
            addresses=["192.0.2.10", "192.0.2.11"],
            unadvertised=["198.51.100.10"],
            priority=200,
            advert_interval=0.5,
            preempt=False,
        ),
        ElectionConfig(
            vrid=51,
            addresses=["fe80::10", "2001:db8::10"],
            unadvertised=["2001:db8:1::10"],
            priority=200,
            advert_interval=0.5,
            preempt=False,
        ),
    )


def test_both_make_a_group() -> None:
    first, second = dual_stack(vrid=51, addresses=["192.0.2.10", "fe80::10"], priority=255)
    group = SyncGroup({"4": Election(first), "6": Election(second)})
    assert group.state is State.INITIALIZE
    group.handle(Startup(), 0.0)
    assert {name: election.state for name, election in group.members.items()} == {"4": "active", "6": "active"}
    assert len(group.handle(TimerFired(), 1.0)) == 2


def test_link_local_rule_is_the_configurations() -> None:
    with pytest.raises(ConfigError, match="got 2001:db8::10 first"):
        dual_stack(vrid=51, addresses=MIXED)
    _first, second = dual_stack(vrid=51, addresses=MIXED, link_local_first=False)
    assert second.addresses == (IPv6Address("2001:db8::10"), IPv6Address("fe80::10"))


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        (["192.0.2.10"], "addresses must be of both families, got none of IPV6"),
        (["fe80::10"], "addresses must be of both families, got none of IPV4"),
        ([], "addresses must be of both families, got none of IPV4"),
        ("fe80::10", "addresses must be a list of addresses, got the text 'fe80::10'"),
        (
            ["192.0.2.10/24"],
            "addresses must be an IPv4 or IPv6 address without a prefix length, got '192.0.2.10/24'",
        ),
    ],
)
def test_addresses_must_be_of_both_families(addresses: list[str], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        dual_stack(vrid=51, addresses=addresses)
    assert str(raised.value) == text


def test_further_addresses_may_be_of_one_family() -> None:
    first, second = dual_stack(vrid=51, addresses=["192.0.2.10", "fe80::10"], unadvertised=["2001:db8::10"])
    assert (first.unadvertised, second.unadvertised) == ((), (IPv6Address("2001:db8::10"),))


def test_further_addresses_are_a_list_too() -> None:
    with pytest.raises(ConfigError, match=r"^unadvertised must be a list of addresses, got the text "):
        dual_stack(vrid=51, addresses=MIXED, unadvertised="192.0.2.11")


def test_version_2_knows_one_family_only() -> None:
    with pytest.raises(ConfigError, match=r"^version must be 3 for both families together, got 2$"):
        dual_stack(vrid=51, addresses=MIXED, version=2)


def test_version_3_knows_no_password() -> None:
    with pytest.raises(ConfigError, match=r"^password needs version 2"):
        dual_stack(vrid=51, addresses=["192.0.2.10", "fe80::10"], password="1111")  # noqa: S106 - it is refused
