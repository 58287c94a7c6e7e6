"""Does it accept connections?"""

from __future__ import annotations

import asyncio

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._via import DIRECT, Via, in_words
from vrrpkit.errors import Whole

__all__ = ["TCPChecker"]


@frozen(kw_only=True)
class TCPChecker:
    """Connects by TCP, and closes at once (keepalived's `TCP_CHECK`).

    The connection is closed with a reset, so that thousands of checks leave no ports in TIME_WAIT. Nothing is sent:
    a server that accepts and then hangs is well to this check.

    Attributes:
        host: The target's address, or its name.
        port: Its port, 1-65535.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range.
    """

    host: str = field(validator=valid_host)
    port: int = field(validator=Whole(1, 65535))
    via: Via = DIRECT

    async def check(self) -> CheckResult:
        """Connect once; what goes wrong with the connection is a failure."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            sock = await self.via.connect(self.host, self.port, abrupt=True)
        except OSError as error:
            return CheckResult(ok=False, detail=in_words(error), elapsed=clock() - started)
        sock.close()
        return CheckResult(ok=True, detail="connected", elapsed=clock() - started)
