"""A virtual router at run time, on a LAN and a kernel in memory."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest
from attrs import define, evolve, field

from vrrpkit import Advertisement, ConfigError, ElectionConfig, Reason, State, StateChanged, VirtualRouter
from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.election import FaultCleared, FaultRaised
from vrrpkit.packet import Datagram, encode
from vrrpkit.runtime import shut_down
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan, run_virtual

VIRTUAL = parse_address("", "192.0.2.100")
GROUP = parse_address("", "224.0.0.18")
OTHER = parse_address("", "192.0.2.9")


@define
class Lab:
    """One router, its kernel, and the wire."""

    lan: MemoryLan = field(factory=MemoryLan)
    addresses: FakeAddresses = field(factory=FakeAddresses)
    announcer: FakeAnnouncer = field(factory=FakeAnnouncer)
    wire: list[tuple[float, int]] = field(factory=list)

    def router(self, *, vrid: int = 1, **settings: Any) -> VirtualRouter:
        config = ElectionConfig(vrid=vrid, addresses=[VIRTUAL], **settings)
        self.lan.listen(lambda datagram: self.wire.append((now(), datagram.payload[2])))
        return VirtualRouter(
            config,
            transport=self.lan.attach(vrid, "192.0.2.1"),
            addresses=self.addresses,
            announcer=self.announcer,
        )

    def hear(self, priority: int, **fields: Any) -> None:
        advert = Advertisement(vrid=1, priority=priority, **{"addresses": (VIRTUAL,), **fields})
        self.lan.inject(encode(advert, source=OTHER, destination=GROUP))


def now() -> float:
    return asyncio.get_running_loop().time()


def virtually(scenario: Callable[[Lab], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scenario(Lab())

    run_virtual(run())


async def collect(router: VirtualRouter) -> list[StateChanged]:
    return [change async for change in router.changes()]


def test_router_takes_the_addresses_announces_them_and_tells() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router() as router:
            change = await router.until(State.ACTIVE)
            assert (change.at, change.reason) == (3.609375, Reason.ACTIVE_SILENT)
            assert lab.addresses.held == [VIRTUAL]
            assert lab.announcer.announcing == [VIRTUAL]
            assert lab.wire == [(3.609375, 100)]

    virtually(scenario)


def test_leaving_the_block_resigns_and_releases() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255):
            await asyncio.sleep(2.5)
        assert lab.wire == [(0.0, 255), (1.0, 255), (2.0, 255), (2.5, 0)]
        assert (lab.addresses.held, lab.announcer.announcing) == ([], [])

    virtually(scenario)


def test_cancellation_resigns_and_releases_and_goes_on() -> None:
    async def scenario(lab: Lab) -> None:
        async def embed() -> None:
            async with lab.router(priority=255):
                await asyncio.Event().wait()

        task = asyncio.create_task(embed())
        await asyncio.sleep(0.5)
        lab.addresses.slow(2.0)
        task.cancel()
        await asyncio.sleep(1.0)
        task.cancel()  # impatient; the addresses are still being released
        await asyncio.wait({task})
        assert task.cancelled()
        assert (lab.wire[-1], lab.addresses.held, now()) == ((0.5, 0), [], 2.5)

    virtually(scenario)


def test_error_in_the_block_resigns_and_releases_and_comes_out() -> None:
    async def scenario(lab: Lab) -> None:
        async def fail() -> None:
            async with lab.router(priority=255):
                await asyncio.sleep(0.5)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert (lab.wire[-1], lab.addresses.held) == ((0.5, 0), [])

    virtually(scenario)


@pytest.mark.conforms("9568 8.1.2-5", "9568 8.2.2-7")
def test_slow_kernel_delays_no_advertisement() -> None:
    async def scenario(lab: Lab) -> None:
        lab.addresses.slow(4.5)
        async with lab.router(priority=255):
            await asyncio.sleep(3.5)
            assert lab.wire == [(0.0, 255), (1.0, 255), (2.0, 255), (3.0, 255)]
            assert (lab.addresses.held, lab.announcer.announcing) == ([], [])
            await asyncio.sleep(1.5)
            assert (lab.addresses.held, lab.announcer.announcing) == ([VIRTUAL], [VIRTUAL])

    virtually(scenario)


@pytest.mark.conforms("9568 8.1.2-5", "9568 8.2.2-7")
def test_addresses_that_come_too_late_are_removed_again_and_never_announced() -> None:
    """The role is lost while the kernel is still adding the address."""

    async def scenario(lab: Lab) -> None:
        lab.addresses.slow(2.0)
        async with lab.router(priority=200) as router:
            await asyncio.sleep(3.5)
            assert lab.wire == [(3.21875, 200)]
            lab.hear(250)
            assert router.state is State.BACKUP
            await asyncio.sleep(5.0)
            assert (lab.addresses.held, lab.announcer.log) == ([], [])
            changes = [(change.new, change.reason) for change in await news_of(router)]
            assert changes == [(State.BACKUP, Reason.OUTRANKED)]

    virtually(scenario)


async def news_of(router: VirtualRouter) -> list[StateChanged]:
    """What a late reader is told first."""
    async for change in router.changes():
        return [change]
    return []


def test_address_that_the_kernel_refuses_is_a_cause_of_fault_and_tried_again() -> None:
    async def scenario(lab: Lab) -> None:
        lab.addresses.refuse(errno.EACCES)
        async with lab.router(priority=255) as router:
            await asyncio.sleep(0.5)
            snapshot = router.snapshot()
            assert (snapshot.state, sorted(snapshot.causes)) == (State.FAULT, ["addresses:EACCES"])
            assert snapshot.error == "acquire 192.0.2.100: Permission denied (errno 13)"
            assert lab.wire == [(0.0, 255), (0.0, 0)]
            await asyncio.sleep(1.0)
            assert (router.state, sorted(router.snapshot().causes)) == (State.ACTIVE, [])
            assert lab.addresses.held == [VIRTUAL]

    virtually(scenario)


def test_pauses_between_attempts_double_and_begin_anew_after_a_success() -> None:
    async def scenario(lab: Lab) -> None:
        lab.addresses.refuse(errno.EACCES, times=4)
        async with lab.router(priority=255) as router:
            await asyncio.sleep(20)
            attempts = [operation.time for operation in lab.addresses.log]
            assert attempts == [0.0, 1.0, 3.0, 7.0, 15.0]
            lab.addresses.refuse(errno.EACCES)
            router.post(FaultRaised("track:test"))
            await asyncio.sleep(0)
            router.post(FaultCleared("track:test"))
            await asyncio.sleep(1.5)
            assert router.state is State.ACTIVE

    virtually(scenario)


def test_kernel_that_never_answers_is_a_cause_of_fault() -> None:
    async def scenario(lab: Lab) -> None:
        lab.addresses.slow(1000.0)
        async with lab.router(priority=255) as router:
            await asyncio.sleep(10.5)
            assert router.snapshot().causes == {"addresses:ETIMEDOUT"}
            assert router.snapshot().error == "changing addresses took longer than 10 s"
            lab.addresses.slow(0.0)

    virtually(scenario)


def test_address_that_cannot_be_removed_is_tried_again() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=200) as router:
            await router.until(State.ACTIVE)
            lab.addresses.refuse(errno.EBUSY, times=2)
            lab.hear(250)
            await asyncio.sleep(0.5)
            assert lab.addresses.held == [VIRTUAL]
            await asyncio.sleep(2.6)
            assert (router.state, lab.addresses.held) == (State.BACKUP, [])

    virtually(scenario)


def test_closing_asks_twice_for_an_address_that_cannot_be_removed() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255):
            await asyncio.sleep(0.5)
            lab.addresses.refuse(errno.EBUSY)
        assert lab.addresses.held == []

    virtually(scenario)


def test_advertisement_that_cannot_leave_is_counted_and_told() -> None:
    async def scenario(lab: Lab) -> None:
        lab.lan.listen(lambda datagram: lab.wire.append((now(), datagram.payload[2])))
        transport = lab.lan.attach(1, "192.0.2.1")
        transport.refuse(errno.ENETUNREACH, times=3)
        config = ElectionConfig(vrid=1, addresses=[VIRTUAL], priority=255)
        async with VirtualRouter(
            config, transport=transport, addresses=lab.addresses, announcer=lab.announcer
        ) as router:
            await asyncio.sleep(2.5)
            assert (router.counters.send_errors, router.counters.advertisement_sent) == (3, 0)
            assert router.snapshot().error == "cannot send an advertisement: [Errno 101] Network is unreachable"

    virtually(scenario)


def test_late_reader_begins_with_the_latest_change_and_ends_with_the_shutdown() -> None:
    async def scenario(lab: Lab) -> None:
        router = lab.router(priority=200)
        router.start()
        early = asyncio.create_task(collect(router))
        await asyncio.sleep(3.5)
        late = asyncio.create_task(collect(router))
        await asyncio.sleep(0.5)
        await router.aclose()
        story = [(change.old, change.new, change.reason) for change in await early]
        assert story == [
            (State.INITIALIZE, State.BACKUP, Reason.STARTUP),
            (State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT),
            (State.ACTIVE, State.INITIALIZE, Reason.SHUTDOWN),
        ]
        assert [(change.old, change.new, change.reason) for change in await late] == story[1:]

    virtually(scenario)


def test_waiting_for_a_state_that_never_comes_ends_with_the_router() -> None:
    async def scenario(lab: Lab) -> None:
        router = lab.router(priority=100)
        router.start()
        waiter = asyncio.create_task(router.until(State.FAULT))
        await asyncio.sleep(1.0)
        await router.aclose()
        with pytest.raises(RuntimeError, match="VRID 1 was closed before it became fault"):
            await waiter

    virtually(scenario)


def test_snapshot_says_who_is_active_and_when_we_would_take_over() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=100) as router:
            await asyncio.sleep(1.0)
            lab.hear(200, interval=0.5)
            await asyncio.sleep(0.25)
            snapshot = router.snapshot()
            assert snapshot.state is State.BACKUP
            assert (snapshot.active_address, snapshot.active_priority) == (OTHER, 200)
            assert snapshot.decides_in == 1.5546875  # 1.5 + 156/512 - 0.25
            assert (snapshot.skew, snapshot.down_interval) == (0.3046875, 1.8046875)
            told = snapshot.to_dict()
            assert told["active_address"] == "192.0.2.9"
            assert told["counters"] == {
                "master-transitions": 0,
                "advertisement-rcvd": 1,
                "advertisement-sent": 0,
                "priority-zero-pkts-rcvd": 0,
                "priority-zero-pkts-sent": 0,
                "interval-errors": 0,
                "invalid-type-pkts-rcvd": 0,
                "address-list-errors": 0,
                "packet-length-errors": 0,
                "lower-priority-rcvd": 0,
                "send-errors": 0,
                "interval-differences": 1,
                "checksums-pseudo-header": 1,
                "checksums-message-only": 0,
            }

    virtually(scenario)


@pytest.mark.conforms("9568 7.1-9", "9568 7.1-10", "9568 7.1-11", "3768 7.1-8", "3768 7.1-9")
def test_bad_datagrams_are_counted_by_reason_logged_once_and_change_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=100) as router:
            good = encode(Advertisement(vrid=1, priority=200, addresses=(VIRTUAL,)), source=OTHER, destination=GROUP)
            damaged = good.payload[:-1] + b"\0"
            deadline = router.snapshot().deadline
            with caplog.at_level(logging.WARNING):
                for _ in range(3):
                    lab.lan.inject(Datagram(damaged, OTHER, GROUP))
                    lab.lan.inject(evolve(good, hop_limit=1))
            counted = router.snapshot().to_dict()["counters"]
            assert isinstance(counted, dict)
            assert (counted["checksum-errors"], counted["ip-ttl-errors"], counted["advertisement-rcvd"]) == (3, 3, 0)
            prefix = "VRID 1: advertisement from 192.0.2.9 rejected"
            assert [record.getMessage() for record in caplog.records] == [
                f"{prefix} (checksum-errors): checksum 0xa19b is wrong",
                f"{prefix} (ip-ttl-errors): hop limit must be 255, got 1",
            ]
            assert router.snapshot().deadline == deadline

    virtually(scenario)


def test_operator_steps_down_stays_away_and_comes_back() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=200) as router:
            await router.until(State.ACTIVE)
            router.step_down()
            assert (router.state, lab.wire[-1][1]) == (State.BACKUP, 0)
            router.stay_away()
            assert router.snapshot().causes == {"operator"}
            await asyncio.sleep(60)
            router.come_back()
            await asyncio.sleep(3.3)
            assert router.state is State.ACTIVE

    virtually(scenario)


def test_reconfiguring_keeps_the_role_and_changes_the_addresses() -> None:
    async def scenario(lab: Lab) -> None:
        second = parse_address("", "192.0.2.101")
        async with lab.router(priority=255) as router:
            await asyncio.sleep(0.5)
            router.reconfigure(evolve(router.config, addresses=[second]))
            await asyncio.sleep(0.1)
            assert (router.state, lab.addresses.held, lab.announcer.announcing) == (State.ACTIVE, [second], [second])
            with pytest.raises(ConfigError, match="vrid and family must stay 1 and IPV4, got 2 and IPV4"):
                router.reconfigure(evolve(router.config, vrid=2))
            assert router.config.vrid == 1

    virtually(scenario)


def test_all_routers_resign_before_the_first_releases() -> None:
    """keepalived resigns and releases one after the other: with many addresses the last is late."""

    async def scenario(lab: Lab) -> None:
        routers = [lab.router(vrid=vrid, priority=255) for vrid in (1, 2, 3)]
        for router in routers:
            router.start()
        await asyncio.sleep(0.5)
        lab.wire.clear()
        lab.addresses.slow(1.0)
        await shut_down(*routers)
        assert {time for time, priority in lab.wire if priority == 0} == {0.5}
        assert now() > 0.5

    virtually(scenario)


def test_waiting_for_a_state_does_not_end_with_one_that_is_over() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=255) as router:
            await router.until(State.ACTIVE)
            router.post(FaultRaised("track:test"))
            waiter = asyncio.create_task(router.until(State.ACTIVE))
            await asyncio.sleep(5.0)
            assert not waiter.done()
            router.post(FaultCleared("track:test"))
            assert (await waiter).at == 5.0

    virtually(scenario)


def test_router_that_has_resigned_is_not_called_active() -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=100) as router:
            lab.hear(200)
            assert router.snapshot().active_address == OTHER
            lab.hear(0)
            assert (router.snapshot().active_address, router.snapshot().active_priority) == (None, None)

    virtually(scenario)


def test_error_that_is_over_is_no_longer_shown_and_told_again_when_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(lab: Lab) -> None:
        transport = lab.lan.attach(1, "192.0.2.1")
        config = ElectionConfig(vrid=1, addresses=[VIRTUAL], priority=255)
        async with VirtualRouter(
            config, transport=transport, addresses=lab.addresses, announcer=lab.announcer
        ) as router:
            for _ in range(2):
                transport.refuse(errno.ENETUNREACH)
                await asyncio.sleep(1.0)
                assert router.snapshot().error is not None
                await asyncio.sleep(1.0)
                assert router.snapshot().error is None
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2

    virtually(scenario)


@pytest.mark.conforms("9568 2.5-1")
def test_another_active_router_of_lower_priority_is_counted_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(lab: Lab) -> None:
        async with lab.router(priority=200) as router:
            lab.hear(100)
            assert router.counters.lower_priority_rcvd == 0  # not Active yet
            await router.until(State.ACTIVE)
            for _ in range(3):
                lab.hear(100)
            assert router.counters.lower_priority_rcvd == 3
            told = [record.getMessage() for record in caplog.records if "Active too" in record.getMessage()]
            assert len(told) == 1

    virtually(scenario)


class BrokenAddresses(FakeAddresses):
    """An address manager with a defect."""

    async def acquire(self, addresses: Iterable[IPAddress]) -> None:
        raise LookupError("no such account")


def test_defect_of_an_address_manager_is_a_fault_and_closing_still_ends() -> None:
    async def scenario(lab: Lab) -> None:
        lab.addresses = BrokenAddresses()
        async with lab.router(priority=255) as router:
            await asyncio.sleep(0.5)
            assert router.snapshot().causes == {"addresses:LookupError"}
            assert lab.wire == [(0.0, 255), (0.0, 0)]
        assert now() == 0.5

    virtually(scenario)


def test_address_that_reconfiguring_could_not_remove_is_removed_while_the_router_is_active() -> None:
    async def scenario(lab: Lab) -> None:
        second = parse_address("", "192.0.2.101")
        async with lab.router(priority=255) as router:
            await router.until(State.ACTIVE)
            router.reconfigure(evolve(router.config, addresses=[second]))
            lab.addresses.refuse(0)
            lab.addresses.refuse(errno.EBUSY)
            await asyncio.sleep(0.5)
            assert lab.addresses.held == [VIRTUAL, second]
            await asyncio.sleep(1.0)
            assert (router.state, lab.addresses.held, lab.announcer.announcing) == (State.ACTIVE, [second], [second])

    virtually(scenario)
