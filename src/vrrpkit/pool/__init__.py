"""Pools of real servers: who is in service, and what the kernel's table should be. Pure."""

from __future__ import annotations

from vrrpkit.pool._actions import (
    Action,
    Apply,
    Condition,
    CountConnections,
    MemberMoved,
    MemberStatus,
    PoolNews,
    QuorumMoved,
)
from vrrpkit.pool._config import Member, PoolConfig
from vrrpkit.pool._events import (
    CheckChanged,
    ChecksReplaced,
    ConnectionsCounted,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    PoolReconfigured,
    PoolStarted,
    PoolTick,
    Restored,
    Withdrawn,
)
from vrrpkit.pool._machine import Pool

__all__ = [
    "Action",
    "Apply",
    "CheckChanged",
    "ChecksReplaced",
    "Condition",
    "ConnectionsCounted",
    "CountConnections",
    "DrainBegan",
    "Event",
    "MaintenanceBegan",
    "MaintenanceEnded",
    "Member",
    "MemberAdded",
    "MemberMoved",
    "MemberRemoved",
    "MemberReplaced",
    "MemberStatus",
    "Pool",
    "PoolConfig",
    "PoolNews",
    "PoolReconfigured",
    "PoolStarted",
    "PoolTick",
    "QuorumMoved",
    "Restored",
    "Withdrawn",
]
