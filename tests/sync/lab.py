"""Machines with a sync group each, on several links, in virtual time.

A member is called like its link. Links are networks with faults of their own; what is sent is screened and heard, what
is acquired is written down.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from math import inf

from attrs import define, evolve, field

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    Election,
    ElectionConfig,
    ReleaseAddresses,
    SendAdvertisement,
    Startup,
    State,
    TimerFired,
    screen,
)
from vrrpkit.packet import Advertisement
from vrrpkit.sync import GroupChanged, GroupEvent, MemberEvent, SyncGroup
from vrrpkit.testing import Network
from vrrpkit.testing._agenda import ALARMS, ARRIVALS, CALLS, Agenda


@define(eq=False)
class Link(Network):
    """One network; its nodes are machines."""

    def attach(self, name: str) -> None:
        self._names[name] = None


@define(eq=False)
class Machine:
    """One machine with its group; `kill()` and `start()` are its power switch.

    While it is paused, what it hears queues up; it hears all of that before it looks at the clock again.
    """

    name: str
    lab: "Lab"
    configs: dict[str, ElectionConfig]
    addresses: dict[str, IPAddress]
    group: SyncGroup = field(init=False)
    held: set[IPAddress] = field(factory=set, init=False)
    alive: bool = field(default=False, init=False)
    paused: bool = field(default=False, init=False)
    queue: list[MemberEvent] = field(factory=list, init=False)
    armed: float = field(default=inf, init=False)

    def start(self) -> None:
        """Also after `kill()`, and after `Shutdown`."""
        if not self.alive:
            self.alive = True
            self.group = SyncGroup(
                {link: Election(config, self.addresses[link]) for link, config in self.configs.items()}
            )
        self.post(Startup())

    def kill(self) -> None:
        self.alive = self.paused = False
        self.held.clear()
        self.queue.clear()
        self.armed = inf

    def pause(self) -> None:
        self.paused = self.alive

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            queue, self.queue = self.queue, []
            for event in queue:
                self.post(event)
            self.post(TimerFired())

    def post(self, event: MemberEvent | GroupEvent) -> None:
        if not self.alive:
            return
        for done in self.group.handle(event, self.lab.now):
            if isinstance(done, GroupChanged):
                self.lab.news.append((self.name, done))
            else:
                self.perform(done.member, done.action)
        states = {election.state for election in self.group.members.values()}
        assert states == {self.group.state}, states
        self.arm()

    def perform(self, link: str, action: Action) -> None:
        match action:
            case SendAdvertisement(advert):
                self.lab.transmit(self, link, advert)
            case AcquireAddresses(addresses):
                self.held |= set(addresses)
            case ReleaseAddresses(addresses):
                self.held -= set(addresses)
            case _:
                pass

    def hear(self, link: str, event: AdvertReceived) -> None:
        if not self.alive or screen(event.advert, self.configs[link]) is not None:
            return
        if self.paused:
            self.queue.append(MemberEvent(link, event))
        else:
            self.post(MemberEvent(link, event))

    def arm(self) -> None:
        deadline = self.group.deadline
        if deadline is not None and deadline != self.armed:
            self.armed = deadline
            self.lab.agenda.add(max(deadline, self.lab.now), ALARMS, self.ring, deadline)

    def ring(self, deadline: float) -> None:
        if deadline == self.armed and not self.paused:
            self.armed = inf
            self.post(TimerFired())


@define(eq=False)
class Lab:
    """All of them.

    Attributes:
        news: Every change of a group, with the name of its machine.
        sent: How many advertisements have left.
    """

    links: dict[str, Link]
    machines: dict[str, Machine] = field(factory=dict)
    agenda: Agenda = field(factory=Agenda)
    news: list[tuple[str, GroupChanged]] = field(factory=list)
    sent: int = 0

    @property
    def now(self) -> float:
        return self.agenda.now

    @property
    def active(self) -> list[str]:
        return [name for name, each in self.machines.items() if each.alive and each.group.state is State.ACTIVE]

    @property
    def holders(self) -> dict[str, list[str]]:
        """Who holds the addresses of each link."""
        return {
            link: [
                name
                for name, machine in self.machines.items()
                if machine.held.intersection(machine.configs[link].addresses)
            ]
            for link in self.links
        }

    def add(
        self, name: str, hosts: dict[str, int], *, priority: int = 100, configs: dict[str, ElectionConfig] | None = None
    ) -> Machine:
        """A machine; `hosts` are the last octets of its primary addresses."""
        machine = Machine(
            name,
            self,
            {link: evolve(config, priority=priority) for link, config in (configs or standard(self.links)).items()},
            {link: IPv4Address("198.51.100.0") + host for link, host in hosts.items()},
        )
        self.machines[name] = machine
        for link in self.links.values():
            link.attach(name)
        return machine

    def at(self, time: float, call: Callable[[], object]) -> None:
        self.agenda.add(time, CALLS, lambda call: call(), call)

    def run(self, until: float) -> None:
        self.agenda.run(until)

    def run_for(self, seconds: float) -> None:
        self.agenda.run(self.now + seconds)

    def transmit(self, sender: Machine, link: str, advert: Advertisement) -> None:
        self.sent += 1
        heard = AdvertReceived(advert, sender.addresses[link])
        for receiver in self.machines.values():
            if receiver is not sender:
                for at in self.links[link].arrivals(sender.name, receiver.name, self.now):
                    self.agenda.add(at, ARRIVALS, lambda way: way[0].hear(*way[1:]), (receiver, link, heard))

    def story(self, since: float = 0.0) -> list[str]:
        """Every change of a group, one a line."""
        return [f"{change.at:.3f} {name} {change}" for name, change in self.news if change.at >= since]


def standard(links: Iterable[str]) -> dict[str, ElectionConfig]:
    """The first link has VRID 1 and 192.0.2.1, and so on."""
    return {
        link: ElectionConfig(vrid=number, addresses=[f"192.0.2.{number}"]) for number, link in enumerate(links, start=1)
    }


def lab(links: str = "xy", *, delay: float = 0.0005, seed: int = 1) -> Lab:
    return Lab({link: Link(seed + number, delay=delay) for number, link in enumerate(links)})
