"""A program that runs: waiting for its end, and bringing it about."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Final

__all__ = ["Process"]

_DEATH: Final = 1.0  # seconds; whatever SIGKILL does not end within them hangs in the kernel, or is not ours to kill


class Process:
    """The leader of a session that has just been started, and its process group.

    As long as the event loop runs, the process is reaped when it ends, whether anybody waits for that or not.

    Raises:
        OSError: It cannot be watched; it has then been killed.
    """

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._pid = pid
        self._stopping = False
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        #: What it returned; None if it ended by a signal, or has not ended.
        self.exit_code: int | None = None
        #: The signal that ended it; None if none did.
        self.signal: int | None = None
        #: Whether somebody else has reaped it, so that nobody knows how it ended.
        self.lost = False
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended = self.lost = True
            return
        except OSError:
            self._send(signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._loop.add_reader(self._descriptor, self._reap)

    async def ends(self, within: float) -> bool:
        """Wait for so many seconds at most; tell whether it has ended. One may wait at a time."""
        if not self._ended:
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(within, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        return self._ended

    async def stop(self, grace: float) -> None:
        """End the whole group: SIGTERM, and SIGKILL if the leader has not ended after `grace` seconds.

        When the leader ends earlier, the rest of its group gets SIGKILL at once. Cancelling means SIGKILL now. What
        SIGKILL does not end is left behind after a second, and reaped whenever it ends.
        """
        self._stopping = True
        self._send(signal.SIGTERM)
        try:
            await self.ends(grace)
        finally:
            self._send(signal.SIGKILL)
        await self.ends(_DEATH)

    def _send(self, number: signal.Signals) -> None:
        """Send a signal to the group. Not after its leader was reaped: the number may be somebody else's then."""
        if not self._ended:
            with suppress(ProcessLookupError, PermissionError):  # a set-user-ID program is not ours to kill
                os.killpg(self._pid, number)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _reap(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if self._stopping:
            self._send(signal.SIGKILL)
        try:
            self._note(os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED))
        except ChildProcessError:
            self.lost = True
        finally:
            os.close(self._descriptor)
            self._ended = True
            self._wake()

    def _note(self, end: os.waitid_result | None) -> None:
        if end is None:
            self.lost = True
        elif end.si_code == os.CLD_EXITED:
            self.exit_code = end.si_status
        else:
            self.signal = end.si_status
