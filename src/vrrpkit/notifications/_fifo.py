"""Write news to a named pipe, as keepalived does."""

from __future__ import annotations

import asyncio
import grp
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from attrs import Attribute, Factory, define, field
from attrs.validators import optional

from vrrpkit.election import StateChanged
from vrrpkit.errors import ConfigError, KernelError, Whole, check_flag
from vrrpkit.notifications._backlog import Backlog
from vrrpkit.notifications._pipe import Pipe, open_pipe
from vrrpkit.notifications._words import fifo_line
from vrrpkit.runtime import LoserHeard, News, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["FifoNotifier"]

log = logging.getLogger("vrrpkit.notify")


def _check_mode(_instance: object, attribute: Attribute[int], value: int) -> None:
    given: object = value
    if not isinstance(given, int) or given & ~0o664 or given & 0o600 != 0o600:
        shown = f"{given:#o}" if isinstance(given, int) else repr(given)
        raise ConfigError(f"{attribute.name} must be 0o600, with 0o040, 0o020 and 0o004 added at most, got {shown}")


def _group_number(group: str | int | None) -> int | None:
    if not isinstance(group, str):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise ConfigError(f"group must be a group of this machine, got {group!r}") from None


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).absolute()


@define(eq=False)
class FifoNotifier:
    """Writes a line for each piece of news to a named pipe, in keepalived's words; a notifier for routers and groups.

        async with FifoNotifier("/run/ha/events") as pipe:
            async with VirtualRouter(config, ..., notify=[pipe]):
                ...

    The lines are those of `fifo_line()`, each written as a whole, in the order of the news. Nothing ever waits for a
    reader. Without one, lines stay in the pipe, 64 KiB of them, and a reader that comes later begins with those. Lines
    for which the pipe has no room wait here and follow when it has. If more than `backlog` wait, those are lost first
    that a later state of the same router or group makes obsolete; keepalived loses all for which the pipe has no room.

    A pipe that is removed or replaced meanwhile is opened anew, and made anew if `create` says so, with the next line;
    what was in the old one stays with its reader, who comes to its end.

    The path belongs in a directory that only root or the process's own user can write to, on a local file system.
    Leaving the block closes the pipe, and loses what still waits here and, when nobody has it open, what is in it.

    Attributes:
        path: Where the pipe is. What is there already must be a FIFO of root or of the process's own user that not
            everybody may write to; symbolic links are not followed.
        priority_changes: Whether to tell of priorities; keepalived's `notify_priority_changes`.
        losers: Whether to tell of lower priorities heard while Active.
        deleted: Whether to say DELETED when a router is removed while the program lives on; if not, it is FAULT, as in
            keepalived without `notify_deleted`.
        create: Whether to make the pipe if there is nothing, and to remove it at the end if it was made here.
        mode: Its exact permissions if it is made: 0o600, and of 0o040, 0o020 and 0o004 what the reader needs.
        group: Its group, by name or number, if it is made; None for the process's own.
        backlog: How many notices may wait here, 1-1000000.
        written: How many lines were written.

    Raises:
        ConfigError: A value is out of its range.
    """

    path: Path = field(converter=_absolute)
    priority_changes: bool = field(default=False, kw_only=True, validator=check_flag)
    losers: bool = field(default=True, kw_only=True, validator=check_flag)
    deleted: bool = field(default=False, kw_only=True, validator=check_flag)
    create: bool = field(default=True, kw_only=True, validator=check_flag)
    mode: int = field(default=0o600, kw_only=True, validator=_check_mode)
    group: int | None = field(
        default=None, kw_only=True, converter=_group_number, validator=optional(Whole(0, 2**32 - 2))
    )
    backlog: int = field(default=1000, kw_only=True, validator=Whole(1, 1_000_000))
    written: int = field(default=0, init=False)
    _waiting: Backlog = field(
        init=False, default=Factory(lambda self: Backlog(self.backlog, log, f"pipe {self.path}"), takes_self=True)
    )
    _pipe: Pipe | None = field(default=None, init=False)
    _is_full: bool = field(default=False, init=False)
    _complaint: str = field(default="", init=False)

    async def __aenter__(self) -> Self:
        """Open the pipe.

        Raises:
            ConfigError: What is there is no FIFO, or not safe to write to.
            KernelError: It cannot be made or opened.
            RuntimeError: The block has been entered already.
        """
        if self._pipe is not None:
            raise RuntimeError("a FifoNotifier cannot be entered twice at a time")
        self._pipe = self._open()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the pipe."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            self._write(pipe)
            self._waiting.clear()
            self._let_go(pipe)

    @property
    def lost(self) -> int:
        """How many lines were lost: the pipe was full for too long, or to the end."""
        return self._waiting.dropped

    def tell(self, notice: Notice) -> None:
        """Write one line, or let it wait until the pipe has room.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if self._pipe is None:
            raise RuntimeError(f"FifoNotifier is not open, so nothing is written for {notice.name}: {notice.news}")
        if self._is_wanted(notice.news):
            self._waiting.add(notice)
            if not self._pipe.is_in_place():
                self._pipe = self._open_anew(self._pipe)
            self._write(self._pipe)

    def _is_wanted(self, news: News) -> bool:
        match news:
            case StateChanged() | GroupChanged():
                return True
            case LoserHeard():
                return self.losers
            case PriorityMoved():
                return self.priority_changes
            case unreachable:
                assert_never(unreachable)

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
        """Write what waits, as far as there is room, and the rest when there is."""
        while self._waiting:
            if not pipe.write(fifo_line(self._waiting.first, deleted=self.deleted).encode()):
                if not self._is_full:
                    self._is_full = True
                    asyncio.get_running_loop().add_writer(pipe.descriptor, self._write, pipe)
                return
            self._waiting.pop()
            self.written += 1
        self._stop_waiting(pipe)

    def _stop_waiting(self, pipe: Pipe) -> None:
        if self._is_full:
            self._is_full = False
            asyncio.get_running_loop().remove_writer(pipe.descriptor)

    def _let_go(self, pipe: Pipe) -> None:
        self._stop_waiting(pipe)
        pipe.close()
