"""When to tell a LAN where addresses live: bursts, repeats, refreshes, and a gap between frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from heapq import heappop, heappush
from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress
from vrrpkit.errors import InRange, Whole

__all__ = [
    "Announce",
    "AnnouncePolicy",
    "AnnounceSchedule",
    "AnnouncementDue",
    "AnnouncementsBegun",
    "AnnouncementsCeased",
]


@frozen(kw_only=True)
class AnnouncePolicy:
    """How often to announce the addresses of one virtual router.

    Attributes:
        repeat: Frames per address in a burst, 0-100; keepalived's `garp_master_repeat`.
        delay: Seconds after which a second burst follows, 0-3600, 0 for none; `garp_master_delay`.
        refresh: Seconds between refreshing bursts while Active, 0-86400, 0 for none; `garp_master_refresh`.
        refresh_repeat: Frames per address in a refreshing burst, 1-100; `garp_master_refresh_repeat`.
    """

    repeat: int = field(default=5, validator=Whole(0, 100))
    delay: float = field(default=5.0, validator=InRange(0, 3600, "seconds"))
    refresh: float = field(default=0.0, validator=InRange(0, 86400, "seconds"))
    refresh_repeat: int = field(default=1, validator=Whole(1, 100))


@value
class AnnouncementsBegun:
    """Announce these addresses from now on, in the name of `owner`; replaces what that owner had running."""

    owner: Hashable
    addresses: tuple[IPAddress, ...]
    policy: AnnouncePolicy


@value
class AnnouncementsCeased:
    """Stop announcing in the name of `owner`, frames already waiting for the gap included."""

    owner: Hashable


@value
class AnnouncementDue:
    """The tick."""


@value
class Announce:
    """Send one frame for this address now."""

    address: IPAddress


Event: TypeAlias = AnnouncementsBegun | AnnouncementsCeased | AnnouncementDue


@define(eq=False)
class _Plan:
    begun: AnnouncementsBegun
    second_burst: bool = True  # the next burst is the delayed one, not a refresh


@define
class AnnounceSchedule:
    """One link's announcements, of all its routers, as a machine.

    A burst goes round the addresses `repeat` times, so that the first frame of the last address does not wait for
    the fifth frame of the first. After the burst: a second one after `delay`, then one every `refresh`.

    Args:
        gap: Seconds between any two frames on the link, 0-10; what a slow switch can stand.
    """

    gap: float = field(default=0.0, validator=InRange(0, 10, "seconds"))
    _plans: dict[Hashable, _Plan] = field(factory=dict, init=False)
    _bursts: list[tuple[float, int, _Plan]] = field(factory=list, init=False)
    _queue: deque[tuple[_Plan, IPAddress]] = field(factory=deque, init=False)
    _free_at: float = field(default=0.0, init=False)
    _serial: int = field(default=0, init=False)

    @property
    def deadline(self) -> float | None:
        """When the next frame may leave or the next burst is due."""
        self._forget_ceased()
        burst_at = self._bursts[0][0] if self._bursts else None
        if not self._queue:
            return burst_at
        return self._free_at if burst_at is None else min(self._free_at, burst_at)

    def handle(self, event: Event, now: float) -> tuple[Announce, ...]:
        """Take one event; return the frames to send now."""
        match event:
            case AnnouncementsBegun(owner, _addresses, policy):
                plan = self._plans[owner] = _Plan(event)
                self._burst(plan, policy.repeat, now)
            case AnnouncementsCeased(owner):
                self._plans.pop(owner, None)
            case AnnouncementDue():
                self._due_bursts(now)
            case unreachable:
                assert_never(unreachable)
        return self._leaving(now)

    def _runs(self, plan: _Plan) -> bool:
        return self._plans.get(plan.begun.owner) is plan

    def _forget_ceased(self) -> None:
        while self._bursts and not self._runs(self._bursts[0][2]):
            heappop(self._bursts)
        while self._queue and not self._runs(self._queue[0][0]):
            self._queue.popleft()

    def _due_bursts(self, now: float) -> None:
        while self._bursts and self._bursts[0][0] <= now:
            _at, _serial, plan = heappop(self._bursts)
            if self._runs(plan):
                policy = plan.begun.policy
                repeat = policy.repeat if plan.second_burst else policy.refresh_repeat
                plan.second_burst = False
                self._burst(plan, repeat, now)

    def _burst(self, plan: _Plan, repeat: int, now: float) -> None:
        policy = plan.begun.policy
        plan.second_burst = plan.second_burst and policy.delay > 0
        pause = policy.delay if plan.second_burst else policy.refresh
        if pause:
            self._serial += 1
            heappush(self._bursts, (now + pause, self._serial, plan))
        self._queue.extend((plan, address) for _ in range(repeat) for address in plan.begun.addresses)

    def _leaving(self, now: float) -> tuple[Announce, ...]:
        """What may leave now: everything that waits, or one frame per gap."""
        frames = []
        while self._queue and now >= self._free_at:
            plan, address = self._queue.popleft()
            if self._runs(plan):
                frames.append(Announce(address))
                self._free_at = now + self.gap
        return tuple(frames)
