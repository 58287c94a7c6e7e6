"""Virtual addresses on a device with a virtual MAC address, which is switched on only while they are there."""

from __future__ import annotations

from collections.abc import Iterable

from vrrpkit.addresses import IPAddress
from vrrpkit.linux._addresses import NetlinkAddressManager
from vrrpkit.linux._virtual_device import VirtualDevice

__all__ = ["VirtualAddressManager"]


class VirtualAddressManager:
    """A `vrrpkit.runtime.AddressManager` that switches a device on before the first address, and off after the last.

    Args:
        device: Where the addresses live.
        addresses: Puts them there.
    """

    def __init__(self, device: VirtualDevice, addresses: NetlinkAddressManager) -> None:
        self._device = device
        self._addresses = addresses

    async def acquire(self, addresses: Iterable[IPAddress]) -> None:
        """Add the addresses.

        Raises:
            KernelError: The kernel refused one, or to switch the device on.
        """
        await self._device.switch_on()
        await self._addresses.acquire(addresses)

    async def release(self, addresses: Iterable[IPAddress]) -> None:
        """Remove the addresses.

        Raises:
            KernelError: The kernel refused; the others are removed all the same.
        """
        try:
            await self._addresses.release(addresses)
        finally:
            if not self._addresses.held and not self._addresses.foreign:
                await self._device.switch_off()
