"""The tracks of one router, or of one sync group."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping

from attrs import evolve, frozen

from vrrpkit.election import Election, Event, FaultCleared, FaultRaised, PriorityChanged, State
from vrrpkit.errors import ConfigError, ConfigWarning
from vrrpkit.runtime._notices import PriorityMoved
from vrrpkit.runtime._tracker import Tracked, Tracker
from vrrpkit.tracking import TRACK_CAUSES, Standing, Track, standing

__all__ = ["Tracking", "as_tracked", "consequences", "details", "moved", "warn_of_traps", "weigh"]

log = logging.getLogger("vrrpkit.track")


@frozen(eq=False)
class _Entry:
    tracked: Tracked
    stop: Callable[[], None]


class Tracking:
    """Which trackers bear on one router or one group, and with what weight.

    Args:
        name: What it is called in errors.
        on_change: Called when what they add up to may be another.
    """

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self._name = name
        self._on_change = on_change
        self._entries: dict[str, _Entry] = {}

    @property
    def tracked(self) -> Mapping[str, Tracked]:
        """All of them, by name, in the order in which they came."""
        return {name: entry.tracked for name, entry in self._entries.items()}

    def add(self, tracked: Tracked) -> None:
        """Track one more thing.

        Raises:
            ConfigError: One of this name is tracked already.
        """
        name = tracked.track.name
        if name in self._entries:
            raise ConfigError(f"name of a track must be new to {self._name}, got {name!r} again")
        self._entries[name] = _Entry(tracked, tracked.tracker.watch(self._on_change))
        self._on_change()

    def remove(self, name: str) -> None:
        """Track it no more.

        Raises:
            ConfigError: It is not tracked.
        """
        self._known(name).stop()
        del self._entries[name]
        self._on_change()

    def reweigh(self, name: str, weight: int, *, reverse: bool | None = None) -> None:
        """Give a track another weight.

        Raises:
            ConfigError: It is not tracked, or the weight is not allowed.
        """
        entry = self._known(name)
        track = entry.tracked.track
        heavier = evolve(track, weight=weight, reverse=track.reverse if reverse is None else reverse)
        self._entries[name] = _Entry(Tracked(entry.tracked.tracker, heavier), entry.stop)
        self._on_change()

    def close(self) -> None:
        """Watch no tracker any more."""
        for entry in self._entries.values():
            entry.stop()

    def _known(self, name: str) -> _Entry:
        if name not in self._entries:
            names = ", ".join(self._entries) or "nothing"
            raise ConfigError(f"name of a track must be one that {self._name} has ({names}), got {name!r}")
        return self._entries[name]


def as_tracked(tracks: Iterable[Tracker | Tracked]) -> tuple[Tracked, ...]:
    """Trackers with their default weights, or with the ones they were given."""
    return tuple(one.weighing() if isinstance(one, Tracker) else one for one in tracks)


def weigh(base: int, tracked: Iterable[Tracked]) -> Standing:
    """What all of them make of a priority at this moment."""
    tracked = tuple(tracked)
    return standing(
        base,
        [one.track for one in tracked],
        {one.track.name: one.tracker.reading for one in tracked},
    )


def details(tracked: Mapping[str, Tracked]) -> dict[str, str]:
    """Why each thing is as it is, and whether that is still found out."""
    return {
        name: f"{one.tracker.detail} (paused)".lstrip() if one.tracker.paused else one.tracker.detail
        for name, one in tracked.items()
    }


def consequences(
    election: Election, priority: int, causes: frozenset[str], *, besides: frozenset[str] = frozenset()
) -> list[Event]:
    """What an election has to be told so that its tracks count: what is worse first.

    Args:
        election: What holds so far.
        priority: The effective priority that the tracks make.
        causes: The faults that they are.
        besides: Faults that are looked after elsewhere.
    """
    present = frozenset(cause for cause in election.causes - besides if cause.startswith(TRACK_CAUSES))
    raised = [FaultRaised(cause) for cause in sorted(causes - present - besides)]
    cleared = [FaultCleared(cause) for cause in sorted(present - causes)]
    if election.config.is_owner or priority == election.priority:
        return [*raised, *cleared]
    return [*raised, PriorityChanged(priority), *cleared]


def moved(name: str, before: Standing, after: Standing, state: State) -> PriorityMoved:
    """The news that the priority is another one; also said in the log."""
    log.info("%s: %s", name, after.explanation)
    return PriorityMoved(old=before.priority, new=after.priority, state=state, explanation=after.explanation)


def warn_of_traps(name: str, track: Track, *, preempt: bool, is_owner: bool) -> None:
    """Warn of weights that cannot do what they are for."""
    if not track.weight:
        return
    if is_owner:
        text = f"weight {track.weight} of {track.name} changes nothing: {name} owns its addresses (priority 255)"
    elif not preempt:
        text = (
            f"weight {track.weight} of {track.name} with preempt=False: a higher priority will not make {name} "
            f"take over; weight 0 makes the failure a fault instead"
        )
    else:
        return
    warnings.warn(text, ConfigWarning, stacklevel=4)
