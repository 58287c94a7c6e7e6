"""Lines into a named pipe, as its reader makes room for them."""

from __future__ import annotations

import asyncio
import grp
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from attrs import Attribute, define, field

from vrrpkit.errors import ConfigError, KernelError
from vrrpkit.notifications._latest import Latest
from vrrpkit.notifications._pipe import Pipe, open_pipe

__all__ = ["PipeWriter", "absolute", "check_mode", "group_number"]

log = logging.getLogger("vrrpkit.notify")

T = TypeVar("T")


def check_mode(_instance: object, attribute: Attribute[int], value: int) -> None:
    """An attrs validator: permissions that a pipe may have."""
    given: object = value
    if not isinstance(given, int) or given & ~0o664 or given & 0o600 != 0o600:
        shown = f"{given:#o}" if isinstance(given, int) else repr(given)
        raise ConfigError(f"{attribute.name} must be 0o600, with 0o040, 0o020 and 0o004 added at most, got {shown}")


def group_number(group: str | int | None) -> int | None:
    """An attrs converter: the number of a group of this machine."""
    if not isinstance(group, str):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise ConfigError(f"group must be a group of this machine, got {group!r}") from None


def absolute(path: str | os.PathLike[str]) -> Path:
    """An attrs converter: where the pipe is, from wherever."""
    return Path(path).absolute()


@define(eq=False)
class PipeWriter(Generic[T]):
    """Writes what waits, as far as there is room in the pipe, and the rest when there is.

    Attributes:
        path: Where the pipe is.
        waiting: What is to be written, in order.
        encode: Makes the octets of a line.
        create: As for `FifoNotifier`.
        mode: The same.
        group: The same.
        written: How many lines were written.
    """

    path: Path
    waiting: Latest[T]
    encode: Callable[[T], bytes]
    create: bool
    mode: int
    group: int | None
    written: int = field(default=0, init=False)
    _pipe: Pipe | None = field(default=None, init=False)
    _is_full: bool = field(default=False, init=False)
    _complaint: str = field(default="", init=False)

    @property
    def is_open(self) -> bool:
        """Whether there is a pipe to write to."""
        return self._pipe is not None

    def open(self) -> None:
        """Open the pipe.

        Raises:
            ConfigError: What is there is no FIFO, or not safe to write to.
            KernelError: It cannot be made or opened.
        """
        self._pipe = self._open()

    def close(self) -> None:
        """Write what there is room for, drop the rest, and close the pipe; twice is a no-op."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._write(pipe)
            self.waiting.clear()
            self._let_go(pipe)

    def write(self) -> None:
        """Something more waits; the pipe is opened anew if it was removed or replaced."""
        if self._pipe is None:
            return
        if not self._pipe.is_in_place():
            self._pipe = self._open_anew(self._pipe)
        self._write(self._pipe)

    def _open(self) -> Pipe:
        return open_pipe(self.path, create=self.create, mode=self.mode, group=self.group)

    def _open_anew(self, old: Pipe) -> Pipe:
        """The pipe at the path now; the old one if there is none, since somebody may still read that."""
        try:
            pipe = self._open()
        except (ConfigError, KernelError) as error:
            if str(error) != self._complaint:
                log.warning("pipe %s: removed or replaced, and not opened anew: %s", self.path, error)
            self._complaint = str(error)
            return old
        log.warning("pipe %s: removed or replaced, opened anew", self.path)
        self._complaint = ""
        self._let_go(old)
        return pipe

    def _write(self, pipe: Pipe) -> None:
        while self.waiting:
            if not pipe.write(self.encode(self.waiting.first)):
                if not self._is_full:
                    self._is_full = True
                    asyncio.get_running_loop().add_writer(pipe.descriptor, self._write, pipe)
                return
            self.waiting.pop()
            self.written += 1
        self._stop_waiting(pipe)

    def _stop_waiting(self, pipe: Pipe) -> None:
        if self._is_full:
            self._is_full = False
            asyncio.get_running_loop().remove_writer(pipe.descriptor)

    def _let_go(self, pipe: Pipe) -> None:
        self._stop_waiting(pipe)
        pipe.close()
