"""A simulation as a picture."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from vrrpkit.errors import ConfigError, Whole
from vrrpkit.testing._picture import Lane, drawn
from vrrpkit.testing._transcript import Flight, Transcript

__all__ = ["Timeline"]


@frozen(kw_only=True, eq=False, repr=False)
class Timeline:
    """One run of a simulation as an SVG picture; made by `Simulation.timeline()`, and shown by notebooks as it is.

    Each router has a row: its states as bars, what was done to it and why it changed as words above, the time in which
    it holds addresses as a line below. Advertisements are thin lines to those who are to hear them, with a cross where
    one is lost; a resignation is dashed. Below all are the addresses: who holds them, nobody, or two.

    States differ in height and texture as well as in colour. Where there is too much to be told apart, ticks become a
    band, and words are only shown when one points at their mark; so the size is bounded however long the run was. The
    same simulation gives the same octets.

    Attributes:
        lanes: The routers, from above.
        transcript: What happened.
        flights: What became of the advertisements.
        begin: Where the picture begins, in virtual seconds.
        end: Where it ends.
        width: Its width in pixels, 300-10000.
    """

    lanes: tuple[Lane, ...]
    transcript: Transcript
    flights: tuple[Flight, ...]
    begin: float
    end: float
    width: int = field(default=1000, validator=Whole(300, 10000))

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        if not 0 <= self.begin < self.end:
            raise ConfigError(f"begin must be 0 or more and below end, got {self.begin!r} and {self.end!r}")

    def __repr__(self) -> str:
        """What it shows."""
        return f"<Timeline of {len(self.lanes)} routers, {self.begin:g}-{self.end:g} s>"

    @property
    def svg(self) -> str:
        """The picture."""
        return drawn(self.lanes, self.transcript, self.flights, (self.begin, self.end), self.width)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Raises:
            OSError: The file cannot be written.
        """
        Path(path).write_text(self.svg, encoding="utf-8", newline="\n")

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.svg
