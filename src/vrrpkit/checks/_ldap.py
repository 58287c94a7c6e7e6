"""Does an LDAP server let one in?"""

from __future__ import annotations

import asyncio
from typing import Final

from attrs import field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._ldap_wire import (
    UNBIND_REQUEST,
    BindResponse,
    LDAPError,
    decode_bind_response,
    encode_bind_request,
    rest_of,
)
from vrrpkit.checks._lines import LineError, Lines, trouble_in_words
from vrrpkit.checks._sql import check_words
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._tls_layer import Handshake, handshake_for
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import discreet
from vrrpkit.errors import ConfigError, Whole

__all__ = ["LDAPChecker"]

# Success, and what a server says that works and that lets nobody in anonymously: strongerAuthRequired,
# confidentialityRequired, inappropriateAuthentication.
_ANSWERS: Final = frozenset({0, 8, 13, 48})


@frozen(kw_only=True)
class LDAPChecker:
    """Binds to an LDAP server, and unbinds (HAProxy's `ldap-check`).

    Without a user it binds anonymously, and a server that allows that to nobody is well, too; HAProxy fails it. With a
    user, only success is well. Password and all go in clear without TLS.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        user: Whom to bind as: a distinguished name, or what else the server takes; None for anonymously.
        password: The password; a user needs one.
        tls: Speak TLS from the first octet (`ldaps`, whose port is 636); None for no TLS.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or needs another one, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(default=389, validator=Whole(1, 65535))
    user: str | None = field(default=None, validator=check_words)
    password: str | None = field(default=None, repr=False, validator=check_words)
    tls: TLS | None = None
    via: Via = DIRECT
    _handshake: Handshake | None = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell, and prepare what all checks need."""
        if (self.user is None) is not (self.password is None):
            raise ConfigError("user and password need each other")
        object.__setattr__(self, "_handshake", handshake_for(self.tls, self.host))

    async def check(self) -> CheckResult:
        """Bind once; whoever runs it bounds the wait."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            response = await self._bind()
            ok = response.code == 0 or (self.user is None and response.code in _ANSWERS)
            detail = "bound" if response.code == 0 else str(response)
        except (OSError, LineError, LDAPError) as error:
            ok, detail = False, trouble_in_words(error)
        return CheckResult(ok=ok, detail=discreet(detail, [self.password]), elapsed=clock() - started)

    async def _bind(self) -> BindResponse:
        with await self.via.connect(self.host, self.port) as sock:
            lines = Lines(sock)
            if self._handshake is not None:
                await lines.secure(self._handshake)
            await lines.send(encode_bind_request(self.user or "", self.password or ""))
            octets = await lines.exactly(2)
            while missing := rest_of(octets):
                octets += await lines.exactly(missing)
            response = decode_bind_response(octets)
            await lines.send(UNBIND_REQUEST)
            return response
