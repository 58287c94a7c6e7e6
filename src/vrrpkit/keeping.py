"""Keeping held addresses held: against whoever removes them, and not a moment longer than their holder lives."""

from __future__ import annotations

import enum
from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Final, Generic, TypeAlias, TypeVar, assert_never

from attrs import define, field

from vrrpkit._cheap import value
from vrrpkit.errors import check_number

__all__ = [
    "Action",
    "Event",
    "ForeignDeletion",
    "Held",
    "Install",
    "Keeping",
    "KeepingDue",
    "LetGo",
    "Vanished",
    "Yield",
]

A = TypeVar("A", bound=Hashable)
"""What names an address: anything that tells it from all others, such as its interface and itself."""

# An address that is removed again this soon, in seconds, has an enemy; the pauses before it is put back then double.
_AGAIN: Final = 1.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


class ForeignDeletion(enum.Enum):
    """What to do about an address that somebody else has removed."""

    RESTORE = "restore"
    """Put it back: at once, or after a growing pause (1 to 30 seconds) if it does not stay for a second."""
    YIELD = "yield"
    """Give it up and say so; keepalived's way is to leave the Active state."""
    IGNORE = "ignore"
    """Leave it removed; keepalived's `no_track`."""


@value
class Held(Generic[A]):
    """These addresses are installed, or about to be: keep them."""

    addresses: tuple[A, ...]
    policy: ForeignDeletion = ForeignDeletion.RESTORE


@value
class LetGo(Generic[A]):
    """These addresses are ours no longer."""

    addresses: tuple[A, ...]


@value
class Vanished(Generic[A]):
    """Somebody else has removed this address, or putting it back has failed."""

    address: A


@value
class KeepingDue:
    """The tick."""


@value
class Install(Generic[A]):
    """Add these addresses or renew their lease, whichever it takes; None is for ever."""

    addresses: tuple[A, ...]
    lease: float | None


@value
class Yield(Generic[A]):
    """This address is given up."""

    address: A


Event: TypeAlias = Held[A] | LetGo[A] | Vanished[A] | KeepingDue
Action: TypeAlias = Install[A] | Yield[A]


@define(eq=False)
class _Fight:
    """The story of an address that was removed.

    Attributes:
        restored_at: When it was last put back.
        pause: How long to wait the next time.
    """

    restored_at: float
    pause: float = _FIRST_PAUSE


@define
class Keeping(Generic[A]):
    """Everything one process holds, as a machine.

    Addresses are held on a lease: the kernel removes them when their lifetime ends, so what a killed process held
    goes by itself. All leases are renewed together, three times in their span; between two renewals an event costs
    the same however many addresses there are.

    Args:
        lease: Seconds, 3-86400; None to hold for ever.
    """

    lease: float | None = 30.0
    _kept: dict[A, ForeignDeletion] = field(factory=dict, init=False)
    _fights: dict[A, _Fight] = field(factory=dict, init=False)
    _out: set[A] = field(factory=set, init=False)
    _restores: list[tuple[float, int, A, _Fight]] = field(factory=list, init=False)
    _serial: int = field(default=0, init=False)
    _renew_at: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Check the lease."""
        if self.lease is not None:
            check_number("lease", self.lease, 3, 86400, "seconds")

    @property
    def deadline(self) -> float | None:
        """The next renewal, or the next address to put back."""
        while self._restores and not self._goes_on(*self._restores[0][2:]):
            heappop(self._restores)
        if not self._restores:
            return self._renew_at
        restore_at = self._restores[0][0]
        return restore_at if self._renew_at is None else min(restore_at, self._renew_at)

    def handle(self, event: Event[A], now: float) -> tuple[Action[A], ...]:
        """Take one event; return what to do, in order."""
        match event:
            case Held(addresses, policy):
                self._kept.update(dict.fromkeys(addresses, policy))
                self._plan_renewal(now)
            case LetGo(addresses):
                self._forget(*addresses)
            case Vanished(address):
                return self._vanished(address, now)
            case KeepingDue():
                return self._due(now)
            case unreachable:
                assert_never(unreachable)
        return ()

    def _plan_renewal(self, now: float) -> None:
        """What is held later joins the renewal that is planned already: that comes early enough for all."""
        if self.lease is not None and self._renew_at is None and self._kept:
            self._renew_at = now + self.lease / 3

    def _forget(self, *addresses: A) -> None:
        for address in addresses:
            self._kept.pop(address, None)
            self._fights.pop(address, None)
            self._out.discard(address)
        if not self._kept:
            self._renew_at = None

    def _vanished(self, address: A, now: float) -> tuple[Action[A], ...]:
        match self._kept.get(address):
            case None:
                return ()
            case ForeignDeletion.RESTORE:
                return self._restore(address, now)
            case ForeignDeletion.YIELD:
                self._forget(address)
                return (Yield(address),)
            case ForeignDeletion.IGNORE:
                self._forget(address)
                return ()
            case unreachable:
                assert_never(unreachable)

    def _restore(self, address: A, now: float) -> tuple[Action[A], ...]:
        if address in self._out:
            return ()
        fight = self._fights.get(address)
        if fight is None or now - fight.restored_at >= _AGAIN:
            self._fights[address] = _Fight(restored_at=now)
            return (Install((address,), self.lease),)
        self._out.add(address)
        self._serial += 1
        heappush(self._restores, (now + fight.pause, self._serial, address, fight))
        fight.pause = min(2 * fight.pause, _LONGEST_PAUSE)
        return ()

    def _goes_on(self, address: A, fight: _Fight) -> bool:
        return self._fights.get(address) is fight

    def _due(self, now: float) -> tuple[Action[A], ...]:
        back = self._waited_long_enough(now)
        if self.lease is not None and self._renew_at is not None and self._renew_at <= now:
            self._renew_at = now + self.lease / 3
            back = [address for address in self._kept if address not in self._out]
        return (Install(tuple(back), self.lease),) if back else ()

    def _waited_long_enough(self, now: float) -> list[A]:
        back = []
        while self._restores and self._restores[0][0] <= now:
            _at, _serial, address, fight = heappop(self._restores)
            if self._goes_on(address, fight):
                self._out.discard(address)
                fight.restored_at = now
                back.append(address)
        return back
