"""What is asked of a web server, and what its answer must be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import field, frozen

from vrrpkit.checks._http_target import check_authority
from vrrpkit.checks._words import printable
from vrrpkit.errors import ConfigError

__all__ = ["HTTPAnswer", "HTTPPath"]

Statuses: TypeAlias = str | int | Iterable[int]

_PATH: Final = re.compile(r"/[!-\"$->@-~]*(?:\?[!-\"$-~]+)?")
_SPAN: Final = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?")
_DIGEST: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


@frozen
class HTTPAnswer:
    """What a server has answered.

    Attributes:
        status: The status code.
        location: Where it sends us.
        body: Its body, or as much of it as was read.
        whole: Whether that is all.
    """

    status: int
    location: str | None = None
    body: bytes = b""
    whole: bool = False


def _check_path(_instance: object, _attribute: object, path: str) -> None:
    if not _PATH.fullmatch(path):
        text = "path must begin with / and have no space, no # and nothing but ASCII, and no empty query"
        raise ConfigError(f"{text}, got {path!r}")


def _to_statuses(value: Statuses) -> frozenset[int]:
    if isinstance(value, int):
        return frozenset({value})
    return _spans(value) if isinstance(value, str) else frozenset(value)


def _spans(text: str) -> frozenset[int]:
    """From `200-299, 404`."""
    found: set[int] = set()
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"status must be like '200-299, 404', got {text!r}")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def _check_statuses(_instance: object, _attribute: object, statuses: frozenset[int]) -> None:
    if not statuses or min(statuses) < 100 or max(statuses) > 599:
        raise ConfigError(f"status must be among 100-599, got {_shown(statuses) or 'none'}")


def _to_digest(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _check_digest(_instance: object, _attribute: object, digest: str | None) -> None:
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise ConfigError(f"digest must be 32 (MD5) or 64 (SHA-256) hexadecimal digits, got {digest!r}")


def _to_pattern(value: str | re.Pattern[bytes] | None) -> re.Pattern[bytes] | None:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value.encode())
    except re.error as error:
        raise ConfigError(f"regex {value!r} is none: {error}") from error


def _check_virtual_host(_instance: object, _attribute: object, name: str | None) -> None:
    if name is not None:
        check_authority("virtual_host", name)


@frozen
class HTTPPath:
    """A path to ask for, and what the answer must be; all that is given must hold.

    Attributes:
        path: The path, with a query if there is one; it is sent as it is.
        status: The status codes that are well: one, several, a `range`, or text such as `200-299, 404`.
        digest: The body's MD5 or SHA-256 in hexadecimal, as md5sum(1), sha256sum(1) and keepalived's genhash show it.
        regex: What must be found somewhere in the body: a regular expression for octets. Text becomes UTF-8; flags
            are written `(?i)`.
        regex_absent: What must not be found there.
        virtual_host: The name to ask for, with a port if it is told; the checker's when None.

    Raises:
        ConfigError: A setting is out of its range.
    """

    path: str = field(default="/", validator=_check_path)
    status: frozenset[int] = field(
        default=frozenset(range(200, 300)),
        converter=_to_statuses,
        validator=_check_statuses,
        repr=lambda it: repr(_shown(it)),
        kw_only=True,
    )
    digest: str | None = field(default=None, converter=_to_digest, validator=_check_digest, kw_only=True)
    regex: re.Pattern[bytes] | None = field(default=None, converter=_to_pattern, kw_only=True)
    regex_absent: re.Pattern[bytes] | None = field(default=None, converter=_to_pattern, kw_only=True)
    virtual_host: str | None = field(default=None, validator=_check_virtual_host, kw_only=True)

    @property
    def wants_body(self) -> bool:
        """Whether the body says anything about the target."""
        return self.digest is not None or self.regex is not None or self.regex_absent is not None

    def problem(self, answer: HTTPAnswer) -> str | None:
        """What is wrong with an answer; None when it is well."""
        if answer.status not in self.status:
            leads = f" to {printable(answer.location)}" if answer.location else ""
            return f"status {answer.status}{leads}, not {_shown(self.status)}"
        if self.digest is not None:
            if not answer.whole:
                return f"the body is longer than {len(answer.body)} octets: no digest"
            found = _digest(answer.body, len(self.digest))
            if found != self.digest:
                return f"the body's digest is {found}"
        if self.regex is not None and not self.regex.search(answer.body):
            return f"the body lacks {_quoted(self.regex)}"
        if self.regex_absent is not None and self.regex_absent.search(answer.body):
            return f"the body has {_quoted(self.regex_absent)}"
        return None


def _digest(body: bytes, digits: int) -> str:
    function = hashlib.md5 if digits == 32 else hashlib.sha256
    return function(body, usedforsecurity=False).hexdigest()


def _quoted(pattern: re.Pattern[bytes]) -> str:
    return ascii(pattern.pattern.decode(errors="replace"))[:80]


def _shown(statuses: frozenset[int]) -> str:
    """As `200-299, 404`."""
    firsts = sorted(status for status in statuses if status - 1 not in statuses)
    lasts = sorted(status for status in statuses if status + 1 not in statuses)
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))
