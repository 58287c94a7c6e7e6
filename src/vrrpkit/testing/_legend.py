"""What the signs of a timeline mean."""

from __future__ import annotations

from collections.abc import Iterator

from vrrpkit.election import State
from vrrpkit.testing._history import Stretch
from vrrpkit.testing._paint import ADVERT, HELD, LOST, RESIGNED, SHARED, SOFT
from vrrpkit.testing._rows import bar
from vrrpkit.testing._svg import group, label, path, rect, tag, text_width

__all__ = ["legend"]


def legend(x: float, y: float) -> str:
    """One line of signs; the rest has its words with it."""
    pieces = []
    for sign, text, wide in _signs():
        pieces.append(tag("g", sign, transform=f"translate({x:.1f} {y:.1f})"))
        pieces.append(label(x + wide + 5, y + 9, text))
        x += wide + text_width(text, 10) + 18
    return group(pieces, font_size=10, fill=SOFT)


def _signs() -> Iterator[tuple[str, str, float]]:
    for state in (State.ACTIVE, State.BACKUP, State.FAULT, State.INITIALIZE):
        yield bar(Stretch(0.0, 0.0, state), 0, 0, 18, 12), "not started" if state is State.INITIALIZE else state, 18
    yield bar(Stretch(0.0, 0.0, State.ACTIVE, paused=True), 0, 0, 18, 12), "paused", 18
    yield rect(0, 4, 18, 4, fill=HELD), "holds addresses", 18
    yield path(["M5 0V12"], stroke=ADVERT) + path(["M5 12l-2.2 -4.5h4.4z"], fill=ADVERT), "advertisement", 8
    yield path(["M5 0V12"], stroke=RESIGNED, stroke_width=1.3, stroke_dasharray="4 2"), "resignation", 8
    yield path(["M1 3l6 6m0 -6l-6 6"], stroke=LOST, stroke_width=1.6), "lost", 8
    yield rect(0, 1, 18, 10, fill=SHARED, stroke=LOST, stroke_width=0.8), "two hold it", 18
