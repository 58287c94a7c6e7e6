"""Virtual servers of the Linux kernel (IPVS) as values, and the steps from one table to another. Pure.

    from vrrpkit.ipvs import Endpoint, RealServer, VirtualService, plan, table

    web = VirtualService(
        Endpoint("tcp", "192.0.2.10", 80),
        scheduler="wlc",
        servers=[RealServer("10.1.0.1", 80), RealServer("10.1.0.2", 80, weight=3)],
    )
    for step in plan({}, table([web])):
        print(step)

`vrrpkit.linux.IPVSManager` reads the kernel's table and carries the steps out.
"""

from __future__ import annotations

from vrrpkit.ipvs._counters import Connections, Counters, Rates
from vrrpkit.ipvs._failure import ApplyError, Refused
from vrrpkit.ipvs._ipvsadm import as_ipvsadm
from vrrpkit.ipvs._operations import (
    AddServer,
    AddService,
    Operation,
    RemoveServer,
    RemoveService,
    SetServer,
    SetService,
)
from vrrpkit.ipvs._plan import plan
from vrrpkit.ipvs._server import MAX_WEIGHT, Checksum, Forwarding, RealServer, Tunnel, TunnelKind, Way
from vrrpkit.ipvs._service import (
    SCHEDULERS,
    Endpoint,
    FirewallMark,
    L4Protocol,
    SchedulerFlags,
    ServiceKey,
    Table,
    VirtualService,
    table,
)
from vrrpkit.ipvs._sync import SyncDaemon, SyncRole, Timeouts

__all__ = [
    "MAX_WEIGHT",
    "SCHEDULERS",
    "AddServer",
    "AddService",
    "ApplyError",
    "Checksum",
    "Connections",
    "Counters",
    "Endpoint",
    "FirewallMark",
    "Forwarding",
    "L4Protocol",
    "Operation",
    "Rates",
    "RealServer",
    "Refused",
    "RemoveServer",
    "RemoveService",
    "SchedulerFlags",
    "ServiceKey",
    "SetServer",
    "SetService",
    "SyncDaemon",
    "SyncRole",
    "Table",
    "Timeouts",
    "Tunnel",
    "TunnelKind",
    "VirtualService",
    "Way",
    "as_ipvsadm",
    "plan",
    "table",
]
