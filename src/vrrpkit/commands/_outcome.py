"""How a program ended."""

from __future__ import annotations

import signal
from typing import Final

from attrs import frozen

__all__ = ["Outcome"]

_LONGEST_LINE: Final = 200
_EXIT_CODES: Final = {126: "exit 126 (not executable)", 127: "exit 127 (not found)"}  # by the shell's convention


@frozen(kw_only=True)
class Outcome:
    """How one run ended.

    Attributes:
        exit_code: What it returned, 0-255; None if it ended by a signal, could not be run, or has not ended.
        signal: The signal that ended it; None if none did.
        timed_out: Whether it was still running at its time limit, whatever it did when it was told to end.
        error: In words, why it could not be run, or why nobody knows how it ended; None if it ran.
        output: The first octets of what it wrote to stdout and stderr.
        elapsed: Seconds from its start until it ended by itself or was told to end.
    """

    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    error: str | None = None
    output: bytes = b""
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it ran, and returned 0 in time. keepalived takes what cannot be run for a success; this does not."""
        return self.exit_code == 0 and not self.timed_out and self.error is None

    @property
    def detail(self) -> str:
        """One line for people, `exit 1: connection refused`: the end, and the first line of the output if any."""
        line = self._first_line()
        return f"{self._end()}: {line}" if line else self._end()

    def _end(self) -> str:
        if self.error is not None:
            return self.error
        if self.timed_out:
            after = f"timed out after {round(self.elapsed, 1 if self.elapsed >= 1 else 2):g} s"
            return f"{after} and could not be ended" if self.exit_code is None and self.signal is None else after
        if self.signal is not None:
            return f"killed by {_name_of(self.signal)}"
        return _EXIT_CODES.get(self.exit_code or 0, f"exit {self.exit_code}")

    def _first_line(self) -> str:
        """The first line with something in it, safe for any log."""
        for line in self.output.decode(errors="replace").splitlines():
            if line.strip():
                shown = "".join(char if char.isprintable() else " " for char in line).strip()
                return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}..."
        return ""


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # one of the real-time signals
