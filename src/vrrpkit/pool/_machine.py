"""Who is in service, as one machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import assert_never

from attrs import define, evolve, field

from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import Table, table
from vrrpkit.pool._actions import Action, Condition, MemberStatus, QuorumMoved
from vrrpkit.pool._config import Member, PoolConfig
from vrrpkit.pool._events import (
    CheckChanged,
    ChecksReplaced,
    ConnectionsCounted,
    DrainBegan,
    Event,
    MaintenanceBegan,
    MaintenanceEnded,
    MemberAdded,
    MemberRemoved,
    MemberReplaced,
    PoolReconfigured,
    PoolStarted,
    PoolTick,
    Restored,
    Withdrawn,
)
from vrrpkit.pool._lineup import Lineup
from vrrpkit.pool._member import Count, Drain, Entry, Maintenance, Reading, check_checks
from vrrpkit.pool._orders import count_left, drain_on, end_drain, obey
from vrrpkit.pool._quorum import explain_quorum, holds
from vrrpkit.pool._roster import Roster, check_known
from vrrpkit.pool._status import Statuses
from vrrpkit.pool._table import Changes, found_weights, planned
from vrrpkit.pool._timers import Timers
from vrrpkit.pool._turn import Turn
from vrrpkit.pool._weights import WARM_UP_STEPS, WarmUp

__all__ = ["Pool"]


@define(eq=False)
class Pool:
    """A pool of real servers: who is in service, and what the kernel's table should be.

    Feed it the verdicts of checks and the orders of operators; let the table follow its `Apply`. What a member is
    follows from its checks: up when all of them are, or as many as it needs; down as soon as it cannot be up; and what
    it was while neither is certain. keepalived's rules for quorum, sorry server, inhibition and weights hold, with
    these differences:

    - Nobody is in service before a verdict, unless `trust_unchecked` asks for it, or the table had it at the start.
    - A sorry server is added before members are removed, and removed after they are added: no service is without
      anybody for a moment in which somebody could serve.
    - A quorum that all members together cannot make stays as it is, and `explanation` tells. keepalived lowers it.
    - A slow start, a minimum share, draining and maintenance, which keepalived does not have.

    Actions come in this order: `Apply` for the members, news of them, `Apply` for a sorry server that comes or goes,
    news of the quorum, questions. The whole table at once, after `PoolStarted`, `PoolReconfigured`, `Withdrawn` and
    `Restored`, is one `Apply`.

    Args:
        config: The settings.
    """

    _lineup: Lineup = field(converter=Lineup, alias="config")
    _roster: Roster = field(factory=Roster, init=False)
    _timers: Timers = field(factory=Timers, init=False)
    _started: bool = field(default=False, init=False)
    _withdrawn: bool = field(default=False, init=False)
    _told: bool | None = field(default=None, init=False)  # what was said of the quorum last

    @property
    def config(self) -> PoolConfig:
        """The settings."""
        return self._lineup.config

    @property
    def deadline(self) -> float | None:
        """When to send `PoolTick`: somebody's slow start goes on, or draining connections are to be counted."""
        return self._timers.deadline

    @property
    def desired(self) -> Table:
        """What the kernel should have of the pool's services; nothing before the start and while withdrawn.

        It is made anew each time, which takes a while with thousands of members.
        """
        return self._lineup.desired(self._roster.entries)

    @property
    def members(self) -> Mapping[str, MemberStatus]:
        """The members by name, in the order in which they were added; each status is made when it is asked for."""
        return Statuses(self._roster.entries, self._lineup)

    @property
    def quorum_held(self) -> bool:
        """Whether the weight of live members is enough; not before the start."""
        return self._told is True

    @property
    def live_weight(self) -> int:
        """The effective weights of all live members together, those in a slow start with all of theirs."""
        return self._lineup.tally.live_weight

    @property
    def total_weight(self) -> int:
        """The effective weights of all members together, live or not."""
        return self._lineup.tally.total_weight

    @property
    def sorry_serves(self) -> bool:
        """Whether the sorry server is to serve instead of the members; while withdrawn, whether it would."""
        return self._lineup.sorry_serves

    @property
    def explanation(self) -> str:
        """Where the quorum stands, and whether it can be reached at all."""
        return explain_quorum(self.quorum_held, self._lineup.tally, self.config)

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        """Take one event; return what to do, in order.

        Raises:
            ConfigError: There is no such member or check, or what is wanted does not fit the pool. Nothing has changed
                then.
        """
        turn = Turn()
        match event:
            case PoolTick():
                self._tick(turn, now)
            case PoolStarted(found):
                return self._start(found, now)
            case PoolReconfigured(config):
                return self._reconfigure(config, now)
            case Withdrawn() | Restored():
                return self._turn_services(now, withdrawn=isinstance(event, Withdrawn))
            case MemberAdded(member, checks):
                self._add(member, checks, turn)
            case MemberRemoved(name):
                entry = self._roster.find(name)
                turn.leaving.append(entry)
                turn.moved(entry, entry.condition, None, "removed")
            case MemberReplaced() | CheckChanged() | ChecksReplaced():
                self._learn(event, turn)
            case DrainBegan(name) | MaintenanceBegan(name) | MaintenanceEnded(name):
                obey(self._roster.find(name), event, turn, now, started=self._started)
            case ConnectionsCounted(name):
                if name in self._roster.entries:
                    count_left(self._roster.entries[name], event, turn)
            case unreachable:
                assert_never(unreachable)
        return self._settle(turn, now)

    def _add(self, member: Member, checks: Collection[str], turn: Turn) -> None:
        self._roster.check_new(member, self.config)
        check_checks(member, checks)
        entry = Entry(member, {name: Reading() for name in checks})
        self._roster.add(entry)
        turn.touched.append(entry)
        turn.moved(entry, None, entry.condition, "added")

    def _learn(self, event: MemberReplaced | CheckChanged | ChecksReplaced, turn: Turn) -> None:
        """Something else is known of a member, or wanted for its verdict."""
        entry = self._roster.find(event.member.name if isinstance(event, MemberReplaced) else event.member)
        old = entry.condition
        match event:
            case MemberReplaced(member):
                self._check_replacement(entry, member)
                entry.member, why = member, "settings replaced"
            case CheckChanged(_name, check, up, weight, detail):
                check_known(f"check of {entry.name}", check, entry.checks)
                entry.checks[check] = Reading(up, weight, detail)
                why = f"{check}: {detail or ('unknown' if up is None else 'up' if up else 'down')}"
            case ChecksReplaced(_name, checks):
                check_checks(entry.member, checks)
                entry.checks, why = {name: entry.checks.get(name, Reading()) for name in checks}, "checks replaced"
            case unreachable:
                assert_never(unreachable)
        entry.decide()
        turn.touched.append(entry)
        turn.moved(entry, old, entry.condition, why)

    def _check_replacement(self, entry: Entry, member: Member) -> None:
        old = entry.member
        if (member.address, member.port) != (old.address, old.port):
            raise ConfigError(
                f"address and port of {old.name} must stay {old.address} and {old.port} (remove it and add another), "
                f"got {member.address} and {member.port}"
            )
        self.config.check_member(member)
        check_checks(member, entry.checks.keys())

    def _tick(self, turn: Turn, now: float) -> None:
        for name in self._timers.take(now):
            entry = self._roster.entries[name]
            if isinstance(entry.order, Drain):
                drain_on(entry, entry.order, turn, now)
            else:
                entry.warm_up = None if entry.warm_up is None else entry.warm_up.at(now)
                turn.touched.append(entry)

    def _start(self, found: Table, now: float) -> tuple[Action, ...]:
        found = {key: found[key] for key in self.config.keys if key in found}
        if self._started:
            return planned(found, self.desired)
        self._started, self._lineup.present = True, not self._withdrawn
        if not self._withdrawn:
            self._adopt(found)
        turn = Turn()
        for entry in self._roster.entries.values():
            if isinstance(entry.order, Drain) and entry.shown is None:
                end_drain(entry, entry.order, turn, "drained: not in the table")
            elif isinstance(entry.order, Drain):
                turn.ask(entry)
        return self._settle_all(found, turn, now)

    def _adopt(self, found: Table) -> None:
        """Members that are in the table are taken as they are there."""
        weight_of = found_weights(found)
        for entry in self._roster.entries.values():
            weight = weight_of(entry.member)
            if weight is None:
                continue
            self._lineup.adopt(entry, weight)
            if entry.order is not None:
                entry.order = evolve(entry.order, lingers=True)
            else:
                entry.found = weight

    def _reconfigure(self, config: PoolConfig, now: float) -> tuple[Action, ...]:
        self._roster.check_config(config)
        before = self.desired
        self._lineup.config = config
        return self._settle_all(before, Turn(), now)

    def _turn_services(self, now: float, *, withdrawn: bool) -> tuple[Action, ...]:
        lineup, turn = self._lineup, Turn()
        self._withdrawn = withdrawn
        if not self._started or withdrawn is not lineup.present:
            return ()
        before = table(self.config.services) if withdrawn else {}
        lineup.present = not withdrawn
        for entry in self._roster.entries.values():
            if isinstance(entry.order, Drain):
                end_drain(entry, entry.order, turn, "drained: the services are withdrawn")
            if entry.order is not None:
                entry.order = Maintenance(lingers=False)
        return self._settle_all(before, turn, now)

    def _settle(self, turn: Turn, now: float) -> tuple[Action, ...]:
        """Some members have changed, and perhaps the quorum with them."""
        lineup, keys = self._lineup, self.config.keys
        first, second = Changes(keys), Changes(keys)
        self._let_go(turn, first)
        self._attend(turn, now)
        moved = self._judge()
        turns = self._wants_sorry is not lineup.sorry_serves
        for entry in turn.touched:
            if not (turns and entry.is_live(trusted=self.config.trust_unchecked)):  # live ones come and go together
                lineup.show(entry, first)
        lineup.release(self._roster.entries, first)
        if turns:
            if self._wants_sorry and not lineup.serving:
                lineup.show_sorry(first, serves=True)
            self._turn_sorry(second)
        return (*first.applied, *turn.news, *second.applied, *moved, *turn.asks)

    def _settle_all(self, before: Table, turn: Turn, now: float) -> tuple[Action, ...]:
        """Anything may have changed: compare whole tables."""
        unnoted = Changes(())
        self._let_go(turn, unnoted)
        turn.touched = list(self._roster.entries.values())
        self._attend(turn, now)
        moved = self._judge()
        self._turn_sorry(unnoted)
        self._lineup.release(self._roster.entries, unnoted)
        return (*planned(before, self.desired), *turn.news, *moved, *turn.asks)

    def _let_go(self, turn: Turn, changes: Changes) -> None:
        for entry in turn.leaving:
            self._roster.remove(entry)
            self._timers.set(entry.name, None)
            self._lineup.tally.count(entry, Count())
            self._lineup.drop(entry, changes)

    def _attend(self, turn: Turn, now: float) -> None:
        """Everything that follows for single members, but for their weights in the table."""
        for entry in turn.touched:
            self._lineup.tally.count(entry, entry.count(trusted=self.config.trust_unchecked))
            self._warm_up(entry, now)
            self._lineup.keep(entry)

    def _warm_up(self, entry: Entry, now: float) -> None:
        """Begin a slow start for a member that comes back beside others, and end it for one that leaves."""
        lineup, seconds = self._lineup, self.config.slow_start
        is_up = entry.condition is Condition.UP
        if not is_up or not lineup.present:
            entry.warm_up = None
        elif entry.was_down and seconds and lineup.others_serve and entry.name not in lineup.kept:
            entry.warm_up = WarmUp(now, seconds / WARM_UP_STEPS).at(now) if entry.effective_weight else None
        entry.was_down = entry.was_down and not is_up
        self._timers.set(entry.name, entry.due)

    def _judge(self) -> tuple[QuorumMoved, ...]:
        """A quorum that is not held at the start is only told when a sorry server comes in for it, as by keepalived."""
        config, live_weight = self.config, self.live_weight
        held = self._started and holds(self.quorum_held, live_weight, config)
        is_told = held is self._told or (self._told is None and not held and config.sorry_server is None)
        if is_told or not self._started:
            return ()
        self._told = held
        return (QuorumMoved(held=held, live_weight=live_weight, quorum=config.quorum, hysteresis=config.hysteresis),)

    @property
    def _wants_sorry(self) -> bool:
        return self._started and self.config.sorry_server is not None and not self.quorum_held

    def _turn_sorry(self, changes: Changes) -> None:
        """Let the sorry server serve, or the members; nobody is kept or slow any more when all of them leave."""
        lineup = self._lineup
        lineup.sorry_serves = self._wants_sorry
        for entry in self._roster.entries.values():
            if lineup.sorry_serves:
                entry.warm_up = None
                lineup.kept.pop(entry.name, None)
                self._timers.set(entry.name, entry.due)
            lineup.show(entry, changes)
        lineup.show_sorry(changes, serves=lineup.sorry_serves)
