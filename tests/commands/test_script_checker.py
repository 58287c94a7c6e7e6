"""A program as a health check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.commands.helpers import leaving_nothing, script
from tests.linux.support import LOOPS
from tests.linux.support import run as run_on
from vrrpkit.checks._base import Checker, CheckResult
from vrrpkit.checks._script import ScriptChecker
from vrrpkit.commands import Command
from vrrpkit.errors import ConfigError


def result_of(command: Command, loop: str = "asyncio", timeout: float = 15.0, grace: float = 2.0) -> CheckResult:
    checker: Checker = ScriptChecker(command=command, timeout=timeout, grace=grace)
    result = run_on(leaving_nothing(checker.check), loop)
    assert 0 <= result.elapsed < 30
    return evolve(result, elapsed=0.0)


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK misc_path")
@pytest.mark.parametrize("loop", LOOPS)
def test_zero_is_a_success_and_the_rest_is_not(loop: str) -> None:
    assert result_of(Command.shell("echo fine"), loop) == CheckResult(ok=True, detail="exit 0: fine")
    assert result_of(Command.shell("echo bad; exit 1"), loop) == CheckResult(ok=False, detail="exit 1: bad")
    assert result_of(Command.shell("kill -9 $$"), loop) == CheckResult(ok=False, detail="killed by SIGKILL")


def test_what_cannot_be_run_has_failed_unlike_in_keepalived(tmp_path: Path) -> None:
    missing = result_of(Command(["/no/such/check"]))
    assert missing == CheckResult(ok=False, detail="cannot run /no/such/check: no such file")
    strange = script(tmp_path / "check.sh", interpreter="/no/such/interpreter")
    detail = f"cannot run {strange}: there is no interpreter '/no/such/interpreter'"
    assert result_of(Command([strange])) == CheckResult(ok=False, detail=detail)
    assert result_of(Command.shell("/no/such/check 2>/dev/null")) == CheckResult(
        ok=False, detail="exit 127 (not found)"
    )


@pytest.mark.conforms("keyword virtual_server/MISC_CHECK misc_timeout")
def test_what_catches_term_and_ends_with_zero_has_failed_unlike_in_keepalived() -> None:
    command = Command.shell("trap 'exit 0' TERM; while :; do sleep 0.05; done 2>/dev/null")
    result = result_of(command, timeout=0.3)
    assert not result.ok
    assert result.detail.startswith("timed out after ")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"command": "true"}, "command must be a Command, got 'true'"),
        ({"timeout": 0}, "timeout must be 0.01-86400 seconds, got 0"),
        ({"timeout": None}, "timeout must be 0.01-86400 seconds, got None"),
        ({"grace": 3601}, "grace must be 0-3600 seconds, got 3601"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        ScriptChecker(**{"command": Command(["true"]), "timeout": 1.0, **settings})
    assert str(refusal.value) == text
