"""RFC 3768: the state machine of version 2, step by step, and version 2 on the wire."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address

import pytest
from attrs import evolve

from tests.election.helpers import (
    LOW_PEER,
    TICK,
    VIP,
    acquire,
    active,
    announce,
    backup,
    config,
    heard,
    news,
    release,
    router,
    said,
    send,
    standing,
)
from tests.linux.support import eventually
from tests.linux.test_node import GROUP4, OWN4, VIRTUAL, Bench, becomes, on_bench
from tests.linux.test_node import config as on_link
from tests.linux.wire import Seen
from vrrpkit import ElectionConfig, VirtualRouter
from vrrpkit.election import Difference, Initialize, Reason, Shutdown, Startup, State, differences, screen
from vrrpkit.linux import open_router
from vrrpkit.packet import Advertisement, ChecksumForm, Version, encode
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

V2 = Version.V2
ADVERT = Advertisement(vrid=1, priority=100, addresses=(VIP,), version=V2)

# Initialize ------------------------------------------------------------------------------------------------------


@pytest.mark.conforms("3768 5.3.4-1", "3768 6.4.1-2", "3768 6.4.1-3", "3768 6.4.1-5", "3768 6.4.1-6")
def test_owner_becomes_active_at_startup() -> None:
    election = router(version=2, priority=255)
    assert election.handle(Startup(), 10.0) == (
        send(255, version=V2),
        acquire(),
        announce(),
        news(State.INITIALIZE, State.ACTIVE, Reason.OWNER, 10.0, priority=255),
    )
    assert standing(election) == (State.ACTIVE, 11.0)


@pytest.mark.conforms("3768 6.4.1-7", "3768 6.4.1-8")
def test_anybody_else_becomes_a_backup_that_waits_for_the_silence_limit() -> None:
    election = router(version=2)
    assert election.handle(Startup(), 10.0) == (news(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 10.0),)
    assert standing(election) == (State.BACKUP, 13.609375)


# Backup ----------------------------------------------------------------------------------------------------------


@pytest.mark.conforms("3768 6.4.2-4")
def test_backup_shuts_down_without_a_word() -> None:
    election = backup(version=2)
    assert election.handle(Shutdown(), 1.0) == (news(State.BACKUP, State.INITIALIZE, Reason.SHUTDOWN, 1.0),)
    assert (election.phase, election.deadline) == (Initialize(), None)


@pytest.mark.conforms("3768 6.4.2-10")
@pytest.mark.parametrize("priority", [100, 101, 255])
def test_priority_not_below_ours_resets_the_timer(priority: int) -> None:
    election = backup(version=2)
    assert election.handle(heard(priority, version=V2), 1.0) == ()
    assert standing(election) == (State.BACKUP, 4.609375)


@pytest.mark.conforms("3768 6.4.2-10", "3768 6.4.2-11")
def test_lower_priority_resets_the_timer_without_preemption_and_is_discarded_with_it() -> None:
    for preempt, deadline in ((False, 4.609375), (True, 3.609375)):
        election = backup(version=2, preempt=preempt)
        assert election.handle(heard(50, version=V2), 1.0) == ()
        assert standing(election) == (State.BACKUP, deadline)


# Master ----------------------------------------------------------------------------------------------------------


@pytest.mark.conforms("3768 5.3.4-4", "3768 6.4.3-5")
def test_master_shuts_down_with_priority_zero() -> None:
    election = active(version=2)
    assert election.handle(Shutdown(), 0.5) == (
        send(0, version=V2),
        release(),
        news(State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN, 0.5),
    )
    assert (election.phase, election.deadline) == (Initialize(), None)


@pytest.mark.conforms("3768 6.4.3-6")
def test_master_advertises_every_interval() -> None:
    election = active(version=2)
    for second in (1.0, 2.0, 3.0):
        assert election.deadline == second
        assert election.handle(TICK, second) == (send(version=V2),)
    assert standing(election) == (State.ACTIVE, 4.0)


@pytest.mark.conforms("3768 6.4.3-8")
@pytest.mark.parametrize(("priority", "reason"), [(101, Reason.OUTRANKED), (100, Reason.TIE_LOST)])
def test_higher_priority_and_an_equal_one_of_a_higher_address_are_yielded_to(priority: int, reason: Reason) -> None:
    election = active(version=2)
    assert election.handle(heard(priority, version=V2), 0.5) == (
        release(),
        news(State.ACTIVE, State.BACKUP, reason, 0.5, heard=said(priority, 0.5)),
    )
    assert standing(election) == (State.BACKUP, 4.109375)


@pytest.mark.conforms("3768 6.4.3-9")
def test_equal_priority_of_a_lower_address_is_discarded() -> None:
    election = active(version=2)
    assert election.handle(heard(100, version=V2, source=LOW_PEER), 0.5) == (announce(),)
    assert standing(election) == (State.ACTIVE, 1.0)


# Received --------------------------------------------------------------------------------------------------------


@pytest.mark.conforms("3768 7.1-11", "3768 7.1-14")
@pytest.mark.parametrize("priority", [100, 255])
def test_other_address_list_is_let_in_and_told_whoever_sent_it(priority: int) -> None:
    """The RFC drops it unless the owner sent it; during a roll-out that would make two masters."""
    other = evolve(ADVERT, priority=priority, addresses=(IPv4Address("192.0.2.77"),))
    assert screen(other, config(version=2)) is None
    assert differences(other, config(version=2)) == (Difference.ADDRESS_LIST,)


@pytest.mark.conforms("3768 7.1-16", "3768 7.1-17", "3768 7.1-18")
def test_other_interval_is_refused_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        lan = MemoryLan()
        async with VirtualRouter(
            ElectionConfig(vrid=1, addresses=[VIP], version=2),
            transport=lan.attach(1, "192.0.2.5"),
            addresses=FakeAddresses(),
            announcer=FakeAnnouncer(),
        ) as virtual_router:
            slower = evolve(ADVERT, priority=200, interval=2.0, form=ChecksumForm.MESSAGE_ONLY)
            deadline = virtual_router.snapshot().deadline
            with caplog.at_level(logging.WARNING):
                for _ in range(3):
                    lan.inject(encode(slower, source=IPv4Address("192.0.2.9"), destination=GROUP4))
            counters = virtual_router.snapshot().to_dict()["counters"]
            assert isinstance(counters, dict)
            assert (counters["interval-errors"], counters["advertisement-rcvd"]) == (3, 0)
            assert [record.getMessage() for record in caplog.records] == [
                f"VRID 1: advertisement from 192.0.2.9 rejected (interval-errors): {slower}"
            ]
            assert virtual_router.snapshot().deadline == deadline

    run_virtual(scenario())


# Sent ------------------------------------------------------------------------------------------------------------


@pytest.mark.conforms(
    "3768 5.2.1-1",
    "3768 5.2.2-1",
    "3768 5.2.3-1",
    "3768 5.2.4-1",
    "3768 6.4.1-3",
    "3768 7.2-1",
    "3768 7.2-4",
    "3768 7.2-5",
    "3768 7.2-6",
)
@pytest.mark.kernel
def test_advertisement_of_version_2_on_the_wire() -> None:
    async def scenario(lab: Bench) -> None:
        two = on_link(version=2, advert_interval=1.0, priority=255)
        async with open_router("eth0", two, netns=lab.net.name) as virtual_router:
            await becomes(virtual_router, State.ACTIVE)
            await eventually(lambda: VIRTUAL in lab.wire.announced(), "a gratuitous ARP")
            (first, *_) = lab.wire.adverts()
            said_there = Advertisement(vrid=51, priority=255, addresses=(VIRTUAL,), version=V2)
            assert first == Seen(said_there, OWN4, GROUP4, 255, 0xC0, "01:00:5e:00:00:12")
            assert first.advert.form is ChecksumForm.MESSAGE_ONLY

    on_bench(scenario)
