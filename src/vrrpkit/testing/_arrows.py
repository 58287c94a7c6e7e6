"""Advertisements on a timeline: from whom, to whom, and which were lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field

from vrrpkit.election import State
from vrrpkit.testing._paint import ADVERT, LOST, RESIGNED
from vrrpkit.testing._rows import Row
from vrrpkit.testing._svg import Scale, group, path, rect
from vrrpkit.testing._transcript import Flight

__all__ = ["arrows", "bands"]

_APART: Final = 4.0  # pixels; what is nearer to the last one of its sender is told as a number
_CROSS: Final = 3.0


@define
class _Strokes:
    """What is drawn, each kind as one path; the same place twice is one stroke."""

    lines: dict[str, None] = field(factory=dict)
    heads: dict[str, None] = field(factory=dict)
    losses: dict[str, None] = field(factory=dict)
    crosses: dict[str, None] = field(factory=dict)
    farewells: dict[str, None] = field(factory=dict)


def arrows(flights: Iterable[Flight], rows: Mapping[str, Row], scale: Scale) -> str:
    """A line from the sender's row to that of each receiver that runs; one that ends in a cross was lost."""
    strokes = _Strokes()
    crowded = _crowded(flights, scale)
    for flight in flights:
        if scale.shows(flight.sent) and _hears(rows[flight.receiver], flight.sent):
            _draw(strokes, flight, rows, scale, dense=flight.priority > 0 and (flight.sender, flight.sent) in crowded)
    return group(
        [
            path(strokes.lines, stroke=ADVERT, stroke_width=0.8, fill="none"),
            path(strokes.farewells, stroke=RESIGNED, stroke_width=1.3, stroke_dasharray="4 2", fill="none"),
            path(strokes.heads, fill=ADVERT),
            path(strokes.losses, stroke=LOST, stroke_width=0.8, stroke_dasharray="2 2", fill="none"),
            path(strokes.crosses, stroke=LOST, stroke_width=1.6, fill="none"),
        ]
    )


def bands(flights: Iterable[Flight], rows: Mapping[str, Row], scale: Scale) -> str:
    """Where advertisements are too near to each other for lines: a band in the sender's bar, with their number."""
    crowded = _crowded(flights, scale)
    pieces = []
    for name, row in rows.items():
        times = sorted(sent for sender, sent in crowded if sender == name)
        while times:
            run = 1
            while run < len(times) and scale.x(times[run]) - scale.x(times[run - 1]) < _APART:
                run += 1
            start, end, times = scale.x(times[0]), scale.x(times[run - 1]), times[run:]
            title = f"{name}: {run} advertisements"
            pieces.append(rect(start, row.bar + row.height - 4, max(end - start, 1), 2, title, fill="#fff"))
    return group(pieces, fill_opacity=0.7)


def _crowded(flights: Iterable[Flight], scale: Scale) -> set[tuple[str, float]]:
    """Sender and time of what is too near to its neighbours on both sides, or to one of a long run."""
    times: dict[str, set[float]] = {}
    for flight in flights:
        if scale.shows(flight.sent):
            times.setdefault(flight.sender, set()).add(flight.sent)
    crowded = set[tuple[str, float]]()
    for sender, sent in times.items():
        run: list[float] = []
        for time in (*sorted(sent), float("inf")):
            if run and (time > scale.end or scale.x(time) - scale.x(run[-1]) >= _APART):
                if len(run) > 3:
                    crowded.update((sender, each) for each in run)
                run = []
            run.append(time)
    return crowded


def _draw(strokes: _Strokes, flight: Flight, rows: Mapping[str, Row], scale: Scale, *, dense: bool) -> None:
    sender, receiver = rows[flight.sender], rows[flight.receiver]
    down = receiver.bar > sender.bar
    start, end = (sender.below, receiver.bar) if down else (sender.bar, receiver.below)
    x = scale.x(flight.sent)
    if not flight.arrivals:
        y = start + (end - start) * 0.6 if abs(end - start) < 60 else end + (-14 if down else 14)
        place = round(x / _CROSS) * _CROSS if dense else x
        strokes.crosses[_cross(place, y)] = None
        if not dense:
            strokes.losses[f"M{x:.1f} {start:.1f}V{y:.1f}"] = None
        return
    if dense:
        return
    for arrival in flight.arrivals:
        there = scale.x(arrival)
        line = f"M{x:.1f} {start:.1f}L{there:.1f} {end:.1f}"
        (strokes.lines if flight.priority else strokes.farewells)[line] = None
        strokes.heads[f"M{there:.1f} {end:.1f}l-2.2 {-4.5 if down else 4.5}h4.4z"] = None


def _cross(x: float, y: float) -> str:
    return f"M{x - _CROSS:.1f} {y - _CROSS:.1f}l6 6m0 -6l-6 6"


def _hears(row: Row, time: float) -> bool:
    """Whether a router was started, and in no fault, at a time."""
    return any(
        stretch.start <= time < stretch.end and stretch.alive and stretch.state in {State.ACTIVE, State.BACKUP}
        for stretch in row.life
    )
