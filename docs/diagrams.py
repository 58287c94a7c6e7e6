# ruff: noqa: INP001 - a script, not a package
"""Draw the pictures of the documentation from the code: `python docs/diagrams.py`.

State diagrams come from feeding every kind of event to the machines in every state they get into, timelines from
simulations. `tests/testing/test_diagrams.py` fails when a committed picture is not the one that this draws.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import product
from math import copysign, hypot, inf
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from vrrpkit.election import (
    AdvertReceived,
    Election,
    ElectionConfig,
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
    State,
    StateChanged,
    SteppedDown,
    Suspended,
    TimerFired,
)
from vrrpkit.packet import Advertisement
from vrrpkit.sync import GroupChanged, MemberEvent, SyncGroup
from vrrpkit.testing import Simulation
from vrrpkit.testing._svg import group, label, rect, tag

STATIC = Path(__file__).with_name("_static")
OWN, LOWER, HIGHER = IPv4Address("198.51.100.5"), IPv4Address("198.51.100.1"), IPv4Address("198.51.100.9")
CAUSE = "link:eth0"
LATER = (0.0, 100.0)  # seconds between two events: at once, and after any silence limit

Edges: TypeAlias = dict[tuple[State, State], set[str]]
MachineT = TypeVar("MachineT", Election, SyncGroup)
EventT = TypeVar("EventT", Event, MemberEvent)


def config(vrid: int = 51, *, priority: int = 100, preempt: bool = True, startup_delay: float = 0.0) -> ElectionConfig:
    """One virtual router's settings."""
    addresses = [f"192.0.2.{vrid}"]
    return ElectionConfig(
        vrid=vrid, addresses=addresses, priority=priority, preempt=preempt, startup_delay=startup_delay
    )


def events(vrid: int = 51) -> list[Event]:
    """Everything that can happen to an election, each kind in all variants that matter to it."""
    adverts = [
        AdvertReceived(Advertisement(vrid=vrid, priority=priority, addresses=config(vrid).addresses), source)
        for priority, source in ((0, HIGHER), (50, HIGHER), (100, LOWER), (100, HIGHER), (200, HIGHER), (255, HIGHER))
    ]
    return [
        *adverts,
        Startup(),
        Shutdown(),
        Shutdown(deleted=True),
        TimerFired(),
        PriorityChanged(60),
        PrimaryAddressChanged(OWN),
        FaultRaised(CAUSE),
        FaultCleared(CAUSE),
        Suspended(),
        Resumed(),
        SteppedDown(),
        Reconfigured(config(vrid, priority=255)),
        Reconfigured(config(vrid)),
        GroupYielded("other"),
        GroupTookOver("other"),
    ]


def explore_election() -> Edges:
    """Every change of state that an election can make, with its reasons."""
    settings = [
        config(priority=priority, preempt=preempt, startup_delay=delay)
        for priority in (100, 255)
        for preempt in (True, False)
        for delay in (0.0, 5.0)
    ]
    return explore([lambda own=own: Election(own, OWN) for own in settings], events(), StateChanged, shape_of)


def explore_group() -> Edges:
    """Every change of state that a sync group can make, with its reasons, while nobody joins it or leaves it."""
    vrids = {"one": 51, "two": 52}

    def begin(**settings: object) -> SyncGroup:
        return SyncGroup({name: Election(config(vrid, **settings), OWN) for name, vrid in vrids.items()})

    def shape(members: SyncGroup, now: float) -> tuple[object, ...]:
        each = {shape_of(election, now) for election in members.members.values()}  # whichever is which
        return (frozenset(each), members.deadline is not None and members.deadline <= now)

    # What only a group itself feeds is left out, and what would make the members differ.
    fed = [
        MemberEvent(name, event)
        for name, vrid in vrids.items()
        for event in events(vrid)
        if not isinstance(event, GroupYielded | GroupTookOver | Reconfigured)
    ]
    starts = [
        begin,
        lambda: begin(preempt=False),
        lambda: begin(priority=255),
        lambda: begin(priority=255, startup_delay=5.0),
    ]
    return explore(starts, fed, GroupChanged, shape)


def shape_of(election: Election, now: float) -> tuple[object, ...]:
    """What decides how an election goes on, without the exact times."""
    due = election.deadline is not None and election.deadline <= now
    why = getattr(election.phase, "why", None)
    settings = (election.config.priority, election.config.preempt, election.priority)
    ready = election.config.startup_delay > now
    held = bool(election.causes)
    return (election.state, why, due, election.is_stalled(now), held, election.is_yielding, ready, settings)


def explore(
    starts: list[Callable[[], MachineT]],
    fed: list[EventT],
    news: type[StateChanged | GroupChanged],
    shape: Callable[[MachineT, float], tuple[object, ...]],
) -> Edges:
    """Feed everything in every state that is reached, once for each shape; a state is what a history leads to."""
    edges: Edges = {}
    seen: set[tuple[object, ...]] = set()
    ahead: deque[tuple[Callable[[], MachineT], tuple[tuple[EventT, float], ...]]] = deque()
    ahead.extend((start, ()) for start in starts)
    while ahead:
        start, history = ahead.popleft()
        for event, later in product(fed, LATER):
            machine, now = start(), 0.0
            for known, now in history:
                machine.handle(known, now)
            now += later
            for action in machine.handle(event, now):
                if isinstance(action, news):
                    edges.setdefault((action.old, action.new), set()).add(str(action.reason))
            if (form := shape(machine, now)) not in seen:
                seen.add(form)
                ahead.append((start, (*history, (event, now))))
    return edges


class Box(NamedTuple):
    """Where a state is, and how it looks."""

    x: float
    y: float
    fill: str
    ink: str = "#1b2733"
    dashes: str = "none"


WIDE, HIGH, WIDTH, HEIGHT = 116, 44, 890, 540
ASIDE, GAP = 8, 5  # from the line between two middles, and between an arrow and a box
GREY = "#5b6875"
BOXES = {
    State.INITIALIZE: Box(525, 40, "#fff", dashes="5 3"),
    State.BACKUP: Box(250, 270, "#d3e3f0"),
    State.ACTIVE: Box(800, 270, "#0072b2", "#fff"),
    State.FAULT: Box(525, 500, "#f6cf72"),
}
# From top to bottom is a way around, left of all: where its line is, and on which side its reasons are.
AROUND = {(State.INITIALIZE, State.FAULT): (70, -8), (State.FAULT, State.INITIALIZE): (90, 8)}


def state_diagram(edges: Edges, title: str) -> str:
    """The states in their places, and an arrow for each pair of them, with its reasons."""
    head = '<marker id="{0}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    defs = tag("defs", head.format("vrrpkit-head") + '<path d="M0 0L8 4L0 8z" fill="#5b6875"/></marker>')
    pieces = [
        tag("title", title),
        defs,
        tag("rect", width=WIDTH, height=HEIGHT, rx=6, fill="#fff"),
        *(arrow(old, new) for old, new in sorted(edges)),
        *(box(state) for state in BOXES),
        *(reasons(old, new, sorted(edges[old, new])) for old, new in sorted(edges)),
    ]
    return (
        tag(
            "svg",
            "\n".join(["", *pieces, ""]),
            xmlns="http://www.w3.org/2000/svg",
            width=WIDTH,
            height=HEIGHT,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            font_family="system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
            font_size=13,
            fill="#1b2733",
        )
        + "\n"
    )


def box(state: State) -> str:
    """A state."""
    x, y, fill, ink, dashes = BOXES[state]
    frame = rect(
        x - WIDE / 2, y - HIGH / 2, WIDE, HIGH, rx=8, fill=fill, stroke="#5b6875", stroke_width=1.4,
        stroke_dasharray=dashes,
    )  # fmt: skip
    return group([frame, label(x, y + 5, state.capitalize(), text_anchor="middle", font_weight="600", fill=ink)])


def line(old: State, new: State) -> tuple[float, float, float, float]:
    """From one box to the other, a little aside of the middle, so that there is room for the way back."""
    (x1, y1, *_), (x2, y2, *_) = BOXES[old], BOXES[new]
    length = hypot(x2 - x1, y2 - y1)
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    off_x, off_y = dy * ASIDE, -dx * ASIDE

    def border(direction: int) -> float:
        """How far from the middle the line leaves a box."""
        along = (WIDE / 2 + GAP - direction * copysign(off_x, off_x * dx)) / abs(dx) if dx else inf
        down = (HIGH / 2 + GAP - direction * copysign(off_y, off_y * dy)) / abs(dy) if dy else inf
        return min(along, down)

    out, back = border(1), border(-1)
    return x1 + off_x + dx * out, y1 + off_y + dy * out, x2 + off_x - dx * back, y2 + off_y - dy * back


def arrow(old: State, new: State) -> str:
    """The way from one state to another."""
    if (old, new) in AROUND:
        x, side = AROUND[old, new]
        (x1, y1, *_), (x2, y2, *_) = BOXES[old], BOXES[new]
        out, down = WIDE / 2 + GAP, copysign(10, y2 - y1)
        y1, y2 = y1 + copysign(side, side * down), y2 - copysign(side, side * down)
        corner = f"V{y2 - down:.1f}Q{x} {y2:.1f} {x + 10} {y2:.1f}"
        steps = f"M{x1 - out:.1f} {y1:.1f}H{x + 10}Q{x} {y1:.1f} {x} {y1 + down:.1f}{corner}H{x2 - out:.1f}"
    else:
        x1, y1, x2, y2 = line(old, new)
        steps = f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    return tag("path", d=steps, stroke=GREY, stroke_width=1.4, fill="none", marker_end="url(#vrrpkit-head)")


def reasons(old: State, new: State, names: list[str]) -> str:
    """The reasons of a change, on the outer side of its arrow."""
    high = 16 * len(names)
    if (old, new) in AROUND:
        x, side = AROUND[old, new]
        x, y, side_x, side_y = float(x), HEIGHT / 2, float(copysign(1, side)), 0.0
    else:
        x1, y1, x2, y2 = line(old, new)
        length = hypot(x2 - x1, y2 - y1)
        x, y, side_x, side_y = (x1 + x2) / 2, (y1 + y2) / 2, (y2 - y1) / length, (x1 - x2) / length
    anchor = "middle" if abs(side_x) < 0.3 else "start" if side_x > 0 else "end"
    x += side_x * 12
    y += side_y * (6 + (high / 2 if anchor == "middle" else 6)) - high / 2 + 12
    lines = [label(x, y + 16 * number, name) for number, name in enumerate(names)]
    return group(lines, text_anchor=anchor, font_size=12)


def simulated(*priorities: int, **settings: object) -> Simulation:
    """Routers a, b and so on of these priorities, started."""
    sim = Simulation(seed=1)
    for number, priority in enumerate(priorities):
        given = ElectionConfig(vrid=51, addresses=["192.0.2.10"], priority=priority, **settings)
        sim.add("abc"[number], given, address=f"198.51.100.{number + 1}")
    sim.start()
    return sim


def failover() -> str:
    """The Active router dies."""
    sim = simulated(200, 150, 100)
    sim.at(8.6, sim.routers["a"].kill)
    sim.run(until=16)
    return sim.timeline().svg


def preemption() -> str:
    """It comes back, with a delay."""
    sim = simulated(200, 100, preempt_delay=3)
    sim.at(5.0, sim.routers["a"].kill)
    sim.at(11.0, sim.routers["a"].start)
    sim.run(until=22)
    return sim.timeline().svg


def split() -> str:
    """The network falls apart, and is whole again."""
    sim = simulated(200, 100)
    sim.at(6.0, sim.partition, ["a"], ["b"])
    sim.at(14.3, sim.heal)
    sim.run(until=18)
    return sim.timeline().svg


def learned_interval() -> str:
    """A Backup of a shorter interval counts in that of the Active router."""
    sim = Simulation(seed=1)
    for name, priority, interval in (("a", 200, 4.0), ("b", 100, 1.0)):
        settings = ElectionConfig(vrid=51, addresses=["192.0.2.10"], priority=priority, advert_interval=interval)
        sim.add(name, settings, address=f"198.51.100.{len(sim.routers) + 1}")
    sim.routers["a"].start()
    sim.run(until=14)
    sim.routers["b"].start()
    sim.at(31.0, sim.routers["a"].kill)
    sim.run(until=52)
    return sim.timeline(begin=10.0).svg


def pictures() -> dict[str, str]:
    """Every picture by the name of its file."""
    return {
        "states-election.svg": state_diagram(explore_election(), "The states of an election"),
        "states-group.svg": state_diagram(explore_group(), "The states of a sync group"),
        "timeline-failover.svg": failover(),
        "timeline-preemption.svg": preemption(),
        "timeline-split.svg": split(),
        "timeline-learned-interval.svg": learned_interval(),
    }


if __name__ == "__main__":
    STATIC.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (STATIC / name).write_text(svg, encoding="utf-8", newline="\n")
