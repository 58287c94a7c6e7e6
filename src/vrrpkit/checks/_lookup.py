"""Looking names up in threads of our own, so that a name that hangs holds up nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from functools import partial
from threading import Condition, Lock, Thread
from typing import Any, Final, ParamSpec, TypeVar

from attrs import field, frozen

__all__ = ["LookUps"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST: Final = 64
_PATIENCE: Final = 2.0  # seconds without a thread to be had, after which they count as hanging
_LINGER: Final = 1.0  # seconds that a thread stays idle: starting one takes 0.3 ms


@frozen(eq=False)
class _Job:
    call: Callable[[], Any]
    waiters: set[Future[Any]] = field(factory=set)


class LookUps(Executor):
    """Carries out look-ups, 64 at a time, and each of them once at a time, however many ask.

    Whoever asks the same function with the same arguments while that is being done gets the same answer; nothing is
    kept afterwards. So what hangs takes one thread, for as long as it hangs, even if nobody waits any more. The threads
    belong to no event loop; neither a loop that closes nor the program at its end waits for them.

    It is an executor for `loop.run_in_executor()`. To cancel a future takes the answer from nobody else.

    Args:
        clock: Tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition(Lock())
        self._begun: dict[Hashable, _Job] = {}
        self._queued: dict[Hashable, _Job] = {}
        self._threads = 0
        self._idle = 0
        self._last_begun_at = 0.0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin, or join those who wait already; queue while 64 others are being looked up.

        Raises:
            OSError: Of those none has ended for 2 seconds; or the system starts no more threads.
        """
        question = (fn, args, tuple(kwargs.items()))
        waiter: Future[T] = Future()
        with self._changed:
            job = self._begun.get(question) or self._queued.get(question)
            if job is None:
                self._find_a_thread()
                job = self._queued[question] = _Job(partial(fn, *args, **kwargs))
            job.waiters.add(waiter)
        waiter.add_done_callback(partial(self._leave, question))
        return waiter

    def _find_a_thread(self) -> None:
        if self._idle > len(self._queued):
            self._changed.notify()
        elif self._threads < _MOST:
            try:
                # Not a ThreadPoolExecutor: at the end, the interpreter would wait for its threads.
                Thread(target=self._work, name="vrrpkit look-ups", daemon=True).start()
            except RuntimeError as error:
                raise OSError(f"name look-up: {error}") from error
            self._threads += 1
        elif len(self._begun) == _MOST and self._clock() - self._last_begun_at > _PATIENCE:
            raise OSError(f"name look-up: {_MOST} others are still waiting for an answer")

    def _leave(self, question: Hashable, waiter: Future[Any]) -> None:
        with self._changed:
            for jobs in (self._begun, self._queued):
                if question in jobs:
                    jobs[question].waiters.discard(waiter)
            if question in self._queued and not self._queued[question].waiters:
                del self._queued[question]

    def _work(self) -> None:
        """In a thread, like all that follows."""
        while (question := self._next()) is not None:
            try:
                answer = self._begun[question].call()
            except BaseException as error:  # noqa: BLE001 - it is the asker's, whatever it is
                self._tell(question, partial(Future.set_exception, exception=error))
            else:
                self._tell(question, partial(Future.set_result, result=answer))

    def _next(self) -> Hashable | None:
        with self._changed:
            self._idle += 1
            found = self._changed.wait_for(lambda: self._queued, _LINGER)
            self._idle -= 1
            if not found:
                self._threads -= 1
                return None
            question = next(iter(self._queued))
            self._begun[question] = self._queued.pop(question)
            self._last_begun_at = self._clock()
            return question

    def _tell(self, question: Hashable, settle: Callable[[Future[Any]], None]) -> None:
        with self._changed:
            job = self._begun.pop(question)
        for waiter in job.waiters:
            if waiter.set_running_or_notify_cancel():
                settle(waiter)
