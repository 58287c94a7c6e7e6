"""Routers on one LAN, driven by the lines of a transcript.

Commands, one a line; `#` begins a comment and a blank line is only air:

    router NAME [key=value ...]    a router; keys are those of `ElectionConfig`, and primary=ADDRESS
    start NAME, stop NAME          Startup, Shutdown
    run SECONDS                    time passes, and timers are served when they are due
    wait SECONDS                   time passes, and no timer is served: a process that stalls
    hear NAME priority=N from=ADDRESS [interval=SECONDS] [vrid=N]
    fault NAME CAUSE, clear NAME CAUSE
    priority NAME N                PriorityChanged
    configure NAME key=value ...   Reconfigured, with these settings changed
    stepdown NAME, suspend NAME, resume NAME
    unplug NAME, plug NAME         leave and join the LAN

Routers of one transcript hear each other at once. A line `----` closes a block of commands; the lines behind it, which
begin with a time, are what came of it. Timers that only start again are not told: an Active Router's next regular
advertisement, and a Backup's silence limit while it goes on hearing the same router.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, ip_address
from typing import Any, NamedTuple

from attrs import define, evolve, field

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Election,
    ElectionConfig,
    Event,
    FaultCleared,
    FaultRaised,
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
    screen,
)
from vrrpkit.packet import Advertisement, Version

OUTCOME = re.compile(r"\d+\.\d{3} ")
FIRST_PRIMARY = IPv4Address("192.0.2.11")

TOGGLES = {"yes": True, "no": False}


@define
class Router:
    name: str
    election: Election
    primary: IPAddress
    plugged: bool = True
    following: tuple[IPAddress, int] | None = None
    """Whom it heard last, so that hearing the same again is no news."""


class Words(NamedTuple):
    """A command line, taken apart."""

    command: str
    plain: list[str]
    settings: dict[str, str]


@define
class Scenario:
    """The state of the LAN, and what has happened since it was last asked."""

    now: float = 0.0
    routers: dict[str, Router] = field(factory=dict)
    outcomes: list[str] = field(factory=list)

    def obey(self, line: str) -> None:
        words = parse(line)
        match words:
            case Words("router", [name], settings):
                self.add(name, settings)
            case Words("run", [seconds], _):
                self.run(float(seconds))
            case Words("wait", [seconds], _):
                self.now += float(seconds)
            case Words("unplug" | "plug", [name], _):
                self.routers[name].plugged = words.command == "plug"
            case Words("configure", [name], settings):
                router = self.routers[name]
                self.tell(router, Reconfigured(configured(router.election.config, settings)))
            case Words("hear", [name], settings):
                router = self.routers[name]
                event = advert(router.election.config, settings)
                reject = screen(event.advert, router.election.config)
                if reject is None:
                    self.tell(router, event)
                else:
                    self.report(router, f"rejects {reject}")
            case Words(command, [name, *rest], _):
                self.tell(self.routers[name], EVENTS[command](*rest))
            case _:
                raise ValueError(line)

    def add(self, name: str, settings: dict[str, str]) -> None:
        primary = ip_address(settings.pop("primary", str(FIRST_PRIMARY + len(self.routers))))
        base = ElectionConfig(vrid=1, addresses=["192.0.2.1"])
        self.routers[name] = Router(name, Election(configured(base, settings), primary), primary)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while waiting := [router for router in self.routers.values() if due(router) <= end]:
            router = min(waiting, key=due)
            self.now = max(self.now, due(router))
            self.tell(router, TimerFired())
        self.now = end

    def tell(self, router: Router, event: Event) -> None:
        """Hand one event to one router, write down what comes of it, and carry its words to the others."""
        before = router.election.deadline
        actions = router.election.handle(event, self.now)
        if actions:
            self.report(router, told(actions))
        if self.is_news(router, event, actions) and router.election.deadline not in {before, None}:
            self.report(router, f"{intention(router.election.state)} {router.election.deadline:.3f}")
        for action in actions:
            if isinstance(action, SendAdvertisement):
                self.carry(router, action.advert)

    def is_news(self, router: Router, event: Event, actions: Iterable[Action]) -> bool:
        changed = any(isinstance(action, StateChanged) for action in actions)
        if isinstance(event, AdvertReceived):
            heard, router.following = router.following, (event.source, event.advert.priority)
            return changed or heard != router.following
        return changed or not isinstance(event, TimerFired)

    def carry(self, sender: Router, advert: Advertisement) -> None:
        for receiver in self.routers.values():
            connected = sender.plugged and receiver.plugged and receiver is not sender
            if connected and screen(advert, receiver.election.config) is None:
                self.tell(receiver, AdvertReceived(advert, sender.primary))

    def report(self, router: Router, text: str) -> None:
        self.outcomes.append(f"{self.now:.3f} {router.name} {text}")


EVENTS: dict[str, Callable[..., Event]] = {
    "start": Startup,
    "stop": Shutdown,
    "fault": FaultRaised,
    "clear": FaultCleared,
    "stepdown": SteppedDown,
    "suspend": Suspended,
    "resume": Resumed,
    "priority": lambda priority: PriorityChanged(int(priority)),
}


def parse(line: str) -> Words:
    command, *rest = line.partition("#")[0].split()
    settings = dict(word.split("=", 1) for word in rest if "=" in word)
    return Words(command, [word for word in rest if "=" not in word], settings)


def configured(base: ElectionConfig, settings: dict[str, str]) -> ElectionConfig:
    return evolve(base, **{key: READERS[key](text) for key, text in settings.items()})


READERS: dict[str, Callable[[str], Any]] = {
    "addresses": lambda text: text.split(","),
    "unadvertised": lambda text: text.split(","),
    "priority": int,
    "version": int,
    "advert_interval": float,
    "preempt": TOGGLES.__getitem__,
    "preempt_delay": float,
    "down_timer_adverts": int,
    "startup_delay": float,
    "higher_prio_send_advert": TOGGLES.__getitem__,
    "lower_prio_no_advert": TOGGLES.__getitem__,
}


def advert(config: ElectionConfig, settings: dict[str, str]) -> AdvertReceived:
    """What a stranger says; where the transcript is silent, as a peer of this router would."""
    said = Advertisement(
        vrid=int(settings.get("vrid", config.vrid)),
        priority=int(settings["priority"]),
        interval=float(settings.get("interval", config.advert_interval)),
        addresses=config.addresses,
        version=Version(int(settings.get("version", config.version))),
    )
    return AdvertReceived(said, ip_address(settings["from"]))


def due(router: Router) -> float:
    return float("inf") if router.election.deadline is None else router.election.deadline


def intention(state: State) -> str:
    return "next advert at" if state is State.ACTIVE else "takes over at"


def told(actions: Iterable[Action]) -> str:
    """News first, then what is done, in the order in which it is done."""
    news, deeds = "", []
    for action in actions:
        match action:
            case SendAdvertisement(advert):
                deeds.append(f"send {advert.priority}")
            case AcquireAddresses(addresses):
                deeds.append(f"acquire {listed(addresses)}")
            case ReleaseAddresses(addresses):
                deeds.append(f"release {listed(addresses)}")
            case AnnounceAddresses(addresses):
                deeds.append(f"announce {listed(addresses)}")
            case StateChanged(old=old, new=new, reason=reason):
                news = f"{old} -> {new} ({reason})"
    return ": ".join(filter(None, [news, "; ".join(deeds)]))


def listed(addresses: Iterable[IPAddress]) -> str:
    return " ".join(map(str, addresses))


def performed(text: str) -> str:
    """The transcript with the outcomes that its commands have now."""
    return "".join(f"{line}\n" for line in _performed(text.splitlines()))


def _performed(lines: list[str]) -> Iterator[str]:
    scenario = Scenario()
    for line in lines:
        if OUTCOME.match(line):
            continue
        yield line
        if line == "----":
            yield from scenario.outcomes
            scenario.outcomes.clear()
        elif line.partition("#")[0].strip():
            scenario.obey(line)
    if scenario.outcomes:
        raise ValueError(f"no ---- behind the last commands: {scenario.outcomes}")
