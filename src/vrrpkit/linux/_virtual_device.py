"""The device that carries one virtual router's MAC address, from the event loop's side."""

from __future__ import annotations

import asyncio
import errno
import logging
import zlib
from collections.abc import Callable
from math import inf
from typing import Final, Protocol, TypeVar

from vrrpkit.addresses import Family
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._links import LinkView, LinkWatcher
from vrrpkit.linux._macvlan import Plan, Workshop, is_ours
from vrrpkit.runtime import Driver, Seat
from vrrpkit.runtime._backoff import Backoff, BackoffDue, Event, Failed, Succeeded, TryAgain

__all__ = ["Ask", "VirtualDevice", "device_name", "leftovers"]

log = logging.getLogger("vrrpkit.virtual_mac")

T = TypeVar("T")

_PATIENCE: Final = 5.0  # seconds until the kernel's news of a new device must have come
_CALM: Final = 1.0  # whoever removes it again within so many seconds is somebody to keep away from
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0


class Ask(Protocol):
    """Has the thread that makes devices do something."""

    def __call__(self, function: Callable[[Workshop], T], /) -> asyncio.Future[T]:
        """Do it after all that was asked for before, whether or not somebody waits."""
        ...


def device_name(interface: str, vrid: int, family: Family) -> str:
    """`vrrp4-51-6ac38`: family, VRID, and five digits that stand for the interface. At most 15 characters."""
    return f"vrrp{family}-{vrid}-{zlib.crc32(interface.encode()) >> 12:05x}"


def leftovers(watcher: LinkWatcher, plan: Plan) -> tuple[int, ...]:
    """The numbers of the links that are ours, and have this MAC address on this interface, whatever they are called."""
    parent = watcher.index(plan.interface)
    return tuple(
        link.index for link in watcher.links() if is_ours(link) and link.mac == plan.mac and link.parent == parent
    )


class VirtualDevice:
    """One macvlan: there as long as its router, switched on while that is Active.

    What somebody else does to it is a cause of fault: it is made anew when it was removed, renamed or changed.

    Args:
        plan: The device.
        ask: How to have something done to it.
        driver: The clock of the pauses between retries.
        watcher: Follows the links of the same network namespace.

    Attributes:
        plan: The device.
        on_change: Called, on the event loop, when `causes` may have changed.
    """

    def __init__(self, plan: Plan, ask: Ask, driver: Driver, watcher: LinkWatcher) -> None:
        self.plan: Final = plan
        self.on_change: Callable[[], None] = _nothing
        self._ask = ask
        self._driver = driver
        self._watcher = watcher
        self._made = False
        self._wanted = False
        self._lowered = False
        self._up = False
        self._pausing = False
        self._repaired_at = -inf
        self._news = asyncio.Event()
        self._making: asyncio.Task[None] | None = None
        self._retry: Seat[Event, TryAgain] = driver.seat(
            Backoff(_FIRST_RETRY, _LONGEST_RETRY), self._try_again, tick=BackoffDue(), leeway=lambda: 0.0
        )
        self._stops = [watcher.watch(plan.name, self._changed), watcher.watch(plan.interface, self._parent_changed)]

    @property
    def causes(self) -> frozenset[str]:
        """What it keeps its router from doing: it is not as it should be."""
        return frozenset() if self._fits() and not self._lowered else frozenset({f"link:{self.plan.name}"})

    async def make(self) -> None:
        """Make it, and wait until the kernel's news of it have come.

        Raises:
            KernelError: The kernel refused.
        """
        left = leftovers(self._watcher, self.plan)
        index = await self._ask(lambda workshop: workshop.make(self.plan, left))
        try:
            async with asyncio.timeout(_PATIENCE):
                while self._watcher.view(self.plan.name).index != index:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            text = f"no news of it came within {_PATIENCE:g} seconds"
            raise kernel_error(f"add {self.plan.name}", errno.ETIMEDOUT, text) from error
        self._made = True

    async def switch_on(self) -> None:
        """Begin to carry the MAC address.

        Raises:
            KernelError: The kernel refused.
        """
        self._wanted = True
        await self._ask(lambda workshop: workshop.switch(self.plan, up=True))

    async def switch_off(self) -> None:
        """Stop carrying it; what the device has been through does not count any more.

        Raises:
            KernelError: The kernel refused.
        """
        self._wanted = False
        await self._ask(lambda workshop: workshop.switch(self.plan, up=False))
        if self._lowered:
            self._lowered = False
            self.on_change()

    def close(self) -> None:
        """Remove it, without waiting."""
        self._retry.leave()
        for stop in self._stops:
            stop()
        if self._making is not None:
            self._making.cancel()
        self._ask(lambda workshop: workshop.remove(self.plan)).add_done_callback(self._removed)

    def _fits(self) -> bool:
        link = self._watcher.link(self.plan.name)
        return (
            self._making is None
            and link is not None
            and is_ours(link)
            and link.mac == self.plan.mac
            and link.parent == self._watcher.view(self.plan.interface).index
        )

    def _changed(self, view: LinkView) -> None:
        self._news.set()
        if self._up and not view.up and self._wanted:
            self._lowered = True
        self._up = view.up
        self._repair()

    def _parent_changed(self, _view: LinkView) -> None:
        self._pausing = False
        self._repair()

    def _try_again(self, _action: TryAgain) -> None:
        self._pausing = False
        self._make_anew()

    def _repair(self) -> None:
        """Make it anew, at once unless that has just been done."""
        if self._needs_repair() and not self._pausing:
            if self._driver.now() - self._repaired_at < _CALM:
                self._pause()
            else:
                self._retry.post(Succeeded())
                self._make_anew()
        self.on_change()

    def _needs_repair(self) -> bool:
        """It is not as it should be, and there is something to put it on."""
        has_parent = self._watcher.view(self.plan.interface).index is not None
        return self._made and has_parent and self._making is None and not self._fits()

    def _pause(self) -> None:
        self._pausing = True
        self._retry.post(Failed())

    def _make_anew(self) -> None:
        if self._needs_repair():
            self._making = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            await self.make()
        except OSError as error:
            log.warning("%s: %s", self.plan.name, error)
            self._making = None
            self._pause()
        else:
            log.warning("%s: made anew, as it was gone or not as it should be", self.plan.name)
            self._making = None
            self._repaired_at = self._driver.now()
        self._repair()

    def _removed(self, removed: asyncio.Future[None]) -> None:
        error = None if removed.cancelled() else removed.exception()
        if error is not None:
            log.warning("%s: %s", self.plan.name, error)


def _nothing() -> None:
    """What is called until somebody else is."""
