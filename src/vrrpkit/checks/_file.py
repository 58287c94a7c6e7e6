"""What number is in a file?"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit._files import read_beginning, to_path
from vrrpkit.checks._base import CheckResult
from vrrpkit.checks._via import in_words
from vrrpkit.errors import Whole, check_flag
from vrrpkit.tracking._levels import read_level

__all__ = ["FileChecker"]

_LARGEST_WEIGHT: Final = 65535
_LARGEST_NUMBER: Final = (1 << 31) - 1

_Found: TypeAlias = tuple[int | None, str]
"""A number, or what is wrong instead of one."""


@frozen(kw_only=True)
class FileChecker:
    """Reads a number from a file each time (keepalived's `FILE_CHECK`).

    Numbers are written as for `FileTracker`: decimal, 0x1f or 017, with a sign or without; what follows does not
    matter. The number, multiplied by `weight` and added to `base_weight`, is the weight that the target has from
    then on: 0 is well, for connections that there are; more than 65535 is 65535; and below 0 the check has failed. So
    by default the file holds the weight itself, and -1 takes the target out. With `weight=0` there is no weight: 0 is
    well, and any other number has failed.

    A file that is not there, is empty, may not be read or is none (a FIFO, a device), and what is no number of 32
    bits, have failed. For keepalived those are 0.

    The file is read in a thread of its own, at most 4,096 octets of it. So a file system that hangs holds up neither
    the event loop nor the end of the program. Checks that find the same path still being read wait for that.

    Attributes:
        path: The file; a relative path is one from the working directory at construction.
        base_weight: What is added to, 0-65535: the configured weight, to do as keepalived does.
        weight: What the number is multiplied by, -65535 to 65535.
        reverse: Turns the sign of the weight around; with weight 0, the number 0 is the failure, and all others are
            well.
        missing: The number that a file that is not there stands for; None if that is a failure.

    Raises:
        ConfigError: A setting is out of its range.
    """

    path: Path = field(converter=to_path)
    base_weight: int = field(default=0, validator=Whole(0, _LARGEST_WEIGHT))
    weight: int = field(default=1, validator=Whole(-_LARGEST_WEIGHT, _LARGEST_WEIGHT))
    reverse: bool = field(default=False, validator=check_flag)
    missing: int | None = field(default=None, validator=optional(Whole(-_LARGEST_NUMBER - 1, _LARGEST_NUMBER)))

    async def check(self) -> CheckResult:
        """Read it once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            number, trouble = await asyncio.wrap_future(_begin_to_read(self.path))
        except (FileNotFoundError, NotADirectoryError):
            ok, weight, detail = self._judge(self.missing, "there is no such file")
        except OSError as error:
            ok, weight, detail = False, None, in_words(error)
        else:
            ok, weight, detail = self._judge(number, trouble)
        return CheckResult(ok=ok, detail=detail, elapsed=clock() - started, weight=weight)

    def _judge(self, number: int | None, trouble: str) -> tuple[bool, int | None, str]:
        if number is None:
            return False, None, trouble
        detail = f"{trouble}, which stands for {number}" if trouble else f"the number is {number}"
        if self.weight == 0:
            return (number != 0) is self.reverse, None, detail
        wish = self.base_weight + number * (-self.weight if self.reverse else self.weight)
        return (False, None, detail) if wish < 0 else (True, min(wish, _LARGEST_WEIGHT), detail)


_running: Final[dict[Path, Future[_Found]]] = {}


def _begin_to_read(path: Path) -> Future[_Found]:
    """What is there, or will be; one thread for each path, since those that hang stay."""
    running = _running.get(path)
    if running is None:
        running = _running[path] = Future()
        running.set_running_or_notify_cancel()  # now nobody can cancel it for the others
        # No executor: at the end, the interpreter would wait for its threads.
        thread = Thread(target=_read_for, args=(path, running), name=f"read {path}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # there are too many
            del _running[path]
            raise OSError(str(error)) from error
    return running


def _read_for(path: Path, running: Future[_Found]) -> None:
    try:
        found = _number_in(read_beginning(path))
    except OSError as error:
        _running.pop(path, None)
        running.set_exception(error)
    else:
        _running.pop(path, None)
        running.set_result(found)


def _number_in(octets: bytes) -> _Found:
    found = read_level(octets)
    return (None, found.detail) if found.level is None or found.detail else (found.level.value, "")
