"""Many virtual routers at once: one vrrpkit process, and a keepalived for each or one for all."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.interop.duel import IPV6, SHARED
from tests.support.capture import overlaps, reigns
from tests.support.lab import Keepalived, Lab, Node, RouterSpec, VrrpkitRouter

pytestmark = pytest.mark.interop

# Virtual routers of every dialect; the second and the third share a VRID, which two families may.
SPECS = (
    RouterSpec(vrid=1, version=2, addresses=("10.77.0.101/24", "10.77.0.111/24")),
    RouterSpec(vrid=2, version=3, interval=0.3, addresses=("10.77.0.102/32",)),
    RouterSpec(vrid=2, version=3, interval=0.3, addresses=IPV6),
    RouterSpec(vrid=3, version=2, password=SHARED, addresses=("10.77.0.103/24",)),
    RouterSpec(vrid=4, version=3, interval=0.5, addresses=("10.77.0.104/24",)),
    RouterSpec(vrid=255, version=3, interval=0.4, addresses=("fe80::7:255/128", "fd77::7:255/128")),
)
OURS = [evolve(spec, priority=200 if number % 2 else 100) for number, spec in enumerate(SPECS)]
THEIRS = [evolve(spec, priority=100 if number % 2 else 200) for number, spec in enumerate(SPECS)]


@pytest.mark.conforms("9568 6.4-1", "3768 6.4-1")
@pytest.mark.parametrize("alone", [True, False], ids=["a-keepalived-for-each", "one-keepalived"])
def test_every_virtual_router_of_a_process_goes_its_own_way(alone: bool) -> None:
    with Lab() as lab:
        theirs = [lab.two.start(Keepalived, *specs) for specs in ([[spec] for spec in THEIRS] if alone else [THEIRS])]
        ours = lab.one.start(VrrpkitRouter, *OURS)
        wait_until_shared(lab)

        ours.kill()
        wait_until_active(lab, lab.two, THEIRS)

        ours = lab.one.start(VrrpkitRouter, *OURS)
        wait_until_shared(lab)

        ours.stop()
        assert lab.one.held() == {}
        wait_until_active(lab, lab.two, THEIRS)
        check_resignations(lab)

        for keepalived in theirs:
            keepalived.stop()
        for spec in SPECS:
            assert overlaps(lab.capture.adverts(spec.vrid, spec.family)) == ()
        assert lab.capture.garbage == ()


def winners(specs: list[RouterSpec]) -> list[RouterSpec]:
    return [spec for spec in specs if spec.priority == 200]


def wait_until_shared(lab: Lab) -> None:
    wait_until_active(lab, lab.one, winners(OURS))
    wait_until_active(lab, lab.two, winners(THEIRS))


def wait_until_active(lab: Lab, node: Node, specs: list[RouterSpec]) -> None:
    """Wait until a node is Active for these virtual routers and holds their addresses, and no others."""
    lab.until(lambda: all(last_sender(lab, spec) == node.name for spec in specs), f"{node.name} is Active")
    expected = frozenset[object]().union(*(spec.plain_addresses for spec in specs))
    lab.until(lambda: frozenset(node.held()) == expected, f"{node.name} holds {expected}")


def last_sender(lab: Lab, spec: RouterSpec) -> str | None:
    spoken = [seen.node for seen in lab.capture.adverts(spec.vrid, spec.family) if seen.advert.priority]
    return spoken[-1] if spoken else None


def check_resignations(lab: Lab) -> None:
    """Every virtual router that was Active resigned, and its Backup took over after its skew, not its silence."""
    for spec in winners(OURS):
        adverts = lab.capture.adverts(spec.vrid, spec.family)
        resigned = [seen.at for seen in adverts if seen.node == "one" and seen.advert.priority == 0]
        assert len(resigned) == 1
        took_over = [reign.start for reign in reigns(adverts) if reign.node == "two"][-1]
        assert 0 < took_over - resigned[0] < 3 * spec.interval
