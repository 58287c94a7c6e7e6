"""A script as a tracked thing: keepalived's `vrrp_script`."""

from __future__ import annotations

from vrrpkit.checks import Schedule, ScriptChecker
from vrrpkit.commands import Command
from vrrpkit.runtime import Driver
from vrrpkit.trackers._check import CheckTracker

__all__ = ["ScriptTracker"]


class ScriptTracker(CheckTracker):
    """Runs a command again and again: exit code 0 is a success, everything else a failure.

        check = ScriptTracker("haproxy", Command(["pgrep", "-x", "haproxy"]), Schedule(interval=2), weight=2)

    A command that cannot be run, is ended by a signal, or takes longer than the timeout has failed. At the timeout
    its whole process group is ended: SIGTERM, and SIGKILL when the grace is over. It never runs twice at once.

    Args:
        name: What causes, logs and explanations call it.
        command: What to run, and as whom.
        schedule: When, and how many results make a verdict; keepalived's `interval`, `timeout`, `rise`, `fall` and
            `init_fail`.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        repair: A command to try before a first failure counts; see `Schedule` for its timeout, and for the pause
            before the second look.
        grace: Seconds, 0-3600, between SIGTERM and SIGKILL.
        driver: The clock that it shares; its own when None.

    Raises:
        ConfigError: An argument is out of its range.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        schedule: Schedule | None = None,
        *,
        weight: int = 0,
        reverse: bool = False,
        repair: Command | None = None,
        grace: float = 2.0,
        driver: Driver | None = None,
    ) -> None:
        schedule = Schedule() if schedule is None else schedule
        mend = None if repair is None else ScriptChecker(command=repair, timeout=schedule.repair_timeout, grace=grace)
        super().__init__(
            name,
            ScriptChecker(command=command, timeout=schedule.patience, grace=grace),
            schedule,
            weight=weight,
            reverse=reverse,
            repair=None if mend is None else mend.check,
            driver=driver,
        )
