"""Who held which address, and when."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from attrs import define, field

from vrrpkit.addresses import IPAddress

__all__ = ["Ledger", "Span"]


class Span(NamedTuple):
    """A time in which an address had the wrong number of holders.

    Attributes:
        start: Its begin, in virtual seconds.
        end: Its end; the present, if it has not ended.
        address: The address.
        holders: Everybody who held it in that time; empty for a gap.
    """

    start: float
    end: float
    address: IPAddress
    holders: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.start

    def __str__(self) -> str:
        """One line for a person."""
        who = " and ".join(self.holders) or "nobody"
        return f"{self.start:.3f}-{self.end:.3f} ({self.seconds:.3f} s) {self.address} held by {who}"


@define(eq=False)
class Ledger:
    """The holders of each address over time.

    Args:
        keeps_history: Whether anything but the present is kept.
    """

    keeps_history: bool
    _history: dict[IPAddress, list[tuple[float, tuple[str, ...]]]] = field(factory=dict, init=False)

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """Every address that was ever wanted."""
        return tuple(self._history)

    def open(self, now: float, address: IPAddress) -> None:
        """From now on an address is wanted, and being without a holder is a gap."""
        self._history.setdefault(address, [(now, ())])

    def change(self, now: float, address: IPAddress, name: str, *, holds: bool) -> None:
        """From now on somebody holds an address, or does not."""
        self.open(now, address)
        before = self.holders(address)
        after = tuple([holder for holder in before if holder != name]) + ((name,) if holds else ())
        if not self.keeps_history:
            self._history[address].clear()
        self._history[address].append((now, after))

    def holders(self, address: IPAddress) -> tuple[str, ...]:
        """Who holds it now, in the order in which they took it."""
        return self._history[address][-1][1] if address in self._history else ()

    def overlaps(self, address: IPAddress, now: float) -> Iterator[Span]:
        """The times with more than one holder."""
        return (span for span in self._spans(address, now) if span.holders)

    def gaps(self, address: IPAddress, now: float) -> Iterator[Span]:
        """The times without a holder."""
        return (span for span in self._spans(address, now) if not span.holders)

    def _spans(self, address: IPAddress, now: float) -> Iterator[Span]:
        """Neighbouring pieces with the wrong number of holders, each run of them as one."""
        pieces = [
            Span(start, end, address, holders)
            for (start, holders), (end, _) in pairwise((*self._history.get(address, ()), (now, ())))
            if start < end
        ]
        for count, run in groupby(pieces, key=lambda piece: min(len(piece.holders), 2)):
            if count != 1:
                first, *others = run
                names = dict.fromkeys(name for piece in (first, *others) for name in piece.holders)
                yield Span(first.start, (first, *others)[-1].end, address, tuple(names))
