"""Every error this library raises on purpose.

Each also inherits the builtin a caller would reach for, so `except ValueError` and `except OSError` keep working.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

from attrs import define

__all__ = ["ConfigError", "ConfigWarning", "KernelError", "VRRPKitError"]


class VRRPKitError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigError(VRRPKitError, ValueError):
    """A setting outside its range; the text names the field, the value and the range."""


class ConfigWarning(UserWarning):
    """Settings that are allowed, and that seldom do what was meant."""


class KernelError(VRRPKitError, OSError):
    """The kernel refused an operation.

    Attributes:
        operation: What was asked of it, in words: `add 192.0.2.10/24 to eth0`.
        errno: The kernel's error number.
    """

    def __init__(self, operation: str, errno: int, text: str) -> None:
        """Keep the operation beside the usual `OSError` arguments."""
        super().__init__(errno, text)
        self.operation = operation

    def __str__(self) -> str:
        """Say what was asked and why it was refused."""
        return f"{self.operation}: {self.strerror} (errno {self.errno})"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


@define(frozen=True)
class InRange:
    """An attrs validator: a number from `low` to `high`, told with the field's name and the value."""

    low: float
    high: float
    unit: str = ""

    def __call__(self, _instance: object, attribute: _Named, value: float) -> None:
        """Raise `ConfigError` for anything else."""
        check_number(attribute.name, value, self.low, self.high, self.unit)


@define(frozen=True)
class Whole:
    """An attrs validator: a whole number from `low` to `high`."""

    low: int
    high: int
    remark: str = ""

    def __call__(self, _instance: object, attribute: _Named, value: int) -> None:
        """Raise `ConfigError` for anything else."""
        given: object = value
        if isinstance(given, bool) or not isinstance(given, int) or not self.low <= given <= self.high:
            remark = f" ({self.remark})" if self.remark else ""
            raise ConfigError(f"{attribute.name} must be {_span(str(self.low), str(self.high))}{remark}, got {value!r}")


def check_flag(_instance: object, attribute: _Named, value: bool) -> None:
    """An attrs validator: True or False, and nothing that is merely true or false."""
    given: object = value
    if not isinstance(given, bool):
        raise ConfigError(f"{attribute.name} must be True or False, got {value!r}")


def check_number(name: str, value: object, low: float, high: float, unit: str = "") -> None:
    """Raise `ConfigError` for anything but a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{name} must be {_span(f'{low:g}', f'{high:g}')}{f' {unit}' if unit else ''}, got {value!r}")


def _span(low: str, high: str) -> str:
    return f"{low} to {high}" if low.startswith("-") else f"{low}-{high}"


def check_count(name: str, value: Sized, low: int, high: int) -> None:
    """Raise `ConfigError` unless a collection holds between `low` and `high` entries."""
    if not low <= len(value) <= high:
        raise ConfigError(f"{name} must have {low}-{high} entries, got {len(value)}")
