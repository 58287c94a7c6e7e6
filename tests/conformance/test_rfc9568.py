"""Statements of RFC 9568 that no other test shows: what the kernel says to hosts, and what operators are told."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from tests.conformance.frames import (
    answers_to_arp,
    answers_to_echo,
    answers_to_ns,
    arp_request,
    echo_request,
    solicitation,
)
from tests.linux.support import eventually, run
from tests.linux.test_node import OWN4, OWN6, VIRTUAL, Bench, becomes, bench
from vrrpkit import Advertisement, ElectionConfig, Family, State, VirtualRouter, virtual_mac
from vrrpkit.addresses import IPAddress
from vrrpkit.linux import open_router
from vrrpkit.packet import encode
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

VIRTUAL6 = IPv6Address("2001:db8::100")
FAMILIES: list[tuple[list[IPAddress], IPAddress]] = [
    ([VIRTUAL], OWN4),
    ([IPv6Address("fe80::100"), VIRTUAL6], OWN6),
]

# A host asks -----------------------------------------------------------------------------------------------------
# In each state it asks for a virtual address first and for the router's own one afterwards: the answer to the second
# question shows that there is none to the first. An Active router may be asked more than once: the kernel puts a new
# IPv6 address to use in a work queue. A Backup of priority 254 takes over 1/128 of an interval after a resignation,
# and waits for three intervals otherwise, which no test lasts for.


def with_router(scenario: Callable[[Bench, VirtualRouter, ElectionConfig], Awaitable[None]], **settings: Any) -> None:
    """Play with a Backup on a link."""

    async def play() -> None:
        config = ElectionConfig(**{"vrid": 51, "priority": 254, "advert_interval": 10.0, **settings})
        async with open_router("eth0", config, netns=lab.net.name) as router:
            assert router.state is State.BACKUP
            await scenario(lab, router, config)

    with bench() as lab:
        lab.net.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0")
        lab.net.ip("neigh add fe80::2 lladdr 02:00:00:00:00:02 dev eth0")
        run(play())


async def becomes_active(lab: Bench, router: VirtualRouter, config: ElectionConfig) -> None:
    """After a resignation; the addresses are there and have been announced."""
    lab.wire.advertise(config, 0)
    await becomes(router, State.ACTIVE)
    await eventually(lambda: set(config.addresses) <= set(lab.wire.announced()), "the addresses are announced")


async def becomes_backup(lab: Bench, router: VirtualRouter, config: ElectionConfig) -> None:
    """After an advertisement from the owner; the addresses are gone."""
    lab.wire.advertise(config, 255)
    await becomes(router, State.BACKUP)
    await eventually(lambda: lab.net.shown() == {"10.0.0.1/24"}, "the addresses are released")


async def all_answered(
    lab: Bench, questions: list[bytes], answers: Callable[[], list[Any]], expected: list[Any]
) -> None:
    """Ask until there are all these answers."""

    def asked() -> bool:
        for question in questions:
            lab.wire.socket.send(question)
        return set(expected) <= set(answers()[before:])

    before = len(answers())
    await eventually(asked, "all answers")


def mac_of(lab: Bench) -> bytes:
    """The interface's own MAC address."""
    command = ["ip", "netns", "exec", lab.net.name, "cat", "/sys/class/net/eth0/address"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return bytes.fromhex(shown.stdout.strip().replace(":", ""))


@pytest.mark.conforms("9568 6.4.2-1", "9568 6.4.3-2", "3768 6.4.2-1", "3768 6.4.3-1")
@pytest.mark.kernel
@pytest.mark.parametrize("version", [2, 3])
def test_arp_requests_are_answered_by_an_active_router_and_not_by_a_backup(version: int) -> None:
    async def scenario(lab: Bench, router: VirtualRouter, config: ElectionConfig) -> None:
        async def answered() -> list[IPv4Address]:
            before = len(answers_to_arp(lab.wire))
            lab.wire.socket.send(arp_request(VIRTUAL))
            lab.wire.socket.send(arp_request(OWN4))
            await eventually(lambda: (OWN4, mac) in answers_to_arp(lab.wire)[before:], "the second answer")
            return [address for address, _mac in answers_to_arp(lab.wire)[before:]]

        mac = mac_of(lab)
        assert await answered() == [OWN4]
        await becomes_active(lab, router, config)
        assert await answered() == [VIRTUAL, OWN4]
        assert (VIRTUAL, mac) in answers_to_arp(lab.wire)
        await becomes_backup(lab, router, config)
        assert await answered() == [OWN4]

    with_router(scenario, addresses=[VIRTUAL], version=version)


@pytest.mark.conforms("9568 6.4.2-2", "9568 6.4.2-11", "9568 6.4.3-3", "9568 6.4.3-4")
@pytest.mark.kernel
def test_neighbor_solicitations_are_answered_by_an_active_router_and_not_by_a_backup() -> None:
    async def scenario(lab: Bench, router: VirtualRouter, config: ElectionConfig) -> None:
        questions = [solicitation(target) for target in (*shared, OWN6)]

        async def answered() -> list[tuple[IPv6Address, bool]]:
            before = len(answers_to_ns(lab.wire))
            for question in questions:
                lab.wire.socket.send(question)
            await eventually(lambda: (OWN6, True) in answers_to_ns(lab.wire)[before:], "the last answer")
            return answers_to_ns(lab.wire)[before:]

        def is_member() -> bool:
            command = ["ip", "-n", lab.net.name, "maddress", "show", "dev", "eth0"]
            return "ff02::1:ff00:100" in subprocess.run(command, capture_output=True, text=True, check=True).stdout

        lab.net.sysctl("ipv6.conf.eth0.forwarding", 1)  # a router: the kernel sets the flag only then
        assert (await answered(), is_member()) == ([(OWN6, True)], False)
        await becomes_active(lab, router, config)
        expected = [*((target, True) for target in shared), (OWN6, True)]
        await all_answered(lab, questions, lambda: answers_to_ns(lab.wire), expected)
        assert is_member()
        await becomes_backup(lab, router, config)
        assert (await answered(), is_member()) == ([(OWN6, True)], False)

    shared = [IPv6Address("fe80::100"), VIRTUAL6]
    with_router(scenario, addresses=shared)


@pytest.mark.conforms(
    "9568 6.1-10",
    "9568 6.4.2-5",
    "9568 6.4.3-8",
    "9568 8.3.1-1",
    "3768 6.4.2-3",
    "3768 6.4.3-3",
    "3768 6.4.3-4",
    "3768 8.4-1",
)
@pytest.mark.kernel
@pytest.mark.parametrize(("addresses", "own"), FAMILIES, ids=["ipv4", "ipv6"])
def test_packets_to_virtual_addresses_are_accepted_by_an_active_router_and_not_by_a_backup(
    addresses: list[IPAddress], own: IPAddress
) -> None:
    async def scenario(lab: Bench, router: VirtualRouter, config: ElectionConfig) -> None:
        def questions(first: int) -> list[bytes]:
            return [echo_request(mac, target, number) for number, target in enumerate((*addresses, own), start=first)]

        async def answered(first: int) -> list[int]:
            for question in questions(first):
                lab.wire.socket.send(question)
            await eventually(lambda: first + count in answers_to_echo(lab.wire), "the last answer")
            return [number for number in answers_to_echo(lab.wire) if number >= first]

        mac, count = mac_of(lab), len(addresses)
        assert await answered(10) == [10 + count]
        await becomes_active(lab, router, config)
        await all_answered(lab, questions(20), lambda: answers_to_echo(lab.wire), [*range(20, 21 + count)])
        await becomes_backup(lab, router, config)
        assert await answered(30) == [30 + count]

    with_router(scenario, addresses=addresses)


@pytest.mark.conforms("9568 6.4.2-4", "3768 6.4.2-2")
@pytest.mark.kernel
@pytest.mark.parametrize(("addresses", "own"), FAMILIES, ids=["ipv4", "ipv6"])
def test_packets_to_the_virtual_mac_address_are_discarded_by_a_backup(
    addresses: list[IPAddress], own: IPAddress
) -> None:
    async def scenario(lab: Bench, _router: VirtualRouter, _config: ElectionConfig) -> None:
        virtual = virtual_mac(51, Family(own.version))
        lab.wire.socket.send(echo_request(virtual, own, 1))
        lab.wire.socket.send(echo_request(mac_of(lab), own, 2))
        await eventually(lambda: 2 in answers_to_echo(lab.wire), "the answer to the other one")
        assert answers_to_echo(lab.wire) == [2]

    with_router(scenario, addresses=addresses)


# Operators are told ----------------------------------------------------------------------------------------------

OTHER, GROUP = IPv4Address("192.0.2.9"), IPv4Address("224.0.0.18")
LISTED, STRANGE = IPv4Address("192.0.2.100"), IPv4Address("192.0.2.77")


@pytest.mark.conforms(
    "9568 7.1-13",
    "9568 7.1-14",
    "9568 7.1-16",
    "9568 7.1-17",
    "9568 8.3.2-2",
    "9568 e8298-2",
    "9568 e8298-3",
    "3768 7.1-12",
    "3768 7.1-13",
)
def test_what_differs_from_the_configuration_is_logged_once_counted_and_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        lan = MemoryLan()
        async with VirtualRouter(
            ElectionConfig(vrid=1, addresses=[LISTED], priority=255, startup_delay=5),
            transport=lan.attach(1, "192.0.2.1"),
            addresses=FakeAddresses(),
            announcer=FakeAnnouncer(),
        ) as router:
            advert = Advertisement(vrid=1, priority=255, interval=2.0, addresses=(STRANGE,))
            with caplog.at_level(logging.WARNING):
                for _ in range(3):
                    lan.inject(encode(advert, source=OTHER, destination=GROUP))
            counters = router.snapshot().to_dict()["counters"]
            assert isinstance(counters, dict)
            kinds = ["interval-differences", "address-list-differences", "second-owner"]
            assert [counters[kind] for kind in ("advertisement-rcvd", *kinds)] == [3, 3, 3, 3]
            assert router.snapshot().active_address == OTHER
            prefix = "VRID 1: advertisement from 192.0.2.9 accepted, although it has "
            assert [record.getMessage().removeprefix(prefix) for record in caplog.records] == [
                f"{kind}: {advert}" for kind in kinds
            ]

    run_virtual(scenario())
