"""Everything a person would ask of a virtual router, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from attrs import frozen

from vrrpkit.addresses import IPAddress, family_of, virtual_mac
from vrrpkit.election import (
    Active,
    Backup,
    Election,
    ElectionConfig,
    Heard,
    State,
    StateChanged,
    active_down_interval,
    skew_time,
)
from vrrpkit.stats import RouterCounters
from vrrpkit.tracking import Contribution, Standing, describe

__all__ = ["RouterSnapshot"]

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"


@frozen(kw_only=True)
class RouterSnapshot:
    """One virtual router at one moment.

    Attributes:
        name: The router's name.
        config: The settings in force.
        state: Its state.
        last_change: The change that led to it, with its reason; None before the start.
        since: When that was, by the wall clock, in UTC.
        taken_at: When this was taken, on the router's clock, in seconds.
        priority: The effective priority.
        primary_address: The address its advertisements leave from.
        active: The current Active Router as last heard; None while that is this router, or unknown.
        deadline: When the next decision falls, on the router's clock: the next advertisement of an Active Router, the
            take-over of a Backup.
        causes: What keeps it in fault.
        held: The addresses it should hold now.
        counters: What it has counted.
        skew: Its Skew_Time now, in seconds.
        down_interval: Its Active_Down_Interval now, in seconds.
        error: What the kernel refuses now, in words.
        standing: What the tracks make of its priority.
        details: Of each track by name, why the thing is as it is, in one line.
        group: The sync group that it belongs to; None if it is in none.
        stalls: How often the event loop of all routers that share a clock stood still for half a second or more when
            one of them had something to do.
    """

    name: str
    config: ElectionConfig
    state: State
    last_change: StateChanged | None
    since: datetime | None
    taken_at: float
    priority: int
    primary_address: IPAddress | None
    active: Heard | None
    deadline: float | None
    causes: frozenset[str]
    held: tuple[IPAddress, ...]
    counters: RouterCounters
    skew: float
    down_interval: float
    error: str | None
    standing: Standing
    details: Mapping[str, str]
    group: str | None
    stalls: int

    @property
    def active_address(self) -> IPAddress | None:
        """Who is Active, by primary address; None while unknown."""
        if self.state is State.ACTIVE:
            return self.primary_address
        return None if self.active is None else self.active.source

    @property
    def active_priority(self) -> int | None:
        """The priority of who is Active; None while unknown."""
        if self.state is State.ACTIVE:
            return self.priority
        return None if self.active is None else self.active.priority

    @property
    def decides_in(self) -> float | None:
        """Seconds until `deadline`; negative when it is late."""
        return None if self.deadline is None else self.deadline - self.taken_at

    def to_dict(self) -> dict[str, JSON]:
        """The same for JSON."""
        config = self.config
        return {
            "name": self.name,
            "vrid": config.vrid,
            "version": config.version.value,
            "virtual_mac": virtual_mac(config.vrid, family_of(config.addresses[0])).hex(":"),
            "addresses": [str(address) for address in config.addresses],
            "unadvertised": [str(address) for address in config.unadvertised],
            "held": [str(address) for address in self.held],
            "state": self.state.value,
            "since": None if self.since is None else self.since.isoformat(),
            "reason": None if self.last_change is None else self.last_change.reason.value,
            "explanation": None if self.last_change is None else self.last_change.explanation,
            "causes": [*sorted(self.causes)],
            "configured_priority": config.priority,
            "priority": self.priority,
            "preempt": config.preempt,
            "advert_interval": config.advert_interval,
            "primary_address": None if self.primary_address is None else str(self.primary_address),
            "active_address": None if self.active_address is None else str(self.active_address),
            "active_priority": self.active_priority,
            "decides_in": self.decides_in,
            "skew_time": self.skew,
            "active_down_interval": self.down_interval,
            "error": self.error,
            "group": self.group,
            "standing": self.standing.explanation,
            "tracks": [_track(one, self.details.get(one.track.name, "")) for one in self.standing.contributions],
            "counters": dict(self.counters.to_dict()),
            "stalls": self.stalls,
        }


def _track(one: Contribution, detail: str) -> JSON:
    return {
        "name": one.track.name,
        "weight": one.track.weight,
        "reverse": one.track.reverse,
        "reading": describe(one.reading),
        "detail": detail,
        "points": one.points,
        "cause": one.cause,
    }


def _has_resigned(following: Backup) -> bool:
    return following.heard is not None and following.heard.priority == 0


def take_snapshot(  # noqa: PLR0913 - everything that is in it
    election: Election,
    *,
    name: str,
    now: float,
    last_change: StateChanged | None,
    since: datetime | None,
    counters: RouterCounters,
    error: str | None,
    standing: Standing,
    details: Mapping[str, str],
    group: str | None,
    stalls: int,
) -> RouterSnapshot:
    """Put together what an election knows and what its router knows."""
    config, phase = election.config, election.phase
    following = phase if isinstance(phase, Backup) else None
    interval = config.advert_interval if following is None else following.active_interval
    return RouterSnapshot(
        name=name,
        config=config,
        state=election.state,
        last_change=last_change,
        since=since,
        taken_at=now,
        priority=election.priority,
        primary_address=election.primary_address,
        active=None if following is None or _has_resigned(following) else following.heard,
        deadline=election.deadline,
        causes=election.causes,
        held=config.all_addresses if isinstance(phase, Active) else (),
        counters=counters.copy(),
        skew=skew_time(election.priority, interval, config.version),
        down_interval=active_down_interval(election.priority, interval, config.version, config.down_timer_adverts),
        error=error,
        standing=standing,
        details=details,
        group=group,
        stalls=stalls,
    )
