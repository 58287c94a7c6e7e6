"""Everything a person would ask of a pool, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeAlias

from attrs import frozen

from vrrpkit.ipvs import Table
from vrrpkit.pool import Member, MemberStatus, PoolConfig
from vrrpkit.trackers import CheckTracker
from vrrpkit.tracking import Reading, describe

__all__ = ["CheckStatus", "MemberSnapshot", "PoolSnapshot"]

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"


@frozen(kw_only=True)
class CheckStatus:
    """One check of a member.

    Attributes:
        reading: The verdict; None while nothing is known.
        detail: What the last check has found, in one line.
        wish: The weight that the server wished for itself when it was well last; None for the configured one.
        paused: Whether nothing is checked.
    """

    reading: Reading
    detail: str
    wish: int | None
    paused: bool

    @classmethod
    def of(cls, tracker: CheckTracker) -> Self:
        """What a check has come to."""
        last = tracker.last
        return cls(
            reading=None if last is None else tracker.reading,
            detail="" if last is None else last.detail,
            wish=tracker.wish,
            paused=tracker.paused,
        )

    def to_dict(self) -> dict[str, JSON]:
        """The same for JSON."""
        return {
            "reading": describe(self.reading),
            "detail": self.detail,
            "wish": self.wish,
            "paused": self.paused,
        }


@frozen(kw_only=True)
class MemberSnapshot:
    """One member.

    Attributes:
        member: Its settings.
        status: How it stands.
        checks: Its checks, by name; none while the pool is not open.
    """

    member: Member
    status: MemberStatus
    checks: Mapping[str, CheckStatus]

    def to_dict(self) -> dict[str, JSON]:
        """The same for JSON."""
        member, status = self.member, self.status
        return {
            "address": str(member.address),
            "port": member.port,
            "condition": status.condition.value,
            "in_service": status.in_service,
            "weight": status.weight,
            "effective_weight": status.effective_weight,
            "configured_weight": member.weight,
            "explanation": status.explanation,
            "checks": {name: check.to_dict() for name, check in self.checks.items()},
        }


@frozen(kw_only=True)
class PoolSnapshot:
    """One pool at one moment.

    Attributes:
        name: The pool's name.
        config: The settings in force.
        quorum_held: Whether the quorum is held.
        live_weight: The weights of all live members together.
        explanation: Where the quorum stands, and whether it can be reached, in words.
        sorry_serves: Whether the sorry server serves instead of the members.
        members: The members by name, in the order in which they came.
        desired: What the kernel's table should be.
        withdrawn: Why the services are not in the table, in words; empty while they are.
        suspended: Why nothing is checked, in words; empty while checks run.
        error: What the kernel refuses now, in words.
    """

    name: str
    config: PoolConfig
    quorum_held: bool
    live_weight: int
    explanation: str
    sorry_serves: bool
    members: Mapping[str, MemberSnapshot]
    desired: Table
    withdrawn: tuple[str, ...]
    suspended: tuple[str, ...]
    error: str | None

    def to_dict(self) -> dict[str, JSON]:
        """The same for JSON."""
        config = self.config
        return {
            "name": self.name,
            "services": [str(key) for key in config.keys],
            "quorum": config.quorum,
            "hysteresis": config.hysteresis,
            "quorum_held": self.quorum_held,
            "live_weight": self.live_weight,
            "explanation": self.explanation,
            "sorry_server": None if config.sorry_server is None else config.sorry_server.name,
            "sorry_serves": self.sorry_serves,
            "members": {name: member.to_dict() for name, member in self.members.items()},
            "table": {
                str(key): {str(server): server.weight for server in service.servers}
                for key, service in self.desired.items()
            },
            "withdrawn": [*self.withdrawn],
            "suspended": [*self.suspended],
            "error": self.error,
        }
