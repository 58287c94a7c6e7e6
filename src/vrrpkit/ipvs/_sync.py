"""How the kernel tells another machine of its connections, and for how long it remembers them."""

from __future__ import annotations

import enum
from ipaddress import IPv4Address
from typing import Final

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.errors import ConfigError, Whole

__all__ = ["SyncDaemon", "SyncRole", "Timeouts"]

_LONGEST_NAME: Final = 15
_TIMEOUT: Final = optional(Whole(1, 0x7FFFFFFF // 1000))


class SyncRole(enum.IntEnum):
    """What a thread of the kernel does; it may run one of each. The numbers are the kernel's."""

    ACTIVE = 1
    """Tells the other machine of connections. ipvsadm and keepalived call it master."""
    BACKUP = 2
    """Learns of them."""


def _to_group(value: str | IPAddress) -> IPAddress:
    group = parse_address("group", value)
    if not group.is_multicast:
        raise ConfigError(f"group must be a multicast address, got {group}")
    return group


def _check_interface(_instance: object, _attribute: object, name: str) -> None:
    given: object = name
    if not (isinstance(given, str) and 1 <= len(given) <= _LONGEST_NAME):
        raise ConfigError(f"interface must be a name of 1-{_LONGEST_NAME} characters, got {name!r}")


@frozen
class SyncDaemon:
    """How connections are told to the other machine, the same on both but for the role.

    Attributes:
        interface: By which link.
        sync_id: Tells several pairs on one link apart, 0-255.
        port: The UDP port, 1-65535.
        ttl: The TTL of what is sent, 1-255.
        group: The multicast address that it is sent to.
        max_length: Octets of one datagram at most, 1-65507; what the link takes when None.

    Raises:
        ConfigError: A setting is out of its range.
    """

    interface: str = field(validator=_check_interface)
    sync_id: int = field(default=0, kw_only=True, validator=Whole(0, 255))
    port: int = field(default=8848, kw_only=True, validator=Whole(1, 0xFFFF))
    ttl: int = field(default=1, kw_only=True, validator=Whole(1, 255))
    group: IPAddress = field(default=IPv4Address("224.0.0.81"), kw_only=True, converter=_to_group)
    max_length: int | None = field(default=None, kw_only=True, validator=optional(Whole(1, 65507)))


@frozen(kw_only=True)
class Timeouts:
    """For how many seconds the kernel remembers a silent connection, 1-2147483; None leaves it as it is.

    Attributes:
        tcp: An established TCP connection.
        tcp_fin: A TCP connection of which one side has closed.
        udp: A UDP exchange.

    Raises:
        ConfigError: A time is out of its range.
    """

    tcp: int | None = field(default=None, validator=_TIMEOUT)
    tcp_fin: int | None = field(default=None, validator=_TIMEOUT)
    udp: int | None = field(default=None, validator=_TIMEOUT)
