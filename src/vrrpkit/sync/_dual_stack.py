"""One virtual router for IPv4 and IPv6, as two elections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, Unpack

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.election import ElectionConfig
from vrrpkit.errors import ConfigError
from vrrpkit.packet import ChecksumForm, Version

__all__ = ["dual_stack"]


class Settings(TypedDict, total=False):
    """What both configurations share."""

    priority: int
    advert_interval: float
    preempt: bool
    preempt_delay: float
    down_timer_adverts: int
    startup_delay: float
    higher_prio_send_advert: bool
    lower_prio_no_advert: bool | None
    checksum_form: ChecksumForm
    link_local_first: bool
    password: str | bytes | None


def dual_stack(
    *,
    vrid: int,
    addresses: Iterable[str | IPAddress],
    unadvertised: Iterable[str | IPAddress] = (),
    version: int = Version.V3,
    **settings: Unpack[Settings],
) -> tuple[ElectionConfig, ElectionConfig]:
    """The two members of a `SyncGroup` that is one virtual router of both families.

    An advertisement lists addresses of one family, so each family has an election of its own.

    Args:
        vrid: Virtual router identifier, of both.
        addresses: Addresses of both families in any order. Those of one family keep their order, so the first IPv6
            address must be link-local, unless `link_local_first` is off.
        unadvertised: As in `ElectionConfig`; each goes with its own family.
        version: 3, because version 2 knows no IPv6.
        settings: What else `ElectionConfig` takes, for both.

    Returns:
        The configuration for IPv4, and the one for IPv6.

    Raises:
        ConfigError: A family has no address, or the version is 2; else as `ElectionConfig`.
    """
    if version != Version.V3:
        raise ConfigError(f"version must be 3 for both families together, got {version!r}")
    advertised, others = _split("addresses", addresses), _split("unadvertised", unadvertised)
    for family, found in advertised.items():
        if not found:
            raise ConfigError(f"addresses must be of both families, got none of {family.name}")
    first, second = (
        ElectionConfig(vrid=vrid, addresses=advertised[family], unadvertised=others[family], **settings)
        for family in (Family.IPV4, Family.IPV6)
    )
    return first, second


def _split(name: str, addresses: Iterable[str | IPAddress]) -> dict[Family, list[IPAddress]]:
    if isinstance(addresses, str):
        raise ConfigError(f"{name} must be a list of addresses, got the text {addresses!r}")
    found: dict[Family, list[IPAddress]] = {family: [] for family in Family}
    for text in addresses:
        address = parse_address(name, text)
        found[family_of(address)].append(address)
    return found
