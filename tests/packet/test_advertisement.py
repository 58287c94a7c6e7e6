"""The constructor is the door: what passes it can be sent."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.packet.helpers import VIP
from vrrpkit.addresses import Family, IPAddress
from vrrpkit.errors import ConfigError, VRRPKitError
from vrrpkit.packet import Advertisement, ChecksumForm, PacketError, Reject, Version

LINK_LOCAL = IPv6Address("fe80::1")


def v3(
    *,
    vrid: int = 1,
    priority: int = 100,
    interval: float = 1.0,
    addresses: tuple[IPAddress, ...] = (VIP,),
    password: bytes | None = None,
) -> Advertisement:
    return Advertisement(vrid=vrid, priority=priority, interval=interval, addresses=addresses, password=password)


def v2(
    *, interval: float = 1.0, addresses: tuple[IPAddress, ...] = (VIP,), password: bytes | None = None
) -> Advertisement:
    return Advertisement(
        vrid=1, priority=100, interval=interval, addresses=addresses, version=Version.V2, password=password
    )


OUT_OF_RANGE: list[tuple[Callable[[], Advertisement], str]] = [
    (lambda: v3(vrid=0), "vrid must be 1-255, got 0"),
    (lambda: v3(vrid=256), "vrid must be 1-255, got 256"),
    (lambda: v3(vrid=True), "vrid must be 1-255, got True"),
    (lambda: v3(priority=-1), "priority must be 0-255, got -1"),
    (lambda: v3(priority=256), "priority must be 0-255, got 256"),
    (lambda: v3(interval=0.0), "interval must be 0.01-40.95 seconds in steps of 0.01, got 0.0"),
    (lambda: v3(interval=0.005), "interval must be 0.01-40.95 seconds in steps of 0.01, got 0.005"),
    (lambda: v3(interval=0.015), "interval must be 0.01-40.95 seconds in steps of 0.01, got 0.015"),
    (lambda: v3(interval=40.96), "interval must be 0.01-40.95 seconds in steps of 0.01, got 40.96"),
    (lambda: v3(interval=-1), "interval must be 0.01-40.95 seconds in steps of 0.01, got -1"),
    (
        lambda: v3(interval=float("nan")),
        "interval must be 0.01-40.95 seconds in steps of 0.01, got nan",
    ),
    (
        lambda: v3(interval=float("inf")),
        "interval must be 0.01-40.95 seconds in steps of 0.01, got inf",
    ),
    (lambda: v2(interval=0), "interval must be 1-255 whole seconds in version 2, got 0"),
    (lambda: v2(interval=0.5), "interval must be 1-255 whole seconds in version 2, got 0.5"),
    (lambda: v2(interval=1.5), "interval must be 1-255 whole seconds in version 2, got 1.5"),
    (lambda: v2(interval=256), "interval must be 1-255 whole seconds in version 2, got 256"),
    (lambda: v2(interval=float("nan")), "interval must be 1-255 whole seconds in version 2, got nan"),
    (lambda: v2(interval=float("inf")), "interval must be 1-255 whole seconds in version 2, got inf"),
    (lambda: v3(addresses=()), "addresses must have 1-255 entries, got 0"),
    (lambda: v3(addresses=(VIP,) * 256), "addresses must have 1-255 entries, got 256"),
    (lambda: v2(addresses=(VIP,) * 256), "addresses must have 0-255 entries, got 256"),
    (lambda: v3(addresses=(VIP, LINK_LOCAL)), "addresses must be all IPv4 or all IPv6, got both"),
    (lambda: v2(addresses=(LINK_LOCAL,)), "addresses must be IPv4 in version 2, got fe80::1"),
    (
        lambda: v3(password=b"hunter2"),
        "password needs version 2: version 3 has no authentication (RFC 9568 section 9)",
    ),
    (lambda: v2(password=b"hunter2 again"), "password must be 0-8 octets without trailing zeros, got 13"),
    (lambda: v2(password=b"hunter\0"), "password must be 0-8 octets without trailing zeros, got 7"),
]


@pytest.mark.conforms("9568 5.2.5-1", "9568 5.2.9-3")
@pytest.mark.parametrize(("build", "text"), OUT_OF_RANGE, ids=[text for _, text in OUT_OF_RANGE])
def test_error_names_the_field_the_range_and_the_value(build: Callable[[], Advertisement], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build()
    assert str(raised.value) == text


@pytest.mark.parametrize(
    "advert",
    [
        v3(vrid=255, priority=255, interval=40.95),
        v3(priority=0, interval=0.01),
        v3(addresses=(LINK_LOCAL,)),
        v2(interval=255, password=b"12345678"),
        v2(interval=1, addresses=(), password=b""),
        v2(password=b"\0in\0side"),
    ],
)
def test_edges_of_the_ranges_are_inside(advert: Advertisement) -> None:
    assert advert.vrid


def test_errors_are_value_errors_of_this_library() -> None:
    assert issubclass(ConfigError, VRRPKitError)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(PacketError, VRRPKitError)
    assert issubclass(PacketError, ValueError)


def test_packet_error_keeps_the_reason_beside_the_text() -> None:
    error = PacketError(Reject.TYPE, "type must be 1, got 2")
    assert (error.reason, str(error)) == (Reject.TYPE, "invalid-type-pkts-rcvd: type must be 1, got 2")


def test_password_is_never_shown() -> None:
    assert repr(v2(password=b"hunter2")) == (
        "Advertisement(vrid=1, priority=100, interval=1.0, addresses=(IPv4Address('192.0.2.1'),), "
        "version=<Version.V2: 2>, form=<ChecksumForm.PSEUDO_HEADER: 'pseudo-header'>)"
    )


def test_password_makes_a_difference_and_the_checksum_form_does_not() -> None:
    assert v2(password=b"1111") != v2(password=b"2222")
    assert v2(password=b"") != v2(password=None)
    other_form = Advertisement(vrid=1, priority=100, addresses=(VIP,), form=ChecksumForm.MESSAGE_ONLY)
    assert other_form == v3()
    assert hash(other_form) == hash(v3())


def test_family_is_that_of_the_addresses() -> None:
    families = [advert.family for advert in (v3(), v3(addresses=(LINK_LOCAL,)), v2(addresses=()))]
    assert families == [Family.IPV4, Family.IPV6, Family.IPV4]


def test_checksum_form_is_a_choice_in_version_3_over_ipv4() -> None:
    choices = [advert.has_form_choice for advert in (v3(), v3(addresses=(LINK_LOCAL,)), v2())]
    assert choices == [True, False, False]


def test_addresses_may_repeat_on_the_wire() -> None:
    """What a peer lists is its business; an own configuration is stricter."""
    twice = (VIP, IPv4Address("192.0.2.2"), VIP)
    assert v3(addresses=twice).addresses == twice
