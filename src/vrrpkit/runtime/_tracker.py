"""A thing whose condition matters to routers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Self

from attrs import evolve, frozen

from vrrpkit.runtime._feed import Feed, enlist
from vrrpkit.tracking import Reading, Track, describe

__all__ = ["Tracked", "Tracker", "TrackerNews"]

log = logging.getLogger("vrrpkit.track")


@frozen
class TrackerNews:
    """A tracked thing's condition is another one.

    Attributes:
        name: The tracker's name.
        reading: Up, down, a level, or None for not known.
        detail: Why, in one line.
    """

    name: str
    reading: Reading
    detail: str = ""


@frozen
class Tracked:
    """A tracker as one router sees it, with a weight of its own; made by `Tracker.weighing()`."""

    tracker: Tracker
    track: Track


class Tracker:
    """Something whose condition matters to routers: give it to `VirtualRouter.track()`, or follow it alone.

    This class by itself is one that the app sets:

        maintenance = Tracker("maintenance", weight=-50)
        maintenance.report(False, "until 04:00")

    Its subclasses find out by themselves while they are open (`async with`). One tracker may serve any number of
    routers. Until the first report its condition is not known; with weight 0 that keeps a router from taking part.

    Args:
        name: What causes, logs and explanations call it; no white space.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.

    Attributes:
        track: The name with the default weight.

    Raises:
        ConfigError: The name or the weight is not allowed.
    """

    def __init__(self, name: str, *, weight: int = 0, reverse: bool = False) -> None:
        self.track: Final = Track(name, weight, reverse)
        self._found = TrackerNews(name, None)
        self._told = self._found
        self._paused = False
        self._watchers: list[Callable[[], None]] = []
        self._closed = False
        self._feed: Feed[TrackerNews] | None = None  # for readers, which few trackers have

    async def __aenter__(self) -> Self:
        """Begin to find out."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Find out no more; routers keep what was known last."""
        self._closed = True
        if self._feed is not None:
            self._feed.close()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.track.name

    @property
    def reading(self) -> Reading:
        """What routers take its condition to be."""
        return self._told.reading

    @property
    def detail(self) -> str:
        """Why, in one line."""
        return self._told.detail

    @property
    def is_open(self) -> bool:
        """Whether it finds out anything; one that the app sets always is."""
        return True

    @property
    def paused(self) -> bool:
        """Whether routers are told nothing new."""
        return self._paused

    def weighing(self, weight: int | None = None, *, reverse: bool | None = None) -> Tracked:
        """This tracker with another weight, for one router.

        Raises:
            ConfigError: The weight is not allowed.
        """
        track = self.track
        return Tracked(
            self,
            evolve(
                track,
                weight=track.weight if weight is None else weight,
                reverse=track.reverse if reverse is None else reverse,
            ),
        )

    def report(self, reading: Reading, detail: str = "") -> None:
        """Say what the condition is now; told to routers unless it is the same, or this tracker is paused."""
        self._found = TrackerNews(self.name, reading, detail)
        if not self._paused:
            self._tell(self._found)

    def pause(self, assume: Reading | None = None) -> None:
        """Tell routers nothing new until `resume()`.

        Args:
            assume: What they are to believe meanwhile; what they believe now when None.
        """
        self._paused = True
        if assume is not None:
            self._tell(TrackerNews(self.name, assume, "paused"))

    def resume(self) -> None:
        """End `pause()`: what was found last counts at once."""
        self._paused = False
        self._tell(self._found)

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` whenever `reading` has changed; returns how to stop."""
        return enlist(self._watchers, on_change)

    async def known(self) -> Reading:
        """Wait until something is known, such as a first verdict, and return it; None if it is closed first."""
        if self.reading is None:
            async for news in self.changes():
                if news.reading is not None:
                    break
        return self.reading

    async def changes(self) -> AsyncIterator[TrackerNews]:
        """Every change in order, beginning with what is known already; ends when the tracker is closed."""
        if self._feed is None:
            self._feed = Feed(log, self.name)
            if self._told.reading is not None:
                self._feed.add(self._told)
            if self._closed:
                self._feed.close()
        async for news in self._feed.follow():
            yield news

    def _tell(self, news: TrackerNews) -> None:
        changed = news.reading != self._told.reading
        self._told = news
        if not changed:
            return
        log.info("%s: %s%s", self.name, describe(news.reading), f" ({news.detail})" if news.detail else "")
        if self._feed is not None:
            self._feed.add(news)
        for callback in tuple(self._watchers):
            callback()
