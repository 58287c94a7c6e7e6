"""One router of a simulation: an election with a clock, a socket buffer and addresses of its own."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from math import inf
from typing import Final, TypeAlias, TypeGuard, assert_never

from attrs import define, field, frozen

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Election,
    ElectionConfig,
    Event,
    ReleaseAddresses,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    TimerFired,
    screen,
)
from vrrpkit.packet import Advertisement, Reject
from vrrpkit.testing._agenda import ALARMS, Agenda
from vrrpkit.testing._skew import LocalClock
from vrrpkit.testing._transcript import CLEARED, KILLED, PAUSED, RESTARTED, RESUMED, Rejected, Transcript, What

__all__ = ["SimulatedRouter"]

# About what Linux's default receive buffer of 212,992 octets holds of such small datagrams.
_SOCKET_BUFFER: Final = 256

Heard: TypeAlias = AdvertReceived | Rejected


@frozen(eq=False)
class World:
    """What a router can do to its simulation.

    Attributes:
        agenda: Its time.
        transcript: All records.
        note: Adds a record.
        transmit: Puts an advertisement on the wire, from an address.
        want: From now on somebody should hold these addresses.
        tenure: Addresses have been taken or given back, or their holder stopped or went on; the last argument tells
            whether it holds them.
    """

    agenda: Agenda
    transcript: Transcript
    note: Callable[[str, What], None]
    transmit: Callable[[SimulatedRouter, Advertisement, IPAddress], None]
    want: Callable[[tuple[IPAddress, ...]], None]
    tenure: Callable[[SimulatedRouter, tuple[IPAddress, ...], bool], None]


@define(eq=False, repr=False)
class SimulatedRouter:
    """A router in a `Simulation`; made by its `add()`.

    It behaves as the runtime does: what it hears it screens, what it decides it does at once, and after a pause it
    first hears what has queued up and then looks at the clock.

    Attributes:
        name: Its name.
        peers: The addresses it exchanges unicast advertisements with; empty for multicast.
        rejected: How many datagrams it did not accept, by reason. Those for another VRID are counted here only;
            others are also in the transcript, once per source and reason.
        dropped: How many datagrams found its socket buffer full while it was paused.
    """

    name: str
    peers: tuple[IPAddress, ...]
    _election: Election
    rejected: Counter[Reject] = field(factory=Counter[Reject], init=False)
    dropped: int = field(default=0, init=False)
    _world: World = field(init=False)
    _agenda: Agenda = field(init=False)
    _alive: bool = field(default=True, init=False)
    _paused: bool = field(default=False, init=False)
    _held: dict[IPAddress, None] = field(factory=dict, init=False)
    _queue: deque[Heard] = field(factory=deque, init=False)
    _posted: deque[Event] = field(factory=deque, init=False)
    _complaints: set[tuple[Reject, IPAddress]] = field(factory=set, init=False)
    _admitted: tuple[AdvertReceived, ElectionConfig] | None = field(default=None, init=False)
    _clock: LocalClock = field(factory=LocalClock, init=False)
    _armed: float = field(default=inf, init=False)

    def __repr__(self) -> str:
        """The name, and what it does."""
        condition = "killed" if not self._alive else f"{self.state}{', paused' if self._paused else ''}"
        return f"<SimulatedRouter {self.name}: {condition}>"

    @property
    def election(self) -> Election:
        """The machine itself. Restarting after `kill()` makes a new one."""
        return self._election

    @property
    def config(self) -> ElectionConfig:
        """The settings in force."""
        return self._election.config

    @property
    def address(self) -> IPAddress | None:
        """The primary address."""
        return self._election.primary_address

    @property
    def state(self) -> State:
        """The election's state; `State.INITIALIZE` for a router that is killed."""
        return self._election.state

    @property
    def alive(self) -> bool:
        """Whether its process exists, running or paused."""
        return self._alive

    @property
    def paused(self) -> bool:
        """Whether it is stopped, as by SIGSTOP."""
        return self._paused

    @property
    def held(self) -> list[IPAddress]:
        """The addresses it holds, in the order in which it took them; none for a router that is killed."""
        return list(self._held) if self._alive else []

    @property
    def left_behind(self) -> list[IPAddress]:
        """The addresses it held when it was killed; until it is started again."""
        return [] if self._alive else list(self._held)

    @property
    def transcript(self) -> Transcript:
        """What happened to this router."""
        return self._world.transcript.of(self.name)

    @property
    def clock(self) -> float:
        """What its clock shows now, in seconds; its election's deadline is by this clock."""
        return self._clock.local(self._agenda.now)

    @property
    def skew(self) -> float:
        """How fast its clock runs; 1.01 is 1 % fast."""
        return self._clock.rate

    @skew.setter
    def skew(self, rate: float) -> None:
        self._clock.run_at(rate, self._agenda.now)
        self._armed = inf
        self._arm()

    def start(self) -> None:
        """Start it, also after `kill()` or `shutdown()`; what it had left behind is removed first."""
        if not self._alive:
            self._world.note(self.name, CLEARED if self._held else RESTARTED)
            self._held.clear()
            self._alive = True
        self._world.want(self.config.all_addresses)
        self.post(Startup())

    def shutdown(self) -> None:
        """Stop it in good order: an Active Router resigns and releases."""
        self.post(Shutdown())

    def kill(self) -> None:
        """Let it vanish without a word, as by SIGKILL or a power cut."""
        if not self._alive:
            return
        self._world.note(self.name, KILLED)
        self._world.tenure(self, tuple(self._held), False)
        self._alive = self._paused = False
        self._queue.clear()
        self._posted.clear()
        self._complaints.clear()
        self._election = Election(self.config, self.address)

    def post(self, event: Event) -> None:
        """Feed an event. A paused router takes it when it goes on; one that is killed, never."""
        if not self._alive:
            return
        self._world.note(self.name, event)
        if self._paused:
            self._posted.append(event)
        else:
            self._handle(event)

    def pause(self) -> None:
        """Stop it, as by SIGSTOP: it keeps its addresses, and what is sent to it queues up in its socket buffer."""
        if self._alive and not self._paused:
            self._world.note(self.name, PAUSED)
            self._paused = True
            self._world.tenure(self, tuple(self._held), True)

    def resume(self) -> None:
        """Let it go on, as by SIGCONT: it hears what is queued, takes what was posted, and looks at the clock."""
        if not self._paused:
            return
        self._world.note(self.name, RESUMED)
        self._paused = False
        self._world.tenure(self, tuple(self._held), True)
        while self._queue:
            self.hear(self._queue.popleft())
        while self._posted:
            self._handle(self._posted.popleft())
        self._handle(TimerFired())

    def hear(self, heard: Heard) -> None:
        """A datagram, decoded or refused, comes out of the wire."""
        if self._paused:
            self._buffer(heard)
        elif self._alive and self._admits(heard):
            self._handle(heard)

    def _enter(self, world: World) -> None:
        """Become a part of a simulation."""
        self._world, self._agenda = world, world.agenda

    def _buffer(self, heard: Heard) -> None:
        if len(self._queue) < _SOCKET_BUFFER:
            self._queue.append(heard)
        else:
            self.dropped += 1

    def _admits(self, heard: Heard) -> TypeGuard[AdvertReceived]:
        """Screen it; what was admitted last is admitted again without a second look."""
        known, config = self._admitted, self._election.config
        if known is not None and known[0] is heard and known[1] is config:
            return True
        if isinstance(heard, Rejected):
            self._reject(heard)
            return False
        reason = screen(heard.advert, config)
        if reason is Reject.VRID:
            self.rejected[reason] += 1
            return False
        if reason is not None:
            self._reject(Rejected(reason, heard.source, str(heard.advert)))
            return False
        self._admitted = (heard, config)
        return True

    def _reject(self, refused: Rejected) -> None:
        self.rejected[refused.reason] += 1
        complaint = (refused.reason, refused.source)
        if refused.reason is not Reject.VRID and complaint not in self._complaints:
            self._complaints.add(complaint)
            self._world.note(self.name, refused)

    def _handle(self, event: Event) -> None:
        for action in self._election.handle(event, self._clock.local(self._agenda.now)):
            self._world.note(self.name, action)
            self._perform(action)
        self._arm()

    def _perform(self, action: Action) -> None:
        match action:
            case SendAdvertisement(advert):
                self._transmit(advert)
            case AcquireAddresses(addresses):
                self._held.update(dict.fromkeys(addresses))
                self._world.tenure(self, addresses, True)
            case ReleaseAddresses(addresses):
                for address in addresses:
                    self._held.pop(address, None)
                self._world.tenure(self, addresses, False)
            case AnnounceAddresses() | StateChanged():
                pass
            case unreachable:
                assert_never(unreachable)

    def _transmit(self, advert: Advertisement) -> None:
        source = self.address
        if source is None:
            self._world.note(self.name, "cannot send without an address")
        else:
            self._world.transmit(self, advert, source)

    def _arm(self) -> None:
        """See that the alarm rings no later than the deadline.

        A deadline that moved later, as a Backup's does with every advertisement, costs nothing here: the alarm
        rings, finds nothing to do, and is set again.
        """
        deadline = self._election.deadline
        if deadline is None or deadline >= self._armed:
            return
        self._armed = deadline
        at = max(self._clock.true(deadline), self._agenda.now)
        self._agenda.add(at, ALARMS, self._ring, deadline)

    def _ring(self, deadline: float) -> None:
        if deadline != self._armed:
            return  # another alarm has taken its place
        self._armed = inf
        if self._paused:
            return
        now = self._clock.local(self._agenda.now)
        due = self._election.deadline
        if due is not None and due <= now:
            self._handle(TimerFired())
        else:
            self._arm()
