"""One machine's part in any number of virtual routers: one clock, one netlink, one socket per link."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Final, Self

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.announce import AnnouncePolicy
from vrrpkit.election import ElectionConfig, Shutdown, SteppedDown
from vrrpkit.errors import check_number
from vrrpkit.keeping import ForeignDeletion
from vrrpkit.linux._addresses import AddressKeeper, NetlinkAddressManager, Placement
from vrrpkit.linux._announcer import RouterAnnouncer
from vrrpkit.linux._clock import TimerClock
from vrrpkit.linux._devices import Devices
from vrrpkit.linux._link import LinkPort
from vrrpkit.linux._links import LinkWatcher
from vrrpkit.linux._macvlan import Plan
from vrrpkit.linux._member import Member
from vrrpkit.linux._virtual_addresses import VirtualAddressManager
from vrrpkit.linux._virtual_device import VirtualDevice
from vrrpkit.linux._virtual_devices import VirtualDevices
from vrrpkit.packet import Datagram
from vrrpkit.runtime import Driver, Notifier, RouterGroup, VirtualRouter, shut_down
from vrrpkit.runtime._router import see_through
from vrrpkit.runtime._tracker import Tracked, Tracker

__all__ = ["Node", "open_router"]


class Node:
    """Everything that the virtual routers of one process and one network namespace share.

        async with Node() as node:
            for vrid in range(1, 256):
                await node.add_router("eth0", ElectionConfig(vrid=vrid, addresses=[f"192.0.2.{vrid}"]))
            await asyncio.Event().wait()

    Leaving the block closes every router: all of them resign before the first releases anything.

    Args:
        netns: The network namespace by name (as of `ip netns`) or path; None for the process's own.
        lease: Seconds, 3-86400, after which the kernel removes an address by itself unless it is renewed, which
            happens three times in that span: what a killed process held does not stay behind. None holds addresses
            for ever.
        announce_gap: Seconds between any two announcements on one interface, 0-10.

    Attributes:
        driver: The clock of all its routers; trackers and machines of your own may have a seat there.
        links: What the kernel says of links and addresses; interface trackers may follow it, too.

    Raises:
        ConfigError: The lease or the gap is out of its range.
    """

    def __init__(self, *, netns: str | None = None, lease: float | None = 30.0, announce_gap: float = 0.0) -> None:
        check_number("announce_gap", announce_gap, 0, 10, "seconds")
        if lease is not None:
            check_number("lease", lease, 3, 86400, "seconds")
        self._netns: Final = netns
        self._lease = lease
        self._gap = announce_gap
        self._members: dict[VirtualRouter, Member] = {}
        self._groups: list[RouterGroup] = []
        self._exit = ExitStack()

    async def __aenter__(self) -> Self:
        """Open the clock and netlink."""
        with ExitStack() as stack:
            self.driver: Driver = Driver(TimerClock(), share_wakeups=True)
            stack.callback(self.driver.close)
            self.links: LinkWatcher = LinkWatcher(self._netns)
            stack.callback(self.links.close)
            self._keeper = AddressKeeper(self.driver, self.links, netns=self._netns, lease=self._lease)
            stack.callback(self._keeper.close)
            self._devices = Devices(self.driver, self.links, netns=self._netns, gap=self._gap)
            stack.callback(self._devices.close)
            self._virtual = VirtualDevices(self.driver, self.links, self._netns)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close every router, then what they shared."""
        for group in self._groups:
            group.shut_down()
        try:
            await shut_down(*self._members)
        finally:
            for group in self._groups:
                group.close()
            for router in tuple(self._members):
                self._members.pop(router).close()
            try:
                await see_through(self._virtual.aclose())
            finally:
                self._exit.close()

    @property
    def routers(self) -> tuple[VirtualRouter, ...]:
        """The virtual routers running here."""
        return tuple(self._members)

    @property
    def groups(self) -> tuple[RouterGroup, ...]:
        """The sync groups made here."""
        return tuple(self._groups)

    def add_group(
        self,
        name: str,
        *,
        tracks: Iterable[Tracker | Tracked] = (),
        notify: Iterable[Notifier] = (),
    ) -> RouterGroup:
        """Make a sync group for `add_router(group=...)`; its members take part once `start()` has been called.

        Args:
            name: What logs and notifiers call it.
            tracks: What all its members depend on.
            notify: Whom to tell the group's news.

        Raises:
            ConfigError: Two trackers have the same name.
        """
        group = RouterGroup(name, driver=self.driver, tracks=tracks, notify=notify)
        self._groups.append(group)
        return group

    async def add_router(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        interface: str,
        config: ElectionConfig,
        *,
        placements: Iterable[Placement] = (),
        peers: Iterable[str | IPAddress] = (),
        check_source: bool = True,
        source: str | IPAddress | None = None,
        virtual_mac: bool = False,
        announce: AnnouncePolicy | None = None,
        foreign_deletion: ForeignDeletion = ForeignDeletion.RESTORE,
        name: str | None = None,
        tracks: Iterable[Tracker | Tracked] = (),
        notify: Iterable[Notifier] = (),
        group: RouterGroup | None = None,
    ) -> VirtualRouter:
        """Start a virtual router on an interface.

        What an earlier run that was killed has left of its addresses is removed first.

        Args:
            interface: The interface of the advertisements, and of the addresses that no placement puts elsewhere.
            config: The virtual router.
            placements: How its addresses are held: prefix length, another interface, label and so on; an address
                without a placement is a /32 or /128 on `interface`. Those of addresses that `reconfigure()` is to
                bring later may be among them.
            peers: Unicast peers; multicast when empty.
            check_source: Whether to listen to `peers` only; turned off, anybody who can reach us can take over.
            source: The address to send from, which must be on the interface; its primary address when None.
            virtual_mac: Whether the addresses live at the virtual router's MAC address (RFC 9568 section 7.3), on a
                device of its own (a macvlan, called like `vrrp4-51-6ac38`) instead of `interface`. Multicast
                advertisements and announcements leave from that MAC address, and ARP and Neighbor Discovery tell it.
                The interface gets arp_ignore 1 and arp_announce 2 for as long.
            announce: How often to announce the addresses.
            foreign_deletion: What to do when somebody else removes one of the addresses.
            name: What logs, snapshots and notifiers call it; `eth0/51` when None.
            tracks: What its priority and its taking part depend on, from the start.
            notify: Whom to tell its news.
            group: The sync group of this node that it belongs to; it takes part when the group does.

        Raises:
            ConfigError: An argument is wrong, or an interface does not exist; nothing has changed then.
            PermissionError: CAP_NET_RAW or CAP_NET_ADMIN is missing; the text says which.
            KernelError: The interface cannot carry a virtual MAC address, say because it is a bridge's port.
        """
        placed = tuple(placements)
        unicast = tuple(parse_address("peers", peer) for peer in peers)
        fixed = None if source is None else parse_address("source", source)
        devices = {interface, *(placement.device or interface for placement in placed)}
        with ExitStack() as undo:
            for device in sorted(devices):
                self._devices.claim(device)
                undo.callback(self._devices.release, device)
            virtual = () if config.is_owner else config.all_addresses
            self._devices.claim_virtual(virtual)
            undo.callback(self._devices.release_virtual, virtual)
            link = self._devices.claim_link(interface, config.family, fixed)
            undo.callback(self._devices.release_link, link)
            plan = self._virtual.plan(interface, config.vrid, config.family)
            home = plan.name if virtual_mac else interface
            if virtual_mac:
                self._virtual.check(plan, config.all_addresses)
            port = link.port(config.vrid, unicast, check_source=check_source, mac=plan.mac if virtual_mac else None)
            manager = NetlinkAddressManager(self._keeper, home, placed, foreign_deletion=foreign_deletion)
            undo.callback(manager.close)
            await manager.sweep(config.all_addresses)
            own = None
            if virtual_mac:
                own = await self._open_device(plan, port, config, undo)
            else:
                await self._virtual.sweep(plan)
            device_of = {placement.address: placement.device or home for placement in placed}
            router = VirtualRouter(
                config,
                transport=port,
                addresses=manager if own is None else VirtualAddressManager(own, manager),
                announcer=RouterAnnouncer(
                    lambda address: self._devices.announcer(device_of.get(address, home)),
                    announce or AnnouncePolicy(),
                ),
                driver=self.driver,
                name=name or f"{interface}/{config.vrid}",
                tracks=tracks,
                notify=notify,
                group=group,
            )
            manager.on_yield = partial(router.post, SteppedDown())
            member = Member(router, link, frozenset(devices), undo.pop_all().close, own)
        if own is not None:
            own.on_change = partial(self._devices.review, member)
        self._members[router] = member
        self._devices.follow(member)
        router.start()
        return router

    async def _open_device(self, plan: Plan, port: LinkPort, config: ElectionConfig, undo: ExitStack) -> VirtualDevice:
        """Make the device of a virtual router, and let the router hear on it what comes from its own MAC address."""
        # What an earlier run without a virtual MAC address has left is on the interface itself.
        await self._keeper.sweep((plan.interface, Placement(address=address)) for address in config.all_addresses)
        device = await self._virtual.open(plan)
        undo.callback(device.close)
        self._devices.claim(plan.name)
        undo.callback(self._devices.release, plan.name)
        link = self._devices.claim_link(plan.name, config.family, None, only_from=plan.mac)
        undo.callback(self._devices.release_link, link)
        port.hear_on(link)
        return device

    async def add_dual_stack(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        interface: str,
        configs: Iterable[ElectionConfig],
        *,
        placements: Iterable[Placement] = (),
        peers: Iterable[str | IPAddress] = (),
        check_source: bool = True,
        virtual_mac: bool = False,
        announce: AnnouncePolicy | None = None,
        foreign_deletion: ForeignDeletion = ForeignDeletion.RESTORE,
        name: str | None = None,
        tracks: Iterable[Tracker | Tracked] = (),
        notify: Iterable[Notifier] = (),
    ) -> RouterGroup:
        """Start one virtual router of both families: `add_dual_stack("eth0", dual_stack(...))`.

        It is a sync group of one router for each family, called `NAME/ipv4` and `NAME/ipv6`.

        Args:
            interface: The interface of the advertisements.
            configs: The configurations, see `vrrpkit.sync.dual_stack()`.
            placements: As for `add_router()`, of both families.
            peers: As for `add_router()`, of both families.
            check_source: As for `add_router()`.
            virtual_mac: As for `add_router()`, with a device for each family.
            announce: As for `add_router()`.
            foreign_deletion: As for `add_router()`.
            name: What logs and notifiers call the group; `eth0/51` when None.
            tracks: What both depend on.
            notify: Whom to tell the group's news.

        Raises:
            ConfigError: As for `add_router()`; nothing has changed then.
            PermissionError: As for `add_router()`.
        """
        first, *others = configs
        placed = tuple(placements)
        spoken_to = [parse_address("peers", peer) for peer in peers]
        group = self.add_group(name or f"{interface}/{first.vrid}", tracks=tracks, notify=notify)
        try:
            for config in (first, *others):
                await self.add_router(
                    interface,
                    config,
                    placements=[one for one in placed if one.address in config.all_addresses],
                    peers=[peer for peer in spoken_to if family_of(peer) is config.family],
                    check_source=check_source,
                    virtual_mac=virtual_mac,
                    announce=announce,
                    foreign_deletion=foreign_deletion,
                    name=f"{group.name}/{config.family.name.lower()}",
                    group=group,
                )
        except BaseException:
            await see_through(self.remove_group(group))
            raise
        group.start()
        return group

    async def remove_router(self, router: VirtualRouter) -> None:
        """Close one virtual router: resign, release, forget. Notifiers hear that it is deleted."""
        router.shut_down(deleted=True)
        try:
            await shut_down(router)
        finally:
            member = self._members.pop(router, None)
            if member is not None:
                self._devices.unfollow(member)
                member.close()
            await see_through(self._virtual.settled())

    async def remove_group(self, group: RouterGroup) -> None:
        """Close a sync group and its members: all resign, release, forget. Notifiers hear that they are deleted."""
        group.post(Shutdown(deleted=True))
        members = [router for router in self._members if router.group is group]
        try:
            await shut_down(*members)
        finally:
            for router in members:
                await self.remove_router(router)
            if group in self._groups:
                self._groups.remove(group)
            group.close()

    def listen(self, interface: str, family: Family, listener: Callable[[Datagram], None]) -> Callable[[], None]:
        """Hear every VRRP message on a link, without taking part; for monitors. Returns how to stop."""
        with ExitStack() as undo:
            self._devices.claim(interface)
            undo.callback(self._devices.release, interface)
            link = self._devices.claim_link(interface, family, None)
            undo.callback(self._devices.release_link, link)
            undo.callback(link.listen(listener))
            return undo.pop_all().close


@asynccontextmanager
async def open_router(  # noqa: PLR0913 - keywords with the usual case as default
    interface: str,
    config: ElectionConfig,
    *,
    netns: str | None = None,
    placements: Iterable[Placement] = (),
    peers: Iterable[str | IPAddress] = (),
    check_source: bool = True,
    source: str | IPAddress | None = None,
    virtual_mac: bool = False,
    announce: AnnouncePolicy | None = None,
    foreign_deletion: ForeignDeletion = ForeignDeletion.RESTORE,
    lease: float | None = 30.0,
    name: str | None = None,
    tracks: Iterable[Tracker | Tracked] = (),
    notify: Iterable[Notifier] = (),
) -> AsyncGenerator[VirtualRouter]:
    """One virtual router on one interface, wired for the usual case.

        async with open_router("eth0", ElectionConfig(vrid=51, addresses=["192.0.2.10"])) as router:
            async for change in router.changes():
                print(change)

    Leaving the block resigns and releases. For several routers in one process use one `Node`; the arguments are
    those of `Node` and `Node.add_router()`.

    Raises:
        ConfigError: An argument is wrong, or an interface does not exist.
        PermissionError: CAP_NET_RAW or CAP_NET_ADMIN is missing; the text says which.
    """
    async with Node(netns=netns, lease=lease) as node:
        yield await node.add_router(
            interface,
            config,
            placements=placements,
            peers=peers,
            check_source=check_source,
            source=source,
            virtual_mac=virtual_mac,
            announce=announce,
            foreign_deletion=foreign_deletion,
            name=name,
            tracks=tracks,
            notify=notify,
        )
