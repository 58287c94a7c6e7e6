"""The configuration's half of RFC 9568 section 7.1."""

from __future__ import annotations

import enum
from hmac import compare_digest

from vrrpkit.addresses import Family
from vrrpkit.election._config import ElectionConfig
from vrrpkit.packet import Advertisement, Reject, Version

__all__ = ["Difference", "differences", "screen"]


def screen(advert: Advertisement, config: ElectionConfig) -> Reject | None:
    """Judge a well-formed advertisement by the local configuration; None lets it in.

    Another VRID, version or family discards. In version 2 another authentication or interval discards (RFC 3768 section
    7.1), in version 3 an interval never does. Another address list never does: during a roll-out it would make two
    Active Routers; see `differences()`.
    """
    if advert.version is not config.version:
        return Reject.VERSION
    if advert.vrid != config.vrid:
        return Reject.VRID
    if config.version is Version.V2:
        return _screen_version_2(advert, config)
    if advert.family is not config.family:
        return Reject.ADDRESS_LIST
    if config.family is Family.IPV6 and config.link_local_first and not advert.addresses[0].is_link_local:
        return Reject.ADDRESS_LIST  # erratum 8300
    return None


def _screen_version_2(advert: Advertisement, config: ElectionConfig) -> Reject | None:
    if (advert.password is None) != (config.password is None):
        return Reject.AUTH_TYPE_MISMATCH
    if not compare_digest(advert.password or b"", config.password or b""):
        return Reject.AUTH_FAILURE
    if advert.interval != config.advert_interval:
        return Reject.INTERVAL
    return None


class Difference(enum.StrEnum):
    """What an accepted advertisement has that it should not; also the name of its counter."""

    INTERVAL = "interval-differences"
    ADDRESS_LIST = "address-list-differences"
    SECOND_OWNER = "second-owner"


def differences(advert: Advertisement, config: ElectionConfig) -> tuple[Difference, ...]:
    """What to tell the operator about an advertisement that `screen()` let in.

    RFC 9568 section 7.1: an interval or address list that differs SHOULD be logged and nothing else, and so should
    a second owner (erratum 8298).
    """
    found = []
    if advert.priority != 0 and advert.interval != config.advert_interval:
        found.append(Difference.INTERVAL)
    if set(advert.addresses) != set(config.addresses):
        found.append(Difference.ADDRESS_LIST)
    if config.is_owner and advert.priority == config.priority:
        found.append(Difference.SECOND_OWNER)
    return tuple(found)
