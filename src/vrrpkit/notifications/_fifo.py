"""Write news to a named pipe, as keepalived does."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from attrs import Factory, define, field
from attrs.validators import optional

from vrrpkit.election import StateChanged
from vrrpkit.errors import Whole, check_flag
from vrrpkit.notifications._backlog import Backlog
from vrrpkit.notifications._pipe_writer import PipeWriter, absolute, check_mode, group_number
from vrrpkit.notifications._words import fifo_line
from vrrpkit.runtime import LoserHeard, News, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["FifoNotifier"]

log = logging.getLogger("vrrpkit.notify")


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

    Raises:
        ConfigError: A value is out of its range.
    """

    path: Path = field(converter=absolute)
    priority_changes: bool = field(default=False, kw_only=True, validator=check_flag)
    losers: bool = field(default=True, kw_only=True, validator=check_flag)
    deleted: bool = field(default=False, kw_only=True, validator=check_flag)
    create: bool = field(default=True, kw_only=True, validator=check_flag)
    mode: int = field(default=0o600, kw_only=True, validator=check_mode)
    group: int | None = field(
        default=None, kw_only=True, converter=group_number, validator=optional(Whole(0, 2**32 - 2))
    )
    backlog: int = field(default=1000, kw_only=True, validator=Whole(1, 1_000_000))
    _waiting: Backlog = field(
        init=False, default=Factory(lambda self: Backlog(self.backlog, log, f"pipe {self.path}"), takes_self=True)
    )
    _writer: PipeWriter[Notice] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make what writes."""
        self._writer = PipeWriter(self.path, self._waiting, self._encode, self.create, self.mode, self.group)

    async def __aenter__(self) -> Self:
        """Open the pipe.

        Raises:
            ConfigError: What is there is no FIFO, or not safe to write to.
            KernelError: It cannot be made or opened.
            RuntimeError: The block has been entered already.
        """
        if self._writer.is_open:
            raise RuntimeError("a FifoNotifier cannot be entered twice at a time")
        self._writer.open()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the pipe."""
        self._writer.close()

    @property
    def written(self) -> int:
        """How many lines were written."""
        return self._writer.written

    @property
    def lost(self) -> int:
        """How many lines were lost: the pipe was full for too long, or to the end."""
        return self._waiting.dropped

    def tell(self, notice: Notice) -> None:
        """Write one line, or let it wait until the pipe has room.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if not self._writer.is_open:
            raise RuntimeError(f"FifoNotifier is not open, so nothing is written for {notice.name}: {notice.news}")
        if self._is_wanted(notice.news):
            self._waiting.add(notice)
            self._writer.write()

    def _encode(self, notice: Notice) -> bytes:
        return fifo_line(notice, deleted=self.deleted).encode()

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
