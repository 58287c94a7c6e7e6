"""Run one election against a link and a kernel."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self, assert_never

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Backup,
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
    Reason,
    Reconfigured,
    ReleaseAddresses,
    Resumed,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.packet import Advertisement, Reject
from vrrpkit.runtime._backoff import Backoff, BackoffDue, Failed, Succeeded, TryAgain
from vrrpkit.runtime._backoff import Event as BackoffEvent
from vrrpkit.runtime._driver import Driver, Seat
from vrrpkit.runtime._gate import Gate
from vrrpkit.runtime._ports import AddressManager, Announcer, Transport
from vrrpkit.runtime._snapshot import RouterSnapshot, take_snapshot
from vrrpkit.stats import RouterCounters

__all__ = ["VirtualRouter", "shut_down"]

log = logging.getLogger("vrrpkit.router")

# How long the kernel may take for one change of addresses, and the pauses before it is asked again.
_PATIENCE: Final = 10.0
_TOO_LONG: Final = f"changing addresses took longer than {_PATIENCE:g} s"
_SENDING, _ACQUIRING, _RELEASING = "sending", "acquiring", "releasing"
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0
# The share of its interval that an advertisement may leave early, so that many routers share a wake-up.
_LEEWAY: Final = 0.05
_REMEMBERED_CHANGES: Final = 1024


class VirtualRouter:
    """One virtual router, from its election to the kernel.

        async with VirtualRouter(config, transport=t, addresses=a, announcer=n) as router:
            async for change in router.changes():
                ...

    Entering the block starts the election. Leaving it, by any path, cancellation included, resigns at once
    (priority 0) and returns when the addresses are released.

    Advertisements leave at the moment of the decision. What takes time (addresses, announcements, news) follows in
    order, in a task of the router's own, so none of it can delay an advertisement.

    Args:
        config: What this router knows about the virtual router.
        transport: Its link.
        addresses: Where its addresses are held.
        announcer: How the LAN learns of them.
        driver: The clock it shares with other routers of the process; its own when None.
        name: What logs and snapshots call it; `VRID 51` when None.

    Attributes:
        name: What it is called.
        counters: What it has counted; they go on counting, while a snapshot's stand still.
    """

    def __init__(
        self,
        config: ElectionConfig,
        *,
        transport: Transport,
        addresses: AddressManager,
        announcer: Announcer,
        driver: Driver | None = None,
        name: str | None = None,
    ) -> None:
        self.name: Final = f"VRID {config.vrid}" if name is None else name
        self.counters: Final = RouterCounters()
        self._transport = transport
        self._addresses = addresses
        self._announcer = announcer
        self._own_driver = driver is None
        self._driver = Driver() if driver is None else driver
        self._election = Election(config, transport.primary_address)
        self._seat: Seat[Event, Action] = self._driver.seat(
            self._election,
            self._perform,
            tick=TimerFired(),
            leeway=self._leeway,
        )
        self._gate = Gate(self._election, self.counters, self.name)
        self._retry: Seat[BackoffEvent, TryAgain] = self._driver.seat(
            Backoff(_FIRST_RETRY, _LONGEST_RETRY), self._try_again, tick=BackoffDue(), leeway=lambda: 0.0
        )
        self._to_do: deque[Action] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._unreleased: dict[IPAddress, None] = {}
        self._address_cause: str | None = None
        self._errors: dict[str, str] = {}
        self._news: deque[StateChanged] = deque(maxlen=_REMEMBERED_CHANGES)
        self._told = 0
        self._news_came = asyncio.Event()
        self._decided: StateChanged | None = None
        self._since: datetime | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Start the election."""
        self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Resign and release, also when cancelled meanwhile."""
        await see_through(self.aclose())

    def start(self) -> None:
        """Begin to listen, and start the election."""
        self._transport.open(self)
        self._seat.post(Startup())

    def shut_down(self) -> None:
        """Resign now: priority 0 has left when this returns. `changes()` ends with the change that follows."""
        self._seat.post(Shutdown())

    async def aclose(self) -> None:
        """Resign, release the addresses, stop listening. Closing twice is a no-op.

        Returns when the addresses are released, or the kernel has refused that and been asked twice.
        """
        self.shut_down()
        await self._idle()
        if self._unreleased:
            self._try_again(TryAgain())
            await self._idle()
        self._transport.close()
        self._seat.leave()
        self._retry.leave()
        self._closed = True
        self._news_came.set()
        if self._own_driver:
            self._driver.close()

    async def changes(self) -> AsyncIterator[StateChanged]:
        """Every change of state, in order, each once its addresses have been dealt with.

        Begins with the latest change, so that a late reader knows where things stand. A reader that falls more than
        1,024 changes behind misses the oldest, which is logged. Ends when the router has shut down.
        """
        seen = max(self._told - 1, 0)
        while True:
            while seen < self._told:
                missed = self._told - len(self._news) - seen
                if missed > 0:
                    log.warning("%s: a reader of changes missed %d of them", self.name, missed)
                    seen += missed
                change = self._news[seen - self._told]
                seen += 1
                yield change
                if change.reason is Reason.SHUTDOWN:
                    return
            if self._closed:
                return
            self._news_came.clear()
            await self._news_came.wait()

    async def until(self, state: State) -> StateChanged:
        """Wait until the router is in a state; return the change that led to it.

        A state that was left again before the change could be told does not count.

        Raises:
            RuntimeError: The router was closed first.
        """
        async for change in self.changes():
            if change.new is state and self.state is state:
                return change
        raise RuntimeError(f"{self.name} was closed before it became {state}")

    @property
    def state(self) -> State:
        """The state right now; `changes()` may not have told it yet."""
        return self._election.state

    @property
    def config(self) -> ElectionConfig:
        """The settings in force."""
        return self._election.config

    def snapshot(self) -> RouterSnapshot:
        """Everything a person would ask, at this moment."""
        return take_snapshot(
            self._election,
            name=self.name,
            now=self._driver.now(),
            last_change=self._decided,
            since=self._since,
            counters=self.counters,
            error="; ".join(self._errors.values()) or None,
        )

    def post(self, event: Event) -> None:
        """Feed an event: from a tracker, a link watcher, an operator.

        Raises:
            ConfigError: `Reconfigured` names another virtual router.
        """
        self._seat.post(event)

    def reconfigure(self, config: ElectionConfig) -> None:
        """Go on with other settings, without losing state; see `Reconfigured`.

        Raises:
            ConfigError: The VRID or the family is another one.
        """
        self.post(Reconfigured(config))

    def step_down(self) -> None:
        """Let another take over now, and do not take the role back while it lives."""
        self.post(SteppedDown())

    def stay_away(self) -> None:
        """Take no part until `come_back()`."""
        self.post(Suspended())

    def come_back(self) -> None:
        """End `stay_away()` or `step_down()`."""
        self.post(Resumed())

    def heard(self, event: AdvertReceived) -> None:
        """From the transport: a well-formed advertisement came in."""
        if self._gate.admits(event):
            self._seat.post(event)

    def rejected(self, reason: Reject, source: IPAddress, detail: str) -> None:
        """From the transport: octets came in that are no advertisement for us."""
        self._gate.reject(reason, source, detail)

    def _leeway(self) -> float | None:
        """A Backup judges by what it has not heard; an Active Router has the duty to advertise."""
        if isinstance(self._election.phase, Backup):
            return None
        return self._election.config.advert_interval * _LEEWAY

    def _perform(self, action: Action) -> None:
        """Send at once; leave what takes time to the worker, in order."""
        match action:
            case SendAdvertisement(advert):
                self._transmit(advert)
                return
            case ReleaseAddresses():
                self._announcer.cease()
            case StateChanged():
                self._decided, self._since = action, datetime.now(UTC)
                self.counters.master_transitions += action.new is State.ACTIVE
            case AcquireAddresses() | AnnounceAddresses():
                pass
            case unreachable:
                assert_never(unreachable)
        self._to_do.append(action)
        self._begin_work()

    def _begin_work(self) -> None:
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def _transmit(self, advert: Advertisement) -> None:
        try:
            self._transport.send(advert)
        except OSError as error:
            self.counters.send_errors += 1
            self._complain(_SENDING, f"cannot send an advertisement: {error}")
            return
        if self._errors:
            self._errors.pop(_SENDING, None)
        self.counters.advertisement_sent += 1
        self.counters.priority_zero_pkts_sent += advert.priority == 0

    async def _work(self) -> None:
        while self._to_do:
            action = self._to_do.popleft()
            try:
                await self._carry_out(action)
            except Exception:  # a defect of a port must not keep what follows from being done
                log.exception("%s: %s failed", self.name, action)
        self._worker = None

    async def _carry_out(self, action: Action) -> None:
        active = self._election.state is State.ACTIVE
        match action:
            case AcquireAddresses(addresses) if active:
                await self._acquire(addresses)
            case AnnounceAddresses(addresses) if active:
                self._announcer.announce(addresses)
            case ReleaseAddresses(addresses):
                await self._release(addresses)
            case StateChanged():
                self._tell(action)
            case _:
                log.debug("%s: too late for %s", self.name, action)

    async def _acquire(self, addresses: tuple[IPAddress, ...]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._addresses.acquire(addresses)
        except Exception as error:  # noqa: BLE001 - Active without its addresses is a fault, whatever the reason
            self._complain(_ACQUIRING, str(error) or _TOO_LONG)
            self._address_cause = f"addresses:{_short_name(error)}"
            self._seat.post(FaultRaised(self._address_cause))
            self._retry.post(Failed())
        else:
            self._errors.pop(_ACQUIRING, None)
            self._retry.post(Succeeded())

    async def _release(self, addresses: tuple[IPAddress, ...]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._addresses.release(addresses)
        except Exception as error:  # noqa: BLE001 - an address must not stay behind, whatever the reason
            self._complain(_RELEASING, str(error) or _TOO_LONG)
            self._unreleased |= dict.fromkeys(addresses)
            self._retry.post(Failed())
        else:
            self._errors.pop(_RELEASING, None)
            for address in addresses:
                self._unreleased.pop(address, None)

    def _try_again(self, _action: TryAgain) -> None:
        """What the kernel refused is tried again: releasing at once, acquiring by way of the election."""
        held = self.config.all_addresses if self.state is State.ACTIVE else ()
        left = tuple(address for address in self._unreleased if address not in held)
        self._unreleased.clear()
        if left:
            self._to_do.append(ReleaseAddresses(left))
            self._begin_work()
        cause, self._address_cause = self._address_cause, None
        if cause is not None:
            self._seat.post(FaultCleared(cause))

    def _complain(self, about: str, error: str) -> None:
        if self._errors.get(about) != error:
            log.error("%s: %s", self.name, error)
        self._errors[about] = error

    def _tell(self, change: StateChanged) -> None:
        log.info("%s: %s", self.name, change)
        self._gate.forget_complaints()
        self._news.append(change)
        self._told += 1
        self._news_came.set()

    async def _idle(self) -> None:
        while self._worker is not None:
            await asyncio.wait({self._worker})


def _short_name(error: Exception) -> str:
    """`EACCES`, or what else is short and can be looked up."""
    if not isinstance(error, OSError):
        return type(error).__name__
    number = error.errno or errno.ETIMEDOUT
    return errno.errorcode.get(number, str(number))


async def see_through(coroutine: Coroutine[None, None, None]) -> None:
    """Await to the end, also when cancelled meanwhile; the cancellation comes out afterwards."""
    task = asyncio.ensure_future(coroutine)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


async def shut_down(*routers: VirtualRouter) -> None:
    """Close many routers: all of them resign before the first of them releases anything."""
    for router in routers:
        router.shut_down()
    await see_through(_close_all(routers))


async def _close_all(routers: tuple[VirtualRouter, ...]) -> None:
    await asyncio.gather(*(router.aclose() for router in routers))
