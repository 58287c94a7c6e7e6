"""All devices with virtual MAC addresses of one process in one network namespace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from vrrpkit.addresses import Family, IPAddress, virtual_mac
from vrrpkit.errors import ConfigError
from vrrpkit.linux._links import LinkWatcher
from vrrpkit.linux._macvlan import Plan, Workshop, is_ours
from vrrpkit.linux._rtnetlink import NO_MAC, LinkFact
from vrrpkit.linux._virtual_device import VirtualDevice, device_name, leftovers
from vrrpkit.runtime import Driver

__all__ = ["VirtualDevices"]

log = logging.getLogger("vrrpkit.virtual_mac")

T = TypeVar("T")


class VirtualDevices:
    """Makes the devices, and removes them; nothing is opened before the first.

    Args:
        driver: The clock of the process.
        watcher: Follows the links of the same network namespace.
        netns: That namespace by name or path; None for the process's own.
    """

    def __init__(self, driver: Driver, watcher: LinkWatcher, netns: str | None = None) -> None:
        self._driver = driver
        self._watcher = watcher
        self._netns = netns
        self._executor: ThreadPoolExecutor | None = None
        self._workshop: Workshop | None = None
        self._asked: set[asyncio.Future[Any]] = set()

    def plan(self, interface: str, vrid: int, family: Family) -> Plan:
        """The device that a virtual router on an interface would have."""
        return Plan(device_name(interface, vrid, family), interface, virtual_mac(vrid, family))

    def check(self, plan: Plan, addresses: tuple[IPAddress, ...]) -> None:
        """See that nothing stands in the way of a device.

        Raises:
            ConfigError: The interface cannot carry it, or has the addresses itself; or its name or its MAC address is
                somebody else's.
        """
        if self._watcher.view(plan.interface).mac == NO_MAC:
            raise ConfigError(f"interface must be an Ethernet to carry a virtual MAC address, got {plan.interface!r}")
        if self._netns is None and Path("/sys/class/net", plan.interface, "phy80211").exists():
            raise ConfigError(f"interface must be wired to carry a virtual MAC address, got {plan.interface!r}")
        for address in addresses:
            if any(not fact.virtual for fact in self._watcher.find(plan.interface, address)):
                raise ConfigError(
                    f"addresses must not be those of {plan.interface} itself with a virtual MAC address, got {address}"
                )
        for link in self._watcher.links():
            if not is_ours(link) and (link.name == plan.name or self._has_the_mac(link, plan)):
                raise ConfigError(
                    f"virtual_mac needs {plan.name} and {plan.mac.hex(':')} on {plan.interface} for itself, "
                    f"got {link.name} with {link.mac.hex(':')} there"
                )

    async def open(self, plan: Plan) -> VirtualDevice:
        """Make a device.

        Raises:
            KernelError: The kernel refused.
        """
        device = VirtualDevice(plan, self._ask, self._driver, self._watcher)
        try:
            await device.make()
        except BaseException:
            device.close()
            raise
        return device

    async def sweep(self, plan: Plan) -> None:
        """Remove what an earlier, killed run has left: what is ours by its group, and has this MAC address.

        While one is there and switched on, the kernel gives it what other routers send from that MAC address.

        Raises:
            KernelError: The kernel refused.
        """
        for index in leftovers(self._watcher, plan):
            log.info("removing link %d, which an earlier run has left", index)
            await self._ask(partial(_discard, index))

    async def settled(self) -> None:
        """Wait until all that has been asked for is done."""
        if self._asked:
            await asyncio.wait(set(self._asked))

    async def aclose(self) -> None:
        """Finish what was asked for, then close."""
        await self.settled()
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        if self._workshop is not None:
            self._workshop.close()

    def _has_the_mac(self, link: LinkFact, plan: Plan) -> bool:
        return link.mac == plan.mac and link.kind == "macvlan" and link.parent == self._watcher.index(plan.interface)

    def _ask(self, function: Callable[[Workshop], T]) -> asyncio.Future[T]:
        if self._executor is None or self._workshop is None:
            self._workshop = Workshop(self._netns)
            self._executor = ThreadPoolExecutor(1, "vrrpkit devices")
        asked = asyncio.get_running_loop().run_in_executor(self._executor, function, self._workshop)
        self._asked.add(asked)
        asked.add_done_callback(self._done)
        return asyncio.shield(asked)

    def _done(self, asked: asyncio.Future[Any]) -> None:
        self._asked.discard(asked)
        asked.exception()  # whoever does not wait any more need not hear of it


def _discard(index: int, workshop: Workshop) -> None:
    workshop.discard(index)
