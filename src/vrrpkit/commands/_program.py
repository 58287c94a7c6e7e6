"""Finding a program, and telling what stands in its way before it is started."""

# ruff: noqa: PTH112, PTH113, PTH116, PTH118 - done before every run: plain text takes a quarter of the time of pathlib

from __future__ import annotations

import errno
import os
from stat import S_ISREG
from typing import Final

from vrrpkit.commands._trust import weak_spot

__all__ = ["find", "in_words", "obstacle"]

_LOOKED_AT: Final = 256  # octets, by the kernel
_NO_PROGRAM: Final = "neither a program nor a script that begins with #!"


def find(name: str, path: str, cwd: str) -> str | None:
    """The program's file, as execvp(3) would find it; None if it is nowhere on the PATH."""
    if "/" in name:
        return os.path.join(cwd, name)
    for folder in path.split(":"):
        file = os.path.join(cwd, folder, name)
        if os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    return None


def obstacle(file: str, cwd: str, *, as_root: bool) -> str | None:
    """Why this file cannot be run, or should not be run by root; None if nothing is known against it."""
    if not os.path.isdir(cwd):
        return f"there is no directory {cwd}"
    try:
        if not S_ISREG(os.stat(file).st_mode):
            return "not a file"
        if not os.access(file, os.X_OK):
            return "not executable"
        start = _start_of(file)
        interpreter = _interpreter(start, cwd)
        if start is not None and interpreter is None and b"\0" not in start:
            return _NO_PROGRAM  # setpriv(1) would give it to a shell, for which an empty file is a success
        if interpreter is not None and not os.access(interpreter, os.X_OK):
            return f"there is no interpreter {interpreter!r}"
        if as_root:
            weakness = weak_spot(file) or (None if interpreter is None else weak_spot(interpreter))
            return None if weakness is None else f"not as root: {weakness}; set user=, or secure=False"
    except OSError as error:
        return in_words(error)
    return None


def in_words(error: OSError) -> str:
    """What the kernel has against a program."""
    match error.errno:
        case errno.ENOENT:
            return "no such file"
        case errno.ENOEXEC:
            return _NO_PROGRAM
        case _:
            text = error.strerror or str(error)
            return text[:1].lower() + text[1:]


def _start_of(file: str) -> bytes | None:
    """What the kernel looks at; None if it may be executed and not read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return None
    try:
        return os.read(descriptor, _LOOKED_AT)
    finally:
        os.close(descriptor)


def _interpreter(start: bytes | None, cwd: str) -> str | None:
    """What a script's first line names."""
    if start is None or not start.startswith(b"#!"):
        return None
    # The kernel takes a carriage return for a part of the name, and so does whoever has to find that out.
    name = start[2:].partition(b"\n")[0].replace(b"\t", b" ").strip(b" ").partition(b" ")[0]
    return os.path.join(cwd, os.fsdecode(name)) if name else None
