"""Pools in the words of a test: members a, b, c and so on are 10.1.0.1, 10.1.0.2, ..., each with one check, ping."""

from collections.abc import Collection, Mapping
from typing import TypedDict, Unpack

from vrrpkit.ipvs import AddServer, Endpoint, Operation, RealServer, RemoveServer, ServiceKey, SetServer, VirtualService
from vrrpkit.pool import (
    Action,
    Apply,
    CheckChanged,
    Condition,
    Event,
    Member,
    MemberAdded,
    MemberMoved,
    Pool,
    PoolConfig,
    PoolStarted,
    PoolTick,
    QuorumMoved,
)
from vrrpkit.testing import FakeServices

HTTP = Endpoint("tcp", "192.0.2.10", 80)
HTTPS = Endpoint("tcp", "192.0.2.10", 443)
WEB = VirtualService(HTTP)
SORRY = Member("10.1.0.99", 80, name="sorry")
TICK = PoolTick()


def member(name: str, weight: int = 1, *, inhibit: bool | None = None, needed: int | None = None) -> Member:
    return Member(address(name), 80, name=name, weight=weight, inhibit=inhibit, needed=needed)


def address(name: str) -> str:
    return "10.1.0.99" if name == "sorry" else f"10.1.0.{ord(name) - ord('a') + 1}"


def server(name: str, weight: int = 1) -> RealServer:
    return RealServer(address(name), 80, weight=weight)


def add(name: str, weight: int = 1, key: ServiceKey = HTTP) -> Operation:
    return AddServer(key, server(name, weight))


def set_to(name: str, weight: int, key: ServiceKey = HTTP) -> Operation:
    return SetServer(key, server(name, weight))


def remove(name: str, weight: int = 1, key: ServiceKey = HTTP) -> Operation:
    return RemoveServer(key, server(name, weight))


def apply(*operations: Operation) -> Apply:
    return Apply(operations)


def moved(name: str, old: str | None, new: str | None, why: str) -> MemberMoved:
    before, after = (None if each is None else Condition(each) for each in (old, new))
    return MemberMoved(member=name, old=before, new=after, why=why)


def held(live_weight: int, quorum: int = 1, hysteresis: int = 0) -> QuorumMoved:
    return QuorumMoved(held=True, live_weight=live_weight, quorum=quorum, hysteresis=hysteresis)


def lost(live_weight: int, quorum: int = 1, hysteresis: int = 0) -> QuorumMoved:
    return QuorumMoved(held=False, live_weight=live_weight, quorum=quorum, hysteresis=hysteresis)


def up(name: str, weight: int | None = None, check: str = "ping") -> CheckChanged:
    return CheckChanged(name, check, True, weight)


def down(name: str, check: str = "ping") -> CheckChanged:
    return CheckChanged(name, check, False)


def unknown(name: str, check: str = "ping") -> CheckChanged:
    return CheckChanged(name, check, None)


class Lab:
    """A pool, and a kernel that does what it is told, and refuses what makes no sense."""

    def __init__(self, config: PoolConfig) -> None:
        self.pool = Pool(config)
        self.kernel = FakeServices()
        self.now = 0.0

    def do(self, event: Event, at: float | None = None) -> tuple[Action, ...]:
        """Feed one event; the kernel's table must be the desired one then, and nobody left without need on the way."""
        self.now = self.now if at is None else at
        before = served(self.kernel)
        actions = self.pool.handle(event, self.now)
        stages = [before]
        for action in actions:
            assert not isinstance(action, Apply) or action.operations
            for operation in action.operations if isinstance(action, Apply) else ():
                known = self.kernel.table
                assert self.kernel.carry_out(operation) == 0, operation
                assert self.kernel.table != known, operation
                stages.append(served(self.kernel))
        assert self.kernel.table == self.pool.desired
        for key in stages[0] & stages[-1]:
            assert all(key in stage for stage in stages), actions
        if isinstance(event, PoolTick):
            assert self.pool.deadline is None or self.pool.deadline > self.now
        return actions

    def tick(self) -> tuple[Action, ...]:
        """Let the deadline come."""
        assert self.pool.deadline is not None
        return self.do(TICK, self.pool.deadline)

    @property
    def weights(self) -> dict[str, int]:
        """Who is in the kernel's table, with which weight."""
        (service,) = self.kernel.table.values()
        names = {address(name): name for name in (*"abcdefghij", "sorry")}
        return {names[str(each.address)]: each.weight for each in service.servers}

    def explained(self, name: str) -> str:
        return self.pool.members[name].explanation


def served(kernel: FakeServices) -> set[ServiceKey]:
    """The services that have somebody for new connections."""
    return {key for key, service in kernel.table.items() if any(each.weight for each in service.servers)}


class Settings(TypedDict, total=False):
    quorum: int
    hysteresis: int
    sorry_inhibit: bool
    inhibit: bool
    trust_unchecked: bool
    slow_start: float
    minimum_share: float


def lab(
    names: str = "",
    *,
    weights: Mapping[str, int] | None = None,
    services: Collection[VirtualService] = (WEB,),
    sorry: bool = False,
    started: bool = True,
    **settings: Unpack[Settings],
) -> Lab:
    """A pool that has started, and whose members have one check each, all of them up."""
    config = PoolConfig(services=services, sorry_server=SORRY if sorry else None, **settings)
    made = Lab(config)
    for name in names:
        made.do(MemberAdded(member(name, (weights or {}).get(name, 1)), ["ping"]))
    if started:
        made.do(PoolStarted({}))
        for name in names:
            made.do(up(name))
    return made
