"""What every check looks like."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

__all__ = ["CheckResult", "Checker"]


@frozen(kw_only=True)
class CheckResult:
    """What one check has found.

    Attributes:
        ok: Whether the target is as it should be.
        detail: One line for people and logs.
        elapsed: How long it took, in seconds.
        weight: The weight that the target wishes for itself, 0-65535; None for the configured one.
    """

    ok: bool
    detail: str = ""
    elapsed: float = 0.0
    weight: int | None = None


class Checker(Protocol):
    """One probe: its settings are attributes, and it keeps nothing between two checks."""

    async def check(self) -> CheckResult:
        """Probe once. An unhealthy target is a result, not an exception; cancellation passes."""
        ...
