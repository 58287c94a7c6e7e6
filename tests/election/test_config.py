"""A configuration is checked once, at construction, and says what is wrong with it."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.election.helpers import VIP, config
from vrrpkit.addresses import Family
from vrrpkit.election import ElectionConfig, PriorityChanged
from vrrpkit.errors import ConfigError
from vrrpkit.packet import ChecksumForm, Version

PHRASE = "hunter2"
UMLAUTS = "üüüüü"
MANY = [IPv4Address("10.0.0.0") + number for number in range(256)]


def error(build: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as raised:
        build()
    return str(raised.value)


@pytest.mark.conforms(
    "9568 5.2.4-2",
    "9568 5.2.9-2",
    "9568 6.1-1",
    "9568 6.1-2",
    "9568 6.1-3",
    "9568 e8301-1",
    "3768 5.3.4-2",
    "3768 5.3.7-1",
    "3768 6.1-1",
)
@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: config(vrid=0), "vrid must be 1-255, got 0"),
        (lambda: config(vrid=256), "vrid must be 1-255, got 256"),
        (lambda: config(priority=0), "priority must be 1-255 (255 is for the address owner), got 0"),
        (lambda: config(priority=256), "priority must be 1-255 (255 is for the address owner), got 256"),
        (lambda: config(priority=-1), "priority must be 1-255 (255 is for the address owner), got -1"),
        (
            lambda: config(advert_interval=0.0),
            "advert_interval must be 0.01-40.95 seconds in steps of 0.01, got 0.0",
        ),
        (
            lambda: config(advert_interval=41),
            "advert_interval must be 0.01-40.95 seconds in steps of 0.01, got 41",
        ),
        (
            lambda: config(advert_interval=0.125),
            "advert_interval must be 0.01-40.95 seconds in steps of 0.01, got 0.125",
        ),
        (
            lambda: config(version=2, advert_interval=0.5),
            "advert_interval must be 1-255 whole seconds in version 2, got 0.5",
        ),
        (
            lambda: config(version=2, advert_interval=256),
            "advert_interval must be 1-255 whole seconds in version 2, got 256",
        ),
        (lambda: config(preempt_delay=-1.0), "preempt_delay must be 0-1000 seconds, got -1.0"),
        (lambda: config(preempt_delay=1000.5), "preempt_delay must be 0-1000 seconds, got 1000.5"),
        (lambda: config(preempt_delay=float("nan")), "preempt_delay must be 0-1000 seconds, got nan"),
        (lambda: config(preempt_delay=True), "preempt_delay must be 0-1000 seconds, got True"),
        (lambda: config(startup_delay=-0.5), "startup_delay must be 0-1000 seconds, got -0.5"),
        (lambda: config(startup_delay=1001), "startup_delay must be 0-1000 seconds, got 1001"),
        (lambda: config(down_timer_adverts=0), "down_timer_adverts must be 1-100, got 0"),
        (lambda: config(down_timer_adverts=101), "down_timer_adverts must be 1-100, got 101"),
        (lambda: config(addresses=[]), "addresses must have 1-255 entries, got 0"),
        (lambda: config(addresses=MANY), "addresses must have 1-255 entries, got 256"),
        (
            lambda: config(addresses="192.0.2.1"),
            "addresses must be a list of addresses, got the text '192.0.2.1'",
        ),
        (
            lambda: config(addresses=["192.0.2.1/24"]),
            "addresses must be an IPv4 or IPv6 address without a prefix length, got '192.0.2.1/24'",
        ),
        (
            lambda: config(addresses=["router.example"]),
            "addresses must be an IPv4 or IPv6 address without a prefix length, got 'router.example'",
        ),
        (
            lambda: config(addresses=["fe80::1%eth0"]),
            "addresses must be an address without a zone, got fe80::1%eth0",
        ),
        (
            lambda: config(addresses=[IPv6Address("fe80::1%2")]),
            "addresses must be an address without a zone, got fe80::1%2",
        ),
        (
            lambda: config(addresses=["192.0.2.1", "fe80::1"]),
            "addresses must be all IPv4 or all IPv6, got both",
        ),
        (
            lambda: config(addresses=["fe80::1"], version=2),
            "addresses must be IPv4 in version 2, got fe80::1",
        ),
        (
            lambda: config(addresses=["192.0.2.1", "192.0.2.1"]),
            "addresses must be distinct unicast addresses, got 192.0.2.1",
        ),
        (
            lambda: config(addresses=["224.0.0.18"]),
            "addresses must be distinct unicast addresses, got 224.0.0.18",
        ),
        (
            lambda: config(addresses=["0.0.0.0"]),
            "addresses must be distinct unicast addresses, got 0.0.0.0",
        ),
        (
            lambda: config(addresses=["2001:db8::1", "fe80::1"]),
            (
                "addresses must begin with a link-local address for IPv6 (RFC 9568 section 5.2.9), "
                "got 2001:db8::1 first; link_local_first=False turns this rule off"
            ),
        ),
        (
            lambda: config(password=PHRASE),
            "password needs version 2: version 3 has no authentication (RFC 9568 section 9)",
        ),
        (
            lambda: config(version=2, password=b"hunter2 again"),
            "password must be 0-8 octets without trailing zeros, got 13",
        ),
        (
            lambda: config(version=2, password=b"1111\0"),
            "password must be 0-8 octets without trailing zeros, got 5",
        ),
        (
            lambda: config(version=2, password=UMLAUTS),
            "password must be 0-8 octets without trailing zeros, got 10",
        ),
        (lambda: PriorityChanged(0), "priority must be 1-254, got 0"),
        (lambda: PriorityChanged(255), "priority must be 1-254, got 255"),
    ],
)
def test_error_names_the_field_the_range_and_the_value(build: Callable[[], object], text: str) -> None:
    assert error(build) == text


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: config(unadvertised=["router.example"]),
            "unadvertised must be an IPv4 or IPv6 address without a prefix length, got 'router.example'",
        ),
        (
            lambda: config(unadvertised="192.0.2.7"),
            "unadvertised must be a list of addresses, got the text '192.0.2.7'",
        ),
    ],
)
def test_error_about_the_unadvertised_addresses_names_them(build: Callable[[], object], text: str) -> None:
    assert error(build) == text


@pytest.mark.parametrize("version", [0, 1, 4])
def test_unknown_version_is_a_config_error(version: int) -> None:
    assert error(lambda: config(version=version)) == f"version must be 2 or 3, got {version}"


@pytest.mark.conforms("3768 6.1-2")
def test_router_of_version_2_needs_an_address_too() -> None:
    """An advertisement without one can be received; a virtual router without one makes no sense."""
    assert error(lambda: config(addresses=[], version=2)) == "addresses must have 1-255 entries, got 0"


def test_unadvertised_address_may_not_be_advertised_too() -> None:
    assert "192.0.2.1" in error(lambda: config(unadvertised=[VIP]))
    assert "198.51.100.1" in error(lambda: config(unadvertised=["198.51.100.1", "198.51.100.1"]))


def test_rules_of_the_advertised_list_do_not_bind_the_other_one() -> None:
    both = config(unadvertised=["2001:db8::1", "198.51.100.1"])
    many = config(unadvertised=[*MANY[1:], IPv4Address("10.1.0.1")])
    assert (both.family, len(both.all_addresses), len(many.all_addresses)) == (Family.IPV4, 3, 257)


@pytest.mark.conforms("9568 5.2.4-3", "9568 6.1-4", "9568 6.1-8", "3768 5.3.4-3", "3768 6.1-3", "3768 6.1-6")
def test_defaults_are_those_of_the_standard() -> None:
    chosen = ElectionConfig(vrid=1, addresses=["192.0.2.1"])
    assert chosen == ElectionConfig(
        vrid=1,
        addresses=(VIP,),
        unadvertised=(),
        priority=100,
        version=Version.V3,
        advert_interval=1.0,
        preempt=True,
        preempt_delay=0.0,
        down_timer_adverts=3,
        startup_delay=0.0,
        higher_prio_send_advert=False,
        lower_prio_no_advert=None,
        password=None,
        checksum_form=ChecksumForm.PSEUDO_HEADER,
        link_local_first=True,
    )


@pytest.mark.conforms("9568 e8301-1")
def test_edges_of_the_ranges_are_inside() -> None:
    low = config(priority=1, advert_interval=0.01, down_timer_adverts=1)
    high = config(
        vrid=255,
        addresses=MANY[1:],
        priority=255,
        advert_interval=40.95,
        preempt_delay=1000,
        startup_delay=1000.0,
        down_timer_adverts=100,
    )
    assert (low.is_owner, high.is_owner) == (False, True)
    assert config(version=2, advert_interval=255, password=b"12345678").password == b"12345678"


def test_addresses_may_be_text_or_objects_in_any_iterable() -> None:
    from_text = ElectionConfig(vrid=1, addresses=(text for text in ("fe80::1", "2001:db8::1")))
    assert from_text.addresses == (IPv6Address("fe80::1"), IPv6Address("2001:db8::1"))
    assert from_text.family is Family.IPV6


def test_version_may_be_a_plain_number() -> None:
    assert config(version=2).version is Version.V2


def test_password_may_be_text_and_is_never_shown() -> None:
    secret = config(version=2, password=PHRASE)
    assert secret.password == b"hunter2"
    assert "hunter2" not in repr(secret)
    assert "password" not in repr(secret)


def test_text_of_a_password_error_does_not_show_it() -> None:
    assert "hunter2" not in error(lambda: config(version=2, password=PHRASE + PHRASE))
    assert "hunter2" not in error(lambda: config(version=3, password=PHRASE))


@pytest.mark.parametrize(
    ("version", "option", "answers"),
    [(3, None, True), (2, None, False), (3, True, False), (2, True, False), (3, False, True), (2, False, True)],
)
def test_losers_are_answered_as_the_version_says_unless_told_otherwise(
    version: int, option: bool | None, answers: bool
) -> None:
    assert config(version=version, lower_prio_no_advert=option).answers_losers is answers


@pytest.mark.parametrize("name", ["preempt", "higher_prio_send_advert", "link_local_first"])
def test_switch_is_true_or_false(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} must be True or False, got 'no'$"):
        ElectionConfig(vrid=1, addresses=["192.0.2.1"], **{name: "no"})  # type: ignore[arg-type]


@pytest.mark.parametrize("interval", ["1", True])
def test_interval_is_a_number(interval: object) -> None:
    with pytest.raises(ConfigError, match=rf"^advert_interval must be a number of seconds, got {interval!r}$"):
        ElectionConfig(vrid=1, addresses=["192.0.2.1"], advert_interval=interval)  # type: ignore[arg-type]
