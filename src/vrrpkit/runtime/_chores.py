"""What takes time for one router, done in order by a task of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    AnnounceAddresses,
    Event,
    FaultCleared,
    FaultRaised,
    ReleaseAddresses,
    State,
    StateChanged,
)
from vrrpkit.runtime._backoff import Backoff, BackoffDue, Failed, Succeeded, TryAgain
from vrrpkit.runtime._backoff import Event as BackoffEvent
from vrrpkit.runtime._driver import Driver, Seat
from vrrpkit.runtime._hooks import Hooks, Moment
from vrrpkit.runtime._notices import LoserHeard, News, PriorityMoved
from vrrpkit.runtime._ports import AddressManager, Announcer
from vrrpkit.sync import GroupChanged

__all__ = ["Chore", "Chores", "Complaints"]

log = logging.getLogger("vrrpkit.router")

# How long the kernel may take for one change of addresses, and the pauses before it is asked again.
_PATIENCE: Final = 10.0
_TOO_LONG: Final = f"changing addresses took longer than {_PATIENCE:g} s"
_ACQUIRING, _RELEASING = "acquiring", "releasing"
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0

Chore: TypeAlias = AcquireAddresses | ReleaseAddresses | AnnounceAddresses | News | Callable[[], None]
"""An action that takes time, news to tell when its turn comes, or something to call then."""


class Complaints:
    """What is refused now, in words; logged once each."""

    def __init__(self, name: str) -> None:
        """`name` is what logs call the router."""
        self._name = name
        self._errors: dict[str, str] = {}

    def __str__(self) -> str:
        """All of them in one line; empty when all is well."""
        return "; ".join(self._errors.values())

    def make(self, about: str, error: str) -> None:
        """Something is refused."""
        if self._errors.get(about) != error:
            log.error("%s: %s", self._name, error)
        self._errors[about] = error

    def settle(self, about: str) -> None:
        """It works."""
        if self._errors:
            self._errors.pop(about, None)


class Chores:
    """One router's addresses, announcements, hooks and news, in the order of its decisions.

    Args:
        name: What logs call the router.
        addresses: Where its addresses are held.
        announcer: How the LAN learns of them.
        driver: The clock of the pauses between retries.
        state: The router's state now.
        held: The addresses it should hold while Active.
        post: Takes the causes of fault that the kernel's refusals are.
        tell: Takes the news when their turn has come.
        complaints: Takes what is refused.
        hooks: The app's own.
    """

    def __init__(  # noqa: PLR0913 - the ends of one router, put together in one place
        self,
        name: str,
        *,
        addresses: AddressManager,
        announcer: Announcer,
        driver: Driver,
        state: Callable[[], State],
        held: Callable[[], tuple[IPAddress, ...]],
        post: Callable[[Event], None],
        tell: Callable[[News], None],
        complaints: Complaints,
        hooks: Hooks,
    ) -> None:
        self._name = name
        self._addresses = addresses
        self._announcer = announcer
        self._state = state
        self._held = held
        self._post = post
        self._tell = tell
        self._complaints = complaints
        self._hooks = hooks
        self._retry: Seat[BackoffEvent, TryAgain] = driver.seat(
            Backoff(_FIRST_RETRY, _LONGEST_RETRY), self._try_again, tick=BackoffDue(), leeway=lambda: 0.0
        )
        self._to_do: deque[Chore] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._unreleased: dict[IPAddress, None] = {}
        self._cause: str | None = None
        self._added = False

    def add(self, chore: Chore) -> None:
        """Do this after all that was added before."""
        self._to_do.append(chore)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def finish(self) -> None:
        """Wait until all is done, what the kernel refused to release having been tried once more."""
        await self._idle()
        if self._unreleased:
            self._try_again(TryAgain())
            await self._idle()

    def close(self) -> None:
        """Try nothing again any more."""
        self._retry.leave()

    async def _idle(self) -> None:
        while self._worker is not None:
            await asyncio.wait({self._worker})

    async def _work(self) -> None:
        while self._to_do:
            chore = self._to_do.popleft()
            try:
                await self._carry_out(chore)
            except Exception:  # a defect of a port must not keep what follows from being done
                log.exception("%s: %s failed", self._name, chore)
        self._worker = None

    async def _carry_out(self, chore: Chore) -> None:
        match chore:
            case AcquireAddresses(addresses):
                await self._prepare(Moment.BEFORE_ADDING, self._told_after(1))
                await self._acquire(addresses)
            case ReleaseAddresses(addresses):
                await self._prepare(Moment.BEFORE_REMOVING, self._told_after(0))
                await self._release(addresses)
            case AnnounceAddresses(addresses):
                if self._is_active():
                    self._announcer.announce(addresses)
            case StateChanged():
                await self._follow_up(chore)
                self._tell(chore)
            case PriorityMoved() | LoserHeard() | GroupChanged():
                self._tell(chore)
            case _:
                chore()

    def _is_active(self) -> bool:
        return self._state() is State.ACTIVE

    def _told_after(self, others: int) -> StateChanged | None:
        """The change of state that is told after so many other chores, if that is what comes then."""
        ahead = self._to_do[others] if len(self._to_do) > others else None
        return ahead if isinstance(ahead, StateChanged) else None

    async def _prepare(self, moment: Moment, change: StateChanged | None) -> None:
        if change is not None:
            await self._hooks.run(moment, change)

    async def _follow_up(self, change: StateChanged) -> None:
        if change.new is State.ACTIVE and self._added:
            await self._hooks.run(Moment.AFTER_ADDING, change)
        elif change.old is State.ACTIVE:
            await self._hooks.run(Moment.AFTER_REMOVING, change)

    async def _acquire(self, addresses: tuple[IPAddress, ...]) -> None:
        self._added = False
        if not self._is_active():
            log.debug("%s: too late to add addresses", self._name)
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._addresses.acquire(addresses)
        except Exception as error:  # noqa: BLE001 - Active without its addresses is a fault, whatever the reason
            self._complaints.make(_ACQUIRING, str(error) or _TOO_LONG)
            self._cause = f"addresses:{_short_name(error)}"
            self._post(FaultRaised(self._cause))
            self._retry.post(Failed())
        else:
            self._added = True
            self._complaints.settle(_ACQUIRING)
            self._retry.post(Succeeded())

    async def _release(self, addresses: tuple[IPAddress, ...]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._addresses.release(addresses)
        except Exception as error:  # noqa: BLE001 - an address must not stay behind, whatever the reason
            self._complaints.make(_RELEASING, str(error) or _TOO_LONG)
            self._unreleased |= dict.fromkeys(addresses)
            self._retry.post(Failed())
        else:
            self._complaints.settle(_RELEASING)
            for address in addresses:
                self._unreleased.pop(address, None)

    def _try_again(self, _action: TryAgain) -> None:
        """What the kernel refused is tried again: releasing at once, acquiring by way of the election."""
        held = self._held() if self._is_active() else ()
        left = tuple(address for address in self._unreleased if address not in held)
        self._unreleased.clear()
        if left:
            self.add(ReleaseAddresses(left))
        cause, self._cause = self._cause, None
        if cause is not None:
            self._post(FaultCleared(cause))


def _short_name(error: Exception) -> str:
    """`EACCES`, or what else is short and can be looked up."""
    if not isinstance(error, OSError):
        return type(error).__name__
    number = error.errno or errno.ETIMEDOUT
    return errno.errorcode.get(number, str(number))
