"""The one line that an agent of a server says, in HAProxy's words."""

from __future__ import annotations

import re
from typing import Final

from vrrpkit._cheap import value

__all__ = ["AgentReport", "decode_report"]

_FAILED: Final = frozenset({"down", "fail", "failed", "stopped"})
_STATES: Final = _FAILED | {"up"}
_MODES: Final = frozenset({"ready", "drain", "maint"})
_PERCENT: Final = re.compile(r"([0-9]{1,9})%")
_SEPARATORS: Final = re.compile(r"[ \t,]+")


@value
class AgentReport:
    """What an agent has said; None for what it has not.

    Attributes:
        state: `up`, or `down`, `fail`, `failed` or `stopped`.
        mode: `ready`, `drain` or `maint`.
        percent: Of the configured weight.
        understood: Whether there was any word that is known.
    """

    state: str | None
    mode: str | None
    percent: int | None
    understood: bool

    @property
    def ok(self) -> bool:
        """Whether the server may be used, if only for connections that it has."""
        return self.state not in _FAILED and self.mode != "maint"

    def weight(self, base: int, most: int) -> int | None:
        """The weight it wishes for itself, 0 to `most`; None for the configured one.

        Args:
            base: The configured weight; the percentage of it is rounded up, so that only 0% is 0.
            most: The greatest weight there is.
        """
        if not self.ok:
            return None
        if self.mode == "drain":
            return 0
        return None if self.percent is None else min(most, -(-base * self.percent // 100))


def decode_report(line: bytes) -> AgentReport:
    """Parse what an agent has said, without its end; never raises.

    Words are parted by blanks, tabs or commas, in any order and in any case; the last of a kind counts. What follows
    a `#` is for people. Words that are not known are passed over, and so is `maxconn:N`.
    """
    said = line.decode("utf-8", "replace").partition("#")[0].lower()
    state = mode = percent = None
    understood = False
    for word in _SEPARATORS.split(said):
        if word in _STATES:
            state = word
        elif word in _MODES:
            mode = word
        elif found := _PERCENT.fullmatch(word):
            percent = int(found[1])
        elif not word.startswith("maxconn:"):
            continue
        understood = True
    return AgentReport(state, mode, percent, understood)
