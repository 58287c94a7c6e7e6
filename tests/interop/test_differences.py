"""Routers that were told different things: what vrrpkit refuses, what it lets in, and that it counts both."""

from __future__ import annotations

from itertools import product

import pytest
from attrs import evolve

from tests.interop.duel import IPV4, IPV6, SHARED, Duel, named
from tests.support.capture import reigns
from tests.support.lab import Keepalived, Lab, RouterSpec, VrrpkitRouter
from vrrpkit.addresses import Family
from vrrpkit.packet import ChecksumForm

pytestmark = pytest.mark.interop

# VRID: (vrrpkit's idea, keepalived's idea, the counter of what vrrpkit refuses).
CONTRADICTIONS = {
    1: (RouterSpec(version=2, password=SHARED), RouterSpec(version=2, password=SHARED[1:]), "auth-failures"),
    2: (RouterSpec(version=2), RouterSpec(version=2, password=SHARED), "auth-type-mismatch"),
    3: (RouterSpec(version=2, password=SHARED), RouterSpec(version=2), "auth-type-mismatch"),
    4: (RouterSpec(version=2), RouterSpec(version=2, interval=2.0), "interval-errors"),
    5: (RouterSpec(version=3), RouterSpec(version=2), "version-errors"),
    6: (RouterSpec(addresses=IPV6), RouterSpec(addresses=IPV6[1:]), "address-list-errors"),
}


@pytest.mark.conforms("3768 7.1-8", "3768 7.1-10", "keyword vrrp_instance/authentication")
def test_what_contradicts_the_configuration_is_refused_and_counted_by_reason() -> None:
    with Lab() as lab:
        ours = [filled(spec, vrid, priority=100) for vrid, (spec, _, _) in CONTRADICTIONS.items()]
        theirs = [filled(spec, vrid, priority=200) for vrid, (_, spec, _) in CONTRADICTIONS.items()]
        vrrpkit, keepalived = lab.one.start(VrrpkitRouter, *ours), lab.two.start(Keepalived, *theirs)
        both = list(product((vrrpkit, keepalived), CONTRADICTIONS))
        lab.until(lambda: all(router.state(vrid) == "active" for router, vrid in both), "each is Active for itself")
        before = len(lab.capture.seen)
        lab.until(lambda: len(lab.capture.seen) > before + 60, "a while goes by")

        snapshots = vrrpkit.snapshots()
        for vrid, (spec, _, counter) in CONTRADICTIONS.items():
            counters = snapshots[vrid]["counters"]
            assert counters[counter] > 0, (vrid, counters)
            assert counters["advertisement-rcvd"] == 0, (vrid, counters)
            # What is refused does not disturb: one reign, an advertisement every interval.
            family = Family.IPV6 if spec.addresses else Family.IPV4
            adverts = lab.capture.adverts(vrid, family)
            assert len([reign for reign in reigns(adverts) if reign.node == "one"]) == 1

        vrrpkit.stop()
        keepalived.stop()
        assert lab.one.held() == {}


def filled(spec: RouterSpec, vrid: int, priority: int) -> RouterSpec:
    """With a VRID, and an address that goes with it unless there are some."""
    return evolve(spec, vrid=vrid, priority=priority, addresses=spec.addresses or (f"10.77.0.{100 + vrid}/24",))


def test_stranger_cannot_take_over_by_unicast() -> None:
    (variant,) = named("v3-unicast")
    with Lab("one", "two", "three") as lab:
        lab.client.ask(variant.asked)
        spec = evolve(variant.spec, priority=200, peers=(lab.two.ipv4,))
        ours = lab.one.start(VrrpkitRouter, spec)
        peer = lab.two.start(Keepalived, evolve(spec, priority=100, peers=(lab.one.ipv4,)))
        lab.until(lambda: ours.state() == "active", "vrrpkit is Active")
        stranger = lab.three.start(Keepalived, evolve(spec, priority=254, peers=(lab.one.ipv4,)))
        lab.until(lambda: stranger.state() == "active", "the stranger thinks that it is Active")

        def counted() -> bool:
            (snapshot,) = ours.snapshots().values()
            return int(snapshot["counters"].get("unknown-peer-errors", 0)) > 3

        lab.until(counted, "vrrpkit counts the stranger's advertisements")
        assert ours.state() == "active"
        assert peer.state() == "backup"
        stranger.stop()
        ours.stop()
        assert lab.one.held() == {}


def test_other_address_list_is_followed_and_counted() -> None:
    """Only this way round: keepalived before 2.3.3 refuses an advertisement with another list, so both are Active."""
    (variant,) = named("v3")
    with Lab() as lab:
        duel = Duel(lab, variant)
        more = evolve(variant.spec, priority=200, addresses=(*IPV4, "10.77.0.101/24"))
        upper = lab.one.start(Keepalived, more)
        lab.until(lambda: upper.state() == "active", "keepalived is Active")
        lower = duel.start(lab.two, VrrpkitRouter, 100)
        lab.until(lambda: lower.state() == "backup", "vrrpkit has started")
        duel.further(upper, 8)
        assert [change.state for change in lower.changes] == ["backup"]
        assert lab.two.held() == {}

        (snapshot,) = lower.snapshots().values()
        assert snapshot["active_address"] == "10.77.0.1"
        assert snapshot["counters"]["advertisement-rcvd"] > 0
        assert snapshot["counters"]["address-list-differences"] > 0
        upper.stop()
        duel.settle(lower)
        duel.conclude()


@pytest.mark.conforms("9568 5.2.8-2")
def test_either_checksum_form_is_followed_and_told_apart() -> None:
    """keepalived before 2.2.8 sends only the one form, and refuses the other."""
    (variant,) = named("v3")
    with Lab() as lab:
        duel = Duel(lab, variant)
        upper = duel.start(lab.one, Keepalived, 200)
        duel.settle(upper)
        lower = lab.two.start(VrrpkitRouter, evolve(variant.spec, checksum="message-only"))
        lab.until(lambda: lower.state() == "backup", "vrrpkit has started")
        duel.further(upper, 8)
        assert [change.state for change in lower.changes] == ["backup"]
        (snapshot,) = lower.snapshots().values()
        assert snapshot["counters"]["checksums-pseudo-header"] > 0

        upper.stop()
        duel.settle(lower)
        forms = {seen.node: seen.advert.form for seen in duel.adverts}
        assert forms == {"one": ChecksumForm.PSEUDO_HEADER, "two": ChecksumForm.MESSAGE_ONLY}
        duel.conclude()
