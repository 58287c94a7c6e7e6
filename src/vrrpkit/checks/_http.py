"""Does a web server answer as it should?"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Literal, TypeAlias, get_args

from attrs import Attribute, field, frozen

from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._hosts import valid_host
from vrrpkit.checks._http_expect import HTTPPath
from vrrpkit.checks._http_homes import Version
from vrrpkit.checks._http_target import check_authority
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._via import DIRECT, Via
from vrrpkit.checks._words import discreet
from vrrpkit.errors import ConfigError, Whole, check_count, check_flag

__all__ = ["HTTPChecker"]

Method: TypeAlias = Literal["GET", "HEAD", "POST", "OPTIONS"]

_FIELD_NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"[\t -~]*")
_OURS: Final = {"host": "virtual_host", "content-length": "body", "transfer-encoding": "body"}
_MOST_PATHS: Final = 100
_LARGEST_BODY: Final = 1 << 20


def _to_paths(value: str | HTTPPath | Iterable[str | HTTPPath]) -> tuple[HTTPPath, ...]:
    several = (value,) if isinstance(value, str | HTTPPath) else value
    return tuple(one if isinstance(one, HTTPPath) else HTTPPath(one) for one in several)


def _check_paths(_instance: object, attribute: Attribute[tuple[HTTPPath, ...]], paths: tuple[HTTPPath, ...]) -> None:
    check_count(attribute.name, paths, 1, _MOST_PATHS)


def _check_virtual_host(_instance: object, attribute: Attribute[str | None], name: str | None) -> None:
    if name is not None:
        check_authority(attribute.name, name)


def _check_method(_instance: object, attribute: Attribute[Method], method: str) -> None:
    if method not in get_args(Method):
        raise ConfigError(f"{attribute.name} must be one of {', '.join(get_args(Method))}, got {method!r}")


def _check_version(_instance: object, attribute: Attribute[Version], version: str) -> None:
    if version not in get_args(Version):
        raise ConfigError(f"{attribute.name} must be '1.0' or '1.1', got {version!r}")


def _to_octets(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _check_body(_instance: object, _attribute: object, body: bytes | None) -> None:
    if body is not None and len(body) > _LARGEST_BODY:
        raise ConfigError(f"body must have at most {_LARGEST_BODY} octets, got {len(body)}")


def _check_headers(_instance: object, _attribute: object, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _FIELD_NAME.fullmatch(name):
            raise ConfigError(f"headers must have names of HTTP, got {name!r}")
        if name.lower() in _OURS:
            raise ConfigError(f"headers must not have {name}: that is what {_OURS[name.lower()]} is for")
        if not _FIELD_VALUE.fullmatch(value):
            raise ConfigError(f"headers[{name!r}] must be printable ASCII")


def _check_token(_instance: object, _attribute: object, token: str | None) -> None:
    if token is not None and not _FIELD_VALUE.fullmatch(token):
        raise ConfigError("token must be printable ASCII")


def _names(headers: Mapping[str, str]) -> str:
    return f"<{', '.join(headers)}>"


def _size(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} octets>"


@frozen(kw_only=True)
class HTTPChecker:
    """Asks a web server for one path or several, and looks at what it answers.

    Other than keepalived's `HTTP_GET` and `SSL_GET`, it asks for all paths in one check, one after the other; it goes
    by the lengths that HTTP tells, and does not wait for the server to close the connection; and it verifies
    certificates unless told otherwise. The body is not even read when no path says anything about it.

    Constructing the first of all checkers imports aiohttp, which takes 0.2 s, and the first with certificates to
    verify reads the system's authorities: construct them before it matters.

    `repr()` shows neither password nor token, and of headers the names alone.

    Attributes:
        host: The server's address, or its name.
        port: Its port, 1-65535.
        tls: How to speak TLS; None for plain HTTP.
        paths: What to ask for, and what the answer must be: 1-100 of `HTTPPath`, or of text for a path alone.
        method: `GET`, `HEAD`, `POST` or `OPTIONS`.
        body: What to send along, at most 1 MiB; text becomes UTF-8. Its Content-Type is application/octet-stream
            unless `headers` has one.
        headers: Header fields of the request. There are Accept, Accept-Encoding (identity), User-Agent and Host by
            themselves, and Connection where HTTP wants it.
        virtual_host: The name to ask for, apart from `host`, with a port if it is to be told: what is in the Host
            header, and what TLS asks for and verifies.
        user: A name for Basic authentication, without a colon.
        password: The password that goes with it.
        token: A token for Bearer authentication.
        version: The version of HTTP, `1.1` or `1.0`.
        keep_alive: Whether to keep the connection for the next check, for at most 90 s. All checkers of an event loop
            that go the same way to the same host share such connections. When the server has closed one meanwhile,
            the request is sent again by a new one, whatever the method.
        follow_redirects: How many redirects to follow, 0-20. One to our own name stays with `host`. What goes to
            another name, port or scheme has neither `headers` nor credentials.
        max_body: Read at most so many octets of a body, 1-16777216: a digest needs all of it, and a regular
            expression is looked for in as much.
        via: How to get there.

    Raises:
        ConfigError: A setting is out of its range, or does not fit the others, or a file of `tls` cannot be used.
    """

    host: str = field(validator=valid_host)
    port: int = field(validator=Whole(1, 65535))
    tls: TLS | None = None
    paths: tuple[HTTPPath, ...] = field(default=(HTTPPath(),), converter=_to_paths, validator=_check_paths)
    method: Method = field(default="GET", validator=_check_method)
    body: bytes | None = field(default=None, converter=_to_octets, validator=_check_body, repr=_size)
    headers: Mapping[str, str] = field(factory=dict, converter=dict, validator=_check_headers, repr=_names, hash=False)
    virtual_host: str | None = field(default=None, validator=_check_virtual_host)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, validator=_check_token, repr=False)
    version: Version = field(default="1.1", validator=_check_version)
    keep_alive: bool = field(default=False, validator=check_flag)
    follow_redirects: int = field(default=0, validator=Whole(0, 20))
    max_body: int = field(default=1 << 16, validator=Whole(1, 1 << 24))
    via: Via = DIRECT
    _probe: Callable[[], Awaitable[tuple[bool, str]]] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell, and prepare the requests."""
        if (self.user is None) != (self.password is None) or ":" in (self.user or ""):
            raise ConfigError("user and password must come together, and user without a colon")
        ways_in = (self.user, self.token, "authorization" in map(str.lower, self.headers) or None)
        if sum(way is not None for way in ways_in) > 1:
            raise ConfigError("user, token and an Authorization header exclude each other")
        if self.method == "HEAD" and (self.body is not None or any(path.wants_body for path in self.paths)):
            raise ConfigError("method HEAD has no body, neither to send nor to look at")
        from vrrpkit.checks._http_probe import Probe  # noqa: PLC0415 - this imports aiohttp

        object.__setattr__(self, "_probe", Probe(self).look)

    async def check(self) -> CheckResult:
        """Ask for all paths, up to the first that is not well."""
        clock = asyncio.get_running_loop().time
        started = clock()
        ok, detail = await self._probe()
        return CheckResult(ok=ok, detail=discreet(detail, self._secrets), elapsed=clock() - started)

    @property
    def _secrets(self) -> list[str | None]:
        """What no answer may put into a log; of an Authorization header of one's own, what is behind its scheme."""
        own = [value.rpartition(" ")[2] for name, value in self.headers.items() if name.lower() == "authorization"]
        basic = None if self.user is None else b64encode(f"{self.user}:{self.password}".encode()).decode()
        return [self.password, self.token, basic, *own]
