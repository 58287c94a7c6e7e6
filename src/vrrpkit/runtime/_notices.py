"""What a virtual router or a sync group tells, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol, TypeAlias

from attrs import frozen

from vrrpkit.addresses import IPAddress
from vrrpkit.election import State, StateChanged
from vrrpkit.sync import GroupChanged

__all__ = ["LoserHeard", "News", "Notice", "Notifier", "PriorityMoved", "tell_all"]

log = logging.getLogger("vrrpkit.notify")


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


News: TypeAlias = StateChanged | GroupChanged | PriorityMoved | LoserHeard


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


def tell_all(notifiers: Iterable[Notifier], notice: Notice) -> None:
    """Tell each of them; a defect in one keeps nothing from the others."""
    for notifier in tuple(notifiers):
        try:
            notifier.tell(notice)
        except Exception:
            log.exception("%s: %r could not be told %s", notice.name, notifier, notice.news)
