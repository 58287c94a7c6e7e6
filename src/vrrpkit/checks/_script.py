"""A check by a program: what it returns is the result."""

from __future__ import annotations

from typing import Final

from attrs import Attribute, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.commands import Command, Outcome, run
from vrrpkit.commands._run import GRACE, TIMEOUT
from vrrpkit.errors import ConfigError, check_flag

__all__ = ["ScriptChecker"]

_WEIGHT_ZERO: Final = 2  # the exit code that tells it


def _check_command(_instance: object, attribute: Attribute[Command], value: Command) -> None:
    given: object = value
    if not isinstance(given, Command):
        raise ConfigError(f"{attribute.name} must be a Command, got {value!r}")


@frozen(kw_only=True)
class ScriptChecker:
    """Runs a program, and takes exit code 0 for a success and everything else for a failure.

    Other than keepalived's `vrrp_script`, a program that cannot be run has failed, and so has one that catches SIGTERM
    at its time limit and then exits with 0.

    With `dynamic`, the exit code tells a weight, too (keepalived's `misc_dynamic`): 0 is well with the configured
    weight, 1 has failed, and 2-255 are well with a weight of two less, 0-253. As everywhere, a program that cannot
    be run, is killed or takes too long has failed. A shell returns 126 or 127 for what it cannot run, and that is a
    weight of 124 or 125: name the program itself instead.

    Attributes:
        command: What to run.
        timeout: Seconds, 0.01-86400, after which it has failed and is told to end.
        grace: Seconds, 0-3600, that it then has before it is killed.
        dynamic: Whether the exit code tells a weight.

    Raises:
        ConfigError: A setting is out of its range.
    """

    command: Command = field(validator=_check_command)
    timeout: float = field(validator=TIMEOUT)
    grace: float = field(default=2.0, validator=GRACE)
    dynamic: bool = field(default=False, validator=check_flag)

    async def check(self) -> CheckResult:
        """Run it once."""
        outcome = await run(self.command, timeout=self.timeout, grace=self.grace)
        weight = _weight(outcome) if self.dynamic else None
        ok = outcome.ok or weight is not None
        return CheckResult(ok=ok, detail=outcome.detail, elapsed=outcome.elapsed, weight=weight)


def _weight(outcome: Outcome) -> int | None:
    code = outcome.exit_code
    return None if code is None or code < _WEIGHT_ZERO or outcome.timed_out else code - _WEIGHT_ZERO
