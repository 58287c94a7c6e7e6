"""The kernel's sync daemon follows a router."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from attrs import evolve

from vrrpkit.election import State, StateChanged
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import SyncDaemon, SyncRole
from vrrpkit.lvs._ports import SyncDaemons
from vrrpkit.runtime import Driver, Moment, Seat, VirtualRouter
from vrrpkit.runtime._backoff import Backoff, BackoffDue, Failed, Succeeded, TryAgain
from vrrpkit.runtime._backoff import Event as BackoffEvent
from vrrpkit.runtime._router import see_through

__all__ = ["SyncFollower"]

log = logging.getLogger("vrrpkit.pool")

# How long a hook waits for the kernel, and the pauses before it is asked again.
_PATIENCE: Final = 2.0
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0


class SyncFollower:
    """Tells the other machine of connections while a router is Active, and learns of them while it is not.

        async with SyncFollower(router, ipvs, SyncDaemon("eth1")):
            ...

    Becoming Active ends with it: when the addresses are here, the thread that learns is stopped, and the one that tells
    is started. Ceasing to be Active begins with the reverse, before the addresses go. A router that is in fault or not
    started learns, as a Backup does. Leaving the block stops what runs.

    What the kernel refuses is logged, and tried again after a pause; the router goes on in any case.

    Args:
        router: The router; of a sync group one of its members.
        daemons: The kernel's threads.
        daemon: How they talk; a `sync_id` of 0, the default, stands for the router's VRID.
        driver: The clock of the retries; its own when None.

    Attributes:
        daemon: How they talk.

    Raises:
        ConfigError: The router is something else.
    """

    def __init__(
        self, router: VirtualRouter, daemons: SyncDaemons, daemon: SyncDaemon, *, driver: Driver | None = None
    ) -> None:
        given: object = router
        if not isinstance(given, VirtualRouter):
            raise ConfigError(f"router must be a VirtualRouter: of a group one of its members, got {router!r}")
        self.daemon: Final = daemon if daemon.sync_id else evolve(daemon, sync_id=router.config.vrid)
        self._router = router
        self._daemons = daemons
        self._driver = driver
        self._own_driver = driver is None
        self._retry: Seat[BackoffEvent, TryAgain] | None = None
        self._wanted: SyncRole | None = None
        self._role: SyncRole | None = None
        self._worker: asyncio.Task[None] | None = None
        self._error: str | None = None
        self._stops: tuple[Callable[[], None], ...] = ()

    @property
    def role(self) -> SyncRole | None:
        """Which thread runs, as far as the kernel has agreed; None for none."""
        return self._role

    @property
    def error(self) -> str | None:
        """What the kernel refuses now, in words."""
        return self._error

    async def __aenter__(self) -> Self:
        """Begin to follow, with the router's state now.

        Raises:
            RuntimeError: It has been opened before.
        """
        if self._retry is not None:
            raise RuntimeError(f"the sync follower of {self._router.name} has been opened already")
        driver = self._driver = self._driver or Driver()
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        self._retry = driver.seat(backoff, self._try_again, tick=BackoffDue(), leeway=lambda: 0.0)
        self._stops = (
            self._router.hook(Moment.AFTER_ADDING, self._after_adding, timeout=_PATIENCE),
            self._router.hook(Moment.BEFORE_REMOVING, self._before_removing, timeout=_PATIENCE),
        )
        await self._become(SyncRole.ACTIVE if self._router.state is State.ACTIVE else SyncRole.BACKUP)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop what runs; also when cancelled meanwhile."""
        await see_through(self._close())

    async def _close(self) -> None:
        for stop in self._stops:
            stop()
        await self._become(None)
        if self._retry is not None:
            self._retry.leave()
        if self._own_driver and self._driver is not None:
            self._driver.close()

    async def _after_adding(self, _change: StateChanged) -> None:
        if self._router.state is State.ACTIVE:
            await self._become(SyncRole.ACTIVE)

    async def _before_removing(self, _change: StateChanged) -> None:
        await self._become(SyncRole.BACKUP)

    async def _become(self, role: SyncRole | None) -> None:
        """Want another role, and wait until the kernel has agreed or refused; the wish outlives the waiting."""
        self._wanted = role
        self._start()
        while self._worker is not None:
            await asyncio.wait({self._worker})

    def _start(self) -> None:
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name=f"{self._router.name}: sync")

    def _try_again(self, _action: TryAgain) -> None:
        self._start()

    async def _work(self) -> None:
        tried: SyncRole | None = None
        first = True
        while first or tried is not self._wanted:
            first, tried = False, self._wanted
            await self._ask(tried)
        self._worker = None

    async def _ask(self, role: SyncRole | None) -> None:
        """Stop what is not wanted, then start what is."""
        try:
            for other in SyncRole:
                if other is not role:
                    await self._daemons.stop_daemon(other)
            if role is not None:
                await self._daemons.start_daemon(role, self.daemon)
        except Exception as error:  # noqa: BLE001 - whatever the reason, it is tried again, and the router goes on
            self._complain(error)
            self._note(Failed())
        else:
            self._role, self._error = role, None
            self._note(Succeeded())

    def _note(self, event: BackoffEvent) -> None:
        if self._retry is not None:
            self._retry.post(event)

    def _complain(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._error:
            log.error("%s: the sync daemon: %s", self._router.name, text)
        self._error = text
