"""A check by a program: what it returns is the result."""

from __future__ import annotations

from attrs import Attribute, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.commands import Command, run
from vrrpkit.commands._run import GRACE, TIMEOUT
from vrrpkit.errors import ConfigError

__all__ = ["ScriptChecker"]


def _check_command(_instance: object, attribute: Attribute[Command], value: Command) -> None:
    given: object = value
    if not isinstance(given, Command):
        raise ConfigError(f"{attribute.name} must be a Command, got {value!r}")


@frozen(kw_only=True)
class ScriptChecker:
    """Runs a program, and takes exit code 0 for a success and everything else for a failure.

    Other than keepalived's `vrrp_script`, a program that cannot be run has failed, and so has one that catches SIGTERM
    at its time limit and then exits with 0.

    Attributes:
        command: What to run.
        timeout: Seconds, 0.01-86400, after which it has failed and is told to end.
        grace: Seconds, 0-3600, that it then has before it is killed.
    """

    command: Command = field(validator=_check_command)
    timeout: float = field(validator=TIMEOUT)
    grace: float = field(default=2.0, validator=GRACE)

    async def check(self) -> CheckResult:
        """Run it once."""
        outcome = await run(self.command, timeout=self.timeout, grace=self.grace)
        return CheckResult(ok=outcome.ok, detail=outcome.detail, elapsed=outcome.elapsed)
