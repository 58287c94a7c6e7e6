"""Finding a program, and telling what stands in its way before it is started."""

# ruff: noqa: PTH112, PTH116, PTH118 - done before every run: plain text takes a quarter of the time of pathlib

from __future__ import annotations

import os
from stat import S_ISREG
from typing import Final

from vrrpkit.commands._trust import weak_spot

__all__ = ["find", "obstacle"]

_FIRST_LINE: Final = 256  # octets that the kernel looks at


def find(name: str, path: str, cwd: str) -> str | None:
    """The program's file, as execvp(3) would find it; None if it is nowhere on the PATH."""
    if "/" in name:
        return os.path.join(cwd, name)
    for folder in path.split(":"):
        file = os.path.join(cwd, folder, name)
        if os.access(file, os.X_OK) and S_ISREG(os.stat(file).st_mode):
            return file
    return None


def obstacle(file: str, cwd: str, *, as_root: bool) -> str | None:
    """Why this file cannot be run, or should not be run by root; None if nothing is known against it.

    Raises:
        OSError: It is out of reach.
    """
    if not os.path.isdir(cwd):
        return f"there is no directory {cwd}"
    if not S_ISREG(os.stat(file).st_mode):
        return "not a file"
    if not os.access(file, os.X_OK):
        return "not executable"
    interpreter = _interpreter(file, cwd)
    if interpreter is not None and not os.access(interpreter, os.X_OK):
        return f"there is no interpreter {interpreter!r}"
    if not as_root:
        return None
    weakness = weak_spot(file) or (None if interpreter is None else weak_spot(interpreter))
    return None if weakness is None else f"not as root: {weakness}; set user=, or secure=False"


def _interpreter(file: str, cwd: str) -> str | None:
    """What a script's first line names."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return None  # it may be executed and not read
    try:
        start = os.read(descriptor, _FIRST_LINE)
    finally:
        os.close(descriptor)
    if not start.startswith(b"#!"):
        return None
    # The kernel takes a carriage return for a part of the name, and so does whoever has to find that out.
    name = start[2:].partition(b"\n")[0].replace(b"\t", b" ").strip(b" ").partition(b" ")[0]
    return os.path.join(cwd, os.fsdecode(name)) if name else None
