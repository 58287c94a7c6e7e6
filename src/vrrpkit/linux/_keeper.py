"""All addresses that one process holds in one network namespace."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address
from typing import Final, assert_never

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.keeping import Action, Event, ForeignDeletion, Held, Install, Keeping, KeepingDue, LetGo, Vanished, Yield
from vrrpkit.linux._address_changes import Verb, is_leftover, marks_addresses, remove_leftovers
from vrrpkit.linux._address_worker import AddressWorker
from vrrpkit.linux._holding import Condition, Device, Holding
from vrrpkit.linux._links import LinkView, LinkWatcher
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._placement import Placement
from vrrpkit.linux._rtnetlink import RTM_DELADDR, AddressFact, encode_address
from vrrpkit.runtime import Driver, Seat

__all__ = ["AddressKeeper"]

log = logging.getLogger("vrrpkit.addresses")

_QUIET: Final = 1.0  # seconds between two complaints


class AddressKeeper:
    """Adds addresses, keeps them, and removes them, for any number of `NetlinkAddressManager`s.

    An address on one interface can be held by several managers; the last one to let go removes it. Addresses carry
    protocol mark 112 (IFA_PROTO). What removes them without being asked to is met as each manager's policy says;
    only what goes along with another address that was removed here is put back whatever the policy.

    Renewing the leases of 2,000 IPv4 addresses takes 20 ms of the thread every third of the lease. For IPv6 the
    kernel's effort grows with the square of their number (12 ms for 250, 800 ms for 2,000): many IPv6 addresses want
    a longer lease.

    Args:
        driver: The clock of the process.
        watcher: Follows the links of the same network namespace.
        netns: That namespace by name or path; None for the process's own.
        lease: Seconds, 3-86400, after which the kernel removes an address that is no longer renewed; None for never.

    Raises:
        ConfigError: The lease is out of its range.
        KernelError: There is no such network namespace.
    """

    def __init__(
        self, driver: Driver, watcher: LinkWatcher, *, netns: str | None = None, lease: float | None = 30.0
    ) -> None:
        keeping: Keeping[Holding] = Keeping(lease)
        self._driver = driver
        self._lease = lease
        self._watcher = watcher
        self._worker = AddressWorker(self._not_renewed, netns)
        self._seat: Seat[Event[Holding], Action[Holding]] = driver.seat(
            keeping, self._perform, tick=KeepingDue(), leeway=lambda: 0.0
        )
        self._stops = [watcher.on_address_gone(self._gone)]
        self._devices: dict[str, Device] = {}
        self._by_place: dict[tuple[str, IPAddress], Holding] = {}
        self._by_fact: dict[tuple[int, IPAddress, int], Holding] = {}
        self._allowed = False

    def close(self) -> None:
        """Keep nothing any more. What is still held stays until its lease ends."""
        for stop in self._stops:
            stop()
        self._seat.leave()
        self._worker.close()

    def use(self, name: str) -> Device:
        """Follow an interface that addresses will be on."""
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = Device(name, 0)
            self._stops.append(self._watcher.watch(name, partial(self._changed, device)))
        if not device.index:
            self._locate(device, self._watcher.index(name) or 0)
        return device

    def hold(self, owner: object, placement: Placement, name: str, on_yield: Callable[[IPAddress], None]) -> Holding:
        """Begin to hold an address on an interface; `install()` it next."""
        place = name, placement.address
        holding = self._by_place.get(place)
        if holding is None:
            device = self.use(name)
            holding = Holding(placement, device, self._lease)
            self._by_place[place] = self._by_fact[_fact_key(holding)] = holding
            device.holdings[holding] = None
        holding.owners[owner] = on_yield
        return holding

    async def install(self, holdings: Iterable[Holding], policy: ForeignDeletion) -> None:
        """Add what is not there yet.

        Raises:
            KernelError: One was refused; the others are there.
        """
        wanted = [holding for holding in holdings if holding.condition is Condition.WANTED]
        if wanted:
            self._seat.post(Held(tuple(wanted), policy))
            await self._worker.change(Verb.ADD, wanted, partial(self._added, wanted))
        for holding in wanted:
            if holding.condition is Condition.REFUSED and holding.error is not None:
                raise holding.error

    async def release(self, owner: object, holdings: Iterable[Holding]) -> None:
        """Let go of addresses, and remove those that nobody else holds.

        Raises:
            KernelError: One could not be removed; the others are gone.
        """
        orphans = self._let_go(owner, holdings)
        if orphans:
            await self._worker.change(Verb.REMOVE, orphans, _nothing)
        for holding in orphans:
            if holding.condition is Condition.INSTALLED and holding.error is not None:
                raise holding.error

    def abandon(self, owner: object, holdings: Iterable[Holding]) -> None:
        """Let go of addresses without waiting for what comes of it."""
        orphans = self._let_go(owner, holdings)
        if orphans:
            self._worker.change(Verb.REMOVE, orphans, _nothing).cancel()

    async def sweep(self, places: Iterable[tuple[str, Placement]]) -> tuple[IPAddress, ...]:
        """Remove what an earlier run has left in these places; see `NetlinkAddressManager.sweep()`."""
        if not self._allowed:
            await self._worker.call(_probe)
            self._allowed = True
        facts = [
            fact
            for name, placement in places
            if (name, placement.address) not in self._by_place
            for fact in self._watcher.find(name, placement.address)
            if is_leftover(fact, placement, self._lease, marked=marks_addresses())
        ]
        if facts:
            await self._worker.call(lambda requests: remove_leftovers(requests, facts))
        return tuple(fact.address for fact in facts)

    def _perform(self, action: Action[Holding]) -> None:
        match action:
            case Install(holdings):
                self._worker.renew(holdings)
            case Yield(holding):
                owners = tuple(holding.owners.values())
                self._forget(holding)
                for on_yield in owners:
                    on_yield(holding.placement.address)
            case unreachable:
                assert_never(unreachable)

    def _added(self, holdings: Iterable[Holding]) -> None:
        """Keep only what is ours to keep."""
        for holding in holdings:
            if holding.condition is Condition.REFUSED:
                self._forget(holding)
        others = tuple(holding for holding in holdings if holding.condition is not Condition.INSTALLED)
        if others:
            self._seat.post(LetGo(others))

    def _let_go(self, owner: object, holdings: Iterable[Holding]) -> list[Holding]:
        orphans = []
        for holding in holdings:
            holding.owners.pop(owner, None)
            if not holding.owners and not holding.released:
                self._forget(holding)
                orphans.append(holding)
        if orphans:
            self._seat.post(LetGo(tuple(orphans)))
        return [orphan for orphan in orphans if orphan.condition in {Condition.WANTED, Condition.INSTALLED}]

    def _forget(self, holding: Holding) -> None:
        holding.released = True
        holding.owners.clear()
        holding.device.holdings.pop(holding, None)
        place = holding.device.name, holding.placement.address
        if self._by_place.get(place) is holding:  # and not a successor
            del self._by_place[place]
            self._by_fact.pop(_fact_key(holding), None)

    def _gone(self, fact: AddressFact, port: int) -> None:
        """An address has disappeared from one of our interfaces."""
        holding = self._by_fact.get((fact.index, fact.address, fact.prefix_length))
        if holding is None:
            return
        if port == self._worker.port:  # it went along with another one that we removed
            self._worker.renew((holding,))
            return
        if self._watcher.view(holding.device.name).up:
            self._complain(
                holding,
                f"{holding.device.name}: {holding.placement} was removed by somebody else, or its lease has ended",
            )
        self._seat.post(Vanished(holding))

    def _not_renewed(self, holding: Holding) -> None:
        if not holding.released and holding.device.index:  # without its interface it has to wait for that
            self._complain(holding, f"{holding.error}")
            self._seat.post(Vanished(holding))

    def _complain(self, holding: Holding, text: str) -> None:
        """Once a second for each interface: where one address has trouble, thousands may have it."""
        now = self._driver.now()
        if now >= holding.device.quiet_until:
            holding.device.quiet_until = now + _QUIET
            log.warning("%s", text)

    def _changed(self, device: Device, view: LinkView) -> None:
        """The interface is gone, or it was made anew: then nothing of what was on it is there."""
        if self._locate(device, view.index or 0) and device.index:
            for holding in tuple(device.holdings):
                self._seat.post(Vanished(holding))

    def _locate(self, device: Device, index: int) -> bool:
        """Take note of an interface's number; whether it is another one."""
        if index == device.index:
            return False
        for holding in device.holdings:
            self._by_fact.pop(_fact_key(holding), None)
        device.index = index
        for holding in device.holdings:
            holding.locate()
            self._by_fact[_fact_key(holding)] = holding
        return True


def _fact_key(holding: Holding) -> tuple[int, IPAddress, int]:
    return holding.device.index, holding.placement.address, holding.placement.prefix_length


def _probe(requests: Requests) -> None:
    """Find out whether we may change addresses, with a change that cannot be carried out."""
    nowhere = encode_address(0, IPv4Address(0), 32)
    try:
        requests.request("change addresses", RTM_DELADDR, 0, nowhere)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise


def _nothing() -> None:
    """What follows when nothing does."""
