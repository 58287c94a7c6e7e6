"""Is a server's certificate valid, and for how long?"""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._certificate_wire import CertificateError, Validity, validity
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._tls import TLS, context_of, tls_in_words
from vrrpkit.checks._via import DIRECT, Via, in_words
from vrrpkit.errors import InRange, Whole

__all__ = ["CertificateChecker"]

_DAY = 86400.0


@frozen(kw_only=True)
class CertificateChecker:
    """Connects by TLS, and fails when the server's certificate is invalid, or will be soon.

    Nothing is sent after the handshake. It looks at the server's own certificate, not at those that have signed it,
    and goes by this machine's wall clock. Such a check is cheap to run, and once an hour is plenty.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        min_days: For how many days, 0-3650, the certificate must still be valid.
        tls: How to speak TLS. With `verify=False` only the dates are looked at. The name that is asked for and
            verified is `tls.server_name`, or `host`.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=443, validator=Whole(1, 65535))
    min_days: float = field(default=14.0, validator=InRange(0, 3650, "days"))
    tls: TLS = field(factory=TLS)
    via: Via = DIRECT
    _context: ssl.SSLContext = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Prepare what all checks need."""
        object.__setattr__(self, "_context", context_of(self.tls))

    async def check(self) -> CheckResult:
        """Look once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        ok = False
        try:
            ok, detail = self._judge(validity(await self._fetch()), time.time())
        except ssl.SSLError as error:
            detail = tls_in_words(error)
        except OSError as error:
            detail = in_words(error)
        except CertificateError as error:
            detail = f"the certificate cannot be read: {error}"
        return CheckResult(ok=ok, detail=detail, elapsed=clock() - started)

    async def _fetch(self) -> bytes:
        """The certificate, in DER."""
        sock = await self.via.connect(self.host, self.port)
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol,
            sock=sock,
            ssl=self._context,
            server_hostname=(self.tls.server_name or self.host.partition("%")[0]).rstrip("."),
        )
        try:
            session: ssl.SSLObject = transport.get_extra_info("ssl_object")
            return session.getpeercert(binary_form=True) or b""
        finally:
            transport.abort()  # close() waits 30 s for the server's goodbye

    def _judge(self, period: Validity, now: float) -> tuple[bool, str]:
        left = (period.not_after - now) / _DAY
        if now < period.not_before:
            return False, f"the certificate is not valid before {_shown(period.not_before)}"
        if left < 0:
            return False, f"the certificate has expired {-left:.1f} days ago, {_shown(period.not_after)}"
        if left < self.min_days:
            return False, f"the certificate expires in {left:.1f} days, {_shown(period.not_after)}"
        return True, f"the certificate is valid for {left:.1f} days, until {_shown(period.not_after)}"


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
