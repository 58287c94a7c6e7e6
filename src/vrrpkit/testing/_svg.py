"""Pieces of an SVG picture, as text: the same numbers give the same octets."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

__all__ = ["Scale", "group", "label", "num", "path", "rect", "tag", "text_width"]


def num(value: float) -> str:
    """A coordinate: one decimal, or none."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def tag(name: str, inner: str = "", /, **attributes: str | float) -> str:
    """An element; underscores in the names of attributes stand for hyphens."""
    settings = "".join(
        f" {key.replace('_', '-')}={quoteattr(value if isinstance(value, str) else num(value))}"
        for key, value in attributes.items()
    )
    return f"<{name}{settings}>{inner}</{name}>" if inner else f"<{name}{settings}/>"


def group(pieces: Iterable[str], /, **attributes: str | float) -> str:
    """A group, or nothing if there is nothing in it."""
    lines = [piece for piece in pieces if piece]
    return tag("g", "\n".join(["", *lines, ""]), **attributes) if lines else ""


def label(x: float, y: float, text: str, /, **attributes: str | float) -> str:
    """A line of text."""
    return tag("text", escape(text), x=x, y=y, **attributes)


def rect(x: float, y: float, width: float, height: float, title: str = "", /, **attributes: str | float) -> str:
    """A box, with what is shown when one points at it."""
    inner = tag("title", escape(title)) if title else ""
    return tag("rect", inner, x=x, y=y, width=width, height=height, **attributes)


def path(steps: Iterable[str], /, **attributes: str | float) -> str:
    """Many strokes as one element, or nothing without any."""
    drawn = "".join(steps)
    return tag("path", d=drawn, **attributes) if drawn else ""


def text_width(text: str, size: float = 11) -> float:
    """About how wide a text will be, in pixels; a little more, to be safe."""
    return 0.6 * size * len(text)


@frozen
class Scale:
    """Where a time is on the picture.

    Attributes:
        begin: The first time, in seconds.
        end: The last one, later than that.
        left: Where the first one is, in pixels.
        right: Where the last one is.
    """

    begin: float
    end: float
    left: float
    right: float

    def x(self, time: float) -> float:
        """The place of a time; that of the nearer end if it is outside."""
        inside = min(max(time, self.begin), self.end)
        return self.left + (inside - self.begin) / (self.end - self.begin) * (self.right - self.left)

    def shows(self, time: float) -> bool:
        """Whether a time is on the picture."""
        return self.begin <= time <= self.end

    def ticks(self, apart: float = 70) -> list[tuple[float, str]]:
        """Round times, no nearer to each other than so many pixels, with their texts."""
        least = (self.end - self.begin) * apart / (self.right - self.left)
        power = 10.0 ** floor(log10(least))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
        digits = max(0, -floor(log10(step) + 1e-9))
        first = -floor(-self.begin / step + 1e-9)
        times = [number * step for number in range(first, floor(self.end / step + 1e-9) + 1)]
        return [(time, f"{time:.{digits}f}") for time in times]
