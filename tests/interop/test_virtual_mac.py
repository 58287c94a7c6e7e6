"""One virtual router of vrrpkit and keepalived with `use_vmac`: its MAC address stays the same whoever is Active."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from tests.interop.duel import PAIRS, Duel, Pair, Variant, named
from tests.support.capture import SeenAnnouncement
from tests.support.lab import Keepalived, Lab, Node, VrrpkitRouter
from vrrpkit.addresses import virtual_mac

pytestmark = pytest.mark.interop

BOTH = Pair(VrrpkitRouter, VrrpkitRouter)


def with_virtual_mac(name: str) -> Variant:
    (variant,) = named(name)
    prefixes = tuple(address.replace("/24", "/32").replace("/64", "/128") for address in variant.spec.addresses)
    return evolve(variant, spec=evolve(variant.spec, addresses=prefixes, virtual_mac=True))


def ask_in_no_virtual_name(node: Node) -> None:
    """keepalived 2.2.7 leaves arp_announce alone: its kernel asks for the client in the virtual address's name, with
    the interface's own MAC address, which the client then believes. Whoever uses it has to set this."""
    node.run("sh", "-c", "echo 2 > /proc/sys/net/ipv4/conf/eth0/arp_announce")


def learned(lab: Lab, variant: Variant) -> str:
    """The MAC address that the client has for the virtual address."""
    entries = json.loads(lab.client.home.run("ip", "-j", "neigh", "show", "to", str(variant.asked)))
    return " ".join(entry.get("lladdr", entry["state"][0]) for entry in entries)


@pytest.mark.conforms("keyword vrrp_instance/use_vmac")
@pytest.mark.parametrize("variant", [with_virtual_mac("v3"), with_virtual_mac("v3-ipv6")], ids=str)
@pytest.mark.parametrize("pair", [*PAIRS, BOTH], ids=str)
def test_client_keeps_the_mac_address_it_has_learned_whatever_happens_to_the_active(
    pair: Pair, variant: Variant
) -> None:
    mac = virtual_mac(51, variant.spec.family).hex(":")
    with Lab() as lab:
        for node, kind in ((lab.one, pair.one), (lab.two, pair.two)):
            if kind is Keepalived:
                ask_in_no_virtual_name(node)
        duel = Duel(lab, variant)
        lower = duel.start(lab.two, pair.two, 100)
        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        assert learned(lab, variant) == mac

        upper.stop()
        duel.settle(lower)
        duel.check_silence(lower, variant.skew, below=3 * variant.interval)
        assert learned(lab, variant) == mac

        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        assert learned(lab, variant) == mac

        duel.kill(upper)  # what it held stays there for a while, with the MAC address
        duel.settle(lower)
        duel.check_silence(lower, variant.silence)
        assert learned(lab, variant) == mac

        upper = duel.start(lab.one, pair.one, 200)
        duel.settle(upper)
        lab.one.cut()
        duel.settle(lower)
        lab.until(lambda: upper.state() == "fault", "a router without a link is in fault")
        lab.one.repair()
        duel.settle(upper)
        assert learned(lab, variant) == mac
        lower.stop()
        duel.settle(upper)
        duel.conclude()
        assert {seen.mac.hex(":") for seen in duel.adverts} == {mac}
        announced = {seen.mac.hex(":") for seen in lab.capture.seen if isinstance(seen, SeenAnnouncement)}
        assert announced == {mac}
