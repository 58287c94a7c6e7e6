"""What a person would call a function in a log."""

from __future__ import annotations

__all__ = ["name_of"]


def name_of(function: object) -> str:
    """Its qualified name, if it has one: `Switch.settle`."""
    return getattr(function, "__qualname__", None) or repr(function)
