"""Running other programs: check scripts, repair actions, notification scripts.

A `Command` says what to run, as whom and with what environment. `run()` runs it once under a time limit and answers
with an `Outcome`, whatever the program does.
"""

from __future__ import annotations

from vrrpkit.commands._command import Command
from vrrpkit.commands._outcome import Outcome
from vrrpkit.commands._run import run

__all__ = ["Command", "Outcome", "run"]
