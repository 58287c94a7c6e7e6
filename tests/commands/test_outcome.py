"""What an outcome says to people."""

from __future__ import annotations

import pytest

from vrrpkit.commands import Outcome


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [
        (Outcome(exit_code=0), "exit 0"),
        (Outcome(exit_code=0, output=b"OK: 3 peers\nmore\n"), "exit 0: OK: 3 peers"),
        (Outcome(exit_code=1, output=b"connection refused"), "exit 1: connection refused"),
        (Outcome(exit_code=126), "exit 126 (not executable)"),
        (Outcome(exit_code=127, output=b"sh: 1: foo: not found\n"), "exit 127 (not found): sh: 1: foo: not found"),
        (Outcome(signal=11), "killed by SIGSEGV"),
        (Outcome(signal=35), "killed by signal 35"),
        (Outcome(timed_out=True, signal=15, elapsed=2.0041), "timed out after 2 s"),
        (Outcome(timed_out=True, signal=15, elapsed=0.2504), "timed out after 0.25 s"),
        (Outcome(timed_out=True, exit_code=0, elapsed=12.34, output=b"bye"), "timed out after 12.3 s: bye"),
        (Outcome(timed_out=True, elapsed=2.0), "timed out after 2 s and could not be ended"),
        (Outcome(error="cannot run /x: no such file"), "cannot run /x: no such file"),
        (Outcome(exit_code=1, output=b"\n \t\n  said late \r\nmore"), "exit 1: said late"),
        (Outcome(exit_code=1, output=b"\xff\x1b[31mred\x00"), "exit 1: \ufffd [31mred"),
        (Outcome(exit_code=1, output=b"\n\n"), "exit 1"),
        (Outcome(exit_code=1, output=b"x" * 201), f"exit 1: {'x' * 200}..."),
    ],
)
def test_detail_is_one_line_for_people(outcome: Outcome, detail: str) -> None:
    assert outcome.detail == detail


@pytest.mark.parametrize(
    ("outcome", "ok"),
    [
        (Outcome(exit_code=0), True),
        (Outcome(exit_code=1), False),
        (Outcome(signal=9), False),
        (Outcome(exit_code=0, timed_out=True), False),
        (Outcome(error="cannot run /x: no such file"), False),
    ],
)
def test_only_zero_in_time_is_a_success(outcome: Outcome, ok: bool) -> None:
    assert outcome.ok is ok
