"""An address of this machine, as a tracked thing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.linux._address_follower import Addresses, AddressFollower
from vrrpkit.runtime import Driver
from vrrpkit.trackers._finder import SettlingFinder, check_interface

__all__ = ["AddressTracker"]


class AddressTracker(SettlingFinder):
    """Up while this machine has an address, whoever has put it there.

        async with AddressTracker("192.0.2.10", interface="eth0", weight=-20) as address:
            router.track(address)

    An IPv6 address counts from the moment it can be used: not while duplicate address detection is running, and not
    when that has failed. The state of the interface does not matter; see `InterfaceTracker`. (The kernel takes IPv6
    addresses away when their interface is switched off, and leaves IPv4 ones.)

    Args:
        address: The address, without a prefix length.
        interface: Where it must be; anywhere when None. One that is not there may come at any time.
        name: What causes, logs and explanations call it; `192.0.2.10` or `192.0.2.10%eth0` when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        up_delay: Seconds, 0-3600, that being up must last.
        down_delay: Seconds, 0-3600, that being down must last.
        netns: The network namespace by name or path; None for the process's own.
        driver: The clock that it shares; its own when None.

    Attributes:
        address: The address.
        interface: Where it must be, or None.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        address: str | IPAddress,
        *,
        interface: str | None = None,
        name: str | None = None,
        weight: int = 0,
        reverse: bool = False,
        up_delay: float = 0.0,
        down_delay: float = 0.0,
        netns: str | None = None,
        driver: Driver | None = None,
    ) -> None:
        self.address: Final = parse_address("address", address)
        self.interface: Final = interface
        if interface is not None:
            check_interface("interface", interface)
        super().__init__(
            _name(self.address, interface) if name is None else name,
            weight=weight,
            reverse=reverse,
            up_delay=up_delay,
            down_delay=down_delay,
            driver=driver,
        )
        self._netns = netns

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await super()._open(driver, stack)
        follower = AddressFollower(self.address, self.interface, on_read=self._judge, netns=self._netns)
        stack.callback(follower.close)
        await follower.read()

    def _judge(self, found: Addresses) -> None:
        if found.index is None:
            self._observe(False, f"there is no {self.interface}")
        elif not found.facts:
            self._observe(False, "there is no such address")
        elif any(fact.usable for fact in found.facts):
            self._observe(True, "")
        else:
            self._observe(False, "duplicate address detection is running, or has failed")


def _name(address: IPAddress, interface: str | None) -> str:
    return str(address) if interface is None else f"{address}%{interface}"
