"""What a virtual router and a sync group have in common."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from vrrpkit.election import Resumed, State, SteppedDown, Suspended
from vrrpkit.runtime._feed import Feed, enlist
from vrrpkit.runtime._notices import Notifier
from vrrpkit.runtime._tracker import Tracked, Tracker
from vrrpkit.runtime._tracking import Tracking, as_tracked
from vrrpkit.tracking import Standing, Track

__all__ = ["Operable"]


log = logging.getLogger("vrrpkit.track")


class _Change(Protocol):
    @property
    def new(self) -> State: ...


C = TypeVar("C", bound=_Change)


class Operable(ABC, Generic[C]):
    """What apps and operators can do with a virtual router, and with a sync group alike.

    Attributes:
        name: What logs and notifiers call it.
    """

    def __init__(self, name: str, log: logging.Logger, notify: Iterable[Notifier]) -> None:
        self.name: Final = name
        self._notifiers: Final = list(notify)
        self._feed: Final[Feed[C]] = Feed(log, name)
        self._tracking: Final = Tracking(name, self._review)

    @property
    @abstractmethod
    def state(self) -> State:
        """The state right now; `changes()` may not have told it yet."""

    @property
    @abstractmethod
    def standing(self) -> Standing:
        """What all that is tracked makes of the priority, every contribution told."""

    @property
    def tracks(self) -> Mapping[str, Tracked]:
        """What it tracks itself, by name."""
        return self._tracking.tracked

    async def changes(self) -> AsyncIterator[C]:
        """Every change of state, in order, each once the addresses have been dealt with.

        Begins with the latest change, so that a late reader knows where things stand. A reader that falls more than
        1,024 changes behind misses the oldest, which is logged. Ends with the shutdown.
        """
        async for change in self._feed.follow():
            yield change
            if change.new is State.INITIALIZE:
                return

    async def until(self, state: State) -> C:
        """Wait until it is in a state; return the change that led to it.

        A state that was left again before the change could be told does not count.

        Raises:
            RuntimeError: It was closed first.
        """
        async for change in self.changes():
            if change.new is state and self.state is state:
                return change
        raise RuntimeError(f"{self.name} was closed before it became {state}")

    def step_down(self) -> None:
        """Let another take over now, and do not take the role back while it lives."""
        self._operate(SteppedDown())

    def stay_away(self) -> None:
        """Take no part until `come_back()`."""
        self._operate(Suspended())

    def come_back(self) -> None:
        """End `stay_away()` or `step_down()`."""
        self._operate(Resumed())

    @abstractmethod
    def set_priority(self, priority: int) -> None:
        """Go on with another configured priority, 1-255; a sync group with all its members.

        Raises:
            ConfigError: It is out of its range.
        """

    def track(self, tracker: Tracker | Tracked) -> None:
        """Let the priority, or taking part, depend on one more thing from now on.

        Args:
            tracker: With its own weight, or with another one: `check.weighing(-20)`.

        Raises:
            ConfigError: A thing of this name is tracked already.
        """
        (tracked,) = as_tracked([tracker])
        self._warn_of_traps(tracked.track)
        if not tracked.tracker.is_open:
            text = "%s: %s is not open yet, so nothing will be known of it: enter its `async with` block first"
            log.warning(text, self.name, tracked.track.name)
        self._tracking.add(tracked)

    def untrack(self, name: str) -> None:
        """Depend on it no more.

        Raises:
            ConfigError: It is not tracked.
        """
        self._tracking.remove(name)

    def set_weight(self, name: str, weight: int, *, reverse: bool | None = None) -> None:
        """Give a track another weight; `reverse` stays as it is when None.

        Raises:
            ConfigError: It is not tracked, or the weight is not -253 to 253.
        """
        self._tracking.reweigh(name, weight, reverse=reverse)
        self._warn_of_traps(self.tracks[name].track)

    def notify(self, notifier: Notifier) -> Callable[[], None]:
        """Tell a notifier all news from now on, in order; returns how to stop."""
        return enlist(self._notifiers, notifier)

    @abstractmethod
    def _operate(self, event: SteppedDown | Suspended | Resumed) -> None:
        """Carry out an operator's wish."""

    @abstractmethod
    def _review(self) -> None:
        """What is tracked may be another: tell whom it concerns."""

    @abstractmethod
    def _warn_of_traps(self, track: Track) -> None:
        """Warn of a weight that cannot do what it is for."""
