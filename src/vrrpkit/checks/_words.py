"""What others have sent, made fit for one line of a log."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, longest: int = 120) -> str:
    """At most so many characters, on one line, and none that a terminal would obey."""
    line = " ".join(text[: 4 * longest].split())
    shown = "".join(character if character.isprintable() else "?" for character in line)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
