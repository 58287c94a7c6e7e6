"""Notices that wait their turn, and no more than so many."""

from __future__ import annotations

from typing import assert_never

from vrrpkit.election import StateChanged
from vrrpkit.notifications._latest import Latest
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["Backlog"]


class Backlog(Latest[Notice]):
    """Notices in order, of which the latest state of every router and group is kept the longest.

    When there is no room, a priority and a lower priority heard are not taken in. A state takes the place of the oldest
    notice that is not the latest state of its router or group, or, if every notice is, of the oldest. Of lower
    priorities heard one waits per router; a second would say the same, and is one with it.
    """

    def add(self, notice: Notice) -> None:
        """Let one more wait."""
        match notice.news:
            case StateChanged() | GroupChanged():
                self.keep((isinstance(notice.news, GroupChanged), notice.name), notice)
            case LoserHeard():
                self.offer((LoserHeard, notice.name), notice)
            case PriorityMoved():
                self.offer(object(), notice)  # each says something else
            case unreachable:
                assert_never(unreachable)
