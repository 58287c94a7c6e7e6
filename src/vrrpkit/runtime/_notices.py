"""What a virtual router or a sync group tells, in order."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import frozen

from vrrpkit.addresses import IPAddress
from vrrpkit.election import State, StateChanged

__all__ = ["LoserHeard", "News", "Notice", "Notifier", "PriorityMoved"]


@frozen(kw_only=True)
class PriorityMoved:
    """The effective priority is another one.

    Attributes:
        old: The priority before.
        new: The priority now.
        state: The router's state.
        explanation: Every contribution to it, in words.
    """

    old: int
    new: int
    state: State
    explanation: str


@frozen(kw_only=True)
class LoserHeard:
    """While Active, an advertisement of lower priority was heard from another Active Router.

    Attributes:
        source: Who sent it.
        heard: Its priority.
        priority: The own one.
    """

    source: IPAddress
    heard: int
    priority: int


News: TypeAlias = StateChanged | PriorityMoved | LoserHeard


@frozen
class Notice:
    """News, and whose they are.

    Attributes:
        name: The router's name, or the sync group's.
        news: What has happened.
    """

    name: str
    news: News


class Notifier(Protocol):
    """Whom a router or a sync group tells its news."""

    def tell(self, notice: Notice) -> None:
        """Take one notice, in order, without waiting: a state's once its addresses have been dealt with."""
