"""A program that tells a weight by its exit code, as keepalived's misc_dynamic has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.commands.helpers import leaving_nothing
from tests.linux.support import LOOPS, run
from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._script import ScriptChecker
from vrrpkit.commands import Command
from vrrpkit.errors import ConfigError


def told(command: Command, loop: str = "asyncio", **settings: Any) -> CheckResult:
    checker = ScriptChecker(command=command, **{"timeout": 15.0, "dynamic": True, **settings})
    return evolve(run(leaving_nothing(checker.check), loop), elapsed=0.0)


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK misc_dynamic")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("code", "ok", "weight"),
    [(0, True, None), (1, False, None), (2, True, 0), (3, True, 1), (12, True, 10), (255, True, 253)],
)
def test_the_exit_code_tells_a_weight(code: int, ok: bool, weight: int | None, loop: str) -> None:
    result = CheckResult(ok=ok, detail=f"exit {code}: said", weight=weight)
    assert told(Command.shell(f"echo said; exit {code}"), loop) == result


def test_without_dynamic_it_tells_none() -> None:
    assert told(Command.shell("exit 12"), dynamic=False) == CheckResult(ok=False, detail="exit 12")


def test_what_a_shell_cannot_run_is_a_weight_and_what_we_cannot_run_is_a_failure() -> None:
    found = told(Command.shell("/no/such/check 2>/dev/null"))
    assert found == CheckResult(ok=True, detail="exit 127 (not found)", weight=125)
    assert told(Command(["/no/such/check"])) == CheckResult(ok=False, detail="cannot run /no/such/check: no such file")


def test_a_signal_and_a_timeout_are_failures_whatever_the_exit_code() -> None:
    assert told(Command.shell("kill -9 $$")) == CheckResult(ok=False, detail="killed by SIGKILL")
    late = told(Command.shell("trap 'exit 12' TERM; while :; do sleep 0.05; done 2>/dev/null"), timeout=0.3)
    assert (late.ok, late.weight) == (False, None)
    assert late.detail.startswith("timed out after ")


def test_a_script_that_recovers_is_well_again(tmp_path: Path) -> None:
    command = Command.shell(f"test -e {tmp_path}/up && exit 52 || exit 1")
    assert told(command) == CheckResult(ok=False, detail="exit 1")
    (tmp_path / "up").touch()
    assert told(command) == CheckResult(ok=True, detail="exit 52", weight=50)


def test_dynamic_is_a_flag() -> None:
    with pytest.raises(ConfigError, match="dynamic must be True or False, got 1"):
        told(Command(["true"]), dynamic=1)
