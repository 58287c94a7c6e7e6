"""The public API, used the way a user would; read by type checkers, never run."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never, assert_type

from vrrpkit.addresses import (
    VRRP_GROUP_V4,
    Family,
    IPAddress,
    MACAddress,
    family_of,
    parse_address,
    virtual_mac,
    vrrp_group,
)
from vrrpkit.checks import CallableChecker, Checker, CheckResult, CheckSchedule, Schedule
from vrrpkit.commands import Command, Outcome, run
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    Active,
    AdvertReceived,
    AnnounceAddresses,
    Backup,
    Difference,
    Election,
    ElectionConfig,
    Event,
    Fault,
    FaultCleared,
    FaultRaised,
    Heard,
    Initialize,
    Phase,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Reconfigured,
    ReleaseAddresses,
    Resumed,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    SteppedDown,
    Suspended,
    TimerFired,
    active_down_interval,
    differences,
    screen,
    skew_time,
)
from vrrpkit.errors import ConfigError, VRRPKitError
from vrrpkit.linux import Node, open_router
from vrrpkit.machine import Machine
from vrrpkit.notifications import FifoNotifier, ScriptNotifier, arguments, fifo_line
from vrrpkit.packet import (
    Advertisement,
    ChecksumForm,
    Datagram,
    Decoder,
    PacketError,
    Reject,
    Version,
    announcement_frame,
    decode,
    encode,
    gratuitous_arp,
    internet_checksum,
    unsolicited_na,
)
from vrrpkit.runtime import (
    LoserHeard,
    Moment,
    Notice,
    Notifier,
    PriorityMoved,
    RouterGroup,
    RouterSnapshot,
    VirtualRouter,
    shut_down,
)
from vrrpkit.sync import GroupChanged, GroupReconfigured, MemberAction, MemberEvent, SyncGroup, dual_stack
from vrrpkit.trackers import (
    AddressTracker,
    CheckTracker,
    FileTracker,
    InterfaceTracker,
    ProcessTracker,
    RouterTracker,
    RouteTracker,
    ScriptTracker,
    Tracked,
    Tracker,
    TrackerNews,
)
from vrrpkit.tracking import Contribution, FirstResult, Level, Reading, RiseFall, Standing, Track, standing

PHRASE = "1111"

# Addresses come as text or as objects, versions and passwords in the form at hand.
plain = ElectionConfig(vrid=51, addresses=["192.0.2.10"])
typed = ElectionConfig(vrid=51, addresses=(IPv4Address("192.0.2.10"),), version=Version.V3)
mixed = ElectionConfig(vrid=51, addresses=["192.0.2.10", IPv4Address("192.0.2.11")], unadvertised={"2001:db8::1"})
secret = ElectionConfig(vrid=51, addresses=["192.0.2.10"], version=2, password=PHRASE, advert_interval=1)
octets = ElectionConfig(vrid=51, addresses=["192.0.2.10"], version=2, password=b"1111")
assert_type(plain.addresses, tuple[IPAddress, ...])
assert_type(plain.all_addresses, tuple[IPAddress, ...])
assert_type(plain.version, Version)
assert_type(plain.password, bytes | None)
assert_type(plain.family, Family)
assert_type(plain.is_owner, bool)
assert_type(plain.answers_losers, bool)

# An election is a machine, and reading it needs no casts.
election = Election(plain, IPv4Address("192.0.2.2"))
machine: Machine[Event, Action] = election
assert_type(machine.handle(Startup(), 0.0), tuple[Action, ...])
assert_type(election.deadline, float | None)
assert_type(election.state, State)
assert_type(election.phase, Phase)
assert_type(election.causes, frozenset[str])
assert_type(election.priority, int)
assert_type(election.config, ElectionConfig)
assert_type(election.primary_address, IPAddress | None)
unaddressed = Election(plain)

events: list[Event] = [
    Startup(),
    Shutdown(),
    TimerFired(),
    PriorityChanged(90),
    PrimaryAddressChanged(IPv6Address("fe80::2")),
    FaultRaised("link:eth0"),
    FaultCleared("link:eth0"),
    Reconfigured(plain),
    SteppedDown(),
    Suspended(),
    Resumed(),
]


def perform(action: Action, transmit: Callable[[Datagram], None]) -> str:
    """Actions are a closed union: a shell that forgets one does not pass the type checker."""
    match action:
        case SendAdvertisement(advert):
            transmit(encode(advert, source=IPv4Address("192.0.2.2"), destination=VRRP_GROUP_V4))
            return "sent"
        case AcquireAddresses(addresses) | ReleaseAddresses(addresses) | AnnounceAddresses(addresses):
            assert_type(addresses, tuple[IPAddress, ...])
            return "done"
        case StateChanged(old=old, new=new, reason=reason, heard=heard):
            assert_type(old, State)
            assert_type(reason, Reason)
            assert_type(heard, Heard | None)
            return f"{old} -> {new}: {action.explanation}"
        case unreachable:
            assert_never(unreachable)


def describe(phase: Phase) -> float | None:
    """Phases carry what is true in them, and nothing else."""
    match phase:
        case Backup(down_at=down_at, heard=heard):
            return down_at if heard is None else heard.at
        case Active(advert_at=advert_at, sent_at=sent_at):
            return advert_at - sent_at
        case Initialize() | Fault():
            return phase.deadline
        case unreachable:
            assert_never(unreachable)


def receive(datagram: Datagram, decoder: Decoder, count: Callable[[Reject], None]) -> tuple[Action, ...]:
    """The way of a datagram: octets, configuration, election."""
    try:
        advert = decoder.decode(datagram)
    except PacketError as error:
        count(error.reason)
        return ()
    if (reject := screen(advert, plain)) is not None:
        assert_type(reject, Reject)
        count(reject)
        return ()
    assert_type(differences(advert, plain), tuple[Difference, ...])
    return election.handle(AdvertReceived(advert, datagram.source), 1.0)


def build() -> Datagram:
    advert = Advertisement(
        vrid=51,
        priority=100,
        interval=1,
        addresses=(IPv4Address("192.0.2.10"),),
        form=ChecksumForm.MESSAGE_ONLY,
    )
    assert_type(decode(Datagram(b"", IPv4Address(1), VRRP_GROUP_V4)), Advertisement)
    return encode(advert, source=IPv4Address("192.0.2.2"), destination=vrrp_group(advert.family))


def word(state: State) -> str:
    """Four states: keepalived's word for one of them is an alias, not a fifth."""
    match state:
        case State.INITIALIZE:
            return "INIT"
        case State.BACKUP:
            return "BACKUP"
        case State.ACTIVE:
            return "MASTER"
        case State.FAULT:
            return "FAULT"
        case unreachable:
            assert_never(unreachable)


def announce(address: IPAddress) -> bytes:
    mac = virtual_mac(51, family_of(address))
    assert_type(mac, MACAddress)
    if isinstance(address, IPv4Address):
        return gratuitous_arp(mac, address)
    return unsolicited_na(mac, address, router=False) or announcement_frame(mac, address)


def from_the_command_line(text: str) -> IPAddress | None:
    """Both families of errors may be caught: ours, or the builtin one."""
    try:
        return parse_address("addresses", text)
    except ConfigError as error:
        ours: VRRPKitError = error
        builtin: ValueError = error
        print(ours, builtin)  # noqa: T201
        return None


assert_type(skew_time(100, 1.0, Version.V3), float)
assert_type(active_down_interval(100, 1.0, Version.V2, adverts=5), float)
assert_type(internet_checksum(b"\x00\x01", 0xFFFF), int)


def weigh(readings: Mapping[str, Reading]) -> str:
    """What is tracked comes to one value, with every contribution."""
    told = standing(100, [Track("haproxy", 2), Track("uplink"), Track("load", -1, reverse=True)], readings)
    assert_type(told, Standing)
    assert_type(told.priority, int)
    assert_type(told.causes, frozenset[str])
    assert_type(told.contributions, tuple[Contribution, ...])
    return told.explanation


def say(reading: Reading) -> str:
    """A reading is one of four things."""
    match reading:
        case None:
            return "not known"
        case Level(number):
            return f"{number}"
        case True | False:
            return "up" if reading else "down"
        case unreachable:
            assert_never(unreachable)


def count(results: list[bool]) -> bool | None:
    verdict = RiseFall(rise=2, fall=3, first=FirstResult.ASSUME_DOWN)
    for result in results:
        assert_type(verdict.record(result), bool)
    return verdict.up


# A program is a list of words, and how it ended a value.
command = Command(["pgrep", "-x", "haproxy"], user="nobody", group="nogroup", cwd="/", env={"LC_ALL": "C"})
line = Command.shell("df / | grep -q ' 100% '", secure=False)
assert_type(line, Command)
assert_type(command.argv, tuple[str, ...])
assert_type(command.with_arguments("INSTANCE", "web"), Command)


async def once() -> str:
    outcome = await run(command, timeout=1.0, grace=0.5)
    assert_type(outcome, Outcome)
    assert_type(outcome.exit_code, int | None)
    assert_type(outcome.ok, bool)
    return outcome.detail


async def probe() -> bool:
    return True


async def look() -> CheckResult:
    return CheckResult(ok=False, detail="503")


class PageChecker:
    """A checker of one's own is a class with one method."""

    async def check(self) -> CheckResult:
        return await look()


checkers: list[Checker] = [CallableChecker(probe), CallableChecker(look), PageChecker()]
schedule = Schedule(interval=2, timeout=1, rise=2, fall=3, first=FirstResult.COUNTS)
assert_type(schedule.patience, float)
assert_type(CheckSchedule(schedule, repairs=True).deadline, float | None)

# Trackers of all kinds are given to routers as they are, or with another weight.
maintenance = Tracker("maintenance", weight=-50)
script = ScriptTracker("haproxy", command, schedule, weight=2, repair=Command(["systemctl", "restart", "haproxy"]))
trackers: list[Tracker | Tracked] = [
    maintenance,
    script,
    script.weighing(20, reverse=True),
    CheckTracker("page", PageChecker(), repair=look),
    InterfaceTracker("eth1", weight=-20, up_delay=1, down_delay=0.5),
    AddressTracker(IPv4Address("192.0.2.10"), interface="eth0"),
    AddressTracker("2001:db8::10"),
    RouteTracker("default", gateway="192.0.2.254", table=100),
    FileTracker("/run/app/health", weight=-10, interval=1),
    ProcessTracker("haproxy", arguments=["-W"], match="partial", quorum=2, quorum_max=4),
]


async def follow(tracker: Tracker) -> None:
    """A tracker is of use without a router."""
    async with tracker as same:
        assert_type(same, Tracker)
        stop = tracker.watch(lambda: None)
        async for news in tracker.changes():
            assert_type(news, TrackerNews)
            print(say(news.reading), news.detail)  # noqa: T201
        stop()


async def open_each() -> None:
    """Opening keeps the type."""
    async with script as check, ProcessTracker("haproxy") as processes:
        assert_type(check, ScriptTracker)
        assert_type(check.last, CheckResult | None)
        assert_type(processes.count, int)
        check.check_now()
        check.pause(assume=True)
        check.resume()


class Journal:
    """A notifier is whatever can be told."""

    def tell(self, notice: Notice) -> None:
        print(self.line(notice), fifo_line(notice, deleted=True), arguments(notice))  # noqa: T201

    def line(self, notice: Notice) -> str:
        match notice.news:
            case StateChanged() | GroupChanged() as change:
                assert_type(change.new, State)
                return change.explanation
            case PriorityMoved(old=old, new=new, explanation=explanation):
                return f"{old} -> {new}: {explanation}"
            case LoserHeard(source=loser, heard=priority):
                assert_type(loser, IPAddress)
                return f"{loser} {priority}"
            case unreachable:
                assert_never(unreachable)


notifiers: list[Notifier] = [Journal(), ScriptNotifier(notify=command), FifoNotifier("/run/ha/events", losers=False)]


async def taken(change: StateChanged) -> None:
    print(change)  # noqa: T201


async def operate(router: VirtualRouter, group: RouterGroup) -> None:
    """Run-time control of a router and of a group."""
    stops = [router.hook(Moment.AFTER_ADDING, taken, timeout=1), router.notify(Journal()), group.notify(Journal())]
    assert_type(stops, list[Callable[[], None]])
    for manager in (router, group):
        manager.track(maintenance)
        manager.set_weight("maintenance", 0, reverse=True)
        manager.untrack("maintenance")
        manager.set_priority(150)
        manager.step_down()
        manager.stay_away()
        manager.come_back()
        assert_type(manager.standing, Standing)
        assert_type(manager.tracks, Mapping[str, Tracked])
    router.join(group)
    router.leave()
    assert_type(router.group, RouterGroup | None)
    assert_type(router.snapshot(), RouterSnapshot)
    async with RouterTracker(router, states={State.ACTIVE, State.BACKUP}) as state:
        group.track(state.weighing(-10))
    async for change in group.changes():
        assert_type(change, GroupChanged)
        assert_type(change.member, str | None)
    assert_type(await group.until(State.ACTIVE), GroupChanged)
    group.shut_down()
    await shut_down(router)


async def assemble() -> None:
    """A node takes trackers, notifiers and groups as they are."""
    async with (
        Node() as node,
        InterfaceTracker("eth1", watcher=node.links, driver=node.driver) as uplink,
        open_router("eth0", plain, tracks=[uplink, script.weighing(5)], notify=notifiers) as lone,
    ):
        group = node.add_group("gateway", tracks=trackers, notify=notifiers)
        member = await node.add_router("eth0", plain, tracks=(uplink,), notify=(), group=group)
        both = dual_stack(vrid=7, addresses=["192.0.2.10", "fe80::10"], priority=150, preempt=False)
        assert_type(both, tuple[ElectionConfig, ElectionConfig])
        assert_type(await node.add_dual_stack("eth0", both), RouterGroup)
        assert_type(node.groups, tuple[RouterGroup, ...])
        group.start()
        await operate(member, group)
        lone.step_down()


# A group is a machine, too.
pair = SyncGroup({"inside": Election(plain), "outside": Election(plain)})
pure: Machine[MemberEvent | Startup | GroupReconfigured, MemberAction | GroupChanged] = pair
assert_type(pair.members, Mapping[str, Election])
assert_type(pair.causes, Mapping[str, frozenset[str]])


def perform_for(done: MemberAction | GroupChanged) -> str:
    match done:
        case MemberAction(name, action):
            return f"{name}: {action}"
        case GroupChanged(reason=reason):
            return reason
        case unreachable:
            assert_never(unreachable)


# What a user gets wrong is an error of the type checker; an ignore that is not needed would be one, too.
ElectionConfig(vrid="51", addresses=["192.0.2.10"])  # type: ignore[arg-type] # a number
ElectionConfig(vrid=51, addresses=[10])  # type: ignore[list-item] # text or an address
ElectionConfig(vrid=51)  # type: ignore[call-arg] # addresses are needed
plain.priority = 7  # type: ignore[misc] # frozen
Startup().x = 1  # type: ignore[attr-defined] # and slotted
FaultRaised("link:eth0").cause = "other"  # type: ignore[misc] # frozen for the type checker
election.handle("startup", 0.0)  # type: ignore[arg-type] # events are values, not words
Advertisement(51, 100)  # type: ignore[call-arg] # by name only
ElectionConfig(51, ["192.0.2.10"])  # type: ignore[call-arg] # by name only
Election(plain, None, Initialize())  # type: ignore[call-arg] # every election begins at the beginning
StateChanged(State.BACKUP, State.ACTIVE, Reason.OWNER, 0.0, 255)  # type: ignore[call-arg] # by name only
decode(b"")  # type: ignore[arg-type] # a checksum needs the addresses
Tracker("haproxy", weight="2")  # type: ignore[arg-type] # a number
Tracker("haproxy", 2)  # type: ignore[call-arg] # by name only
maintenance.report("down")  # type: ignore[arg-type] # True, False, a level or None
ScriptTracker("haproxy", "pgrep -x haproxy")  # type: ignore[arg-type] # a command
CallableChecker(weigh)  # type: ignore[arg-type] # a coroutine function
Schedule(2)  # type: ignore[call-arg] # by name only
schedule.interval = 1  # type: ignore[misc] # frozen
dual_stack(vrid=7, addresses=["192.0.2.10", "fe80::10"], preempts=False)  # type: ignore[call-arg] # a misspelt setting
ScriptNotifier(notify="/etc/ha/notify.sh")  # type: ignore[arg-type] # a command
ScriptNotifier(notify_active=command)  # type: ignore[call-arg] # keepalived's words
not_one: Notifier = maintenance  # type: ignore[assignment] # it cannot be told
Notice("web", "MASTER")  # type: ignore[arg-type] # news are values, not words
