"""The picture of a timeline: rows, axis, addresses and legend, each in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from vrrpkit.addresses import IPAddress
from vrrpkit.testing._arrows import arrows, bands
from vrrpkit.testing._flags import flags_of
from vrrpkit.testing._history import Tenure, stretches, tenures
from vrrpkit.testing._legend import legend
from vrrpkit.testing._paint import FONT, INK, PALE, PATTERNS, SOFT
from vrrpkit.testing._rows import Row, address_row, router_row
from vrrpkit.testing._svg import Scale, label, path, tag, text_width
from vrrpkit.testing._transcript import Flight, Transcript
from vrrpkit.testing._words import height, placed, poles, words

__all__ = ["Lane", "drawn"]

_BAR: Final = 20
_GAP: Final = 22  # below a row
_LEAST: Final = 15  # above it
_ADDRESS: Final = 24
_ADDRESSES: Final = 8  # how many are shown
_MARGIN: Final = 16


@frozen
class Lane:
    """A row of the picture: a router, and what to say about it."""

    router: str
    about: str


def drawn(
    lanes: Sequence[Lane], transcript: Transcript, flights: Iterable[Flight], span: tuple[float, float], width: int
) -> str:
    """An SVG document."""
    begin, end = span
    terms = tenures(transcript, end)
    held = _alike(terms)
    names = [lane.router for lane in lanes]
    texts = [*names, *(lane.about for lane in lanes), *(name for name, _ in held)]
    scale = Scale(begin, end, 2 * _MARGIN + max(map(text_width, texts), default=0.0), width - _MARGIN - 8)
    flags = placed([flag for flag in flags_of(transcript) if scale.shows(flag.time)], scale)
    lives = stretches(transcript, names, end)
    top = _MARGIN + height(flags.get("", [])) + 6
    rows, flown = [], list(flights)
    holding = _holding(terms.values())
    for lane in lanes:
        bar = top + max(height(flags.get(lane.router, [])), _LEAST) + 4
        rows.append(Row(lane.router, lane.about, bar, _BAR, lives[lane.router], holding.get(lane.router, [])))
        top = bar + _BAR + _GAP
    bottom = top + _ADDRESS * len(held)
    pieces = [
        tag("title", f"{len(lanes)} routers, {begin:g}-{end:g} s"),
        tag("defs", PATTERNS),
        tag("rect", width=width, height=bottom + 66, rx=6, fill="#fff"),
        _axis(scale, _MARGIN, bottom),
        poles(flags.get("", []), _MARGIN, bottom),
        arrows(flown, {row.name: row for row in rows}, scale),
        *(router_row(row, scale) for row in rows),
        bands(flown, {row.name: row for row in rows}, scale),
        *(words(flags.get(row.name, []), row.bar) for row in rows),
        words(flags.get("", []), _MARGIN + height(flags.get("", []))),
        *(address_row(name, life, top + _ADDRESS * place, scale) for place, (name, life) in enumerate(held)),
        legend(_MARGIN, bottom + 40),
    ]
    return (
        tag(
            "svg",
            "\n".join(["", *filter(None, pieces), ""]),
            xmlns="http://www.w3.org/2000/svg",
            width=width,
            height=bottom + 66,
            viewBox=f"0 0 {width} {bottom + 66:g}",
            role="img",
            font_family=FONT,
            font_size=11,
            fill=INK,
        )
        + "\n"
    )


def _axis(scale: Scale, top: float, bottom: float) -> str:
    ticks = scale.ticks()
    lines = path((f"M{scale.x(time):.1f} {top:.1f}V{bottom + 4:.1f}" for time, _ in ticks), stroke=PALE, fill="none")
    base = tag("path", d=f"M{scale.left:.1f} {bottom:.1f}H{scale.right:.1f}", stroke=SOFT)
    texts = [label(scale.x(time), bottom + 18, text, text_anchor="middle", fill=SOFT) for time, text in ticks]
    return "\n".join([lines, base, *texts, label(_MARGIN, bottom + 18, "seconds", fill=SOFT)])


def _holding(lives: Iterable[list[Tenure]]) -> dict[str, list[tuple[float, float]]]:
    """When each router held any address: the spans may touch, and overlap."""
    spans: dict[str, dict[tuple[float, float], None]] = {}
    for life in lives:
        for start, end, holders in life:
            for name in holders:
                spans.setdefault(name, {})[start, end] = None
    return {name: list(each) for name, each in spans.items()}


def _alike(lives: Mapping[IPAddress, list[Tenure]]) -> list[tuple[str, list[Tenure]]]:
    """Addresses that always had the same holders as one line; the first few lines."""
    lines: dict[tuple[Tenure, ...], list[str]] = {}
    for address, life in lives.items():
        lines.setdefault(tuple(life), []).append(str(address))
    texts = [(f"{names[0]} + {len(names) - 1}" if names[1:] else names[0], [*life]) for life, names in lines.items()]
    return texts[:_ADDRESSES]
