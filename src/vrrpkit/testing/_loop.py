"""asyncio in virtual time: a loop whose clock jumps instead of sleeping."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, Final, TypeVar, TypeVarTuple

from vrrpkit.errors import VRRPKitError

__all__ = ["DeadlockError", "VirtualTimeLoop", "run_virtual"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WORKER: Final = "virtual-time-worker"
# Threads of executors: what they do is counted, and when they are idle they are not the world.
_WORKERS: Final = (_WORKER, "vrrpkit look-ups")
# asyncio itself takes a timer that is due within its clock's resolution as due.
_RESOLUTION: Final = 1e-9


class DeadlockError(VRRPKitError, RuntimeError):
    """Every task waits, and nothing that could end the waiting is left."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop for tests: when there is nothing to do until the next timer, its clock jumps there.

    `time()` begins at `start` and moves only in such jumps, so ten hours of timers take as long as their callbacks.
    Timers fire at exactly their time, in its order.

    File descriptors, `call_soon_threadsafe()`, executors and child processes are real, and take real time. While any
    of them is there (a registered descriptor, a job in an executor, a thread that was started after the loop was
    made):

    * with no timer scheduled, the loop really waits for them;
    * with one scheduled, they get `patience` real seconds to come first; then the clock jumps, and they are late.

    With none of them the clock jumps at once, and no timer at all is a deadlock: nothing would ever happen again.
    The loop then raises `DeadlockError`, with the tasks that wait, instead of hanging.

    Args:
        start: The first `time()`.
        patience: Real seconds that the real world gets before each jump; nothing that is purely virtual pays them.
    """

    def __init__(self, *, start: float = 0.0, patience: float = 0.1) -> None:
        self._jumping = _JumpingSelector(start, patience, self._deadlock)
        super().__init__(self._jumping)
        self._jumping.begin()
        self.set_default_executor(ThreadPoolExecutor(thread_name_prefix=_WORKER))

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._jumping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a virtual time."""
        heappush(self._jumping.moments, when)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a real thread or process; see the class for what that means to the clock."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.jobs -= 1

    def _deadlock(self) -> DeadlockError:
        waiting = [f"  {task.get_name()}: {_place(task)}" for task in asyncio.all_tasks(self)]
        text = "nothing is ready, scheduled, open, or running in a thread; these tasks wait:"
        return DeadlockError("\n".join([text, *sorted(waiting)]))


class _JumpingSelector(selectors.DefaultSelector):
    """Polls the real world, and moves the virtual clock when nothing comes of it."""

    def __init__(self, start: float, patience: float, deadlock: Callable[[], DeadlockError]) -> None:
        super().__init__()
        self.now = start
        self.jobs = 0
        self.moments: list[float] = []
        self._patience = patience
        self._deadlock = deadlock
        self._own_files = 0
        self._known_threads: frozenset[threading.Thread] = frozenset()

    def begin(self) -> None:
        """From here on files and threads are the user's."""
        self._own_files = len(self.get_map())
        self._known_threads = frozenset(threading.enumerate())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as the class of the loop says."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._world_is_there():
            ready = super().select(None if timeout is None else self._patience)
        elif timeout is None:
            ready = super().select(0)  # the last thread may have ended just now, and left word
            if not ready:
                raise self._deadlock()
        if not ready and timeout is not None:
            self._jump(timeout)
        return ready

    def _jump(self, timeout: float) -> None:
        """Move to the moment that was meant, which rounding would miss by a hair."""
        target = self.now + timeout
        meant = target
        while self.moments and self.moments[0] <= target + _RESOLUTION:
            moment = heappop(self.moments)
            if moment >= target - _RESOLUTION:
                meant = moment
        self.now = max(self.now, meant)

    def _world_is_there(self) -> bool:
        return len(self.get_map()) > self._own_files or self.jobs > 0 or any(map(self._is_new, threading.enumerate()))

    def _is_new(self, thread: threading.Thread) -> bool:
        return thread not in self._known_threads and not thread.name.startswith(_WORKERS)


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task waits."""
    stack = task.get_stack(limit=1)
    if not stack:
        return repr(task.get_coro())
    return f"{stack[0].f_code.co_qualname} in {stack[0].f_code.co_filename}, line {stack[0].f_lineno}"


def run_virtual(main: Coroutine[Any, Any, T], *, start: float = 0.0, patience: float = 0.1) -> T:
    """Run a coroutine in virtual time, as `asyncio.run()` would in real time.

    Args:
        main: The coroutine.
        start: The first `time()`.
        patience: See `VirtualTimeLoop`.

    Raises:
        DeadlockError: Everything waits for something that cannot come.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start=start, patience=patience)) as runner:
        return runner.run(main)
