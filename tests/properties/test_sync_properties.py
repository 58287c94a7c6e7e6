"""What holds for a sync group whatever happens to it and its members, in whatever order."""

from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.requirements import in_ci
from vrrpkit.addresses import Family, IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    AdvertReceived,
    AnnounceAddresses,
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
    PrimaryAddressChanged,
    PriorityChanged,
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
)
from vrrpkit.packet import Advertisement, Version
from vrrpkit.sync import GroupChanged, GroupEvent, GroupReconfigured, MemberAction, MemberEvent, SyncGroup, freeing

MOMENT = 1e-9
NAMES = ["a", "b", "c", "d"]
CAUSES = ["link:eth0", "track:haproxy", "operator"]
KINDS = {"a": (Family.IPV4, Version.V3), "b": (Family.IPV4, Version.V3), "c": (Family.IPV6, Version.V3)}
OWN: dict[Family, IPAddress] = {Family.IPV4: IPv4Address("192.0.2.9"), Family.IPV6: IPv6Address("fe80::9")}
PEERS: dict[Family, list[IPAddress]] = {
    Family.IPV4: [IPv4Address("192.0.2.8"), IPv4Address("192.0.2.10")],
    Family.IPV6: [IPv6Address("fe80::8"), IPv6Address("fe80::10")],
}
VIPS: dict[Family, list[IPAddress]] = {
    Family.IPV4: [IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")],
    Family.IPV6: [IPv6Address("fe80::1"), IPv6Address("fe80::2")],
}

Shared: TypeAlias = Startup | Shutdown | TimerFired | SteppedDown | Suspended | Resumed | PriorityChanged

members = st.sampled_from(NAMES)
causes = st.sampled_from(CAUSES)
priorities = st.integers(1, 255) | st.sampled_from([99, 100, 100, 101, 255, 255])


@st.composite
def configs(draw: st.DrawFn, name: str, priority: int, startup_delay: float) -> ElectionConfig:
    family, version = KINDS.get(name, (Family.IPV4, Version.V2))
    return ElectionConfig(
        vrid=NAMES.index(name) + 1,
        addresses=draw(st.lists(st.sampled_from(VIPS[family]), min_size=1, unique=True)),
        priority=priority,
        version=version,
        advert_interval=draw(st.sampled_from([1.0, 1.0, 2.0] if version is Version.V2 else [1.0, 1.0, 0.1, 3.0])),
        preempt=draw(st.booleans()),
        preempt_delay=draw(st.sampled_from([0.0, 0.0, 2.5])),
        startup_delay=startup_delay,
    )


class SyncGroupMachine(RuleBasedStateMachine):
    """Any events at any times, with a model of the causes of fault, and of what the actions did to the world."""

    group: SyncGroup

    @initialize(
        data=st.data(),
        names=st.lists(members, unique=True),
        priority=priorities,
        startup_delay=st.sampled_from([0.0, 0.0, 5.0]),
        start=st.sampled_from([True, True, False]),
    )
    def build(self, data: st.DataObject, names: list[str], priority: int, startup_delay: float, start: bool) -> None:
        self.now = 0.0
        self.started = False
        self.priority = priority
        self.startup_delay = startup_delay
        self.common: set[str] = set()
        self.direct: dict[str, set[str]] = {name: set() for name in names}
        self.held: dict[str, set[IPAddress]] = {name: set() for name in NAMES}
        self.outside = {name: self.election(data, name) for name in NAMES}
        for name in names:
            for cause in data.draw(st.lists(causes, max_size=1)):
                self.outside[name].handle(FaultRaised(cause), 0.0)
                self.direct[name].add(cause)
        self.group = SyncGroup({name: self.outside.pop(name) for name in names})
        if start:
            self.start()

    def election(self, data: st.DataObject, name: str) -> Election:
        config = data.draw(configs(name, self.priority, self.startup_delay))
        return Election(config, OWN[config.family])

    # Time ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 0.25, 1.0, 3.0, 10.0, 200.0]))
    def time_passes_unnoticed(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def time_passes_until_the_deadline(self) -> None:
        """A tick that is due does something and is due no longer, so no driver spins."""
        if self.group.deadline is None:
            return
        self.now = max(self.now, self.group.deadline)
        before = self.group.state
        assert self.handle(TimerFired()) != ()
        assert self.group.deadline > self.now
        assert before is not State.BACKUP or self.group.state is State.ACTIVE

    @rule(name=st.none() | members)
    def tick(self, name: str | None) -> None:
        deadline = self.group.deadline
        actions = self.handle_any(TimerFired(), name)
        assert (actions == ()) is (deadline is None or self.now < deadline)

    # The network ---------------------------------------------------------------------------------

    @rule(data=st.data(), name=members, priority=st.sampled_from([0, 1, 99, 100, 100, 101, 255]), high=st.booleans())
    def hear(self, data: st.DataObject, name: str, priority: int, high: bool) -> None:
        if name not in self.direct:
            return
        config = self.group.members[name].config
        interval = config.advert_interval if config.version is Version.V2 else data.draw(st.sampled_from([0.1, 1.0]))
        equal = data.draw(st.booleans()) and priority
        advert = Advertisement(
            vrid=config.vrid,
            priority=self.group.members[name].priority if equal else priority,
            interval=interval,
            addresses=config.addresses,
            version=config.version,
        )
        before = self.group.state
        actions = self.handle_one(AdvertReceived(advert, PEERS[config.family][high]), name)
        assert before is State.ACTIVE or actions == ()

    # Faults --------------------------------------------------------------------------------------

    @rule(name=members, cause=causes)
    def raise_fault(self, name: str, cause: str) -> None:
        if name in self.direct:
            self.direct[name].add(cause)
            self.handle_one(FaultRaised(cause), name)

    @rule(name=members, cause=causes)
    def clear_fault(self, name: str, cause: str) -> None:
        """What was raised for all is cleared for all, and not for one."""
        if name in self.direct:
            self.direct[name] -= {cause} - self.common
            self.handle_one(FaultCleared(cause), name)

    @rule()
    def clear_every_fault(self) -> None:
        for cause in CAUSES:
            self.clear_fault_of_all(cause)

    @rule(cause=causes)
    def raise_fault_of_all(self, cause: str) -> None:
        self.raise_in_model(cause)
        self.handle(FaultRaised(cause))

    @rule(cause=causes)
    def clear_fault_of_all(self, cause: str) -> None:
        self.clear_in_model(cause)
        self.handle(FaultCleared(cause))

    def raise_in_model(self, cause: str) -> None:
        self.common.add(cause)
        for direct in self.direct.values():
            direct.add(cause)

    def clear_in_model(self, cause: str) -> None:
        self.common.discard(cause)
        for direct in self.direct.values():
            direct.discard(cause)

    # The operator --------------------------------------------------------------------------------

    @rule(name=st.none() | members)
    def start(self, name: str | None = None) -> None:
        self.started = True
        self.handle_any(Startup(), name)

    @rule(name=st.none() | members, deleted=st.booleans())
    def shut_down(self, name: str | None, deleted: bool) -> None:
        self.started = False
        self.handle_any(Shutdown(deleted=deleted), name)

    @rule(name=st.none() | members)
    def step_down(self, name: str | None) -> None:
        self.handle_any(SteppedDown(), name)
        assert self.group.state is not State.ACTIVE

    @rule(name=st.none() | members)
    def suspend(self, name: str | None) -> None:
        self.raise_in_model("operator")
        self.handle_any(Suspended(), name)

    @rule(name=st.none() | members)
    def resume(self, name: str | None) -> None:
        self.clear_in_model("operator")
        self.handle_any(Resumed(), name)

    @rule(name=st.none() | members, priority=st.integers(1, 254))
    def change_priority(self, name: str | None, priority: int) -> None:
        assert self.handle_any(PriorityChanged(priority), name) == ()

    @rule(priority=priorities, effective=st.none() | st.integers(1, 254))
    def reconfigure(self, priority: int, effective: int | None) -> None:
        before = self.group.priority
        self.handle(GroupReconfigured(priority, effective))
        kept = before if priority == self.priority else priority
        self.priority = priority
        if self.direct:
            assert self.group.priority == (255 if priority == 255 else effective or kept)

    @rule(data=st.data(), name=members, priority=st.none() | st.integers(1, 254))
    def reconfigure_one(self, data: st.DataObject, name: str, priority: int | None) -> None:
        if name in self.direct:
            config = data.draw(configs(name, self.priority, self.startup_delay))
            self.handle_one(Reconfigured(config, priority), name)
            assert self.group.members[name].config is config

    @rule(name=members, high=st.booleans())
    def change_primary_address(self, name: str, high: bool) -> None:
        if name in self.direct:
            address = PEERS[KINDS.get(name, (Family.IPV4, Version.V2))[0]][high]
            assert self.handle_one(PrimaryAddressChanged(address), name) == ()

    # Coming and going ----------------------------------------------------------------------------

    @rule(data=st.data(), name=members, fresh=st.booleans())
    def add(self, data: st.DataObject, name: str, fresh: bool) -> None:
        if name in self.direct:
            return
        election = self.election(data, name) if fresh else self.outside[name]
        config = evolve(election.config, priority=self.priority, startup_delay=self.startup_delay)
        self.outside_does(name, election, Reconfigured(config))
        known = {cause for cause in election.causes if not cause.startswith("sync:")}
        if fresh:
            self.held[name] = set()
        before = self.group.state
        effective = self.group.priority if self.direct else election.priority
        self.direct[name] = known | self.common
        self.told(before, self.group.add(name, election, self.now), joined=name)
        assert self.group.priority == effective
        del self.outside[name]

    @rule(name=members)
    def remove(self, name: str) -> None:
        if name not in self.direct:
            return
        before = self.group.state
        del self.direct[name]
        election = self.group.members[name]
        left_in = (election.phase, election.causes, election.priority)
        self.told(before, self.group.remove(name, self.now))
        assert (election.phase, election.causes, election.priority) == left_in
        self.outside[name] = election

    @rule(name=members, event=st.sampled_from([Startup(), Shutdown(), SteppedDown(), FaultRaised("link:eth0")]))
    def former_member_goes_on(self, name: str, event: Event) -> None:
        if name in self.outside:
            self.outside_does(name, self.outside[name], event)

    @rule(name=members)
    def former_member_is_free_and_hears_nobody(self, name: str) -> None:
        if name not in self.outside:
            return
        election = self.outside[name]
        for event in freeing(election):
            self.outside_does(name, election, event)
        assert election.state is not State.FAULT or election.causes <= set(CAUSES)
        self.outside_does(name, election, TimerFired())

    def outside_does(self, name: str, election: Election, event: Event) -> None:
        for action in election.handle(event, self.now):
            self.perform(MemberAction(name, action))

    # Every event ---------------------------------------------------------------------------------

    def handle_any(self, event: Shared, name: str | None) -> tuple[MemberAction | GroupChanged, ...]:
        """What concerns everybody, said to one of them or to all."""
        return self.handle(event if name not in self.direct else MemberEvent(name, event))

    def handle_one(self, event: Event, name: str) -> tuple[MemberAction | GroupChanged, ...]:
        return self.handle(MemberEvent(name, event))

    def handle(self, event: MemberEvent | GroupEvent) -> tuple[MemberAction | GroupChanged, ...]:
        before = self.group.state
        actions = self.group.handle(event, self.now)
        self.told(before, actions)
        return actions

    def told(
        self, before: State, actions: tuple[MemberAction | GroupChanged, ...], *, joined: str | None = None
    ) -> None:
        for action in actions:
            if isinstance(action, MemberAction):
                self.perform(action)
        self.check_order(actions)
        self.check_words(before, [each for each in actions if isinstance(each, MemberAction)], joined)
        news = [(each.old, each.new, each.at) for each in actions if isinstance(each, GroupChanged)]
        assert news == ([] if self.group.state is before else [(before, self.group.state, self.now)])

    def check_order(self, actions: tuple[MemberAction | GroupChanged, ...]) -> None:
        """Nothing stands between a decision and the wire, and the news comes when everything is said."""
        places = list(self.group.members)
        ranks = [
            (2, 0)
            if isinstance(each, GroupChanged)
            else (0 if isinstance(each.action, SendAdvertisement) else 1, places.index(each.member))
            for each in actions
        ]
        assert ranks == sorted(ranks)

    def check_words(self, before: State, actions: list[MemberAction], joined: str | None) -> None:
        """Who says it is Active stays so; who resigns was Active; and whoever begins or ends to be says so."""
        said = [
            (each.member, each.action.advert.priority) for each in actions if isinstance(each.action, SendAdvertisement)
        ]
        names = [name for name, _priority in said]
        assert len(names) == len(set(names))
        after = self.group.state
        for name, priority in said:
            if priority:
                assert (after, priority) == (State.ACTIVE, self.group.priority)
            else:
                assert after is not State.ACTIVE
                assert before is State.ACTIVE or name == joined
        if after is State.ACTIVE and before is not State.ACTIVE:
            assert set(names) | {joined} >= set(self.direct)

    def perform(self, done: MemberAction) -> None:
        """The world as the actions make it."""
        held = self.held[done.member]
        match done.action:
            case AcquireAddresses(addresses):
                assert held.isdisjoint(addresses)
                held |= set(addresses)
            case ReleaseAddresses(addresses):
                assert held >= set(addresses)
                held -= set(addresses)
            case AnnounceAddresses(addresses):
                assert held >= set(addresses)
            case SendAdvertisement() | StateChanged():
                pass

    # Always --------------------------------------------------------------------------------------

    @invariant()
    def members_are_those_that_were_put_there(self) -> None:
        assert set(self.group.members) == set(self.direct)

    @invariant()
    def all_members_are_in_one_state(self) -> None:
        states = {election.state for election in self.group.members.values()}
        assert states == ({self.group.state} if self.direct else set())

    @invariant()
    def all_members_have_one_priority(self) -> None:
        assert {election.priority for election in self.group.members.values()} <= {self.group.priority}
        assert {election.config.priority for election in self.group.members.values()} <= {self.priority}

    @invariant()
    def group_is_in_fault_while_anybody_has_a_cause_of_its_own(self) -> None:
        faulty = any(self.direct.values())
        assert (self.group.state is State.FAULT) is (self.started and faulty)
        assert (self.group.state is State.INITIALIZE) is (not self.started or not self.direct)

    @invariant()
    def every_member_is_held_by_those_in_fault_and_nobody_else(self) -> None:
        holders = {name for name, direct in self.direct.items() if direct - self.common}
        for name, election in self.group.members.items():
            assert election.causes == self.direct[name] | {f"sync:{holder}" for holder in holders - {name}}
        assert self.group.causes == {name: direct for name, direct in self.direct.items() if direct}

    @invariant()
    def addresses_are_held_while_active_and_only_then(self) -> None:
        for name, election in self.group.members.items():
            assert self.held[name] == (
                set(election.config.all_addresses) if self.group.state is State.ACTIVE else set()
            )

    @invariant()
    def every_active_member_advertises_within_its_interval(self) -> None:
        if self.group.state is not State.ACTIVE:
            return
        for election in self.group.members.values():
            assert election.deadline is not None
            assert election.deadline <= self.now + election.config.advert_interval + MOMENT
            assert self.group.deadline is not None
            assert self.group.deadline <= election.deadline

    @invariant()
    def backups_wait_for_the_last_of_them_and_less_than_one_interval_more(self) -> None:
        if self.group.state is State.BACKUP:
            last = max(election.deadline or 0.0 for election in self.group.members.values())
            assert self.group.deadline is not None
            assert last <= self.group.deadline

    @invariant()
    def group_that_takes_no_part_waits_for_nothing(self) -> None:
        idle = self.group.state in {State.INITIALIZE, State.FAULT}
        assert (self.group.deadline is None) is idle


TestSyncGroup = SyncGroupMachine.TestCase
TestSyncGroup.settings = settings(max_examples=400 if in_ci() else 150, stateful_step_count=40, deadline=None)
