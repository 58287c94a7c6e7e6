"""Write the news of pools to a named pipe, as keepalived does."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import Factory, define, field
from attrs.validators import optional

from vrrpkit.errors import ConfigError, KernelError, Whole, check_flag
from vrrpkit.lvs import PoolNotice
from vrrpkit.notifications._fifo import _absolute, _check_mode, _group_number
from vrrpkit.notifications._latest import Latest
from vrrpkit.notifications._pipe import Pipe, open_pipe
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
        written: How many lines were written.

    Raises:
        ConfigError: A value is out of its range.
    """

    path: Path = field(converter=_absolute)
    initial: bool = field(default=False, kw_only=True, validator=check_flag)
    create: bool = field(default=True, kw_only=True, validator=check_flag)
    mode: int = field(default=0o600, kw_only=True, validator=_check_mode)
    group: int | None = field(
        default=None, kw_only=True, converter=_group_number, validator=optional(Whole(0, 2**32 - 2))
    )
    backlog: int = field(default=1000, kw_only=True, validator=Whole(1, 1_000_000))
    written: int = field(default=0, init=False)
    _words: PoolWords = field(
        init=False, default=Factory(lambda self: PoolWords(initial=self.initial), takes_self=True)
    )
    _waiting: Latest[bytes] = field(
        init=False, default=Factory(lambda self: Latest(self.backlog, log, f"pipe {self.path}"), takes_self=True)
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
            raise RuntimeError("a PoolFifoNotifier cannot be entered twice at a time")
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

    def tell(self, notice: PoolNotice) -> None:
        """Write one line, or let it wait until the pipe has room.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if self._pipe is None:
            raise RuntimeError(f"PoolFifoNotifier is not open, so nothing is written for {notice.name}: {notice.news}")
        if self._words.to_tell(notice) is None:
            return
        self._waiting.add(subject_of(notice), pool_line(notice).encode())
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
        """Write what waits, as far as there is room, and the rest when there is."""
        while self._waiting:
            if not pipe.write(self._waiting.first):
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
