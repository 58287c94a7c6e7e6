"""The rules of a pool once more, in the slowest way: all sums and the whole table anew after every event."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from vrrpkit.ipvs import Endpoint, RealServer, ServiceKey, Table
from vrrpkit.pool import (
    CheckChanged,
    ChecksReplaced,
    ConnectionsCounted,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    Member,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    PoolConfig,
    PoolReconfigured,
    PoolStarted,
    PoolTick,
    Restored,
    Withdrawn,
)


@dataclass
class Known:
    member: Member
    checks: dict[str, tuple[bool | None, int | None]]
    verdict: bool | None = None
    order: str = ""
    lingers: bool = False
    remove: bool = False
    count_at: float = 0.0
    ends_at: float | None = None
    found: int | None = None
    failed: int | None = None
    cold: bool = False
    slow: tuple[float, float, int] | None = None  # since when, seconds of a step, tenths

    @property
    def condition(self) -> str:
        return self.order or {None: "unknown", True: "up", False: "down"}[self.verdict]

    @property
    def weight(self) -> int:
        own, total = self.member.weight, self.member.weight
        for up, wish in self.checks.values():
            if wish is not None and up is not False:
                total += wish - own
        return sorted((0, total, 65535))[1]

    def judge(self) -> None:
        needed = self.member.needed or len(self.checks)
        ups = [up for up, _ in self.checks.values()].count(True)
        downs = [up for up, _ in self.checks.values()].count(False)
        if ups >= needed:
            self.verdict = True
        elif len(self.checks) - downs < needed:
            self.verdict, self.cold = False, True


@dataclass
class Model:
    config: PoolConfig
    known: dict[str, Known] = field(default_factory=dict)
    started: bool = False
    withdrawn: bool = False
    held: bool = False
    spoken: bool | None = None
    shown: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def present(self) -> bool:
        return self.started and not self.withdrawn

    @property
    def live(self) -> list[Known]:
        return [each for each in self.known.values() if self.is_live(each)]

    @property
    def live_weight(self) -> int:
        return sum(each.weight for each in self.live)

    @property
    def sorry(self) -> bool:
        return self.started and self.config.sorry_server is not None and not self.held

    @property
    def conditions(self) -> dict[str, str]:
        return {name: each.condition for name, each in self.known.items()}

    @property
    def deadline(self) -> float | None:
        times = [each.slow[0] + each.slow[1] * each.slow[2] for each in self.known.values() if each.slow is not None]
        for each in self.known.values():
            if each.order == "draining":
                times += [each.count_at] if each.ends_at is None else [each.count_at, each.ends_at]
        return min(times, default=None)

    @property
    def table(self) -> dict[ServiceKey, set[RealServer]]:
        if not self.present:
            return {}
        shown = [(self.known[name].member, weight) for name, weight in self.shown.items()]
        if self.config.sorry_server is not None and (self.sorry or self.config.sorry_inhibit):
            shown.append((self.config.sorry_server, self.config.sorry_server.weight if self.sorry else 0))
        return {
            service.key: {
                RealServer(each.address, each.port or port_of(service.key), weight=weight) for each, weight in shown
            }
            for service in self.config.services
        }

    def is_live(self, each: Known) -> bool:
        if each.order or each.verdict is False:
            return False
        return each.verdict or (self.config.trust_unchecked if each.found is None else each.found > 0)

    def take(self, event: Event, now: float) -> bool | None:
        """Take an event; return what is said of the quorum, if anything is."""
        self.asked = []
        match event:
            case PoolTick():
                self.tick(now)
            case PoolStarted(found):
                self.start(found)
            case PoolReconfigured(config):
                self.config = config
            case Withdrawn():
                self.withdrawn = True
                for each in list(self.known.values()) if self.started else ():
                    self.end_drain(each)
                    each.lingers = False
            case Restored():
                self.withdrawn = False
            case MemberAdded(member, checks):
                self.known[member.name] = Known(member, dict.fromkeys(checks, (None, None)))
                self.known[member.name].judge()
            case MemberRemoved(name):
                del self.known[name]
            case ConnectionsCounted(name, total):
                if name in self.known and total == 0:
                    self.end_drain(self.known[name])
            case MemberReplaced() | CheckChanged() | ChecksReplaced():
                self.learn(event)
            case DrainBegan() | MaintenanceBegan() | MaintenanceEnded():
                self.order(event, self.known[event.member], now)
        return self.settle(now)

    def learn(self, event: MemberReplaced | CheckChanged | ChecksReplaced) -> None:
        each = self.known[event.member.name if isinstance(event, MemberReplaced) else event.member]
        match event:
            case MemberReplaced(member):
                each.member = member
            case CheckChanged(_, check, up, weight):
                each.checks[check] = up, weight
            case ChecksReplaced(_, checks):
                each.checks = {check: each.checks.get(check, (None, None)) for check in checks}
        each.judge()

    def tick(self, now: float) -> None:
        for name, each in list(self.known.items()):
            if each.slow is not None:
                since, pause, _ = each.slow
                tenths = 1 + floor((now - since) / pause)
                each.slow = (since, pause, tenths) if tenths < 10 else None
            if each.order == "draining" and each.ends_at is not None and now >= each.ends_at:
                self.end_drain(each)
            elif each.order == "draining" and now >= each.count_at:
                each.count_at = now + 1
                self.asked += [name] if name in self.shown else []

    def order(self, event: DrainBegan | MaintenanceBegan | MaintenanceEnded, each: Known, now: float) -> None:
        each.lingers = each.member.name in self.shown
        match event:
            case MaintenanceEnded():
                each.order = ""
            case MaintenanceBegan():
                each.order = "maintenance"
            case DrainBegan(name, limit, remove):
                each.order, each.remove, each.count_at = "draining", remove, now + 1
                each.ends_at = None if limit is None else now + limit
                if limit == 0 or (self.started and not each.lingers):
                    self.end_drain(each)
                elif each.lingers:
                    self.asked.append(name)

    def end_drain(self, each: Known) -> None:
        if each.order == "draining":
            each.order = "maintenance"
            if each.remove:
                del self.known[each.member.name]

    def start(self, found: Table) -> None:
        if self.started:
            return
        self.started = True
        for name, each in list(self.known.items()):
            weights = [
                server.weight
                for key in (service.key for service in self.config.services)
                for server in (found[key].servers if key in found else ())
                if server.place == (each.member.address, each.member.port or port_of(key)) and self.present
            ]
            if weights:
                self.shown[name] = ([weight for weight in weights if weight] or [0])[0]
                each.lingers = True
                each.found = self.shown[name] if each.verdict is None and not each.order else None
                self.asked += [name] if each.order == "draining" else []
            else:
                self.end_drain(each)

    def settle(self, now: float) -> bool | None:
        said = self.judge_quorum()
        self.begin_slow_starts(now)
        self.shown = self.weigh() if self.present else {}
        return said

    def judge_quorum(self) -> bool | None:
        if not self.started:
            return None
        config, live = self.config, self.live_weight
        if self.held:
            self.held = live > 0 and live >= config.quorum - config.hysteresis
        else:
            self.held = live >= config.quorum + config.hysteresis
        news = self.held is not self.spoken and (
            self.held or self.spoken is not None or config.sorry_server is not None
        )
        self.spoken = self.held if news else self.spoken
        return self.held if news else None

    def begin_slow_starts(self, now: float) -> None:
        for name, each in self.known.items():
            others = [
                other for other in self.known if other != name and self.shown.get(other) and other_is_up(self, other)
            ]
            if each.condition != "up" or not self.present or self.sorry:
                each.slow = None
            elif each.cold and others and not self.shown.get(name) and each.weight and self.config.slow_start:
                each.slow = (now, self.config.slow_start / 10, 1)
            if each.condition == "up":
                each.cold = False

    def weigh(self) -> dict[str, int]:
        shown: dict[str, int] = {}
        failed: list[str] = []
        for name, each in self.known.items():
            if each.condition == "down" and self.shown.get(name):
                self.failures += 1
                each.failed = self.failures if each.failed is None else each.failed
                failed.append(name)
                continue
            each.failed = None
            weight = self.weight_of(each)
            if weight is not None:
                shown[name] = weight
        failed.sort(key=lambda name: self.known[name].failed or 0)
        for name in self.kept(shown, failed):
            shown[name] = self.shown[name]
            failed.remove(name)
        for name in failed:
            self.known[name].failed = None
            if self.inhibits(self.known[name]):
                shown[name] = 0
        return shown

    def kept(self, shown: dict[str, int], failed: list[str]) -> list[str]:
        if self.sorry:
            return []
        eligible = [each for each in self.known.values() if not each.order]
        serving = [name for name, weight in shown.items() if weight]
        share = Fraction(str(self.config.minimum_share))
        for gone in range(len(failed), 0, -1):
            if Fraction(len(serving) + len(failed) - gone, len(eligible)) >= share:
                return failed[gone:]
        return list(failed)

    def inhibits(self, each: Known) -> bool:
        return self.config.inhibit if each.member.inhibit is None else each.member.inhibit

    def weight_of(self, each: Known) -> int | None:
        idle = 0 if self.inhibits(each) else None
        if each.order:
            return 0 if each.lingers else idle
        if each.verdict is None and each.found == 0:
            return 0
        if not self.is_live(each) or self.sorry:
            return idle
        if each.verdict is None and each.found is not None:
            return each.found
        return each.weight if each.slow is None else ceil(Fraction(each.weight * each.slow[2], 10))


def other_is_up(model: Model, name: str) -> bool:
    return model.known[name].verdict is not False


def port_of(key: ServiceKey) -> int:
    return key.port if isinstance(key, Endpoint) else 0
