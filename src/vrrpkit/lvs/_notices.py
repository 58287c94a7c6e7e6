"""What a pool tells, in order."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from vrrpkit.ipvs import ServiceKey
from vrrpkit.pool import Member, PoolNews

__all__ = ["PoolNotice", "PoolNotifier", "tell_all"]

log = logging.getLogger("vrrpkit.notify")


@frozen(kw_only=True)
class PoolNotice:
    """News, and whose they are.

    Attributes:
        name: The pool's name.
        news: What has happened.
        keys: What the pool's services are known by.
        member: The member that the news are of; None for those of the quorum.
        trusted: Whether members of this pool are in service before their first verdict.
    """

    name: str
    news: PoolNews
    keys: tuple[ServiceKey, ...]
    member: Member | None = None
    trusted: bool = False


class PoolNotifier(Protocol):
    """Whom a pool tells its news."""

    def tell(self, notice: PoolNotice) -> None:
        """Take one notice, in order, without waiting: what it tells has been asked of the kernel already."""


def tell_all(notifiers: Iterable[PoolNotifier], notice: PoolNotice) -> None:
    """Tell each of them; a defect in one keeps nothing from the others."""
    for notifier in tuple(notifiers):
        try:
            notifier.tell(notice)
        except Exception:
            log.exception("%s: %r could not be told %s", notice.name, notifier, notice.news)
