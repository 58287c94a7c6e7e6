"""Whatever happens: the pool does what the rules say, and the kernel has what the pool wants."""

from typing import Any

from attrs import evolve
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.pool.helpers import HTTP, HTTPS, SORRY, TICK, WEB, Lab, address
from tests.pool.model import Model, port_of
from vrrpkit.ipvs import RealServer, VirtualService
from vrrpkit.pool import (
    CheckChanged,
    ChecksReplaced,
    ConnectionsCounted,
    CountConnections,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    Member,
    MemberAdded,
    MemberMoved,
    MemberRemoved,
    MemberReplaced,
    PoolConfig,
    PoolReconfigured,
    PoolStarted,
    QuorumMoved,
    Restored,
    Withdrawn,
)

SERVICES = [[WEB], [WEB, VirtualService(HTTPS)], [VirtualService(HTTPS, scheduler="rr")]]
VERDICTS = st.sampled_from([True, True, False, False, None])
WISHES = st.sampled_from([None, None, None, 0, 1, 5, 65535])
CHECKS = st.sampled_from([["x"], ["x"], ["x", "y"], []])
MAYBE = st.none() | st.booleans()
PORTS = {"a": 80, "b": 80, "c": 80, "d": 80, "e": None}


@st.composite
def configs(draw: Any) -> PoolConfig:
    quorum = draw(st.integers(1, 4))
    return PoolConfig(
        services=draw(st.sampled_from(SERVICES)),
        quorum=quorum,
        hysteresis=draw(st.integers(0, quorum - 1)),
        sorry_server=draw(st.sampled_from([None, SORRY, evolve(SORRY, weight=3)])),
        sorry_inhibit=draw(st.booleans()),
        inhibit=draw(st.sampled_from([False, False, True])),
        trust_unchecked=draw(st.booleans()),
        slow_start=draw(st.sampled_from([0.0, 5.0, 10.0])),
        minimum_share=draw(st.sampled_from([0.0, 0.0, 0.3, 0.5, 1.0])),
    )


def members(name: str) -> st.SearchStrategy[Member]:
    weights, needs = st.sampled_from([1, 1, 2, 3, 0]), st.sampled_from([None, None, 1])
    return st.builds(
        Member,
        st.just(address(name)),
        st.just(PORTS[name]),
        name=st.just(name),
        weight=weights,
        inhibit=MAYBE,
        needed=needs,
    )


class AnyPool(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab(PoolConfig(services=WEB))
        self.model = Model(self.lab.pool.config)
        self.now = 0.0

    def feed(self, event: Event) -> None:
        before = self.model.conditions
        said = self.model.take(event, self.now)
        actions = self.lab.do(event, self.now)
        pool, after = self.lab.pool, self.model.conditions
        if isinstance(event, MemberRemoved):
            before.setdefault(event.member, after.get(event.member, "gone"))
        changed = {
            (name, before.get(name), after.get(name))
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        }
        news = [action for action in actions if isinstance(action, MemberMoved)]
        assert len(news) == len(changed)
        assert {(each.member, each.old, each.new) for each in news} == changed
        assert [each.held for each in actions if isinstance(each, QuorumMoved)] == ([] if said is None else [said])
        asked = [each.member for each in actions if isinstance(each, CountConnections)]
        assert sorted(asked) == sorted(self.model.asked)
        assert {key: set(service.servers) for key, service in pool.desired.items()} == self.model.table
        assert (pool.quorum_held, pool.live_weight) == (self.model.held, self.model.live_weight)
        assert (pool.sorry_serves, pool.deadline) == (self.model.sorry, self.model.deadline)
        assert {name: str(status.condition) for name, status in pool.members.items()} == after
        weights = {name: status.weight for name, status in pool.members.items() if status.weight is not None}
        assert weights == self.model.shown

    @initialize(config=configs(), data=st.data())
    def begin(self, config: PoolConfig, data: st.DataObject) -> None:
        self.lab, self.model = Lab(config), Model(config)
        for name in "abcd":
            self.feed(MemberAdded(data.draw(members(name)), ["x"]))
        if data.draw(st.booleans()):
            self.feed(PoolStarted({}))
            for name in "abcd":
                self.feed(CheckChanged(name, "x", True))

    @rule(name=st.sampled_from("abcde"), check=st.sampled_from("xxxy"), up=VERDICTS, weight=WISHES)
    def check(self, name: str, check: str, up: bool | None, weight: int | None) -> None:
        if name in self.model.known and check in self.model.known[name].checks:
            self.feed(CheckChanged(name, check, up, weight))

    @rule(name=st.sampled_from("abcd"), up=st.booleans())
    def first_check(self, name: str, up: bool) -> None:
        self.check(name, "x", up, None)

    @rule(name=st.sampled_from("abcde"), data=st.data(), checks=CHECKS)
    def add_or_replace(self, name: str, data: st.DataObject, checks: list[str]) -> None:
        member = data.draw(members(name))
        known = self.model.known.get(name)
        assume((member.needed or 0) <= len(checks if known is None else known.checks))
        self.feed(MemberAdded(member, checks) if known is None else MemberReplaced(member))

    @rule(name=st.sampled_from("abcde"), checks=CHECKS)
    def replace_checks(self, name: str, checks: list[str]) -> None:
        if name in self.model.known and (self.model.known[name].member.needed or 0) <= len(checks):
            self.feed(ChecksReplaced(name, checks))

    @rule(name=st.sampled_from("abcde"))
    def remove(self, name: str) -> None:
        if name in self.model.known:
            self.feed(MemberRemoved(name))

    @rule(name=st.sampled_from("abcde"), limit=st.sampled_from([None, 0, 0.5, 3.0]), remove=st.booleans())
    def drain(self, name: str, limit: float | None, remove: bool) -> None:
        if name in self.model.known:
            self.feed(DrainBegan(name, limit, remove))

    @rule(name=st.sampled_from("abcde"), total=st.sampled_from([0, 0, 5]))
    def count(self, name: str, total: int) -> None:
        self.feed(ConnectionsCounted(name, total))

    @rule(name=st.sampled_from("abcde"), began=st.booleans())
    def maintain(self, name: str, began: bool) -> None:
        if name in self.model.known:
            self.feed(MaintenanceBegan(name) if began else MaintenanceEnded(name))

    @rule(config=configs())
    def reconfigure(self, config: PoolConfig) -> None:
        self.feed(PoolReconfigured(config))

    @rule(withdrawn=st.booleans())
    def withdraw(self, withdrawn: bool) -> None:
        self.feed(Withdrawn() if withdrawn else Restored())

    @rule(data=st.data(), keys=st.sampled_from([[], [HTTP], [HTTP, HTTPS]]))
    def start(self, data: st.DataObject, keys: list[Any]) -> None:
        """Only once: the table that is read again later is not the desired one, which the others must see."""
        if self.model.started:
            return
        strangers = [(address("i"), 80)]
        table = {}
        for key in keys:
            places = [(address(name), port or port_of(key)) for name, port in PORTS.items()] + strangers
            chosen = data.draw(st.dictionaries(st.sampled_from(places), st.sampled_from([0, 1, 3]), max_size=5))
            servers = [RealServer(*place, weight=weight) for place, weight in chosen.items()]
            table[key] = VirtualService(key, servers=servers)
        self.lab.kernel.table = {key: service for key, service in table.items() if key in self.model.config.keys}
        self.feed(PoolStarted(table))

    @rule(steps=st.integers(1, 20))
    def wait(self, steps: int) -> None:
        self.now += steps / 4
        self.feed(TICK)

    @rule()
    def tick(self) -> None:
        deadline = self.lab.pool.deadline
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.feed(TICK)

    @rule()
    def tick_too_early(self) -> None:
        deadline = self.lab.pool.deadline
        if deadline is None or deadline > self.now:
            self.feed(TICK)


TestAnyPool = AnyPool.TestCase
TestAnyPool.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
