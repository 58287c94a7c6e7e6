"""Virtual addresses in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import ConfigError
from vrrpkit.keeping import ForeignDeletion
from vrrpkit.linux._holding import Condition, Holding
from vrrpkit.linux._keeper import AddressKeeper
from vrrpkit.linux._placement import Placement

__all__ = ["AddressKeeper", "NetlinkAddressManager", "Placement"]


class NetlinkAddressManager:
    """One virtual router's addresses: a `vrrpkit.runtime.AddressManager` on an `AddressKeeper`.

    An address that was on its interface already, such as an owner's own, stays as it is: it is neither renewed nor
    removed.

    Args:
        keeper: What all managers of the process share.
        interface: Where addresses go whose placement does not say.
        placements: How addresses are held; one without a placement is a /32 or /128.
        foreign_deletion: What to do when somebody else removes an address.

    Attributes:
        on_yield: Called, on the event loop, when an address was given up by `ForeignDeletion.YIELD`.

    Raises:
        ConfigError: Two placements are for one address.
    """

    def __init__(
        self,
        keeper: AddressKeeper,
        interface: str,
        placements: Iterable[Placement] = (),
        *,
        foreign_deletion: ForeignDeletion = ForeignDeletion.RESTORE,
    ) -> None:
        self._keeper = keeper
        self._interface = interface
        self._policy = foreign_deletion
        self._placements: dict[IPAddress, Placement] = {}
        self._holdings: dict[IPAddress, Holding] = {}
        self.on_yield: Callable[[], None] = _nothing
        for placement in placements:
            if placement.address in self._placements:
                raise ConfigError(f"placements must be one for each address, got two for {placement.address}")
            self._placements[placement.address] = placement
        for name in {interface, *(placement.device or interface for placement in self._placements.values())}:
            keeper.use(name)

    @property
    def held(self) -> frozenset[IPAddress]:
        """The addresses that this manager has added, or found there from an earlier run."""
        return self._in_condition(Condition.INSTALLED)

    @property
    def foreign(self) -> frozenset[IPAddress]:
        """The acquired addresses that were there before, and will stay."""
        return self._in_condition(Condition.FOREIGN)

    async def acquire(self, addresses: Iterable[IPAddress]) -> None:
        """Add the addresses. Those that are held already cost nothing.

        Cancelled, it may or may not have happened; `release()` undoes it in either case.

        Raises:
            KernelError: The kernel refused one; those added before it stay until they are released.
        """
        await self._keeper.install([self._hold(address) for address in addresses], self._policy)

    async def release(self, addresses: Iterable[IPAddress]) -> None:
        """Remove the addresses, but for those that were there before; one that is already gone is no error.

        Raises:
            KernelError: The kernel refused; the others are removed all the same.
        """
        holdings = [self._holdings.pop(address) for address in addresses if address in self._holdings]
        await self._keeper.release(self, holdings)

    async def sweep(self, addresses: Iterable[IPAddress]) -> tuple[IPAddress, ...]:
        """Remove those of the addresses that an earlier, killed run has left; return them.

        Only what carries our protocol mark is removed. Before kernel 5.18, which introduced marks, that is what has
        the very prefix length and lifetime that we would give it.

        Raises:
            PermissionError: We may not change addresses at all; a `KernelError`, too.
        """
        return await self._keeper.sweep([self._place(address) for address in addresses])

    def close(self) -> None:
        """Let go of what is still held, without waiting."""
        self._keeper.abandon(self, self._holdings.values())
        self._holdings.clear()

    def _in_condition(self, condition: Condition) -> frozenset[IPAddress]:
        return frozenset(address for address, holding in self._holdings.items() if holding.condition is condition)

    def _place(self, address: IPAddress) -> tuple[str, Placement]:
        placement = self._placements.get(address)
        if placement is None:
            placement = self._placements[address] = Placement(address=address)
        return placement.device or self._interface, placement

    def _hold(self, address: IPAddress) -> Holding:
        holding = self._holdings.get(address)
        if holding is None or holding.released:  # refused the last time
            name, placement = self._place(address)
            holding = self._keeper.hold(self, placement, name, self._yielded)
            self._holdings[address] = holding
        return holding

    def _yielded(self, address: IPAddress) -> None:
        self._holdings.pop(address, None)
        self.on_yield()


def _nothing() -> None:
    """What is called until somebody else is."""
