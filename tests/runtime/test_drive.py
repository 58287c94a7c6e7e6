"""The driver, and `drive()`: hearing first, ticking last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from attrs import define, field

from vrrpkit.election import (
    Action,
    AdvertReceived,
    Election,
    ElectionConfig,
    Event,
    SendAdvertisement,
    Startup,
    State,
    TimerFired,
)
from vrrpkit.packet import Advertisement
from vrrpkit.runtime import Driver, Inbox, Seat, drive
from vrrpkit.testing import run_virtual

CONFIG = ElectionConfig(vrid=1, addresses=["192.0.2.1"])
OWNER = ElectionConfig(vrid=1, addresses=["192.0.2.1"], priority=255)
OWN = IPv4Address("198.51.100.1")
PEER = AdvertReceived(Advertisement(vrid=1, priority=200, addresses=CONFIG.addresses), IPv4Address("198.51.100.2"))


@define
class Bell:
    """A machine that rings at given times."""

    times: list[float]
    rung: list[float] = field(factory=list)

    @property
    def deadline(self) -> float | None:
        return self.times[0] if self.times else None

    def handle(self, event: str, now: float) -> tuple[str, ...]:
        if event == "tick":
            self.rung.append(now)
            self.times.pop(0)
        return (event,)


@define
class HandClock:
    """A clock that the test turns by hand."""

    lead: float = 0.0
    time: float = 0.0
    alarm: float | None = None
    ring: Callable[[], None] = field(default=lambda: None)

    def now(self) -> float:
        return self.time

    def start(self, ring: Callable[[], None]) -> None:
        self.ring = ring

    def wake_at(self, at: float | None) -> None:
        self.alarm = at

    def close(self) -> None:
        self.alarm = None

    def turn_to(self, time: float) -> None:
        """Let every alarm up to then ring."""
        while self.alarm is not None and self.alarm <= time:
            self.time = max(self.time, self.alarm)
            self.ring()
        self.time = time


def test_machine_ticks_at_its_deadlines_and_only_then() -> None:
    clock, bell = HandClock(), Bell([1.0, 2.5])
    Driver(clock).seat(bell, lambda _action: None, tick="tick")
    clock.turn_to(10.0)
    assert bell.rung == [1.0, 2.5]
    assert clock.alarm is None


def test_alarm_is_the_earliest_deadline_of_all_machines() -> None:
    clock = HandClock()
    driver = Driver(clock)
    for times in ([3.0], [1.0], [2.0]):
        driver.seat(Bell(list(times)), lambda _action: None, tick="tick")
    assert clock.alarm == 1.0
    clock.turn_to(1.5)
    assert clock.alarm == 2.0


def test_deadline_that_moves_later_costs_no_alarm_and_rings_once() -> None:
    clock = HandClock()
    driver = Driver(clock)
    election = Election(CONFIG, OWN)
    actions: list[Action] = []
    seat: Seat[Event, Action] = driver.seat(election, actions.append, tick=TimerFired())
    seat.post(Startup())
    assert clock.alarm == 3.609375
    clock.turn_to(2.0)
    seat.post(PEER)
    assert clock.alarm == 3.609375
    clock.turn_to(5.0)
    assert (election.state, clock.alarm) == (State.BACKUP, 5.609375)
    clock.turn_to(5.7)
    assert election.state is State.ACTIVE


def test_deadline_that_moves_earlier_brings_the_alarm_forward() -> None:
    clock = HandClock()
    driver = Driver(clock)
    seat: Seat[Event, Action] = driver.seat(Election(CONFIG, OWN), lambda _action: None, tick=TimerFired())
    seat.post(Startup())
    seat.post(AdvertReceived(Advertisement(vrid=1, priority=0, addresses=CONFIG.addresses), PEER.source))
    assert clock.alarm == 0.609375


def test_stalled_backup_hears_what_is_queued_before_it_judges() -> None:
    clock = HandClock()
    driver = Driver(clock)
    election = Election(CONFIG, OWN)
    seat: Seat[Event, Action] = driver.seat(election, lambda _action: None, tick=TimerFired())
    seat.post(Startup())
    driver.add_source(lambda: seat.post(PEER))
    clock.time = 60.0
    clock.ring()
    assert (election.state, election.deadline) == (State.BACKUP, 63.609375)


def test_event_posted_while_an_action_is_performed_waits_for_the_next_turn() -> None:
    order: list[str] = []

    def perform(action: str) -> None:
        order.append(f"begin {action}")
        if action == "first":
            seat.post("second")
        order.append(f"end {action}")

    seat = Driver(HandClock()).seat(Bell([]), perform, tick="tick")
    seat.post("first")
    assert order == ["begin first", "end first", "begin second", "end second"]


def test_machine_that_has_left_its_seat_neither_ticks_nor_hears() -> None:
    clock, bell, done = HandClock(), Bell([1.0]), list[str]()
    seat = Driver(clock).seat(bell, done.append, tick="tick")
    seat.leave()
    seat.post("late")
    clock.turn_to(2.0)
    assert (bell.rung, done) == ([], [])


def test_defect_in_one_machine_is_told_and_does_not_silence_the_others() -> None:
    async def scenario() -> tuple[list[float], list[str]]:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))
        driver = Driver()

        def broken(_action: str) -> None:
            raise RuntimeError("broken")

        driver.seat(Bell([1.0]), broken, tick="tick")
        sound = Bell([1.0, 2.0])
        driver.seat(sound, lambda _action: None, tick="tick")
        await asyncio.sleep(3)
        driver.close()
        return sound.rung, told

    assert run_virtual(scenario()) == ([1.0, 2.0], ["broken"])


def test_closed_driver_rings_no_more() -> None:
    clock, bell = HandClock(), Bell([1.0])
    driver = Driver(clock)
    driver.seat(bell, lambda _action: None, tick="tick")
    driver.close()
    assert clock.alarm is None


@pytest.mark.parametrize("flood", [0, 200])
def test_flood_of_events_cannot_starve_the_advertisements(flood: int) -> None:
    """An Active router that hears 200 adverts of lower priority a second still sends one of its own each second."""
    loser = AdvertReceived(Advertisement(vrid=1, priority=1, addresses=OWNER.addresses), PEER.source)

    async def scenario() -> int:
        election = Election(
            ElectionConfig(vrid=1, addresses=["192.0.2.1"], priority=255, lower_prio_no_advert=True), OWN
        )
        inbox = Inbox[Event]()
        sent: list[float] = []

        async def perform(action: Action) -> None:
            if isinstance(action, SendAdvertisement):
                sent.append(asyncio.get_running_loop().time())

        task = asyncio.create_task(drive(election, inbox, perform, tick=TimerFired()))
        inbox.post(Startup())
        for _ in range(10 * flood):
            inbox.post(loser)
            await asyncio.sleep(1 / flood)
        await asyncio.sleep(10.5 - (10 if flood else 0))
        task.cancel()
        await asyncio.wait({task})
        return len(sent)

    assert run_virtual(scenario()) == 11


def test_drive_hears_what_came_during_a_stall_before_it_judges() -> None:
    async def scenario() -> tuple[State, float | None]:
        election = Election(CONFIG, OWN)
        inbox = Inbox[Event]()
        stalled = asyncio.Event()

        async def perform(_action: Action) -> None:
            await stalled.wait()

        task = asyncio.create_task(drive(election, inbox, perform, tick=TimerFired()))
        inbox.post(Startup())
        await asyncio.sleep(60)
        inbox.post(PEER)
        stalled.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        result = election.state, election.deadline
        task.cancel()
        await asyncio.wait({task})
        return result

    state, deadline = run_virtual(scenario())
    assert (state, deadline) == (State.BACKUP, 63.609375)


def test_judgement_is_waited_out_on_a_clock_with_a_lead() -> None:
    """The alarm rings early; the machine is told its deadline and not before."""

    @define
    class CreepingClock(HandClock):
        def now(self) -> float:
            self.time += 0.125
            return self.time

    clock, bell = CreepingClock(lead=0.5), Bell([3.0])
    Driver(clock).seat(bell, lambda _action: None, tick="tick")
    assert clock.alarm == 2.5
    clock.time = 2.5
    clock.ring()
    assert bell.rung == [3.125]  # each look at this clock takes 0.125


def test_duties_that_are_near_are_done_in_passing_at_their_own_time() -> None:
    clock = HandClock()
    driver = Driver(clock, share_wakeups=True)
    first, second, third = Bell([1.0, 2.0]), Bell([1.00390625, 2.00390625]), Bell([1.015625])
    for bell in (first, second, third):
        driver.seat(bell, lambda _action: None, tick="tick", leeway=lambda: 0.0078125)
    clock.turn_to(1.0)
    assert (first.rung, second.rung, third.rung) == ([1.0], [1.00390625], [])
    assert clock.alarm == 1.015625
    clock.turn_to(2.0)
    assert (first.rung, second.rung) == ([1.0, 2.0], [1.00390625, 2.00390625])


def test_judgement_is_never_early() -> None:
    clock = HandClock()
    driver = Driver(clock, share_wakeups=True)
    duty, judgement = Bell([1.0]), Bell([1.00390625])
    driver.seat(duty, lambda _action: None, tick="tick", leeway=lambda: 0.01)
    driver.seat(judgement, lambda _action: None, tick="tick")
    clock.turn_to(1.0)
    assert (duty.rung, judgement.rung) == ([1.0], [])
    clock.turn_to(1.5)
    assert judgement.rung == [1.00390625]


def test_duty_that_another_one_has_turned_into_a_judgement_is_not_done_early() -> None:
    """The first machine's action makes an Active Router a Backup whose own advertisement was due in the same moment."""
    clock = HandClock()
    driver = Driver(clock, share_wakeups=True)
    election = Election(OWNER, OWN)
    victim: Seat[Event, Action]

    def depose(_action: str) -> None:
        victim.post(AdvertReceived(Advertisement(vrid=1, priority=255, addresses=OWNER.addresses), PEER.source))

    driver.seat(Bell([1.0]), depose, tick="tick", leeway=lambda: 0.0)
    victim = driver.seat(
        election,
        lambda _action: None,
        tick=TimerFired(),
        leeway=lambda: None if election.state is State.BACKUP else 0.0,
    )
    victim.post(Startup())
    clock.turn_to(1.0)
    assert (election.state, clock.alarm) == (State.BACKUP, 4.00390625)
