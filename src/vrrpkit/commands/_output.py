"""What a program prints: the beginning is kept, the rest thrown away.

A pipe, because everything else does some program harm. /dev/null keeps nothing. A memfd grows by gigabytes in a
second, and a limit on its size makes writing fail: a check by `curl` with a long answer would end with exit 23. The
price of a pipe is that it has to be read. At first that is done when something comes in; once enough is kept, at
intervals, from a pipe made wide. `yes` then costs 15 % of a CPU instead of 75 %, and writes 500 MB/s instead of 950.

Who closes the reading end kills whoever goes on writing, by SIGPIPE: a daemon that a script has started on purpose.
So if somebody still holds the writing end when the program has ended, cat(1) takes over the reading, for as long as
that one lives, this process or not.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import select
import subprocess
from contextlib import suppress
from typing import Final

from vrrpkit.commands._account import Account
from vrrpkit.commands._launch import SAFE_ENVIRONMENT
from vrrpkit.commands._process import Process
from vrrpkit.commands._turns import in_turn

__all__ = ["Output"]

log = logging.getLogger("vrrpkit.commands")

# Most checks have ended by then with less than a pipe holds: listening to them would make each a third dearer.
_QUIET: Final = 0.01
_PAUSE: Final = 0.001
_WIDE: Final = 1 << 20
_SCRATCH: Final = bytearray(1 << 16)  # what is thrown away is read into this, again and again
_READ_ON: Final = ("/bin/sh", "-c", "exec 3<&0; cat <&3 >/dev/null &")
_START: Final = 1.0  # seconds that this may take


class Output:
    """The output of one program.

    Args:
        most: How many octets to keep.
        writer: Who else than this process writes, and may want to open /dev/stderr; None for nobody.

    Raises:
        OSError: There is no more room for descriptors.
    """

    def __init__(self, most: int, writer: Account | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = most
        self._kept = bytearray()
        self._pause: asyncio.TimerHandle | None = None
        self._reader: Process | None = None
        self._end, inlet = os.pipe2(os.O_CLOEXEC)
        #: What the program writes to; None once it has it.
        self.inlet: int | None = inlet
        os.set_blocking(self._end, False)
        if writer is not None:
            with suppress(PermissionError):  # without CAP_CHOWN, only opening it by name does not work
                os.fchown(inlet, writer.uid, writer.gid)

    @property
    def kept(self) -> bytes:
        """The first octets."""
        return bytes(self._kept)

    def listen(self) -> None:
        """Begin to read, now that the program has the other end."""
        self._close_inlet()
        self._pause = self._loop.call_later(_QUIET, self._loop.add_reader, self._end, self._keep)

    async def finish(self) -> None:
        """Read what is left, and see that those who go on writing have a reader. Still call `close()`."""
        self._pay_no_attention()
        with suppress(BlockingIOError):
            while (room := self._most - len(self._kept)) and (octets := os.read(self._end, room)):
                self._kept += octets
        if self._somebody_holds_it():
            try:
                await self._hand_over()
            except asyncio.CancelledError:
                await self._hand_over()  # it takes two milliseconds, and a daemon may depend on it
                raise

    def close(self) -> None:
        """Close it."""
        self._pay_no_attention()
        self._close_inlet()
        os.close(self._end)

    def _close_inlet(self) -> None:
        if self.inlet is not None:
            os.close(self.inlet)
            self.inlet = None

    def _keep(self) -> None:
        octets = os.read(self._end, self._most - len(self._kept))
        self._kept += octets
        if not octets:
            self._loop.remove_reader(self._end)
        elif len(self._kept) == self._most:
            with suppress(OSError):  # this user's pipes are wide enough already, or memory is short
                fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, _WIDE)
            self._waste()

    def _waste(self) -> None:
        """Throw away one pipe full, and pay attention again after a pause."""
        self._loop.remove_reader(self._end)
        with suppress(BlockingIOError):
            for _ in range(_WIDE // len(_SCRATCH)):
                if not os.readv(self._end, [_SCRATCH]):
                    return
        self._pause = self._loop.call_later(_PAUSE, self._loop.add_reader, self._end, self._waste)

    def _pay_no_attention(self) -> None:
        self._loop.remove_reader(self._end)
        if self._pause is not None:
            self._pause.cancel()

    def _somebody_holds_it(self) -> bool:
        poll = select.poll()
        poll.register(self._end, 0)
        return poll.poll(0) == []  # POLLHUP, which need not be asked for, tells that nobody does

    async def _hand_over(self) -> None:
        try:
            if self._reader is None:
                self._reader = await in_turn(self._start_reader)
        except OSError:
            log.warning("nobody reads on for what a command has left running; writing may end it", exc_info=True)
        else:
            await self._reader.ends(_START)

    def _start_reader(self) -> Process:
        os.set_blocking(self._end, True)
        shell = subprocess.Popen(  # noqa: S603 - a constant
            _READ_ON,
            stdin=self._end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=SAFE_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        shell.returncode = 0
        return Process(shell.pid)
