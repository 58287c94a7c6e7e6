"""What one event does to members."""

from __future__ import annotations

from attrs import define, field

from vrrpkit.pool._actions import Condition, CountConnections, MemberMoved
from vrrpkit.pool._member import Entry

__all__ = ["Turn"]


@define(eq=False)
class Turn:
    """What is to be settled after an event.

    Attributes:
        touched: Members of which something has changed.
        leaving: Those that are members no more.
        news: What is to be told.
        asks: What is to be asked.
    """

    touched: list[Entry] = field(factory=list)
    leaving: list[Entry] = field(factory=list)
    news: list[MemberMoved] = field(factory=list)
    asks: list[CountConnections] = field(factory=list)

    def moved(self, entry: Entry, old: Condition | None, new: Condition | None, why: str) -> None:
        """A member may be in another condition now."""
        if new is not old:
            self.news.append(MemberMoved(member=entry.name, old=old, new=new, why=why))

    def ask(self, entry: Entry) -> None:
        """How many connections has it?"""
        if entry.shown is not None:
            self.asks.append(CountConnections(entry.name))
