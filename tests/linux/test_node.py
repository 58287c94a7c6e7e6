"""A virtual router on a real link and a real kernel, from the outside."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tests.linux.support import LOOPS, Namespace, eventually, namespace, run
from tests.linux.wire import PEER4, Seen, Wire, wire_of
from vrrpkit import Advertisement, AnnouncePolicy, ConfigError, ElectionConfig, Family, Reason, State, VirtualRouter
from vrrpkit.linux import ForeignDeletion, Node, Placement, open_router
from vrrpkit.packet import Datagram, encode

pytestmark = pytest.mark.kernel

OWN4, OWN6 = IPv4Address("10.0.0.1"), IPv6Address("fe80::1")
GROUP4, GROUP6 = IPv4Address("224.0.0.18"), IPv6Address("ff02::12")
VIRTUAL = IPv4Address("10.0.0.100")
PROGRAM = (sys.executable, str(Path(__file__).parents[2] / "examples" / "virtual_router.py"))


@define
class Bench:
    """A namespace, and the wire behind its `eth0`."""

    net: Namespace
    wire: Wire


@contextmanager
def bench() -> Iterator[Bench]:
    with namespace() as net, wire_of(net.name) as wire:
        net.ip(f"addr add {OWN4}/24 dev eth0", "addr flush dev eth0 scope link", f"addr add {OWN6}/64 dev eth0 nodad")
        yield Bench(net, wire)


def config(**settings: Any) -> ElectionConfig:
    return ElectionConfig(**{"vrid": 51, "addresses": [VIRTUAL], "advert_interval": 0.1, **settings})


def on_bench(scenario: Callable[[Bench], Awaitable[None]], loop: str = "asyncio") -> None:
    with bench() as lab:

        async def play() -> None:
            await scenario(lab)

        run(play(), loop)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def becomes(router: VirtualRouter, state: State) -> None:
    async with asyncio.timeout(15):
        await router.until(state)


@pytest.mark.conforms(
    "9568 5.1.1.1-1",
    "9568 5.1.1.2-1",
    "9568 5.1.1.3-1",
    "9568 5.1.1.4-1",
    "9568 6.4.2-9",
    "9568 6.4.3-11",
    "9568 7.2-1",
    "9568 7.2-4",
    "9568 7.2-6",
    "9568 7.2-7",
)
@pytest.mark.parametrize("loop", LOOPS)
def test_router_advertises_holds_the_address_announces_it_and_leaves_nothing(loop: str) -> None:
    async def scenario(lab: Bench) -> None:
        before = descriptors()
        placement = Placement(address=f"{VIRTUAL}/24")
        async with open_router("eth0", config(), netns=lab.net.name, placements=[placement]) as router:
            await becomes(router, State.ACTIVE)
            info = lab.net.addresses()["10.0.0.100/24"]
            assert 25 <= info["valid_life_time"] <= 30
            await eventually(lambda: lab.wire.announced() == [VIRTUAL] * 5, "five announcements")
            first = lab.wire.adverts()[0]
            assert first == Seen(
                Advertisement(vrid=51, priority=100, interval=0.1, addresses=(VIRTUAL,)),
                OWN4,
                GROUP4,
                255,
                0xC0,
                "01:00:5e:00:00:12",
            )
        assert lab.net.shown() == {"10.0.0.1/24"}
        assert lab.wire.priorities()[-1] == 0
        assert lab.wire.priorities().count(0) == 1
        await eventually(lambda: descriptors() <= before, "closed descriptors")

    on_bench(scenario, loop)


@pytest.mark.conforms(
    "9568 5.1.2.1-1",
    "9568 5.1.2.2-1",
    "9568 5.1.2.3-1",
    "9568 5.1.2.4-1",
    "9568 6.4.2-12",
    "9568 7.2-5",
    "9568 7.2-6",
    "9568 7.2-7",
)
def test_ipv6_router_speaks_from_its_link_local_address() -> None:
    async def scenario(lab: Bench) -> None:
        shared = [IPv6Address("fe80::100"), IPv6Address("2001:db8::100")]
        async with open_router("eth0", config(addresses=shared), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: lab.wire.announced() == shared * 5, "five announcements of each")
            assert lab.wire.adverts()[0] == Seen(
                Advertisement(vrid=51, priority=100, interval=0.1, addresses=tuple(shared)),
                OWN6,
                GROUP6,
                255,
                0xC0,
                "33:33:00:00:00:12",
            )
            held = lab.net.addresses()["2001:db8::100/128"]
            assert (held["preferred_life_time"], held.get("tentative", False)) == (0, False)
        assert lab.net.shown() == {"10.0.0.1/24"}

    on_bench(scenario)


def test_backup_hears_and_yields_on_a_real_link() -> None:
    async def scenario(lab: Bench) -> None:
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            lab.wire.advertise(config(), 200)
            await becomes(router, State.BACKUP)
            assert (router.snapshot().active_address, router.snapshot().active_priority) == (PEER4, 200)
            await eventually(lambda: lab.net.shown() == {"10.0.0.1/24"}, "the address released")

    on_bench(scenario)


@pytest.mark.conforms("9568 5.1.1.3-2", "9568 7.1-1", "9568 7.1-7")
def test_what_is_not_for_us_is_counted_or_never_gets_in() -> None:
    async def scenario(lab: Bench) -> None:
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            good = encode(Advertisement(vrid=51, priority=200, addresses=(VIRTUAL,)), source=PEER4, destination=GROUP4)
            lab.wire.say(good, hop_limit=254)
            lab.wire.say(Datagram(good.payload[:-1] + b"\xff", PEER4, GROUP4))
            lab.wire.say(Datagram(b"\x31\x34" + good.payload[2:], PEER4, GROUP4))  # VRID 52
            lab.wire.say(Datagram(b"\x31", PEER4, GROUP4))
            lab.wire.say(
                encode(Advertisement(vrid=51, priority=200, addresses=(VIRTUAL,)), source=PEER4, destination=OWN4)
            )
            await eventually(lambda: sum(router.counters.rejected.values()) == 3, "three rejections")
            assert {reason.value: count for reason, count in router.counters.rejected.items()} == {
                "ip-ttl-errors": 1,
                "checksum-errors": 1,
                "unknown-peer-errors": 1,
            }
            assert router.state is State.ACTIVE

    on_bench(scenario)


def test_unicast_router_speaks_to_its_peers_and_hears_nobody_else() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip(*(f"neigh add 10.0.0.{host} lladdr 02:00:00:00:00:02 dev eth0" for host in (2, 3)))
        peers = ["10.0.0.2", "10.0.0.3"]
        async with open_router("eth0", config(), netns=lab.net.name, peers=peers) as router:
            await becomes(router, State.ACTIVE)
            assert [(seen.source, str(seen.destination)) for seen in lab.wire.adverts()[:2]] == [
                (OWN4, "10.0.0.2"),
                (OWN4, "10.0.0.3"),
            ]
            advert = Advertisement(vrid=51, priority=200, interval=0.1, addresses=(VIRTUAL,))
            lab.wire.say(encode(advert, source=IPv4Address("10.0.0.4"), destination=OWN4))
            await eventually(lambda: router.counters.rejected, "a rejection")
            assert router.state is State.ACTIVE
            lab.wire.say(encode(advert, source=PEER4, destination=OWN4))
            await becomes(router, State.BACKUP)

    on_bench(scenario)


def test_link_that_goes_down_is_a_fault_until_it_comes_up() -> None:
    async def scenario(lab: Bench) -> None:
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("link set peer0 down")
            await becomes(router, State.FAULT)
            assert router.snapshot().causes == {"link:eth0"}
            await eventually(lambda: "10.0.0.100/32" not in lab.net.shown(), "the address released")
            lab.net.ip("link set peer0 up")
            await eventually(lambda: router.state is State.ACTIVE, "Active again")
            await eventually(lambda: "10.0.0.100/32" in lab.net.shown(), "the address back")

    on_bench(scenario)


def test_interface_that_is_deleted_and_made_anew_is_taken_up_again() -> None:
    async def scenario(lab: Bench) -> None:
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("link delete eth0")
            await becomes(router, State.FAULT)
            lab.net.ip(
                "link add eth0 type veth peer name peer0",
                "addr add 10.0.0.7/24 dev eth0",
                "link set eth0 up",
                "link set peer0 up",
            )
            with wire_of(lab.net.name) as wire:
                await eventually(lambda: router.state is State.ACTIVE, "Active again")
                await eventually(lambda: wire.announced().count(VIRTUAL) >= 5, "announcements")
                assert {str(seen.source) for seen in wire.adverts()} == {"10.0.0.7"}
                wire.advertise(config(), 200)
                await becomes(router, State.BACKUP)

    on_bench(scenario)


def test_interface_without_an_address_is_a_fault_until_it_has_one() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip(f"addr del {OWN4}/24 dev eth0")
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            assert (router.state, sorted(router.snapshot().causes)) == (State.FAULT, ["address:eth0"])
            lab.net.ip("addr add 10.0.0.9/24 dev eth0")
            await eventually(lambda: router.state is State.ACTIVE, "Active")
            assert {str(seen.source) for seen in lab.wire.adverts()} == {"10.0.0.9"}

    on_bench(scenario)


@pytest.mark.conforms("9568 5.1.1.1-1", "9568 7.2-4")
def test_advertisements_follow_the_primary_address() -> None:
    async def scenario(lab: Bench) -> None:
        async with open_router("eth0", config(), netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("addr add 10.0.1.9/24 dev eth0", f"addr del {OWN4}/24 dev eth0")
            await eventually(lambda: str(lab.wire.adverts()[-1].source) == "10.0.1.9", "adverts from the new address")
            assert str(router.snapshot().primary_address) == "10.0.1.9"
            assert router.state is State.ACTIVE

    on_bench(scenario)


def test_address_that_the_kernel_refuses_is_a_fault_that_ends_when_it_no_longer_does() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.sysctl("ipv6.conf.eth0.disable_ipv6", 1)
        async with open_router("eth0", config(unadvertised=["2001:db8::1"]), netns=lab.net.name) as router:
            await becomes(router, State.FAULT)
            snapshot = router.snapshot()
            assert snapshot.causes == {"addresses:EACCES"}
            assert "IPv6 is disabled on this device" in str(snapshot.error)
            assert lab.wire.priorities() == [100, 0]
            lab.net.sysctl("ipv6.conf.eth0.disable_ipv6", 0)
            await eventually(lambda: "2001:db8::1/128" in lab.net.shown(), "the address after all")
            assert (router.state, router.snapshot().causes) == (State.ACTIVE, frozenset())

    on_bench(scenario)


@pytest.mark.parametrize(
    ("policy", "state", "shown"),
    [
        (ForeignDeletion.RESTORE, State.ACTIVE, True),
        (ForeignDeletion.YIELD, State.BACKUP, False),
        (ForeignDeletion.IGNORE, State.ACTIVE, False),
    ],
)
def test_address_that_somebody_else_removes(policy: ForeignDeletion, state: State, shown: bool) -> None:
    async def scenario(lab: Bench) -> None:
        slow = config(advert_interval=1.0, priority=254)
        async with open_router("eth0", slow, netns=lab.net.name, foreign_deletion=policy) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("addr del 10.0.0.100/32 dev eth0")
            await eventually(lambda: router.state is state, f"{state}")
            if shown:
                await eventually(lambda: "10.0.0.100/32" in lab.net.shown(), "the address restored")
            else:
                await asyncio.sleep(0.3)
                assert "10.0.0.100/32" not in lab.net.shown()

    on_bench(scenario)


def test_address_of_an_owner_that_was_there_before_stays() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip("addr add 10.0.0.100/24 dev eth0")
        placement = Placement(address="10.0.0.100/24")
        async with open_router("eth0", config(priority=255), netns=lab.net.name, placements=[placement]) as router:
            await becomes(router, State.ACTIVE)
            assert router.snapshot().last_change is not None
            assert router.snapshot().to_dict()["reason"] == Reason.OWNER
        assert lab.net.shown() == {"10.0.0.1/24", "10.0.0.100/24"}

    on_bench(scenario)


def test_address_on_another_interface_is_announced_there_and_depends_on_it() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip("link add other type veth peer name another", "link set other up", "link set another up")
        placement = Placement(address="172.16.0.1/24", device="other")
        wanted = config(addresses=["172.16.0.1"])
        async with open_router("eth0", wanted, netns=lab.net.name, placements=[placement]) as router:
            await becomes(router, State.ACTIVE)
            assert lab.net.shown("other") == {"172.16.0.1/24"}
            assert lab.wire.announced() == []
            lab.net.ip("link set another down")
            await becomes(router, State.FAULT)
            assert router.snapshot().causes == {"link:other"}

    on_bench(scenario)


@pytest.mark.conforms("9568 6.4-1", "keyword library/import")
def test_routers_of_a_node_share_their_sockets_and_resign_before_the_first_releases() -> None:
    async def scenario(lab: Bench) -> None:
        async with Node(netns=lab.net.name) as node:
            for number in range(1, 4):
                await node.add_router("eth0", config(vrid=number, addresses=[f"10.0.0.{100 + number}"]))
            opened = descriptors()
            for number in range(4, 21):
                await node.add_router("eth0", config(vrid=number, addresses=[f"10.0.0.{100 + number}"]))
            assert descriptors() == opened
            await eventually(lambda: all(router.state is State.ACTIVE for router in node.routers), "all Active")
        last = lab.wire.priorities()[-20:]
        assert last == [0] * 20
        assert lab.net.shown() == {"10.0.0.1/24"}

    on_bench(scenario)


def test_router_can_be_removed_and_its_vrid_used_again() -> None:
    async def scenario(lab: Bench) -> None:
        async with Node(netns=lab.net.name) as node:
            for _ in range(2):
                router = await node.add_router("eth0", config())
                await becomes(router, State.ACTIVE)
                await node.remove_router(router)
                assert (node.routers, lab.net.shown()) == ((), {"10.0.0.1/24"})

    on_bench(scenario)


def test_monitor_hears_every_vrid_and_takes_no_part() -> None:
    async def scenario(lab: Bench) -> None:
        heard: list[tuple[int, str]] = []
        async with Node(netns=lab.net.name) as node:
            stop = node.listen(
                "eth0", Family.IPV4, lambda datagram: heard.append((datagram.payload[1], str(datagram.source)))
            )
            for vrid in (7, 8):
                lab.wire.advertise(config(vrid=vrid), 200)
            await eventually(lambda: heard == [(7, "10.0.0.2"), (8, "10.0.0.2")], "both")
            stop()
        assert lab.wire.adverts() == []

    on_bench(scenario)


def test_announcing_ends_with_the_role() -> None:
    async def scenario(lab: Bench) -> None:
        policy = AnnouncePolicy(repeat=1, delay=0, refresh=0.05)
        async with open_router("eth0", config(), netns=lab.net.name, announce=policy) as router:
            await eventually(lambda: len(lab.wire.announced()) >= 4, "refreshing announcements")
            lab.wire.advertise(config(advert_interval=10.0), 200)
            await becomes(router, State.BACKUP)
            count = len(lab.wire.announced())
            await asyncio.sleep(0.3)
            assert len(lab.wire.announced()) == count

    on_bench(scenario)


async def refused(lab: Bench, interface: str = "eth0", settings: dict[str, Any] | None = None, **options: Any) -> str:
    """The complaint about arguments; nothing may stay open, and nothing may have been sent."""
    async with Node(netns=lab.net.name) as node:
        before = descriptors()
        with pytest.raises(ConfigError) as caught:
            await node.add_router(interface, config(**(settings or {})), **options)
        assert descriptors() == before
        assert node.routers == ()
    assert lab.wire.adverts() == []
    return str(caught.value)


def test_wrong_arguments_are_named_before_anything_is_opened() -> None:
    async def scenario(lab: Bench) -> None:
        assert await refused(lab, "eth9") == "interface must exist, got 'eth9'"
        assert await refused(lab, peers=["fe80::2"]) == "peers must be IPV4 addresses, got fe80::2"
        assert await refused(lab, peers=["nobody"]) == (
            "peers must be an IPv4 or IPv6 address without a prefix length, got 'nobody'"
        )
        assert await refused(lab, source="10.0.0.1/24") == (
            "source must be an IPv4 or IPv6 address without a prefix length, got '10.0.0.1/24'"
        )
        elsewhere = Placement(address=VIRTUAL, device="eth8")
        assert await refused(lab, placements=[elsewhere]) == "interface must exist, got 'eth8'"

    on_bench(scenario)


def test_second_router_of_a_vrid_is_refused_and_the_first_goes_on() -> None:
    async def scenario(lab: Bench) -> None:
        async with Node(netns=lab.net.name) as node:
            first = await node.add_router("eth0", config())
            with pytest.raises(ConfigError, match=r"^vrid must be unique on eth0 \(IPV4\), got 51 twice$"):
                await node.add_router("eth0", config(addresses=["10.0.0.101"]))
            await becomes(first, State.ACTIVE)

    on_bench(scenario)


def test_address_that_reconfiguring_brings_is_held_as_its_placement_says() -> None:
    async def scenario(lab: Bench) -> None:
        later = Placement(address="10.0.0.101/24", label="eth0:vip")
        async with open_router("eth0", config(), netns=lab.net.name, placements=[later]) as router:
            await becomes(router, State.ACTIVE)
            router.reconfigure(config(addresses=["10.0.0.101"]))
            await eventually(lambda: lab.net.shown() == {"10.0.0.1/24", "10.0.0.101/24"}, "the other address")
            assert lab.net.addresses()["10.0.0.101/24"]["label"] == "eth0:vip"

    on_bench(scenario)


def test_settings_of_a_node_are_checked_when_it_is_made() -> None:
    with pytest.raises(ConfigError, match=r"^announce_gap must be 0-10 seconds, got 99$"):
        Node(announce_gap=99)
    with pytest.raises(ConfigError, match=r"^lease must be 3-86400 seconds, got 1$"):
        Node(lease=1)


@pytest.mark.parametrize("capability", ["net_raw", "net_admin"])
def test_missing_capability_is_named(capability: str) -> None:
    """By the program, too: one line on standard error, and nothing sent."""
    with bench() as lab:
        arguments = ["--interface", "eth0", "--vrid", "51", "--address", str(VIRTUAL)]
        tried = subprocess.run(
            [*f"ip netns exec {lab.net.name} setpriv --bounding-set -{capability}".split(), *PROGRAM, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (tried.returncode, tried.stdout) == (1, "")
        assert f"CAP_{capability.upper()}" in tried.stderr.splitlines()[-1]
        assert "Traceback" not in tried.stderr
        assert lab.wire.adverts() == []
