"""How hosts are written."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, Protocol

from vrrpkit.errors import ConfigError

__all__ = ["check_host", "is_host", "valid_host"]

_LABEL: Final = "[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_NAME: Final = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_ZONE: Final = re.compile(r"[A-Za-z0-9._-]{1,15}")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def valid_host(_instance: object, attribute: _Named, value: str) -> None:
    """An attrs validator: an address (IPv6 with a zone, if need be) or a host name."""
    check_host(attribute.name, value)


def check_host(name: str, value: str) -> None:
    """Raise `ConfigError` for anything but an address (IPv6 with a zone, if need be) or a host name."""
    given: object = value
    if not isinstance(given, str) or not is_host(given):
        raise ConfigError(f"{name} must be an IPv4 or IPv6 address or a host name, got {value!r}")


def is_host(text: str) -> bool:
    """Whether this is an address (IPv6 with a zone, if need be) or a host name."""
    name, percent, zone = text.partition("%")
    try:
        version = ip_address(name).version
    except ValueError:
        # Nobody can tell 127.1 or 1.2.3 from an address, and the resolver takes them for one.
        return _NAME.fullmatch(text) is not None and not text.rstrip(".").rpartition(".")[2].isdigit()
    return not percent or (version == 6 and _ZONE.fullmatch(zone) is not None)
