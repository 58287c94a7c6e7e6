"""Pools of real servers at run time: checks, the kernel's table, and routers that go with them.

`ServerPool` runs a `vrrpkit.pool.Pool` with real checks on a table such as `vrrpkit.linux.IPVSManager`. `QuorumTracker`
lets a router depend on a pool, `ServerPool.follow()` a pool on a router, and `SyncFollower` lets the kernel tell the
other machine of its connections.
"""

from __future__ import annotations

from vrrpkit.lvs._control import PoolControl
from vrrpkit.lvs._monitor import Checks
from vrrpkit.lvs._notices import PoolNotice, PoolNotifier
from vrrpkit.lvs._pool import OnClose, ServerPool
from vrrpkit.lvs._ports import ServiceTable, SyncDaemons
from vrrpkit.lvs._quorum import QuorumTracker
from vrrpkit.lvs._snapshot import CheckStatus, MemberSnapshot, PoolSnapshot
from vrrpkit.lvs._sync import SyncFollower

__all__ = [
    "CheckStatus",
    "Checks",
    "MemberSnapshot",
    "OnClose",
    "PoolControl",
    "PoolNotice",
    "PoolNotifier",
    "PoolSnapshot",
    "QuorumTracker",
    "ServerPool",
    "ServiceTable",
    "SyncDaemons",
    "SyncFollower",
]
