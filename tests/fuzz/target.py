"""What is fuzzed: a function of octets that returns, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import define, frozen

__all__ = ["CORPUS", "Input", "Target", "told_briefly"]

CORPUS: Final = Path(__file__).parent / "corpus"


@frozen
class Target:
    """A parser, and what must hold of it.

    Attributes:
        name: As in `python -m tests.fuzz NAME`, and of its folder in the corpus.
        run: Tries it with any octets; whatever comes out of it is a finding.
        longest: How many octets are worth trying.
    """

    name: str
    run: Callable[[bytes], object]
    longest: int = 4096

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    def seeds(self) -> list[bytes]:
        """Good examples, and what was found once."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]


def told_briefly(error: Exception, longest: int) -> None:
    """What is refused may end up in a log: the text is no longer than that."""
    assert len(str(error)) <= longest


@define
class Input:
    """Octets taken apart from the front: a few choices first, and the rest for the parser."""

    octets: bytes

    def take(self, count: int) -> bytes:
        """The next octets, zeros when there are no more."""
        taken, self.octets = self.octets[:count], self.octets[count:]
        return taken.ljust(count, b"\0")

    def number(self) -> int:
        """The next octet as a number."""
        return self.take(1)[0]

    @property
    def text(self) -> str:
        """The rest as a text with any characters in it, also those that cannot be encoded."""
        return self.octets.decode("utf-8", "surrogateescape")
