"""Colours and textures: from Okabe and Ito's, which the colour-blind can tell apart, and no meaning by colour alone."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIVE",
    "ADVERT",
    "BACKUP",
    "FAULT",
    "FONT",
    "HALO",
    "HATCHED",
    "HELD",
    "INK",
    "LOST",
    "PALE",
    "PATTERNS",
    "RESIGNED",
    "SHARED",
    "SOFT",
    "STRIPED",
]

FONT: Final = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
INK: Final = "#1b2733"
SOFT: Final = "#66727e"
PALE: Final = "#e6eaee"

ACTIVE: Final = "#0072b2"
BACKUP: Final = "#d3e3f0"
FAULT: Final = "#f0b429"
HELD: Final = "#009e73"
LOST: Final = "#d55e00"
RESIGNED: Final = "#a0417c"
ADVERT: Final = "#9aa6b2"

# Words stay readable where lines cross them.
HALO: Final[dict[str, str | float]] = {
    "stroke": "#fff",
    "stroke_width": 3,
    "paint_order": "stroke",
    "stroke_linejoin": "round",
}

HATCHED: Final = "url(#vrrpkit-hatched)"
STRIPED: Final = "url(#vrrpkit-striped)"
SHARED: Final = "url(#vrrpkit-shared)"
_PATTERN: Final = (
    '<pattern id="vrrpkit-{}" width="{}" height="{}" patternUnits="userSpaceOnUse" patternTransform="rotate({})">'
    "{}</pattern>"
)
PATTERNS: Final = "".join(
    (
        _PATTERN.format(
            "hatched",
            6,
            6,
            45,
            f'<rect width="6" height="6" fill="{FAULT}"/><rect width="2.4" height="6" fill="#fff"/>',
        ),
        _PATTERN.format("striped", 5, 5, 0, '<rect width="2" height="5" fill="#fff" fill-opacity="0.55"/>'),
        _PATTERN.format(
            "shared",
            5,
            5,
            -45,
            '<rect width="5" height="5" fill="#fff"/><rect width="2.5" height="5" fill="#f4bd96"/>',
        ),
    )
)
