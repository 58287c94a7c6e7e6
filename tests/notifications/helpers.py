"""News to tell."""

from __future__ import annotations

from vrrpkit.addresses import parse_address
from vrrpkit.election import Reason, State, StateChanged
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["group", "loser", "moved", "router"]


def router(new: State, name: str = "VI_1", *, reason: Reason = Reason.STARTUP, priority: int = 100) -> Notice:
    """A virtual router's state is another one."""
    return Notice(name, StateChanged(old=State.INITIALIZE, new=new, reason=reason, at=0.0, priority=priority))


def group(new: State, name: str = "VG_1", *, reason: Reason = Reason.STARTUP) -> Notice:
    """A sync group's state is another one."""
    return Notice(name, GroupChanged(old=State.INITIALIZE, new=new, at=0.0, member=None, reason=reason))


def loser(name: str = "VI_1", *, priority: int = 100) -> Notice:
    """A lower priority was heard."""
    return Notice(name, LoserHeard(source=parse_address("", "192.0.2.9"), heard=50, priority=priority))


def moved(new: int, state: State, name: str = "VI_1") -> Notice:
    """The priority is another one."""
    return Notice(name, PriorityMoved(old=100, new=new, state=state, explanation=""))
