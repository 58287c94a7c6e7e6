"""Write the news of pools to a named pipe, as keepalived does."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import Factory, define, field
from attrs.validators import optional

from vrrpkit.errors import Whole, check_flag
from vrrpkit.lvs import PoolNotice
from vrrpkit.notifications._latest import Latest
from vrrpkit.notifications._pipe_writer import PipeWriter, absolute, check_mode, group_number
from vrrpkit.notifications._pool_words import PoolWords, pool_line, subject_of

__all__ = ["PoolFifoNotifier"]

log = logging.getLogger("vrrpkit.notify")


@define(eq=False)
class PoolFifoNotifier:
    """Writes a line for each piece of news to a named pipe, in keepalived's words; a notifier for pools.

        async with PoolFifoNotifier("/run/ha/events") as pipe, ServerPool(..., notify=[pipe]) as pool:
            ...

    The lines are those of `pool_line()`. What is said of order, readers, room and permissions of a `FifoNotifier` goes
    for this one, too. Both may write to one pipe, as keepalived does with `notify_fifo`: give them the same path.

    Attributes:
        path: Where the pipe is. What is there already must be a FIFO of root or of the process's own user that not
            everybody may write to; symbolic links are not followed.
        initial: Whether to tell of every first verdict, see `PoolScriptNotifier`.
        create: Whether to make the pipe if there is nothing, and to remove it at the end if it was made here.
        mode: Its exact permissions if it is made: 0o600, and of 0o040, 0o020 and 0o004 what the reader needs.
        group: Its group, by name or number, if it is made; None for the process's own.
        backlog: How many lines may wait here, 1-1000000.

    Raises:
        ConfigError: A value is out of its range.
    """

    path: Path = field(converter=absolute)
    initial: bool = field(default=False, kw_only=True, validator=check_flag)
    create: bool = field(default=True, kw_only=True, validator=check_flag)
    mode: int = field(default=0o600, kw_only=True, validator=check_mode)
    group: int | None = field(
        default=None, kw_only=True, converter=group_number, validator=optional(Whole(0, 2**32 - 2))
    )
    backlog: int = field(default=1000, kw_only=True, validator=Whole(1, 1_000_000))
    _words: PoolWords = field(
        init=False, default=Factory(lambda self: PoolWords(initial=self.initial), takes_self=True)
    )
    _waiting: Latest[PoolNotice] = field(
        init=False, default=Factory(lambda self: Latest(self.backlog, log, f"pipe {self.path}"), takes_self=True)
    )
    _writer: PipeWriter[PoolNotice] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make what writes."""
        self._writer = PipeWriter(self.path, self._waiting, _encode, self.create, self.mode, self.group)

    async def __aenter__(self) -> Self:
        """Open the pipe.

        Raises:
            ConfigError: What is there is no FIFO, or not safe to write to.
            KernelError: It cannot be made or opened.
            RuntimeError: The block has been entered already.
        """
        if self._writer.is_open:
            raise RuntimeError("a PoolFifoNotifier cannot be entered twice at a time")
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

    def tell(self, notice: PoolNotice) -> None:
        """Write one line, or let it wait until the pipe has room.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if not self._writer.is_open:
            raise RuntimeError(f"PoolFifoNotifier is not open, so nothing is written for {notice.name}: {notice.news}")
        if self._words.to_tell(notice) is not None:
            self._waiting.keep(subject_of(notice), notice)
            self._writer.write()


def _encode(notice: PoolNotice) -> bytes:
    return pool_line(notice).encode()
