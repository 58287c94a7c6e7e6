"""One router's row of a timeline, and one address's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from attrs import frozen

from vrrpkit.election import State
from vrrpkit.testing._history import Stretch, Tenure
from vrrpkit.testing._paint import ACTIVE, BACKUP, FAULT, HALO, HATCHED, HELD, INK, LOST, SHARED, SOFT, STRIPED
from vrrpkit.testing._svg import Scale, group, label, rect, tag, text_width

__all__ = ["Row", "address_row", "bar", "router_row"]

_HELD_BELOW: Final = 3
_HELD_HIGH: Final = 4


@frozen
class Row:
    """A router's place in the picture.

    Attributes:
        name: Its name.
        about: What else to say.
        bar: The upper edge of its bars, in pixels.
        height: Their height.
        life: What it was.
        held: When it held addresses.
    """

    name: str
    about: str
    bar: float
    height: float
    life: list[Stretch]
    held: list[tuple[float, float]]

    @property
    def below(self) -> float:
        """The lower edge."""
        return self.bar + self.height + _HELD_BELOW + _HELD_HIGH


def router_row(row: Row, scale: Scale) -> str:
    """Its name, its states, and when it held addresses."""
    names = [
        label(16, row.bar + 9, row.name, font_weight="600", font_size=12),
        label(16, row.bar + 21, row.about, fill=SOFT, font_size=10),
    ]
    return group([*names, *_bars(row, scale), *_held(row, scale)])


def _bars(row: Row, scale: Scale) -> Iterator[str]:
    slivers = set[tuple[int, State, bool]]()
    for stretch in row.life:
        start, end = scale.x(stretch.start), scale.x(stretch.end)
        sliver = (int(start), stretch.state, stretch.paused)
        if stretch.end > scale.begin and stretch.start < scale.end and (end - start >= 1 or sliver not in slivers):
            wide = max(end - start, 1.0)
            slivers.add(sliver)
            yield bar(stretch, start, row.bar, wide, row.height)
            text = words_of(stretch)
            if stretch.alive and stretch.state is not State.INITIALIZE and text_width(text, 10) + 8 <= wide:
                white = stretch.state is State.ACTIVE and not stretch.paused
                halo = {} if white or stretch.state is State.BACKUP else HALO
                yield label(start + 6, row.bar + 13.5, text, font_size=10, fill="#fff" if white else INK, **halo)


def _held(row: Row, scale: Scale) -> Iterator[str]:
    slivers = set[int]()
    for start, end in row.held:
        x = scale.x(start)
        if end > scale.begin and start < scale.end and (scale.x(end) - x >= 1 or int(x) not in slivers):
            slivers.add(int(x))
            title = f"{row.name} holds addresses, {start:.3f}-{end:.3f} s"
            top = row.bar + row.height + _HELD_BELOW
            yield rect(x, top, max(scale.x(end) - x, 1.0), _HELD_HIGH, title, fill=HELD)


def bar(stretch: Stretch, x: float, y: float, wide: float, high: float) -> str:
    """A state: Active is high, Backup is low, fault is hatched, what is stopped is striped, the rest is a line."""
    title = f"{words_of(stretch)}, {stretch.start:.3f}-{stretch.end:.3f} s"
    middle = f"M{x:.1f} {y + high / 2:.1f}h{wide:.1f}"
    match stretch.state:
        case State.ACTIVE:
            drawn = rect(x, y, wide, high, title, fill=ACTIVE)
        case State.BACKUP:
            drawn = rect(x, y + 3, wide, high - 6, title, fill=BACKUP, stroke="#9db8cd", stroke_width=0.6)
        case State.FAULT:
            drawn = rect(x, y, wide, high, title, fill=HATCHED, stroke=FAULT)
        case State.INITIALIZE:
            dashes = {"stroke_dasharray": "5 3"} if stretch.alive else {"stroke_dasharray": "1 4"}
            drawn = tag("path", tag("title", title), d=middle, stroke=SOFT, stroke_width=1.4, **dashes)
        case unreachable:
            assert_never(unreachable)
    return drawn + (rect(x, y, wide, high, title, fill=STRIPED) if stretch.paused else "")


def words_of(stretch: Stretch) -> str:
    """A state, in words."""
    if not stretch.alive:
        return "killed"
    if stretch.state is State.INITIALIZE:
        return "not started"
    return f"{stretch.state}, paused" if stretch.paused else str(stretch.state)


def address_row(name: str, life: list[Tenure], y: float, scale: Scale) -> str:
    """Who held an address: one, nobody, or several."""
    pieces = [label(16, y + 11, name, font_size=11)]
    slivers = set[tuple[int, int]]()
    for start, end, holders in life:
        x = scale.x(start)
        wide, sliver = scale.x(end) - x, (int(x), min(len(holders), 2))
        if end > scale.begin and start < scale.end and (wide >= 1 or sliver not in slivers):
            slivers.add(sliver)
            wide = max(wide, 1.0)
            text = " and ".join(holders) or "nobody"
            title = f"{text}, {start:.3f}-{end:.3f} s ({end - start:.3f} s)"
            match len(holders):
                case 0:
                    style: dict[str, str] = {"fill": "#fff", "stroke": LOST, "stroke_dasharray": "3 2"}
                case 1:
                    style = {"fill": "#c4e6da", "stroke": HELD}
                case _:
                    style = {"fill": SHARED, "stroke": LOST}
            pieces.append(rect(x, y, wide, 15, title, stroke_width=0.8, **style))
            shorter = text if holders else f"{end - start:.2g} s"
            text = next((each for each in (f"{text}, {end - start:.3g} s", shorter) if _fits(each, wide)), "")
            if text:
                pieces.append(label(x + 5, y + 11, text, font_size=10, **({} if len(holders) == 1 else HALO)))
    return group(pieces)


def _fits(text: str, wide: float) -> bool:
    return text_width(text, 10) + 8 <= wide
