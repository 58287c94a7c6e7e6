"""What others have sent, made fit for one line of a log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["discreet", "printable"]

_TELLING: Final = 8  # characters: who quotes may cut


def printable(text: str, longest: int = 120) -> str:
    """At most so many characters, on one line, and none that a terminal would obey."""
    line = " ".join(text[: 4 * longest].split())
    shown = "".join(character if character.isprintable() else "?" for character in line)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def discreet(detail: str, secrets: Iterable[str | None]) -> str:
    """The same, unless a server quotes the beginning of a secret in what it says."""
    if any(secret and secret[:_TELLING] in detail for secret in secrets):
        return "an answer that quotes the password"
    return detail
