"""Running a command once."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final, assert_never

from attrs import field, frozen

from vrrpkit.commands._command import Command, launch_of
from vrrpkit.commands._launch import Launch, Obstacle
from vrrpkit.commands._outcome import Outcome
from vrrpkit.commands._output import Output
from vrrpkit.commands._process import Process
from vrrpkit.commands._program import in_words
from vrrpkit.commands._turns import in_turn
from vrrpkit.errors import InRange, Whole

__all__ = ["GRACE", "TIMEOUT", "run"]

TIMEOUT: Final = InRange(0.01, 86400, "seconds")
GRACE: Final = InRange(0, 3600, "seconds")


async def run(command: Command, *, timeout: float, grace: float = 2.0, max_output: int = 4096) -> Outcome:  # noqa: ASYNC109 - it ends the program, and is not an error
    """Run a program once and tell how it ended. Nothing that the program does, or that it cannot be run, raises.

    It runs in a session of its own, with /dev/null for stdin and nothing else inherited. Many programs are started
    one after another, and the event loop does what is due in between.

    When the time is up, its whole process group gets SIGTERM, and SIGKILL after `grace` seconds; when the program ends
    of SIGTERM, the rest of its group gets SIGKILL at once. Who moves to another session on purpose escapes. When a
    program ends by itself, its children are left alone, since it may have started a daemon: `service haproxy restart`.

    Cancelling does the same as the end of the time, and the `CancelledError` comes out after that, up to `grace`
    and a second later. Whoever must not wait for it cancels the task and does not await it. Cancelling again, or
    during the grace, sends SIGKILL at once. A program that is cancelled before its turn is not started.

    What not even SIGKILL ends, because it hangs in the kernel or belongs to another user, is reported as timed out
    after another second, and reaped whenever it ends.

    Args:
        command: What to run.
        timeout: Seconds, 0.01-86400, from its start, not counting the time it waits for its turn.
        grace: Seconds, 0-3600, between SIGTERM and SIGKILL.
        max_output: How many octets of stdout and stderr to keep, 0-1048576. The rest is read and thrown away, also
            what a daemon that is left behind still writes, for which a process (`cat`) stays as long as that daemon
            lives. With 0, both are /dev/null and nobody has to read.

    Returns:
        How it ended. Other than in keepalived, what cannot be run has failed, and what ends with 0 after its time too.

    Raises:
        ConfigError: A number is out of range.
    """
    limits = _Limits(timeout=timeout, grace=grace, max_output=max_output)
    started = await in_turn(partial(_start, command, max_output))
    match started:
        case Obstacle(reason):
            return Outcome(error=reason)
        case _Run():
            return await started.see_through(limits)
        case unreachable:
            assert_never(unreachable)


@frozen(kw_only=True)
class _Limits:
    timeout: float = field(validator=TIMEOUT)
    grace: float = field(validator=GRACE)
    max_output: int = field(validator=Whole(0, 1 << 20, "octets"))


def _start(command: Command, max_output: int) -> _Run | Obstacle:
    launch = launch_of(command)
    if isinstance(launch, Obstacle):
        return launch
    output: Output | None = None
    started_at = time.monotonic()
    try:
        if max_output:
            output = Output(max_output, launch.account)
        process = Process(launch.start(None if output is None else output.inlet))
    except OSError as error:
        if output is not None:
            output.close()
        missing = isinstance(error, FileNotFoundError)  # it was there a moment ago
        return Obstacle(f"cannot run {launch.file}: {'its loader is missing' if missing else in_words(error)}")
    if output is not None:
        output.listen()
    return _Run(launch, process, output, started_at)


@frozen
class _Run:
    """A program that runs."""

    launch: Launch
    process: Process
    output: Output | None
    started_at: float

    async def see_through(self, limits: _Limits) -> Outcome:
        """Wait for the end, or bring it about."""
        try:
            in_time = await self.process.ends(limits.timeout)
            elapsed = time.monotonic() - self.started_at
            if not in_time:
                await self.process.stop(limits.grace)
        except asyncio.CancelledError:
            await self.process.stop(limits.grace)
            raise
        finally:
            await self._finish_output()
        return self._outcome(elapsed, timed_out=not in_time)

    async def _finish_output(self) -> None:
        if self.output is not None:
            try:
                await self.output.finish()
            finally:
                self.output.close()

    def _outcome(self, elapsed: float, *, timed_out: bool) -> Outcome:
        process = self.process
        output = b"" if self.output is None else self.output.kept
        refusal = self.launch.refusal(process.exit_code, output)
        if refusal is not None:
            return Outcome(error=refusal, elapsed=elapsed)
        lost = f"nobody knows how {self.launch.file} ended: somebody else has waited for it, or SIGCHLD is ignored"
        return Outcome(
            exit_code=process.exit_code,
            signal=process.signal,
            timed_out=timed_out,
            error=lost if process.lost else None,
            output=output,
            elapsed=elapsed,
        )
