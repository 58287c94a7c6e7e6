"""Routers, events and actions in the words of a test.

Unless a test says otherwise: virtual router 1 with the one address 192.0.2.1, version 3, an advertisement every
second, priority 100, primary address 192.0.2.5. So one skew is 156/256 s = 0.609375 s and the silence limit is
3.609375 s. The peers are 192.0.2.9 and, to lose ties, 192.0.2.3.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import TypedDict, Unpack

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    AdvertReceived,
    AnnounceAddresses,
    Election,
    ElectionConfig,
    Heard,
    Reason,
    ReleaseAddresses,
    SendAdvertisement,
    Startup,
    State,
    StateChanged,
    TimerFired,
)
from vrrpkit.packet import Advertisement, ChecksumForm, Version

VIP = IPv4Address("192.0.2.1")
VIP6 = IPv6Address("fe80::1")
OWN = IPv4Address("192.0.2.5")
PEER = IPv4Address("192.0.2.9")
LOW_PEER = IPv4Address("192.0.2.3")
TICK = TimerFired()


class Settings(TypedDict, total=False):
    """Keyword arguments of `ElectionConfig` that tests set."""

    unadvertised: Iterable[str | IPAddress]
    priority: int
    version: int
    advert_interval: float
    preempt: bool
    preempt_delay: float
    down_timer_adverts: int
    startup_delay: float
    higher_prio_send_advert: bool
    lower_prio_no_advert: bool | None
    password: str | bytes | None
    checksum_form: ChecksumForm
    link_local_first: bool


def config(
    *, vrid: int = 1, addresses: Iterable[str | IPAddress] = (VIP,), **settings: Unpack[Settings]
) -> ElectionConfig:
    return ElectionConfig(vrid=vrid, addresses=addresses, **settings)


def router(*, primary: IPAddress | None = OWN, **settings: Unpack[Settings]) -> Election:
    """A router that has not started."""
    return Election(config(**settings), primary)


def backup(*, since: float = 0.0, **settings: Unpack[Settings]) -> Election:
    """A router that has started and heard nothing yet."""
    election = router(**settings)
    election.handle(Startup(), since)
    assert election.state is State.BACKUP
    return election


def active(*, since: float = 0.0, primary: IPAddress | None = OWN, **settings: Unpack[Settings]) -> Election:
    """A router that became Active, or as an owner sent its last advertisement, at this moment."""
    election = router(primary=primary, **settings)
    election.handle(Startup(), since - 5000)
    election.handle(TICK, since)
    assert election.state is State.ACTIVE
    return election


def heard(
    priority: int = 100,
    *,
    source: IPAddress = PEER,
    interval: float = 1.0,
    version: Version = Version.V3,
    addresses: tuple[IPAddress, ...] = (VIP,),
) -> AdvertReceived:
    advert = Advertisement(vrid=1, priority=priority, interval=interval, addresses=addresses, version=version)
    return AdvertReceived(advert, source)


def send(
    priority: int = 100,
    *,
    interval: float = 1.0,
    version: Version = Version.V3,
    addresses: tuple[IPAddress, ...] = (VIP,),
) -> SendAdvertisement:
    return SendAdvertisement(
        Advertisement(vrid=1, priority=priority, interval=interval, addresses=addresses, version=version)
    )


def acquire(*addresses: IPAddress) -> AcquireAddresses:
    return AcquireAddresses(addresses or (VIP,))


def release(*addresses: IPAddress) -> ReleaseAddresses:
    return ReleaseAddresses(addresses or (VIP,))


def announce(*addresses: IPAddress) -> AnnounceAddresses:
    return AnnounceAddresses(addresses or (VIP,))


def said(priority: int, at: float, *, source: IPAddress = PEER, interval: float = 1.0) -> Heard:
    """What a router remembers of an advertisement."""
    return Heard(source, priority, interval, at)


def news(
    old: State,
    new: State,
    reason: Reason,
    at: float,
    *,
    priority: int = 100,
    heard: Heard | None = None,
    causes: Iterable[str] = (),
) -> StateChanged:
    return StateChanged(
        old=old,
        new=new,
        reason=reason,
        at=at,
        priority=priority,
        heard=heard,
        causes=frozenset(causes),
    )


def standing(election: Election) -> tuple[State, float | None]:
    """The state and when it wants to be woken."""
    return election.state, election.deadline
