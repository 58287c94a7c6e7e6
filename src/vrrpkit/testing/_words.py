"""Words on a timeline, each with a pole that shows its time."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

from vrrpkit.testing._flags import Flag, stacked
from vrrpkit.testing._paint import HALO, INK, SOFT
from vrrpkit.testing._svg import Scale, group, label, path, tag, text_width

__all__ = ["Word", "height", "placed", "poles", "words"]

_LINE: Final = 15
_LINES: Final = 4


@frozen
class Word:
    """A flag, and where it stands.

    Attributes:
        flag: What it says.
        x: The place of its pole.
        line: Which line of words from below; None where there is no room.
        leftwards: Whether the text is left of the pole.
    """

    flag: Flag
    x: float
    line: int | None
    leftwards: bool


def placed(flags: list[Flag], scale: Scale) -> dict[str, list[Word]]:
    """The words of each row: as many as there is room for, and no more than one pole in a pixel for all the others."""
    rows: dict[str, list[Word]] = {}
    for router in dict.fromkeys(flag.router for flag in flags):
        spans: list[tuple[float, float, tuple[Flag, float, bool]]] = []
        for flag in (flag for flag in flags if flag.router == router):
            x, wide = scale.x(flag.time), text_width(flag.text, 10.5 if flag.is_reason else 11.5) + 8
            leftwards = x + wide > scale.right + 10
            spans.append((x - wide if leftwards else x - 1, x + 1 if leftwards else x + wide, (flag, x, leftwards)))
        bare = set[int]()
        for line, (flag, x, leftwards) in stacked(sorted(spans, key=lambda span: span[0]), _LINES):
            if line is not None or int(x) not in bare:
                rows.setdefault(router, []).append(Word(flag, x, line, leftwards))
            if line is None:
                bare.add(int(x))
    return rows


def height(row: list[Word]) -> int:
    """Of all lines of words, in pixels."""
    return _LINE * (max((word.line for word in row if word.line is not None), default=-1) + 1)


def words(row: list[Word], base: float) -> str:
    """A pole for each, and the texts; the text of those without room is shown when one points at the pole."""
    marks, texts = [], []
    for word in row:
        top = base - _LINE * ((word.line or 0) + 1) + 4
        title = tag("title", escape(f"{word.flag.time:.3f} s: {word.flag.text}"))
        stroke = SOFT if word.flag.is_reason else INK
        marks.append(tag("path", title, d=f"M{word.x:.1f} {top:.1f}V{base:.1f}", stroke=stroke))
        if word.line is not None:
            style = {"font_style": "italic", "fill": SOFT} if word.flag.is_reason else {"font_weight": "600"}
            anchor = {"text_anchor": "end"} if word.leftwards else {}
            x = word.x - 4 if word.leftwards else word.x + 4
            texts.append(label(x, top + 8, word.flag.text, **HALO, **style, **anchor))
    return group(marks + texts)


def poles(row: list[Word], top: float, bottom: float) -> str:
    """What befalls the network concerns every row."""
    steps = (f"M{x:.1f} {top:.1f}V{bottom:.1f}" for x in sorted({word.x for word in row}))
    return path(steps, stroke=SOFT, stroke_dasharray="2 3", fill="none")
