"""What can happen to a pool."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.errors import InRange, Whole, check_flag
from vrrpkit.ipvs import Table
from vrrpkit.pool._config import MAX_POOL_WEIGHT, Member, PoolConfig

__all__ = [
    "CheckChanged",
    "ChecksReplaced",
    "ConnectionsCounted",
    "DrainBegan",
    "Event",
    "MaintenanceBegan",
    "MaintenanceEnded",
    "MemberAdded",
    "MemberRemoved",
    "MemberReplaced",
    "PoolReconfigured",
    "PoolStarted",
    "PoolTick",
    "Restored",
    "Withdrawn",
]

_LONGEST_DRAIN: Final = 7 * 86400
_MOST_CONNECTIONS: Final = (1 << 63) - 1


@frozen
class PoolTick:
    """The deadline has come."""


@frozen
class PoolStarted:
    """From now on the kernel's table follows; members that are found in it stay there until their first verdict.

    Once it has started, this tells that the table was read again: it is made what it should be, and that is all.

    Attributes:
        found: What the kernel has of the pool's services; others are left alone.
    """

    found: Table


@frozen
class CheckChanged:
    """A check of a member has another verdict, or another wish for the weight.

    Attributes:
        member: The member's name.
        check: The check's name, unique within the member.
        up: The verdict; None when it is not known any more.
        weight: The weight that the check wishes for the member, 0-65535; None for the configured one.
        detail: The reason, in words, for news and explanations.

    Raises:
        ConfigError: A part is out of its range.
    """

    member: str
    check: str
    up: bool | None = field(validator=optional(check_flag))
    weight: int | None = field(default=None, validator=optional(Whole(0, MAX_POOL_WEIGHT)))
    detail: str = ""


@frozen
class MemberAdded:
    """A new member, of which nothing is known.

    Attributes:
        member: The member; its name is one that no other has, and so are its address and port.
        checks: The names of its checks, each another one; without any it is up.
    """

    member: Member
    checks: Collection[str] = ()


@frozen
class MemberReplaced:
    """A member of the same name, address and port with other settings; what is known of it stays."""

    member: Member


@frozen
class ChecksReplaced:
    """Other checks for a member; what those of the same name have found stays, and so does the verdict meanwhile."""

    member: str
    checks: Collection[str]


@frozen
class MemberRemoved:
    """A member is taken out now, with whatever connections it has."""

    member: str


@frozen
class DrainBegan:
    """A member gets no new connections any more, and is removed when it has none, or after so long.

    Attributes:
        member: The member's name.
        limit: Seconds that its connections may take to end, 0-604800; None for as long as they need.
        remove: Whether it leaves the pool then; otherwise it goes into maintenance.

    Raises:
        ConfigError: The limit is out of its range.
    """

    member: str
    limit: float | None = field(default=None, validator=optional(InRange(0, _LONGEST_DRAIN, "seconds")))
    remove: bool = field(default=True, validator=check_flag)


@frozen
class ConnectionsCounted:
    """The answer to `CountConnections`: how many connections a member has, in all services.

    It may come late: it means nothing for a member that is not draining any more, or has gone.

    Attributes:
        member: The member's name.
        total: How many, at least 0.

    Raises:
        ConfigError: The number is out of its range.
    """

    member: str
    total: int = field(validator=Whole(0, _MOST_CONNECTIONS))


@frozen
class MaintenanceBegan:
    """A member is out of service whatever its checks say: at weight 0, so that its connections end by themselves."""

    member: str


@frozen
class MaintenanceEnded:
    """A member is in service again, as its checks say; this ends a drain as well."""

    member: str


@frozen
class PoolReconfigured:
    """Other settings; what is known of the members stays."""

    config: PoolConfig


@frozen
class Withdrawn:
    """The services are taken out of the kernel's table; checks go on to be counted."""


@frozen
class Restored:
    """The services are put back."""


Event: TypeAlias = (
    PoolTick
    | PoolStarted
    | CheckChanged
    | MemberAdded
    | MemberReplaced
    | ChecksReplaced
    | MemberRemoved
    | DrainBegan
    | ConnectionsCounted
    | MaintenanceBegan
    | MaintenanceEnded
    | PoolReconfigured
    | Withdrawn
    | Restored
)
"""Everything that can happen."""
