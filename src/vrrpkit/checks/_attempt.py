"""A check whose exceptions are results, too."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from vrrpkit._naming import name_of
from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._via import in_words

__all__ = ["attempt"]

log = logging.getLogger("vrrpkit.check")


async def attempt(work: Callable[[], Awaitable[CheckResult]]) -> CheckResult:
    """Run a check: what it raises is a failure, and logged if it looks like a defect; cancellation passes."""
    try:
        return await work()
    except OSError as error:
        return CheckResult(ok=False, detail=in_words(error))
    except EOFError as error:  # asyncio's streams, when the other side hangs up
        return CheckResult(ok=False, detail=str(error) or "the connection was closed")
    except Exception as error:
        log.exception("%s has a defect", name_of(work))
        return CheckResult(ok=False, detail=f"{type(error).__name__}: {error}")
