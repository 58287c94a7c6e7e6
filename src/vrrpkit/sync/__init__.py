"""Virtual routers that move together: all Active, all Backup, all in fault, or none started.

keepalived calls it `vrrp_sync_group`. It is for a machine that is of use on all of its links or on none: a firewall
with an inside and an outside, a router with IPv4 and IPv6 (`dual_stack()`).
"""

from __future__ import annotations

from vrrpkit.sync._dual_stack import dual_stack
from vrrpkit.sync._group import SyncGroup
from vrrpkit.sync._members import freeing
from vrrpkit.sync._values import GroupChanged, GroupEvent, GroupReconfigured, MemberAction, MemberEvent

__all__ = [
    "GroupChanged",
    "GroupEvent",
    "GroupReconfigured",
    "MemberAction",
    "MemberEvent",
    "SyncGroup",
    "dual_stack",
    "freeing",
]
