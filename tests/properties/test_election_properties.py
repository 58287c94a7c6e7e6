"""What holds for an election whatever happens to it, in whatever order."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.requirements import in_ci
from vrrpkit.addresses import Family, IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Backup,
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
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
    screen,
)
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Version

MOMENT = 1e-9
V4 = [IPv4Address("192.0.2.1") + number for number in range(4)]
V6 = [IPv6Address("fe80::1") + number for number in range(4)]
OUTSIDE: list[IPAddress] = [IPv4Address("198.51.100.1"), IPv6Address("2001:db8::1")]
ROUTERS: dict[Family, list[IPAddress]] = {
    Family.IPV4: [IPv4Address("192.0.2.8") + number for number in range(3)],
    Family.IPV6: [IPv6Address("fe80::8") + number for number in range(3)],
}
CAUSES = ["link:eth0", "track:haproxy", "operator"]
RESIGNATIONS = {Reason.SHUTDOWN, Reason.FAULT, Reason.STEPPED_DOWN}


@st.composite
def configs(draw: st.DrawFn, family: Family, *, vrid: int = 1) -> ElectionConfig:
    version = draw(st.sampled_from(Version)) if family is Family.IPV4 else Version.V3
    pool: list[IPAddress] = [*V4] if family is Family.IPV4 else [*V6]
    whole = st.integers(1, 5).map(float)
    return ElectionConfig(
        vrid=vrid,
        addresses=draw(st.lists(st.sampled_from(pool), min_size=1, unique=True)),
        unadvertised=draw(st.lists(st.sampled_from(OUTSIDE), unique=True)),
        priority=draw(st.integers(1, 255) | st.sampled_from([99, 100, 101, 255])),
        version=version,
        advert_interval=draw(whole if version is Version.V2 else whole | st.sampled_from([0.01, 0.3, 40.95])),
        preempt=draw(st.booleans()),
        preempt_delay=draw(st.sampled_from([0.0, 0.0, 2.5, 60.0])),
        down_timer_adverts=draw(st.sampled_from([3, 3, 1, 10])),
        startup_delay=draw(st.sampled_from([0.0, 0.0, 5.0])),
        higher_prio_send_advert=draw(st.booleans()),
        lower_prio_no_advert=draw(st.sampled_from([None, True, False])),
    )


@st.composite
def adverts(draw: st.DrawFn, config: ElectionConfig) -> Advertisement:
    """Mostly acceptable ones."""
    version = draw(st.sampled_from([config.version] * 3 + [Version.V3]))
    centiseconds = draw(st.sampled_from([1, 10, 100, 300, 4095]))
    interval = config.advert_interval if version is Version.V2 else centiseconds / 100
    return Advertisement(
        vrid=draw(st.sampled_from([1, 1, 1, 2])),
        priority=draw(st.integers(0, 255) | st.sampled_from([0, 99, 100, 101, 255])),
        interval=interval,
        addresses=config.addresses if draw(st.booleans()) else config.addresses[:1],
        version=version,
    )


class ElectionMachine(RuleBasedStateMachine):
    """Any events at any times, with a model of what the actions have done to the world."""

    election: Election

    @initialize(data=st.data(), family=st.sampled_from(Family), start=st.sampled_from([True, True, False]))
    def build(self, data: st.DataObject, family: Family, start: bool) -> None:
        self.family = family
        self.routers = ROUTERS[family]
        self.now = 0.0
        self.started = False
        self.causes: set[str] = set()
        self.held: set[IPAddress] = set()
        self.answered_at: float | None = None
        self.election = Election(data.draw(configs(family)), self.routers[1])
        if start:
            self.start()

    # Time ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 0.25, 1.0, 3.0, 10.0, 200.0]))
    def time_passes_unnoticed(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def time_passes_until_the_deadline(self) -> None:
        """A tick that is due does something and is due no longer, so no driver spins."""
        if self.election.deadline is None:
            return
        self.now = max(self.now, self.election.deadline)
        assert self.handle(TimerFired()) != ()
        assert self.election.deadline > self.now

    @rule()
    def tick(self) -> None:
        before = self.election.phase
        early = before.deadline is None or self.now < before.deadline
        actions = self.handle(TimerFired())
        if early:
            assert (actions, self.election.phase) == ((), before)

    # The network ---------------------------------------------------------------------------------

    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        advert = data.draw(adverts(self.election.config))
        if screen(advert, self.election.config) is not None:
            return
        before = self.election.state
        actions = self.handle(AdvertReceived(advert, data.draw(st.sampled_from(self.routers))))
        if before is not State.ACTIVE:
            assert actions == ()
        elif self.election.state is State.ACTIVE:
            self.count_answer(actions)

    def count_answer(self, actions: tuple[Action, ...]) -> None:
        """At most four in one interval."""
        if not any(isinstance(action, SendAdvertisement) for action in actions):
            return
        gap = self.election.config.advert_interval / 4
        assert self.answered_at is None or self.now - self.answered_at >= gap - MOMENT
        self.answered_at = self.now

    # The operator and the machine it runs on -----------------------------------------------------

    @rule()
    def start(self) -> None:
        self.started = True
        self.handle(Startup())

    @rule()
    def shut_down(self) -> None:
        self.started = False
        self.handle(Shutdown())

    @rule(cause=st.sampled_from(CAUSES))
    def raise_fault(self, cause: str) -> None:
        self.causes.add(cause)
        self.handle(FaultRaised(cause))

    @rule(cause=st.sampled_from(CAUSES))
    def clear_fault(self, cause: str) -> None:
        self.causes.discard(cause)
        self.handle(FaultCleared(cause))

    @rule()
    def step_down(self) -> None:
        self.handle(SteppedDown())
        assert self.election.state is not State.ACTIVE

    @rule()
    def suspend(self) -> None:
        self.causes.add("operator")
        self.handle(Suspended())

    @rule()
    def resume(self) -> None:
        self.causes.discard("operator")
        self.handle(Resumed())

    @rule(priority=st.integers(1, 254))
    def change_priority(self, priority: int) -> None:
        assert self.handle(PriorityChanged(priority)) == ()

    @rule(data=st.data())
    def change_primary_address(self, data: st.DataObject) -> None:
        assert self.handle(PrimaryAddressChanged(data.draw(st.sampled_from(self.routers)))) == ()

    @rule(data=st.data())
    def reconfigure(self, data: st.DataObject) -> None:
        self.answered_at = None  # its advertisement is not an answer, and the gap begins anew
        config = data.draw(configs(self.family))
        self.handle(Reconfigured(config))
        assert self.election.config is config

    @rule(data=st.data())
    def reconfigure_as_another_virtual_router(self, data: st.DataObject) -> None:
        before = (self.election.config, self.election.phase, self.election.priority)
        try:
            self.election.handle(Reconfigured(data.draw(configs(self.family, vrid=2))), self.now)
        except ConfigError:
            assert (self.election.config, self.election.phase, self.election.priority) == before
        else:
            raise AssertionError

    # Every event ---------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Action, ...]:
        before = self.election.state
        actions = self.election.handle(event, self.now)
        for action in actions:
            self.perform(action)
        self.check_news(before, [action for action in actions if isinstance(action, StateChanged)])
        self.check_resignations(before, actions)
        kinds = [type(action) for action in actions]
        assert kinds == sorted(kinds, key=rank)
        return actions

    def perform(self, action: Action) -> None:
        """The world as the actions make it."""
        match action:
            case SendAdvertisement(advert):
                config = self.election.config
                said = (advert.vrid, advert.addresses, advert.version, advert.interval)
                assert said == (1, config.addresses, config.version, config.advert_interval)
                assert advert.priority in {0, self.election.priority}
            case AcquireAddresses(addresses):
                assert self.held.isdisjoint(addresses)
                self.held |= set(addresses)
            case ReleaseAddresses(addresses):
                assert self.held >= set(addresses)
                self.held -= set(addresses)
            case AnnounceAddresses(addresses):
                assert self.held >= set(addresses)
            case StateChanged():
                pass

    def check_news(self, before: State, changes: list[StateChanged]) -> None:
        """A state changes with exactly one piece of news, which tells the truth."""
        after = self.election.state
        told = [(change.old, change.new, change.at, change.priority) for change in changes]
        if before is after:
            assert told == []
        else:
            assert told == [(before, after, self.now, self.election.priority)]
            assert changes[0].causes == self.election.causes
            assert str(changes[0])
        if after is not State.ACTIVE or before is not State.ACTIVE:
            self.answered_at = None

    def check_resignations(self, before: State, actions: tuple[Action, ...]) -> None:
        """Priority 0 is said once, on the way out, and never where a better one takes over."""
        sent = [action.advert.priority for action in actions if isinstance(action, SendAdvertisement)]
        assert len(sent) <= 1
        reasons = {action.reason for action in actions if isinstance(action, StateChanged)}
        left = before is State.ACTIVE and self.election.state is not State.ACTIVE
        assert (sent == [0]) is (left and bool(reasons & RESIGNATIONS))
        if before is not State.ACTIVE and self.election.state is State.ACTIVE:
            assert sent == [self.election.priority]
            assert isinstance(actions[0], SendAdvertisement)

    # Always --------------------------------------------------------------------------------------

    @invariant()
    def addresses_are_held_while_active_and_only_then(self) -> None:
        config = self.election.config
        expected = set(config.all_addresses) if self.election.state is State.ACTIVE else set()
        assert self.held == expected

    @invariant()
    def next_advertisement_is_due_within_one_interval(self) -> None:
        if self.election.state is State.ACTIVE:
            assert self.election.deadline is not None
            assert self.election.deadline <= self.now + self.election.config.advert_interval + MOMENT

    @invariant()
    def router_that_takes_no_part_waits_for_nothing(self) -> None:
        idle = self.election.state in {State.INITIALIZE, State.FAULT}
        assert (self.election.deadline is None) is idle

    @invariant()
    def fault_has_a_cause_and_a_cause_makes_a_fault(self) -> None:
        assert self.election.causes == self.causes
        assert (self.election.state is State.FAULT) is (self.started and bool(self.causes))
        assert (self.election.state is State.INITIALIZE) is (not self.started)

    @invariant()
    def backup_is_never_due_before_it_is_ready(self) -> None:
        match self.election.phase:
            case Backup(_down_at, active_interval):
                assert active_interval > 0
            case _:
                pass

    @invariant()
    def owners_and_only_owners_have_priority_255(self) -> None:
        assert (self.election.priority == 255) is self.election.config.is_owner


def rank(kind: type[Action]) -> int:
    """Nothing stands between a decision and the wire, and the news comes when everything is said."""
    return {SendAdvertisement: 0, StateChanged: 2}.get(kind, 1)


TestElection = ElectionMachine.TestCase
TestElection.settings = settings(max_examples=400 if in_ci() else 150, stateful_step_count=40, deadline=None)
