"""Checks: what is probed, and when a result is believed."""

from __future__ import annotations

from vrrpkit.checks._base import Checker, CheckResult
from vrrpkit.checks._callable import CallableChecker
from vrrpkit.checks._schedule import (
    CheckDue,
    CheckNow,
    CheckSchedule,
    ChecksHalted,
    ChecksResumed,
    Decided,
    Finished,
    Repaired,
    RunCheck,
    RunRepair,
    Schedule,
    Stopped,
    StopRunning,
)

__all__ = [
    "CallableChecker",
    "CheckDue",
    "CheckNow",
    "CheckResult",
    "CheckSchedule",
    "Checker",
    "ChecksHalted",
    "ChecksResumed",
    "Decided",
    "Finished",
    "Repaired",
    "RunCheck",
    "RunRepair",
    "Schedule",
    "StopRunning",
    "Stopped",
]
