"""A virtual router with a MAC address of its own, judged by the frames at the other end of its link."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linux.support import LOOPS, Namespace, eventually, run
from tests.linux.test_node import OWN4, PROGRAM, VIRTUAL, Bench, becomes, bench, config, on_bench
from tests.linux.wire import PEER4, PEER6, Seen, Wire, wire_of
from tests.support.requirements import require
from vrrpkit import Advertisement, ConfigError, ElectionConfig, Family, MACAddress, State, StateChanged, VirtualRouter
from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux import Node, Placement, in_netns, open_router
from vrrpkit.linux._address_changes import marks_addresses
from vrrpkit.linux._frame import multicast_frame
from vrrpkit.linux._macvlan_wire import decode_settings
from vrrpkit.linux._virtual_device import device_name
from vrrpkit.packet import encode, internet_checksum
from vrrpkit.sync import dual_stack

pytestmark = pytest.mark.kernel

MAC4, MAC6 = bytes.fromhex("00005e000133"), bytes.fromhex("00005e000233")
DEVICE, DEVICE6 = "vrrp4-51-f5b9c", "vrrp6-51-f5b9c"
ASKER = bytes.fromhex("020000000002")
VIRTUAL6 = IPv6Address("fe80::100")
GROUPS: dict[int, IPAddress] = {4: IPv4Address("224.0.0.18"), 6: IPv6Address("ff02::12")}


def on_device(
    lab: Bench, wanted: ElectionConfig | None = None, **options: Any
) -> contextlib.AbstractAsyncContextManager[VirtualRouter]:
    return open_router("eth0", wanted or config(), netns=lab.net.name, virtual_mac=True, **options)


def devices(net: Namespace) -> dict[str, dict[str, Any]]:
    """All macvlans of a namespace, by their names."""
    command = ["ip", "-n", net.name, "-d", "-json", "link", "show", "type", "macvlan"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return {link["ifname"]: link for link in json.loads(shown.stdout or "[]") if link}


def is_on(net: Namespace, name: str = DEVICE) -> bool:
    return "UP" in devices(net)[name]["flags"]


def arp_settings(net: Namespace) -> list[str]:
    command = f"ip netns exec {net.name} sysctl -n net.ipv4.conf.eth0.arp_ignore net.ipv4.conf.eth0.arp_announce"
    return subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.split()


def heard(wire: Wire, wanted: Callable[[bytes], bool]) -> list[bytes]:
    """The frames of a kind so far."""
    wire.adverts()
    return [frame for frame in wire.frames if wanted(frame)]


def forget(wire: Wire) -> None:
    """Look at what comes from now on."""
    wire.adverts()
    wire.frames.clear()


def from_the_mac(wire: Wire, mac: bytes = MAC4) -> list[bytes]:
    return heard(wire, lambda frame: frame[6:12] == mac)


def is_advert(frame: bytes) -> bool:
    return frame[12:14] + frame[23:24] == b"\x08\x00\x70" or frame[12:14] + frame[20:21] == b"\x86\xdd\x70"


def is_arp_reply(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"


def is_solicited(frame: bytes) -> bool:
    """A neighbor advertisement to somebody who has asked."""
    return frame[12:14] + frame[20:21] == b"\x86\xdd\x3a" and frame[54] == 136 and bool(frame[58] & 0x40)


def ask(wire: Wire, address: IPAddress) -> None:
    """Ask for the MAC address of an address, by ARP or a neighbor solicitation."""
    if address.version == 4:
        head = b"\xff" * 6 + ASKER + bytes.fromhex("08060001080006040001")
        wire.socket.send(head + ASKER + PEER4.packed + bytes(6) + address.packed)
        return
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(address) & 0xFFFFFF)
    say_icmpv6(wire, group, bytes.fromhex("8700000000000000") + address.packed + bytes.fromhex("0101") + ASKER)


def say_icmpv6(wire: Wire, group: IPv6Address, body: bytes) -> None:
    """Let an ICMPv6 message to a group arrive; its checksum is filled in."""
    pseudo = PEER6.packed + group.packed + struct.pack("!II", len(body), 58)
    body = body[:2] + internet_checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + PEER6.packed + group.packed
    wire.socket.send(b"\x33\x33" + group.packed[-4:] + ASKER + b"\x86\xdd" + header + body)


def advertise_from_the_mac(wire: Wire, priority: int, mac: bytes = MAC4) -> None:
    """Let a peer speak that has the same virtual MAC address, as it should."""
    advert = Advertisement(vrid=51, priority=priority, interval=0.1, addresses=(VIRTUAL,))
    wire.socket.send(multicast_frame(MACAddress(mac), encode(advert, source=PEER4, destination=GROUPS[4])))


@pytest.mark.conforms("9568 6.1-12", "9568 7.2-3", "3768 7.2-3")
@pytest.mark.parametrize("family", [Family.IPV4, Family.IPV6])
def test_frame_is_octet_by_octet_what_the_kernel_would_have_sent_but_for_its_source(family: Family) -> None:
    async def scenario(lab: Bench) -> None:
        wanted = config(addresses=[VIRTUAL] if family is Family.IPV4 else [VIRTUAL6], advert_interval=0.05)
        async with open_router("eth0", wanted, netns=lab.net.name) as router:
            await becomes(router, State.ACTIVE)
            (theirs, *_) = await eventually(lambda: heard(lab.wire, is_advert), "an advertisement")
        forget(lab.wire)
        async with on_device(lab, wanted) as router:
            await becomes(router, State.ACTIVE)
            (ours, *_) = await eventually(lambda: heard(lab.wire, is_advert), "an advertisement")
        mac = MAC4 if family is Family.IPV4 else MAC6
        assert ours[:6] + mac + ours[12:] == ours
        assert without_identification(ours) == without_identification(theirs[:6] + mac + theirs[12:])

    on_bench(scenario)


def without_identification(frame: bytes) -> bytes:
    """What the kernel counts up, and what hides a flow: the IPv4 identification with its checksum, the flow label."""
    if frame[12:14] == b"\x08\x00":
        return frame[:18] + frame[20:24] + frame[26:]
    return frame[:15] + frame[18:]


@pytest.mark.conforms(
    "9568 6.1-12",
    "9568 6.4.1-4",
    "9568 6.4.2-10",
    "9568 7.3-1",
    "9568 8.1.2-3",
    "9568 8.1.2-4",
    "9568 8.1.2-5",
    "9568 e7947-1",
    "9568 e7949-1",
    "3768 6.4.1-4",
    "3768 6.4.2-7",
    "3768 7.3-1",
    "3768 8.2-3",
    "keyword vrrp_instance/use_vmac",
)
@pytest.mark.parametrize("priority", [100, 255])
@pytest.mark.parametrize("loop", LOOPS)
def test_everything_that_tells_where_the_address_is_tells_the_virtual_mac_address(loop: str, priority: int) -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab, config(priority=priority)) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: lab.wire.announced() == [VIRTUAL] * 5, "five announcements")
            own = MAC4 + VIRTUAL.packed
            arp = b"\xff" * 6 + MAC4 + bytes.fromhex("08060001080006040001") + own + own
            assert heard(lab.wire, lambda frame: frame[12:14] == b"\x08\x06") == [arp] * 5
            assert lab.net.shown(DEVICE) == {"10.0.0.100/32"}
            assert lab.net.shown() == {"10.0.0.1/24"}
        assert lab.wire.priorities()[-1] == 0
        assert {frame[6:12] for frame in heard(lab.wire, is_advert)} == {MAC4}
        assert {str(seen.source) for seen in lab.wire.adverts()} == {"10.0.0.1"}
        assert devices(lab.net) == {}

    on_bench(scenario, loop)


@pytest.mark.conforms("9568 6.4.1-6", "9568 6.4.2-13", "9568 7.3-2", "9568 8.2.2-5", "9568 8.2.2-6", "9568 8.2.2-7")
@pytest.mark.parametrize("priority", [100, 255])
def test_unsolicited_neighbor_advertisements_tell_the_virtual_mac_address(priority: int) -> None:
    async def scenario(lab: Bench) -> None:
        shared = [VIRTUAL6, IPv6Address("2001:db8::100")]
        async with on_device(lab, config(addresses=shared, priority=priority)) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: lab.wire.announced() == shared * 5, "five announcements of each")
            told = heard(lab.wire, lambda frame: frame[12:14] + frame[20:21] == b"\x86\xdd\x3a" and frame[54] == 136)
            assert {(frame[6:12], frame[78:]) for frame in told} == {(MAC6, b"\x02\x01" + MAC6)}
        assert {frame[6:12] for frame in heard(lab.wire, is_advert)} == {MAC6}
        assert devices(lab.net) == {}

    on_bench(scenario)


@pytest.mark.conforms(
    "9568 6.4.2-1",
    "9568 6.4.2-2",
    "9568 8.1.2-1",
    "9568 8.1.2-2",
    "9568 8.2.2-1",
    "9568 8.2.2-2",
    "3768 6.4.2-1",
    "3768 8.2-1",
    "3768 8.2-2",
)
@pytest.mark.parametrize("family", [Family.IPV4, Family.IPV6])
def test_who_asks_for_the_address_hears_the_virtual_mac_address_from_the_active_and_nothing_from_a_backup(
    family: Family,
) -> None:
    async def scenario(lab: Bench) -> None:
        ipv4 = family is Family.IPV4
        address: IPAddress = VIRTUAL if ipv4 else VIRTUAL6
        mac, is_answer = (MAC4, is_arp_reply) if ipv4 else (MAC6, is_solicited)
        wanted = config(addresses=[address])
        async with on_device(lab, wanted) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: address in lab.wire.announced(), "the address is there")
            ask(lab.wire, address)
            (answer, *more) = await eventually(lambda: heard(lab.wire, is_answer), "an answer")
            assert (answer[:12], more) == (ASKER + mac, [])
            assert (answer[22:32] if ipv4 else answer[62:86]) == (
                mac + VIRTUAL.packed if ipv4 else VIRTUAL6.packed + b"\x02\x01" + mac
            )
            lab.wire.advertise(config(addresses=[address], advert_interval=10.0), 200)
            await becomes(router, State.BACKUP)
            await eventually(lambda: not is_on(lab.net, device_name("eth0", 51, family)), "switched off")
            forget(lab.wire)
            ask(lab.wire, address)
            ask(lab.wire, OWN4)  # which is answered, so the question before it would have been
            await eventually(lambda: heard(lab.wire, is_arp_reply), "an answer for another address")
            answers = heard(lab.wire, is_answer)
            assert [answer for answer in answers if answer[28:32] != OWN4.packed] == []

    on_bench(scenario)


@pytest.mark.conforms("9568 8.1.2-2", "9568 8.2.2-2", "3768 8.2-2")
@pytest.mark.parametrize("family", [Family.IPV4, Family.IPV6])
def test_kernel_asks_for_others_in_its_own_name_not_in_the_virtual_routers(family: Family) -> None:
    """An answer from the virtual address makes it ask where the client is; the client learns from the question."""

    async def scenario(lab: Bench) -> None:
        ipv4 = family is Family.IPV4
        address: IPAddress = VIRTUAL if ipv4 else IPv6Address("2001:db8::100")
        shared = [address] if ipv4 else [VIRTUAL6, address]
        lab.net.ip("addr add 2001:db8::1/64 dev eth0 nodad")
        async with on_device(lab, config(addresses=shared)) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: address in lab.wire.announced(), "the address is there")
            forget(lab.wire)
            client = "10.0.0.77" if ipv4 else "2001:db8::77"
            in_netns(lab.net.name, lambda: say_something(address, client))
            questions = await eventually(
                lambda: heard(lab.wire, lambda frame: is_question(frame, client)), "a question"
            )
            senders = {frame[28:32] if ipv4 else frame[22:38] for frame in questions}
            assert senders == {OWN4.packed} if ipv4 else address.packed not in senders
            assert {frame[6:12] for frame in questions} != {MAC4 if ipv4 else MAC6}

    on_bench(scenario)


def say_something(source: IPAddress, destination: str) -> None:
    family = socket.AF_INET if source.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as talker:
        talker.bind((str(source), 0))
        talker.sendto(b"?", (destination, 7))


def is_question(frame: bytes, wanted: str) -> bool:
    """An ARP request or a neighbor solicitation for an address."""
    if frame[12:14] == b"\x08\x06":
        return frame[20:22] == b"\x00\x01" and frame[38:42] == ip_address(wanted).packed
    return (
        frame[12:14] + frame[20:21] == b"\x86\xdd\x3a"
        and frame[54] == 135
        and frame[62:78] == ip_address(wanted).packed
    )


def test_nothing_leaves_from_the_virtual_mac_address_after_the_resignation() -> None:
    """Switches would believe it, and send to a router that is gone what is meant for its successor."""

    async def scenario(lab: Bench) -> None:
        for shared in ([VIRTUAL], [VIRTUAL6, IPv6Address("2001:db8::100")]):
            mac = MAC4 if shared == [VIRTUAL] else MAC6
            async with on_device(lab, config(addresses=shared)) as router:
                await becomes(router, State.ACTIVE)
                await eventually(lambda: len(lab.wire.announced()) >= 5, "announcements")
            await asyncio.sleep(1.5)  # leaving multicast groups would be said by then
            last = from_the_mac(lab.wire, mac)[-1]
            assert is_advert(last)
            assert last[36 if shared == [VIRTUAL] else 56] == 0
            forget(lab.wire)

    on_bench(scenario)


@pytest.mark.conforms("9568 6.4.3-17")
@pytest.mark.parametrize("loop", LOOPS)
def test_active_hears_a_better_router_that_has_the_same_mac_address_and_everybody_once(loop: str) -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: VIRTUAL in lab.wire.announced(), "switched on")
            lab.wire.advertise(config(), 50)
            advertise_from_the_mac(lab.wire, 60)
            await eventually(lambda: router.counters.lower_priority_rcvd == 2, "two worse routers")
            assert router.counters.advertisement_rcvd == 2
            advertise_from_the_mac(lab.wire, 200)
            await becomes(router, State.BACKUP)
            await eventually(lambda: not is_on(lab.net), "switched off")
            advertise_from_the_mac(lab.wire, 0)
            await becomes(router, State.ACTIVE)
            await eventually(lambda: is_on(lab.net), "switched on again")
            await eventually(lambda: len(lab.wire.announced()) >= 10, "announcements again")
            advertise_from_the_mac(lab.wire, 200)
            await becomes(router, State.BACKUP)

    on_bench(scenario, loop)


@pytest.mark.conforms("9568 6.4.2-4", "9568 6.4.3-7", "3768 6.4.2-2", "3768 6.4.3-2")
def test_packets_to_the_virtual_mac_address_are_forwarded_by_the_active_and_discarded_by_a_backup() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.sysctl("ipv4.ip_forward", 1)
        lab.net.ip(
            "link add other type veth peer name another",
            "link set other up",
            "link set another up",
            "addr add 172.16.0.1/24 dev other",
            "neigh add 172.16.0.9 lladdr 02:00:00:00:00:09 dev other",
        )
        with wire_of(lab.net.name, "another") as beyond:

            def forwarded() -> list[bytes]:
                return heard(beyond, lambda frame: frame[30:34] == IPv4Address("172.16.0.9").packed)

            async with on_device(lab) as router:
                await becomes(router, State.ACTIVE)
                await eventually(lambda: VIRTUAL in lab.wire.announced(), "the address is there")
                send_to(lab.wire, MAC4, "172.16.0.9")
                await eventually(forwarded, "a forwarded packet")
                lab.wire.advertise(config(advert_interval=10.0), 200)
                await becomes(router, State.BACKUP)
                await eventually(lambda: not is_on(lab.net), "switched off")
                forget(beyond)
                send_to(lab.wire, MAC4, "172.16.0.9")
                send_to(lab.wire, b"\xff" * 6, "10.0.0.1")
                await asyncio.sleep(0.3)
                assert forwarded() == []

    on_bench(scenario)


def send_to(wire: Wire, mac: bytes, destination: str) -> None:
    """Let a UDP packet arrive for a MAC address."""
    payload = struct.pack("!HHHH", 7, 7, 8, 0)
    addresses = PEER4.packed + IPv4Address(destination).packed
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 0, 0, 64, 17)
    checksum = internet_checksum(head + bytes(2) + addresses).to_bytes(2, "big")
    wire.socket.send(mac + ASKER + b"\x08\x00" + head + checksum + addresses + payload)


def test_routers_of_two_vrids_and_both_families_have_a_device_each_and_give_back_what_they_set() -> None:
    async def scenario(lab: Bench) -> None:
        assert arp_settings(lab.net) == ["0", "0"]
        async with Node(netns=lab.net.name) as node:
            first = await node.add_router("eth0", config(), virtual_mac=True)
            second = await node.add_router("eth0", config(vrid=52, addresses=["10.0.0.101"]), virtual_mac=True)
            third = await node.add_router("eth0", config(addresses=[VIRTUAL6]), virtual_mac=True)
            for router in (first, second, third):
                await becomes(router, State.ACTIVE)
            await eventually(lambda: len(lab.wire.announced()) == 15, "five announcements of each")
            assert {(link["ifname"], link["address"]) for link in devices(lab.net).values()} == {
                (DEVICE, "00:00:5e:00:01:33"),
                (device_name("eth0", 52, Family.IPV4), "00:00:5e:00:01:34"),
                (DEVICE6, "00:00:5e:00:02:33"),
            }
            spoken = {(frame[6:12].hex(":"), seen.advert.vrid) for frame, seen in seen_adverts(lab.wire)}
            assert spoken == {("00:00:5e:00:01:33", 51), ("00:00:5e:00:01:34", 52), ("00:00:5e:00:02:33", 51)}
            await node.remove_router(first)
            assert set(devices(lab.net)) == {device_name("eth0", 52, Family.IPV4), DEVICE6}
            assert arp_settings(lab.net) == ["1", "2"]
            assert second.state is State.ACTIVE
        assert (devices(lab.net), arp_settings(lab.net)) == ({}, ["0", "0"])

    on_bench(scenario)


def seen_adverts(wire: Wire) -> list[tuple[bytes, Seen]]:
    return list(zip(heard(wire, is_advert), wire.adverts(), strict=True))


def test_stricter_settings_of_the_interface_stay() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.sysctl("ipv4.conf.eth0.arp_ignore", 2)
        async with on_device(lab):
            assert arp_settings(lab.net) == ["2", "2"]
        assert arp_settings(lab.net) == ["2", "0"]

    on_bench(scenario)


def test_device_has_no_ipv6_address_but_virtual_ones_whatever_is_advertised() -> None:
    async def scenario(lab: Bench) -> None:
        shared = [VIRTUAL6, IPv6Address("2001:db8::100")]
        async with on_device(lab, config(addresses=shared)) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: len(lab.wire.announced()) >= 10, "announcements")
            prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + IPv6Address("2001:db8:5::").packed
            advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
            say_icmpv6(lab.wire, IPv6Address("ff02::1"), advert)
            await eventually(lambda: any("2001:db8:5:" in text for text in lab.net.shown()), "an address of eth0")
            assert with_link_local(lab.net, DEVICE6) == {"fe80::100", "2001:db8::100"}

    on_bench(scenario)


def with_link_local(net: Namespace, device: str) -> set[str]:
    command = ["ip", "-n", net.name, "-json", "address", "show", "dev", device]
    (shown,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {info["local"] for info in shown["addr_info"]}


def test_two_interfaces_can_have_the_same_vrid() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip(
            "link add other type veth peer name another",
            "link set other up",
            "link set another up",
            "addr add 172.16.0.2/24 dev other",
        )
        async with Node(netns=lab.net.name) as node:
            first = await node.add_router("eth0", config(), virtual_mac=True)
            second = await node.add_router("other", config(addresses=["172.16.0.100"]), virtual_mac=True)
            await becomes(first, State.ACTIVE)
            await becomes(second, State.ACTIVE)
            assert {link["link"] for link in devices(lab.net).values()} == {"eth0", "other"}

    on_bench(scenario)


def test_name_of_a_device_fits_whatever_its_interface_is_called() -> None:
    names = {device_name(interface, 255, Family.IPV6) for interface in ("eth0", "eth1", "enp175s0f1np1.4")}
    assert names == {"vrrp6-255-f5b9c", "vrrp6-255-82bef", "vrrp6-255-725b2"}
    assert {len(name) for name in names} == {15}


def test_dual_stack_moves_with_both_mac_addresses() -> None:
    async def scenario(lab: Bench) -> None:
        configs = dual_stack(vrid=51, addresses=[VIRTUAL, VIRTUAL6], advert_interval=0.1)
        async with Node(netns=lab.net.name) as node:
            group = await node.add_dual_stack("eth0", configs, virtual_mac=True)
            await eventually(lambda: group.state is State.ACTIVE, "Active")
            await eventually(lambda: {*lab.wire.announced()} == {VIRTUAL, VIRTUAL6}, "announcements")
            assert {frame[6:12] for frame in heard(lab.wire, is_advert)} == {MAC4, MAC6}
        assert devices(lab.net) == {}

    on_bench(scenario)


@pytest.mark.parametrize(
    "command",
    [
        f"link delete {DEVICE}",
        f"link set {DEVICE} name stolen",
        f"link set {DEVICE} address 02:00:00:00:00:33",
        f"link set {DEVICE} down",
    ],
)
def test_what_somebody_else_does_to_the_device_is_a_fault_until_it_is_as_it_should_be(command: str) -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: len(lab.wire.announced()) == 5, "announcements")
            lab.net.ip(command)
            fault, *others = await changes_until_active_again(router)
            assert (fault.new, fault.causes) == (State.FAULT, frozenset({f"link:{DEVICE}"}))
            assert [change.new for change in others] == [State.BACKUP, State.ACTIVE]
            await eventually(lambda: len(lab.wire.announced()) >= 10, "announcements again")
            assert lab.net.shown(DEVICE) == {"10.0.0.100/32"}
            assert [(name, link["address"]) for name, link in devices(lab.net).items()] == [(DEVICE, MAC4.hex(":"))]
        assert devices(lab.net) == {}

    on_bench(scenario)


def test_device_that_is_removed_again_and_again_is_made_anew_after_pauses() -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab, config(advert_interval=10.0)) as router:
            for _ in range(3):
                lab.net.ip(f"link delete {DEVICE}")
                await eventually(lambda: DEVICE not in devices(lab.net) or router.state is State.FAULT, "noticed")
                await eventually(lambda: DEVICE in devices(lab.net), "made anew")
            await eventually(lambda: router.state is State.BACKUP, "well again")
            assert router.snapshot().causes == frozenset()

    on_bench(scenario)


async def changes_until_active_again(router: VirtualRouter) -> list[StateChanged]:
    seen: list[StateChanged] = []
    async with asyncio.timeout(15):
        async for change in router.changes():
            seen.append(change)
            if len(seen) > 1 and change.new is State.ACTIVE:
                break
    return seen[1:]  # the first is that it became Active before


def test_interface_that_is_deleted_and_made_anew_gets_its_device_again() -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("link delete eth0")
            await becomes(router, State.FAULT)
            assert router.snapshot().causes >= {"link:eth0"}
            lab.net.ip(
                "link add eth0 type veth peer name peer0",
                "addr add 10.0.0.7/24 dev eth0",
                "link set eth0 up",
                "link set peer0 up",
            )
            with wire_of(lab.net.name) as wire:
                await eventually(lambda: router.state is State.ACTIVE, "Active again")
                await eventually(lambda: wire.announced().count(VIRTUAL) >= 5, "announcements")
                assert {frame[6:12] for frame in heard(wire, is_advert)} == {MAC4}
                assert arp_settings(lab.net) == ["1", "2"]
                advertise_from_the_mac(wire, 200)
                await becomes(router, State.BACKUP)
        assert (devices(lab.net), arp_settings(lab.net)) == ({}, ["0", "0"])

    on_bench(scenario)


def test_interface_that_is_renamed_is_a_fault_until_its_name_is_back() -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("link set eth0 down", "link set eth0 name lan0", "link set lan0 up")
            await becomes(router, State.FAULT)
            await eventually(lambda: not is_on(lab.net), "switched off")
            lab.net.ip("link set lan0 down", "link set lan0 name eth0", "link set eth0 up")
            await eventually(lambda: router.state is State.ACTIVE, "Active again")
        assert devices(lab.net) == {}

    on_bench(scenario)


def test_link_that_goes_down_is_one_cause_of_fault_and_nothing_is_answered_meanwhile() -> None:
    async def scenario(lab: Bench) -> None:
        async with on_device(lab) as router:
            await becomes(router, State.ACTIVE)
            lab.net.ip("link set peer0 down")
            await becomes(router, State.FAULT)
            assert router.snapshot().causes == {"link:eth0"}
            await eventually(lambda: not is_on(lab.net), "switched off")
            lab.net.ip("link set peer0 up")
            await eventually(lambda: router.state is State.ACTIVE, "Active again")
            await eventually(lambda: is_on(lab.net), "switched on")

    on_bench(scenario)


def kill_when_active(lab: Bench, *options: str) -> None:
    """Run the program until its router is Active, and kill it."""
    settings = ["--interface", "eth0", "--vrid", "51", "--address", str(VIRTUAL), "--interval", "0.1", *options]
    command = [*f"ip netns exec {lab.net.name}".split(), *PROGRAM, *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while b'"new": "active"' not in process.stdout.readline():
            pass
        process.kill()


@pytest.mark.parametrize("again", [True, False])
def test_device_that_a_killed_process_has_left_is_removed_by_the_next_one(again: bool) -> None:
    """Also by one that has no use for it: the kernel would give it what another Active Router sends."""
    with bench() as lab:
        kill_when_active(lab, "--virtual-mac")

        async def play() -> None:
            (left,) = devices(lab.net).values()
            assert left["ifname"] == DEVICE
            async with open_router("eth0", config(), netns=lab.net.name, virtual_mac=again) as router:
                made = devices(lab.net)
                assert [link["ifindex"] == left["ifindex"] for link in made.values()] == ([False] if again else [])
                advertise_from_the_mac(lab.wire, 200)
                await eventually(lambda: router.counters.advertisement_rcvd, "an advertisement")
                advertise_from_the_mac(lab.wire, 0)
                await becomes(router, State.ACTIVE)
            assert devices(lab.net) == {}

        run(play())


def test_address_that_a_killed_process_has_left_on_the_interface_itself_is_removed() -> None:
    require(marks_addresses(), "needs Linux 5.18, where addresses say who added them")
    with bench() as lab:
        kill_when_active(lab)

        async def play() -> None:
            assert lab.net.shown() == {"10.0.0.1/24", "10.0.0.100/32"}
            async with on_device(lab) as router:
                assert lab.net.shown() == {"10.0.0.1/24"}
                await becomes(router, State.ACTIVE)

        run(play())


async def refused(lab: Bench, error: type[Exception] = ConfigError, interface: str = "eth0", **settings: Any) -> str:
    """The complaint, and nothing has changed."""
    before = devices(lab.net)
    with pytest.raises(error) as caught:
        async with open_router(interface, config(**settings), netns=lab.net.name, virtual_mac=True):
            pass
    assert (devices(lab.net), arp_settings(lab.net), lab.wire.adverts()) == (before, ["0", "0"], [])
    return str(caught.value)


def test_what_cannot_carry_the_mac_address_is_refused_before_anything_is_changed() -> None:
    async def scenario(lab: Bench) -> None:
        assert await refused(lab, interface="lo") == (
            "interface must be an Ethernet to carry a virtual MAC address, got 'lo'"
        )
        assert await refused(lab, addresses=[OWN4], priority=255) == (
            "addresses must not be those of eth0 itself with a virtual MAC address, got 10.0.0.1"
        )
        lab.net.ip(f"link add link eth0 name vrrp.51 address {MAC4.hex(':')} type macvlan mode private")
        assert await refused(lab) == (
            f"virtual_mac needs {DEVICE} and 00:00:5e:00:01:33 on eth0 for itself, "
            "got vrrp.51 with 00:00:5e:00:01:33 there"
        )
        lab.net.ip("link delete vrrp.51", f"link add {DEVICE} type veth peer name spare")
        assert (await refused(lab)).startswith(f"virtual_mac needs {DEVICE} and 00:00:5e:00:01:33 on eth0 for itself")
        lab.net.ip(f"link delete {DEVICE}", "link add br0 type bridge", "link set eth0 master br0")
        assert await refused(lab, KernelError) == (
            f"add {DEVICE} to eth0: eth0 is a part of something else, such as a bridge (errno 16)"
        )

    on_bench(scenario)


def test_missing_capability_is_named_and_no_device_is_made() -> None:
    with bench() as lab:
        options = ["--interface", "eth0", "--vrid", "51", "--address", str(VIRTUAL), "--virtual-mac"]
        for capability in ("net_raw", "net_admin"):
            confined = f"ip netns exec {lab.net.name} setpriv --bounding-set -{capability}".split()
            tried = subprocess.run(
                [*confined, *PROGRAM, *options], capture_output=True, text=True, timeout=60, check=False
            )
            assert tried.returncode == 1
            assert f"CAP_{capability.upper()}" in tried.stderr.splitlines()[-1]
        assert (devices(lab.net), arp_settings(lab.net)) == ({}, ["0", "0"])


def test_unicast_advertisements_leave_from_the_interface_and_announcements_from_the_virtual_mac_address() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0")
        async with on_device(lab, peers=["10.0.0.2"]) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: lab.wire.announced() == [VIRTUAL] * 5, "five announcements")
            assert MAC4 not in {frame[6:12] for frame in heard(lab.wire, is_advert)}
            assert {frame[6:12] for frame in heard(lab.wire, lambda frame: frame[12:14] == b"\x08\x06")} >= {MAC4}

    on_bench(scenario)


def test_address_that_a_placement_puts_elsewhere_keeps_that_interfaces_mac_address() -> None:
    async def scenario(lab: Bench) -> None:
        lab.net.ip("link add other type veth peer name another", "link set other up", "link set another up")
        placements = [Placement(address="172.16.0.1/24", device="other"), Placement(address=f"{VIRTUAL}/24")]
        wanted = config(addresses=[VIRTUAL, "172.16.0.1"])
        async with on_device(lab, wanted, placements=placements) as router:
            await becomes(router, State.ACTIVE)
            await eventually(lambda: lab.wire.announced() == [VIRTUAL] * 5, "announcements")
            assert (lab.net.shown("other"), lab.net.shown(DEVICE)) == ({"172.16.0.1/24"}, {"10.0.0.100/24"})

    on_bench(scenario)


@given(st.binary(max_size=200))
def test_any_octets_about_a_link_are_taken_for_some_settings_or_none(octets: bytes) -> None:
    assert all(number > 0 for number in decode_settings(octets))
