"""The processes of this machine, from /proc."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.linux._errors import kernel_error

__all__ = ["ProcessFact", "parse_stat", "read_process", "read_processes"]

_MOST_OCTETS: Final = 1 << 16
_PF_EXITING: Final = 0x4
_FLAGS_FIELD: Final = 6  # of /proc/PID/stat, behind the name


@value
class ProcessFact:
    """What runs in a process.

    Attributes:
        name: Its command name (comm): at most 15 octets, of a kernel thread more.
        arguments: Its command line from the command on, as far as 65,536 octets go; None if nobody wants to know.
    """

    name: bytes
    arguments: tuple[bytes, ...] | None = None


def read_processes(*, arguments: bool) -> dict[int, ProcessFact]:
    """All processes by their numbers: no threads, and none that is ending or a zombie.

    Args:
        arguments: Whether to read the command lines, too.

    Raises:
        KernelError: There is no /proc.
    """
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - half the time
    except OSError as error:
        raise kernel_error("read the process table", error.errno or errno.EIO) from error
    return dict(_read_all(numbers, arguments=arguments))


def read_process(number: int, *, arguments: bool) -> ProcessFact | None:
    """One process; None if there is none of this number that may be seen, or if it is ending or a zombie.

    The command line is in the process's own memory: reading it waits while that is locked.

    Args:
        number: The process's number.
        arguments: Whether to read the command line, too.
    """
    try:
        name = parse_stat(_content(f"/proc/{number}/stat"))
        if name is None:
            return None
        line = _content(f"/proc/{number}/cmdline") if arguments else None
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return ProcessFact(name, None if line is None else tuple(line.removesuffix(b"\0").split(b"\0")))


def parse_stat(content: bytes) -> bytes | None:
    """The command name in /proc/PID/stat; None for a process that is ending, or has ended, or for other octets."""
    _number, _opening, rest = content.partition(b" (")
    name, closing, fields = rest.rpartition(b") ")
    values = fields.split()
    if not closing or len(values) <= _FLAGS_FIELD or not values[_FLAGS_FIELD].isdigit():
        return None
    return None if int(values[_FLAGS_FIELD]) & _PF_EXITING else name


def _read_all(numbers: list[int], *, arguments: bool) -> Iterator[tuple[int, ProcessFact]]:
    for number in numbers:
        fact = read_process(number, arguments=arguments)
        if fact is not None:
            yield number, fact


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_OCTETS)
    finally:
        os.close(descriptor)
