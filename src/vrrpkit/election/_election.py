"""One virtual router's state machine: RFC 9568 section 6.4, in the RFC's order."""

from __future__ import annotations

from typing import Final, assert_never

from attrs import define, evolve, field

from vrrpkit.addresses import IPAddress
from vrrpkit.election._actions import (
    AcquireAddresses,
    Action,
    AnnounceAddresses,
    Heard,
    Reason,
    ReleaseAddresses,
    SendAdvertisement,
    State,
    StateChanged,
)
from vrrpkit.election._config import ElectionConfig
from vrrpkit.election._events import (
    OPERATOR_CAUSE,
    AdvertReceived,
    Event,
    FaultCleared,
    FaultRaised,
    GroupTookOver,
    GroupYielded,
    PrimaryAddressChanged,
    PriorityChanged,
    Reconfigured,
    Resumed,
    Shutdown,
    Startup,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.election._phases import Active, Backup, Fault, Initialize, Phase
from vrrpkit.election._timers import active_down_interval, skew_time
from vrrpkit.errors import ConfigError
from vrrpkit.packet import Advertisement, Version

__all__ = ["Election"]

# An Active Router answers losers at most this often in one interval: what a peer can make it send is bounded.
_ANSWERS_PER_INTERVAL: Final = 4
_V2: Final = Version.V2


@define
class Election:
    """One virtual router's state machine (RFC 9568 section 6.4).

    Version 2 differs in three places: the skew's base, no learned interval, and silence instead of a
    counter-advertisement to a loser. `config` is replaced, never edited, when settings change.

    Args:
        config: What this router knows about the virtual router.
        primary_address: The address its advertisements leave from, which breaks ties; None while it has none, which
            must be a cause of fault.
    """

    _config: ElectionConfig
    _primary_address: IPAddress | None = None
    _priority: int = field(init=False)
    _phase: Phase = field(factory=Initialize, init=False)
    _causes: frozenset[str] = field(factory=frozenset, init=False)
    _ready_at: float = field(default=0.0, init=False)  # no take-over before the startup delay has ended
    _yielding: bool = field(default=False, init=False)  # stepped down: follow whoever took over
    _say: SendAdvertisement = field(init=False)
    _down: tuple[float, float] = field(init=False)  # the interval heard last, and the silence limit it makes

    def __attrs_post_init__(self) -> None:
        """Begin with the configured priority as the effective one."""
        self._rank(self._config.priority)

    @property
    def config(self) -> ElectionConfig:
        """The settings in force."""
        return self._config

    @property
    def primary_address(self) -> IPAddress | None:
        """The address that breaks ties."""
        return self._primary_address

    @property
    def priority(self) -> int:
        """The effective priority: the configured one, or what `PriorityChanged` made of it."""
        return self._priority

    @property
    def phase(self) -> Phase:
        """The state, with what is true only in it."""
        return self._phase

    @property
    def causes(self) -> frozenset[str]:
        """What keeps this router out of the election; empty when nothing does."""
        return self._causes

    @property
    def is_yielding(self) -> bool:
        """Whether it was stepped down, and follows whoever has taken over."""
        return self._yielding

    @property
    def deadline(self) -> float | None:
        """When to send `TimerFired`; None for never."""
        return self._phase.deadline

    @property
    def state(self) -> State:
        """The state's name."""
        match self._phase:
            case Backup():
                return State.BACKUP
            case Active():
                return State.ACTIVE
            case Initialize():
                return State.INITIALIZE
            case Fault():
                return State.FAULT
            case unreachable:
                assert_never(unreachable)

    def is_beating(self, priority: int) -> bool:
        """Whether this router is Active and an advertisement of this priority is another Active Router's, who loses."""
        return 0 < priority < self._priority and isinstance(self._phase, Active)

    def is_stalled(self, now: float) -> bool:
        """Whether this Active router, which does not preempt, wakes up so late that another must have taken over.

        It steps aside with the next event that would make it advertise.
        """
        return isinstance(self._phase, Active) and self._overslept(self._phase, now)

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        """Take one event; return what to do, in order.

        Raises:
            ConfigError: `Reconfigured` names another virtual router; nothing has changed then.
        """
        match event:
            case AdvertReceived(advert, source):
                return self._hear(advert, source, now)
            case TimerFired():
                return self._expire(now)
            case Startup():
                return self._start(now)
            case Shutdown(deleted):
                return self._leave(Initialize(), Reason.DELETED if deleted else Reason.SHUTDOWN, now)
            case PriorityChanged(priority):
                return self._rerank(priority, now)
            case PrimaryAddressChanged(address):
                self._primary_address = address
                return ()
            case FaultRaised(cause):
                return self._raise(cause, now)
            case FaultCleared(cause):
                return self._clear(cause, now)
            case Reconfigured(config, priority):
                return self._reconfigure(config, priority, now)
            case SteppedDown():
                return self._step_down(now)
            case Suspended():
                return self._raise(OPERATOR_CAUSE, now)
            case Resumed():
                return self._resume(now)
            case GroupYielded() | GroupTookOver():
                return self._move_with_group(event, now)
            case unreachable:
                assert_never(unreachable)

    def _start(self, now: float) -> tuple[Action, ...]:
        """RFC 9568 section 6.4.1: Initialize."""
        if not isinstance(self._phase, Initialize):
            return ()
        self._ready_at = now + self._config.startup_delay
        self._yielding = False
        if self._causes:
            self._phase = Fault()
            return (self._news(State.INITIALIZE, Reason.FAULT, now),)
        return self._begin(Reason.STARTUP, now)

    def _begin(self, reason: Reason, now: float) -> tuple[Action, ...]:
        """Take part: an owner as Active, anybody else as Backup that waits for silence."""
        takes_at_once = self._config.is_owner and not self._yielding
        if takes_at_once and now >= self._ready_at:
            return self._become_active(Reason.OWNER, None, now)
        old = self.state
        self._phase = self._unheard_backup(now)
        if takes_at_once:
            self._phase = evolve(self._phase, down_at=self._ready_at, why=Reason.OWNER)
        return (self._news(old, reason, now),)

    def _unheard_backup(self, now: float) -> Backup:
        interval = self._config.advert_interval
        return Backup(max(now, self._ready_at) + self._down_interval(interval), interval)

    def _hear(self, advert: Advertisement, source: IPAddress, now: float) -> tuple[Action, ...]:
        match self._phase:
            case Backup() as backup:
                self._phase = self._backup_hears(backup, advert, source, now)
                return ()
            case Active() as active if self._overslept(active, now):
                actions = self._step_aside(now)
                return (*actions, *self._hear(advert, source, now))
            case Active() as active:
                return self._active_hears(active, advert, source, now)
            case _:
                return ()

    def _backup_hears(self, backup: Backup, advert: Advertisement, source: IPAddress, now: float) -> Backup:
        """RFC 9568 section 6.4.2; a Backup answers nothing, it only re-times."""
        heard = Heard(source, advert.priority, advert.interval, now)
        if advert.priority == 0:
            return self._after_resignation(backup, heard)
        preempt_at = None
        if advert.priority < self._priority:
            if not self._follows_lower(backup, now):
                why = Reason.PREEMPTED if backup.why is Reason.ACTIVE_SILENT else backup.why
                return evolve(backup, why=why, heard=heard)
            preempt_at = now + self._config.preempt_delay if backup.preempt_at is None else backup.preempt_at
        learned = self._learned(advert)
        down_at = max(now + self._down_interval(learned), self._ready_at)
        return Backup(down_at, learned, True, preempt_at, Reason.ACTIVE_SILENT, heard)

    def _after_resignation(self, backup: Backup, heard: Heard) -> Backup:
        """Wait one skew; a repeated resignation does not prolong it."""
        if backup.why is Reason.OWNER:
            return backup
        down_at = max(heard.at + self._skew(backup.active_interval), self._ready_at)
        if backup.why is Reason.ACTIVE_RESIGNED:
            down_at = min(down_at, backup.down_at)
        return evolve(backup, down_at=down_at, why=Reason.ACTIVE_RESIGNED, heard=heard)

    def _follows_lower(self, backup: Backup, now: float) -> bool:
        """Whether a Backup accepts a priority below its own as Active."""
        if self._yielding:
            return True
        if self._config.is_owner:
            return False
        if not self._config.preempt:
            return True
        return self._config.preempt_delay > 0 and (backup.preempt_at is None or now < backup.preempt_at)

    def _active_hears(self, active: Active, advert: Advertisement, source: IPAddress, now: float) -> tuple[Action, ...]:
        """RFC 9568 section 6.4.3; preemption is not looked at here."""
        if advert.priority == 0:
            if now < active.answer_at:  # others have heard it too, so answer as soon as that is allowed
                self._phase = Active(min(active.advert_at, active.answer_at), active.sent_at, active.answer_at)
                return ()
            return self._send(now + self._config.advert_interval, now, now + self._answer_gap)
        tied = advert.priority == self._priority
        if advert.priority > self._priority or (tied and self._loses_tie(source)):
            return self._yield(advert, source, Reason.TIE_LOST if tied else Reason.OUTRANKED, now)
        if now < active.answer_at or (tied and source == self._primary_address):
            return ()
        announce = AnnounceAddresses(self._config.all_addresses)
        if not self._config.answers_losers:
            self._phase = Active(active.advert_at, active.sent_at, now + self._answer_gap)
            return (announce,)
        return (*self._send(active.advert_at, now, now + self._answer_gap), announce)

    def _loses_tie(self, source: IPAddress) -> bool:
        return self._primary_address is None or int(source) > int(self._primary_address)

    def _yield(self, advert: Advertisement, source: IPAddress, reason: Reason, now: float) -> tuple[Action, ...]:
        learned = self._learned(advert)
        heard = Heard(source, advert.priority, advert.interval, now)
        last_word = (self._say,) if self._config.higher_prio_send_advert else ()
        self._phase = Backup(now + self._down_interval(learned), learned, True, heard=heard)
        return (*last_word, self._release(), self._news(State.ACTIVE, reason, now))

    def _expire(self, now: float) -> tuple[Action, ...]:
        match self._phase:
            case Active() as active if self._overslept(active, now):
                return self._step_aside(now)
            case Active() as active if now >= active.advert_at:
                return self._advert_due(active, now)
            case Backup() as backup if now >= backup.down_at:
                return self._become_active(backup.why, backup.heard, now)
            case _:
                return ()

    def _advert_due(self, active: Active, now: float) -> tuple[Action, ...]:
        """RFC 9568 section 6.4.3: Adver_Timer; counted from when it was due, so that lateness does not add up."""
        interval = self._config.advert_interval
        following = active.advert_at + interval
        answer_at = active.answer_at if active.advert_at > active.answer_at else now + self._answer_gap
        return self._send(following if following > now else now + interval, now, answer_at)

    def _overslept(self, active: Active, now: float) -> bool:
        """Whether another may have taken over since the last advertisement, whom it is not our wish to displace."""
        if self._config.preempt or self._config.is_owner:
            return False
        return now - active.sent_at >= self._down_interval(self._config.advert_interval)

    def _step_aside(self, now: float) -> tuple[Action, ...]:
        self._phase = self._unheard_backup(now)
        return (self._release(), self._news(State.ACTIVE, Reason.STALLED, now))

    def _become_active(
        self, reason: Reason, heard: Heard | None, now: float, member: str | None = None
    ) -> tuple[Action, ...]:
        """Every way in: the advertisement goes out first."""
        old = self.state
        held = self._config.all_addresses
        self._yielding = False
        return (
            *self._send(now + self._config.advert_interval, now, now),
            AcquireAddresses(held),
            AnnounceAddresses(held),
            self._news(old, reason, now, heard, member),
        )

    def _leave(self, phase: Initialize | Fault, reason: Reason, now: float) -> tuple[Action, ...]:
        """Every way out of the election: an Active Router resigns, once."""
        old, self._phase = self.state, phase
        if old is State.INITIALIZE:
            return ()
        parting = self._parting() if old is State.ACTIVE else ()
        return (*parting, self._news(old, reason, now))

    def _step_down(self, now: float) -> tuple[Action, ...]:
        self._yielding = not isinstance(self._phase, Initialize)
        return self._resign(Reason.STEPPED_DOWN, now)

    def _resign(self, reason: Reason, now: float, member: str | None = None) -> tuple[Action, ...]:
        """An Active Router lets another take over now."""
        if not isinstance(self._phase, Active):
            return ()
        parting = self._parting()
        self._phase = self._unheard_backup(now)
        return (*parting, self._news(State.ACTIVE, reason, now, member=member))

    def _move_with_group(self, event: GroupYielded | GroupTookOver, now: float) -> tuple[Action, ...]:
        match self._phase, event:
            case Active(), GroupYielded(member):
                return self._resign(Reason.SYNC, now, member)
            case Backup() as backup, GroupTookOver(member):
                return self._become_active(Reason.SYNC, backup.heard, now, member)
            case _:
                return ()

    def _resume(self, now: float) -> tuple[Action, ...]:
        self._yielding = False
        if isinstance(self._phase, Backup):
            self._phase = evolve(self._phase, preempt_at=None)
        return self._clear(OPERATOR_CAUSE, now)

    def _raise(self, cause: str, now: float) -> tuple[Action, ...]:
        self._causes |= {cause}
        if isinstance(self._phase, Initialize | Fault):
            return ()
        return self._leave(Fault(), Reason.FAULT, now)

    def _clear(self, cause: str, now: float) -> tuple[Action, ...]:
        self._causes -= {cause}
        if self._causes or not isinstance(self._phase, Fault):
            return ()
        return self._begin(Reason.RECOVERED, now)

    def _rerank(self, priority: int, now: float) -> tuple[Action, ...]:
        """A Backup's pending deadline moves by the difference; an Active Router says it in its next advertisement."""
        if not self._config.is_owner:
            wait = self._pending_wait()
            self._rank(priority)
            self._shift(self._pending_wait() - wait, now)
        return ()

    def _reconfigure(self, config: ElectionConfig, priority: int | None, now: float) -> tuple[Action, ...]:
        old = self._config
        if (config.vrid, config.family) != (old.vrid, old.family):
            raise ConfigError(
                f"vrid and family must stay {old.vrid} and {old.family.name}, "
                f"got {config.vrid} and {config.family.name}"
            )
        wait = self._pending_wait()
        self._config = config
        if config.is_owner or (priority is None and config.priority != old.priority):
            priority = config.priority
        self._rank(self._priority if priority is None else priority)
        match self._phase:
            case Active():
                return self._change_addresses(old, now)
            case Backup() as backup if config.is_owner and not old.is_owner:
                return self._become_owner(backup, now)
            case Backup() if old.is_owner and not config.is_owner:
                self._phase = self._unheard_backup(now)
            case Backup() as backup:
                if not backup.learned or config.version is Version.V2:
                    self._phase = evolve(backup, active_interval=config.advert_interval)
                self._shift(self._pending_wait() - wait, now)
            case _:
                pass
        return ()

    def _become_owner(self, backup: Backup, now: float) -> tuple[Action, ...]:
        if self._yielding:
            return ()
        if now >= self._ready_at:
            return self._become_active(Reason.OWNER, None, now)
        self._phase = evolve(backup, down_at=self._ready_at, why=Reason.OWNER)
        return ()

    def _change_addresses(self, old: ElectionConfig, now: float) -> tuple[Action, ...]:
        """Tell the peers first, then hold what is held now."""
        before, after = old.all_addresses, self._config.all_addresses
        added = tuple(address for address in after if address not in before)
        removed = tuple(address for address in before if address not in after)
        actions: list[Action] = [*self._send(now + self._config.advert_interval, now, now)]
        if added:
            actions.append(AcquireAddresses(added))
        if removed:
            actions.append(ReleaseAddresses(removed))
        if added or removed:
            actions.append(AnnounceAddresses(after))
        return tuple(actions)

    def _pending_wait(self) -> float:
        """How long the pending deadline of a Backup would be, were it set now."""
        if not isinstance(self._phase, Backup) or self._phase.why is Reason.OWNER:
            return 0.0
        if self._phase.why is Reason.ACTIVE_RESIGNED:
            return self._skew(self._phase.active_interval)
        return self._down_interval(self._phase.active_interval)

    def _shift(self, difference: float, now: float) -> None:
        if isinstance(self._phase, Backup):
            down_at = max(self._phase.down_at + difference, self._ready_at, now)
            self._phase = evolve(self._phase, down_at=down_at)

    def _send(self, next_at: float, now: float, answer_at: float) -> tuple[SendAdvertisement]:
        """The one way to say that we are Active: the timer moves only with a sent advertisement."""
        self._phase = Active(next_at, now, answer_at)
        return (self._say,)

    def _parting(self) -> tuple[Action, ...]:
        return (SendAdvertisement(evolve(self._say.advert, priority=0)), self._release())

    def _release(self) -> ReleaseAddresses:
        return ReleaseAddresses(self._config.all_addresses)

    def _news(
        self, old: State, reason: Reason, now: float, heard: Heard | None = None, member: str | None = None
    ) -> StateChanged:
        if heard is None and isinstance(self._phase, Backup):
            heard = self._phase.heard
        return StateChanged(
            old=old,
            new=self.state,
            reason=reason,
            at=now,
            priority=self._priority,
            heard=heard,
            causes=self._causes,
            member=member,
        )

    def _rank(self, priority: int) -> None:
        """Set the effective priority, and with it what every advertisement says."""
        config = self._config
        self._priority = priority
        self._down = 0.0, 0.0
        self._say = SendAdvertisement(
            Advertisement(
                vrid=config.vrid,
                priority=priority,
                interval=config.advert_interval,
                addresses=config.addresses,
                version=config.version,
                password=config.password,
                form=config.checksum_form,
            )
        )

    def _learned(self, advert: Advertisement) -> float:
        return self._config.advert_interval if self._config.version is _V2 else advert.interval

    def _skew(self, interval: float) -> float:
        return skew_time(self._priority, interval, self._config.version)

    def _down_interval(self, interval: float) -> float:
        if interval != self._down[0]:
            config = self._config
            limit = active_down_interval(self._priority, interval, config.version, config.down_timer_adverts)
            self._down = interval, limit
        return self._down[1]

    @property
    def _answer_gap(self) -> float:
        return self._config.advert_interval / _ANSWERS_PER_INTERVAL
