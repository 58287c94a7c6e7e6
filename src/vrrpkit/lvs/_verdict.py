"""Whether a pool holds its quorum, once that can be said."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from vrrpkit.pool import Condition, MemberMoved, PoolNews
from vrrpkit.runtime._feed import enlist

__all__ = ["QuorumVerdict"]


@define(eq=False)
class QuorumVerdict:
    """Not known before the quorum is held, or was told to be lost, or every member has had its first verdict.

    Attributes:
        held: Whether the quorum is held; None while that is not known.
    """

    held: bool | None = field(default=None, init=False)
    _started: bool = field(default=False, init=False)
    _unknown: set[str] = field(factory=set, init=False)
    _watchers: list[Callable[[], None]] = field(factory=list, init=False)

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` whenever `held` has changed; returns how to stop."""
        return enlist(self._watchers, on_change)

    def start(self, *, held: bool) -> None:
        """The pool has been opened."""
        self._started = True
        self._conclude(held)

    def note(self, news: PoolNews, *, held: bool) -> None:
        """Something has happened."""
        if not isinstance(news, MemberMoved):
            self._unknown.clear()
        elif news.new is Condition.UNKNOWN:
            self._unknown.add(news.member)
        else:
            self._unknown.discard(news.member)
        self._conclude(held)

    def _conclude(self, held: bool) -> None:
        known = self._started and (held or self.held is not None or not self._unknown)
        verdict = held if known else None
        if verdict is not self.held:
            self.held = verdict
            for callback in tuple(self._watchers):
                callback()
