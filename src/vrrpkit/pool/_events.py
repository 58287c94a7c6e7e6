"""What can happen to a pool."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from attrs import frozen

from vrrpkit.ipvs import Table
from vrrpkit.pool._config import Member, PoolConfig

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


@frozen
class PoolTick:
    """The deadline has come."""


@frozen
class PoolStarted:
    """From now on the kernel's table follows; members that are found in it stay there until their first verdict.

    Attributes:
        found: What the kernel has of the pool's services.
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
    """

    member: str
    check: str
    up: bool | None
    weight: int | None = None


@frozen
class MemberAdded:
    """A new member, of which nothing is known.

    Attributes:
        member: The member; its name is one that no other has.
        checks: The names of its checks; without any it is up.
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
        limit: Seconds that its connections may take to end; None for as long as they need.
        remove: Whether it leaves the pool then; otherwise it goes into maintenance.
    """

    member: str
    limit: float | None = None
    remove: bool = True


@frozen
class ConnectionsCounted:
    """The answer to `CountConnections`: how many connections a member has, in all services."""

    member: str
    total: int


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
