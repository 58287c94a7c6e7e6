"""What does a server say of itself?"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from attrs import Attribute, field, frozen

from vrrpkit.checks._agent_wire import decode_report
from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import printable
from vrrpkit.errors import ConfigError, InRange, Whole, check_flag

__all__ = ["AgentChecker"]

_LONGEST_LINE: Final = 4096
_LONGEST_GREETING: Final = 1024
_LARGEST_WEIGHT: Final = 65535
_LINE_END: Final = re.compile(rb"[\r\n]")


def _check_send(_instance: object, attribute: Attribute[bytes], octets: bytes) -> None:
    given: object = octets
    if not isinstance(given, bytes) or len(given) > _LONGEST_GREETING:
        raise ConfigError(f"{attribute.name} must be 0-{_LONGEST_GREETING} octets, got {octets!r:.80}")


@frozen(kw_only=True)
class AgentChecker:
    """Asks an agent beside a server how that is (HAProxy's `agent-check`).

    The agent says one line and may close the connection then: `75%`, `up`, `down #disk full`, `drain`. Words are
    parted by blanks, tabs or commas; what is not known is passed over. A line without its end is none.

    | words | result |
    | --- | --- |
    | `up`, `ready` | well |
    | `down`, `fail`, `failed`, `stopped` | failed |
    | `maint` | failed: no connection at all |
    | `drain` | well, with weight 0: no new connections |
    | `75%` | well, with that share of `base_weight`, rounded up |
    | `maxconn:30` | passed over |

    Other than in HAProxy, each answer stands for itself: what it does not say is as it was configured, and nothing of
    an earlier answer lasts. So an agent has to say `down` or `drain` as long as that is meant.

    Attributes:
        host: The agent's address, or its name.
        port: Its port, 1-65535.
        send: What to send first, 0-1024 octets: HAProxy's `agent-send`.
        base_weight: What percentages are of, 0-65535.
        required: Whether an agent that cannot be reached, or that says nothing that can be understood, has failed.
            HAProxy passes over that, since it checks the server itself, too: beside such a check, say False here.
        quiet: Seconds, 0.01-3600, after which an agent that is not required is passed over. Whoever runs the check
            must allow for more, and bounds the wait for one that is required.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range.
    """

    host: str = field(validator=valid_host)
    port: int = field(validator=Whole(1, 65535))
    send: bytes = field(default=b"", validator=_check_send)
    base_weight: int = field(default=100, validator=Whole(0, _LARGEST_WEIGHT))
    required: bool = field(default=True, validator=check_flag)
    quiet: float = field(default=1.0, validator=InRange(0.01, 3600, "seconds"))
    via: Via = DIRECT

    async def check(self) -> CheckResult:
        """Ask once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        patience = asyncio.timeout(None if self.required else self.quiet)
        try:
            async with patience:
                line = await self._ask()
        except (OSError, LineError) as error:
            why = f"no word in {self.quiet:g} s" if patience.expired() else trouble_in_words(error)
            return self._without_answer(why, clock() - started)
        report = decode_report(line)
        said = printable(line.decode("utf-8", "backslashreplace"))
        if not report.understood:
            return self._without_answer(f"this is no word of an agent: {said or 'nothing'}", clock() - started)
        weight = report.weight(self.base_weight, _LARGEST_WEIGHT)
        return CheckResult(ok=report.ok, detail=said, elapsed=clock() - started, weight=weight)

    async def _ask(self) -> bytes:
        with await self.via.connect(self.host, self.port) as sock:
            lines = Lines(sock)
            if self.send:
                await lines.send(self.send)
            return await lines.line(_LONGEST_LINE, _LINE_END)

    def _without_answer(self, why: str, elapsed: float) -> CheckResult:
        detail = why if self.required else f"passed over: {why}"
        return CheckResult(ok=not self.required, detail=detail, elapsed=elapsed)
