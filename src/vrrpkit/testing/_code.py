"""Values as the Python that makes them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Final, TypeGuard

from attrs import AttrsInstance, fields, has

from vrrpkit.addresses import IPAddress

__all__ = ["expression", "program"]

_WIDTH: Final = 110
_HEAD: Final = "from {} import {}"


def program(name: str, value: object, *used: str) -> str:
    """Lines that import what is needed, `used` of `vrrpkit.testing` too, and give the value a name."""
    homes: dict[str, set[str]] = {"vrrpkit.testing": set(used)}
    for kind in _kinds(value):
        homes.setdefault(".".join(kind.__module__.split(".")[:2]), set()).add(kind.__name__)
    imports = [_HEAD.format(home, ", ".join(sorted(names))) for home, names in sorted(homes.items()) if names]
    return "\n".join([*imports, "", expression(value, f"{name} = ")])


def expression(value: object, prefix: str = "", margin: int = 0) -> str:
    """An expression that is equal to the value; what is as it would be by default is left out.

    Args:
        value: An instance of an attrs class, a tuple, an enum's member, an address, or a plain value.
        prefix: What stands before it in its line.
        margin: By how many columns the line is indented.
    """
    line = prefix + _flat(value)
    if margin + len(line) <= _WIDTH or not (_is_attrs(value) or isinstance(value, tuple)):
        return line
    begin, end = ("[", "]") if isinstance(value, tuple) else (f"{type(value).__name__}(", ")")
    inner = " " * (margin + 4)
    parts = [f"{inner}{expression(part, label, margin + 4)}," for label, part in _parts(value)]
    return "\n".join([prefix + begin, *parts, " " * margin + end])


def _flat(value: object) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, IPAddress):
        return f'"{value}"'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple) or _is_attrs(value):
        inner = ", ".join(label + _flat(part) for label, part in _parts(value))
        return f"[{inner}]" if isinstance(value, tuple) else f"{type(value).__name__}({inner})"
    return repr(value)


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """The arguments, each with its label."""
    if isinstance(value, tuple):
        items: Iterable[object] = value
        yield from (("", item) for item in items)
    elif _is_attrs(value):
        labelled = False
        for attribute in fields(type(value)):
            part: object = getattr(value, attribute.name)
            if attribute.init and part != attribute.default:
                yield (f"{attribute.name}=" if attribute.kw_only or labelled else "", part)
            else:
                labelled = True  # what follows the one that was left out needs its name


def _kinds(value: object) -> Iterator[type]:
    """The classes that an expression names."""
    if _is_attrs(value) or isinstance(value, enum.Enum):
        yield type(value)
    for _label, part in _parts(value):
        yield from _kinds(part)


def _is_attrs(value: object) -> TypeGuard[AttrsInstance]:
    return has(type(value))
