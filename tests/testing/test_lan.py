"""The LAN in memory, by itself and under two routers of the runtime."""

import asyncio
import errno
from ipaddress import IPv4Address

import pytest
from attrs import define, field

from tests.testing.helpers import VIP, A, B, C, config
from vrrpkit.addresses import IPAddress
from vrrpkit.election import AdvertReceived, ElectionConfig, PrimaryAddressChanged, Reason, State
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Datagram, Reject
from vrrpkit.runtime import Transport, VirtualRouter
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

ADVERT = Advertisement(vrid=51, priority=100, addresses=(IPv4Address(VIP),))
RESIGNATION = Advertisement(vrid=51, priority=0, addresses=(IPv4Address(VIP),))


@define
class Ear:
    """A receiver that remembers."""

    events: list[tuple[float, int, str]] = field(factory=list)
    refusals: list[tuple[Reject, str]] = field(factory=list)

    def heard(self, event: AdvertReceived) -> None:
        now = asyncio.get_running_loop().time()
        self.events.append((now, event.advert.priority, str(event.source)))

    def rejected(self, reason: Reject, source: IPAddress, detail: str) -> None:
        del detail
        self.refusals.append((reason, str(source)))


def test_advertisement_reaches_everybody_else_after_the_delay() -> None:
    async def main() -> None:
        lan, ears = MemoryLan(delay=0.25), [Ear(), Ear(), Ear()]
        transports = [lan.attach(51, address) for address in (A, B, C)]
        for transport, ear in zip(transports, ears, strict=True):
            transport.open(ear)
        transports[0].send(ADVERT)
        await asyncio.sleep(1)
        assert [ear.events for ear in ears] == [[], [(0.25, 100, A)], [(0.25, 100, A)]]

    run_virtual(main())


def test_order_of_one_sender_is_kept_in_one_moment() -> None:
    async def main() -> None:
        lan, ear = MemoryLan(seed=3, jitter=0.5), Ear()
        sender = lan.attach(51, A)
        lan.attach(51, B).open(ear)
        for _ in range(20):
            sender.send(ADVERT)
            sender.send(RESIGNATION)
        await asyncio.sleep(1)
        assert [priority for _at, priority, _source in ear.events] == [100, 0] * 20

    run_virtual(main())


def test_other_virtual_routers_and_families_hear_nothing() -> None:
    async def main() -> None:
        lan, ears = MemoryLan(), [Ear(), Ear()]
        lan.attach(52, B).open(ears[0])
        lan.attach(51, "fe80::2").open(ears[1])
        lan.attach(51, A).send(ADVERT)
        await asyncio.sleep(1)
        assert ears == [Ear(), Ear()]

    run_virtual(main())


def test_unicast_reaches_peers_only() -> None:
    async def main() -> None:
        lan, ears = MemoryLan(), [Ear(), Ear(), Ear()]
        lan.attach(51, B, [A]).open(ears[0])
        lan.attach(51, C, [B]).open(ears[1])
        sender = lan.attach(51, A, [B, C])
        sender.open(ears[2])
        sender.send(ADVERT)
        await asyncio.sleep(1)
        assert [ear.events for ear in ears] == [[(0.0005, 100, A)], [], []]
        assert ears[1].refusals == [(Reject.UNKNOWN_PEER, A)]

    run_virtual(main())


def test_closed_transport_hears_nothing() -> None:
    async def main() -> None:
        lan, ear = MemoryLan(), Ear()
        sender, transport = lan.attach(51, A), lan.attach(51, B)
        transport.open(ear)
        sender.send(ADVERT)
        transport.close()
        transport.close()
        await asyncio.sleep(1)
        assert ear.events == []

    run_virtual(main())


def test_cut_lan_heals() -> None:
    async def main() -> None:
        lan, ear = MemoryLan(), Ear()
        sender = lan.attach(51, A)
        lan.attach(51, B, name="b").open(ear)
        lan.cut(A, "b")
        sender.send(ADVERT)
        await asyncio.sleep(1)
        lan.heal()
        sender.send(ADVERT)
        await asyncio.sleep(1)
        assert ear.events == [(1.0005, 100, A)]
        assert repr(lan) == "<MemoryLan: 198.51.100.1, b>"
        assert repr(sender) == "<MemoryTransport 198.51.100.1 VRID 51>"

    run_virtual(main())


def test_sending_fails_as_told_and_without_an_address() -> None:
    async def main() -> None:
        lan, ear = MemoryLan(), Ear()
        sender = lan.attach(51, A)
        lan.attach(51, B).open(ear)
        sender.refuse(errno.ENETDOWN, times=2)
        for _ in range(2):
            with pytest.raises(OSError, match="Network is down"):
                sender.send(ADVERT)
        sender.primary_address = None
        with pytest.raises(OSError, match=r"198\.51\.100\.1 has no address to send from"):
            sender.send(ADVERT)
        sender.primary_address = IPv4Address(C)
        sender.send(ADVERT)
        await asyncio.sleep(1)
        assert ear.events == [(0.0005, 100, C)]

    run_virtual(main())


def test_injected_octets_are_judged_like_any_others() -> None:
    async def main() -> None:
        lan, ears = MemoryLan(), [Ear(), Ear()]
        captured: list[Datagram] = []
        lan.listen(captured.append)
        a, b = lan.attach(51, A), lan.attach(51, B)
        a.open(ears[0])
        b.open(ears[1])
        a.send(ADVERT)
        [good] = captured
        lan.inject(good, to=b)
        lan.inject(Datagram(good.payload[:-1], good.source, good.destination), to=B)
        lan.inject(Datagram(good.payload, good.source, good.destination, hop_limit=254))
        assert ears[0].refusals == [(Reject.HOP_LIMIT, A)]
        assert ears[1].refusals == [(Reject.LENGTH, A), (Reject.HOP_LIMIT, A)]
        assert ears[1].events == [(0.0, 100, A)]

    run_virtual(main())


def test_node_has_one_transport_for_each_vrid() -> None:
    lan = MemoryLan()
    lan.attach(51, A)
    lan.attach(52, A)
    with pytest.raises(ConfigError, match=r"vrid must be unique on 198\.51\.100\.1, got 51 twice"):
        lan.attach(51, A)
    with pytest.raises(ConfigError, match="peers must be IPV4 as the address is"):
        lan.attach(53, A, ["fe80::1"])


def test_transport_is_the_port_of_the_runtime() -> None:
    transport: Transport = MemoryLan().attach(51, A)
    assert transport.primary_address == IPv4Address(A)  # mypy is the test


@define
class Node:
    """A router with its part of the world."""

    lan: MemoryLan
    config: ElectionConfig
    address: str
    kernel: FakeAddresses = field(factory=FakeAddresses)
    announcer: FakeAnnouncer = field(factory=FakeAnnouncer)

    def router(self) -> VirtualRouter:
        transport = self.lan.attach(self.config.vrid, self.address)
        return VirtualRouter(self.config, transport=transport, addresses=self.kernel, announcer=self.announcer)


@pytest.mark.conforms("keyword library/tests")
def test_two_virtual_routers_fail_over_and_back() -> None:
    async def main() -> None:
        lan, time = MemoryLan(), asyncio.get_running_loop().time
        a, b = Node(lan, config(200), A), Node(lan, config(100), B)
        async with b.router() as backup:
            async with a.router() as active:
                await active.until(State.ACTIVE)
                assert time() == 3.21875
                await asyncio.sleep(10)
                assert (active.state, backup.state) == (State.ACTIVE, State.BACKUP)
                assert (a.kernel.held, b.kernel.held) == ([IPv4Address(VIP)], [])
                left = time()
            change = await backup.until(State.ACTIVE)
            assert change.reason is Reason.ACTIVE_RESIGNED
            assert time() == pytest.approx(left + 0.0005 + 0.609375, abs=1e-9)
            assert (a.kernel.held, b.kernel.held) == ([], [IPv4Address(VIP)])
            assert (a.announcer.announcing, b.announcer.announcing) == ([], [IPv4Address(VIP)])
        assert b.kernel.held == []

    run_virtual(main())


def test_refusing_kernel_hands_the_role_to_the_other_router() -> None:
    async def main() -> None:
        lan = MemoryLan()
        a, b = Node(lan, config(200), A), Node(lan, config(100), B)
        a.kernel.refuse(errno.EACCES, times=1000)
        async with a.router() as first, b.router() as second:
            await second.until(State.ACTIVE)
            assert first.state is State.FAULT
            assert (a.kernel.held, b.kernel.held) == ([], [IPv4Address(VIP)])

    run_virtual(main())


def test_two_halves_of_a_split_lan_agree_again_when_it_heals() -> None:
    async def main() -> None:
        lan = MemoryLan()
        a, b = Node(lan, config(200), A), Node(lan, config(100), B)
        async with a.router() as first, b.router() as second:
            await first.until(State.ACTIVE)
            lan.partition(A)
            await asyncio.sleep(10)
            assert (first.state, second.state) == (State.ACTIVE, State.ACTIVE)
            lan.heal()
            await asyncio.sleep(1.001)
            assert (first.state, second.state) == (State.ACTIVE, State.BACKUP)
            assert (a.kernel.held, b.kernel.held) == ([IPv4Address(VIP)], [])

    run_virtual(main())


def test_moved_primary_address_breaks_ties_anew() -> None:
    async def main() -> None:
        lan = MemoryLan()
        transport = lan.attach(51, A)
        kernel, announcer = FakeAddresses(), FakeAnnouncer()
        router = VirtualRouter(config(), transport=transport, addresses=kernel, announcer=announcer)
        async with router, Node(lan, config(), B).router() as other:
            lan.partition(A)
            await asyncio.sleep(10)
            transport.primary_address = IPv4Address(C)
            router.post(PrimaryAddressChanged(IPv4Address(C)))
            lan.heal()
            await asyncio.sleep(2)
            assert (router.state, other.state) == (State.ACTIVE, State.BACKUP)

    run_virtual(main())


def test_an_hour_of_two_routers_is_over_soon() -> None:
    async def main() -> float:
        lan = MemoryLan(seed=1, loss=0.05)
        async with Node(lan, config(200), A).router() as first, Node(lan, config(100), B).router():
            await asyncio.sleep(3600)
            return first.snapshot().counters.advertisement_sent

    assert run_virtual(main()) >= 3595
