"""Where a request goes: to which address, asking for which name and which path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from attrs import frozen

from vrrpkit.checks._hosts import is_host
from vrrpkit.errors import ConfigError

__all__ = ["Target", "authority_of", "check_authority", "name_in"]

_AUTHORITY: Final = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?")
_GRAPHIC: Final = "".join(map(chr, range(0x21, 0x7F)))
_DEFAULT_PORTS: Final = {False: 80, True: 443}
_SCHEMES: Final = {"http": False, "https": True}


def check_authority(name: str, value: str) -> None:
    """Raise `ConfigError` for anything but a host name or address, with a port or without."""
    match = _AUTHORITY.fullmatch(value)
    if match is None or not is_host(match["address"] or match["name"] or ""):
        raise ConfigError(f"{name} must be a host name or address, with or without a port, got {value!r}")


def authority_of(host: str, port: int, *, secure: bool) -> str:
    """What stands in the Host header: no zone, and no port that the scheme implies."""
    shown = _bracketed(host.partition("%")[0])
    return shown if port == _DEFAULT_PORTS[secure] else f"{shown}:{port}"


def name_in(authority: str) -> str:
    """The name or address alone."""
    match = _AUTHORITY.fullmatch(authority)
    return authority if match is None else match["address"] or match["name"]


@frozen(kw_only=True)
class Target:
    """Where a request goes.

    Attributes:
        secure: Whether by TLS.
        host: The address to connect to, or its name.
        port: Its port.
        authority: Who is asked for, as in the Host header.
        path: The path with its query, as it is sent.
    """

    secure: bool
    host: str
    port: int
    authority: str
    path: str

    @property
    def url(self) -> str:
        """As a URL, with the host that is connected to."""
        return f"{'https' if self.secure else 'http'}://{_bracketed(self.host)}:{self.port}{self.path}"

    def has_origin_of(self, other: Target) -> bool:
        """Whether both go to the same server, asking for the same name."""
        mine = (self.secure, self.host, self.port, self.authority)
        return mine == (other.secure, other.host, other.port, other.authority)

    def redirected(self, location: str) -> Target:
        """Where a Location header leads; who asks for our name stays at our address.

        Raises:
            ValueError: Nowhere.
        """
        here = urlsplit(f"{'https' if self.secure else 'http'}://{self.authority}{self.path}")
        there = urlsplit(urljoin(here.geturl(), location))
        if there.scheme not in _SCHEMES or there.hostname is None or not is_host(there.hostname):
            raise ValueError(location)
        path = quote(f"{there.path or '/'}{'?' if there.query else ''}{there.query}", safe=_GRAPHIC)
        if (there.scheme, there.hostname, there.port) == (here.scheme, here.hostname, here.port):
            return Target(secure=self.secure, host=self.host, port=self.port, authority=self.authority, path=path)
        secure = _SCHEMES[there.scheme]
        port = there.port or _DEFAULT_PORTS[secure]
        host = self.host if there.hostname == here.hostname else there.hostname
        authority = authority_of(there.hostname, port, secure=secure)
        return Target(secure=secure, host=host, port=port, authority=authority, path=path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
