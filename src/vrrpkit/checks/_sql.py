"""What the checks of databases have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import Attribute

from vrrpkit.checks._words import printable
from vrrpkit.errors import ConfigError

__all__ = ["Settings", "check_settings", "check_text", "check_words", "judge_values"]

_LONGEST_VALUE = 60


class Settings(Protocol):
    """The settings that all of them have."""

    @property
    def user(self) -> str | None:
        """Whom to log in."""
        ...

    @property
    def query(self) -> str | None:
        """What to ask."""
        ...

    @property
    def expect(self) -> str | None:
        """What it should give."""
        ...


def check_text(_instance: object, attribute: Attribute[str | None], text: str | None) -> None:
    """An attrs validator: None or a text."""
    given: object = text
    if given is not None and not isinstance(given, str):
        raise ConfigError(f"{attribute.name} must be a text, got {text!r}")


def check_words(_instance: object, attribute: Attribute[str | None], words: str | None) -> None:
    """An attrs validator: None, or a text that can be sent. A secret is not told again."""
    given: object = words
    if given is not None and not (isinstance(given, str) and _can_be_sent(given)):
        shown = f", got {words!r}" if attribute.repr else ""
        raise ConfigError(f"{attribute.name} must be a text that is not empty, without NUL characters{shown}")


def check_settings(settings: Settings, *need_a_user: str) -> None:
    """Raise `ConfigError` for settings that do not fit together."""
    if settings.user is None:
        for name in need_a_user:
            if getattr(settings, name) is not None:
                raise ConfigError(f"{name} needs a user")
    if settings.expect is not None and settings.query is None:
        raise ConfigError("expect needs a query")


def judge_values(found: Sequence[str | None], expect: str | None) -> tuple[bool, str]:
    """Whether a query has found what it should, going by the first column."""
    if not found:
        return expect is None, "the query gives no row"
    first = found[0]
    shown = "NULL" if first is None else printable(first, _LONGEST_VALUE)
    if expect is None or first == expect:
        return True, f"the query gives {shown}"
    return False, f"the query gives {shown}, not {printable(expect, _LONGEST_VALUE)}"


def _can_be_sent(text: str) -> bool:
    try:
        return b"\0" not in text.encode() and bool(text)
    except UnicodeEncodeError:
        return False
