"""The thread that changes addresses: what is asked of it while it is busy becomes its next batch."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeVar

from attrs import define

from vrrpkit.linux._address_changes import Verb, carry_out
from vrrpkit.linux._holding import Condition, Holding
from vrrpkit.linux._netlink import BATCH, Requests

__all__ = ["AddressWorker"]

log = logging.getLogger("vrrpkit.addresses")

T = TypeVar("T")

# Renewals go in small batches, so that a take-over waits for one of them at most: 0.3 ms for IPv4. (IPv6 takes longer,
# the more addresses there are: the kernel looks at all of them for each.)
_RENEWALS: Final = 32


@define(eq=False)
class _Job:
    verb: Verb
    holdings: Sequence[Holding]
    then: Callable[[], None]
    done: asyncio.Future[None]


class AddressWorker:
    """One thread with one netlink socket, so that the kernel's configuration lock never blocks the event loop.

    Changes are carried out in the order in which they were asked for; renewals in between, when nothing else waits.

    Args:
        on_unrenewed: Told, on the event loop, of each address whose renewal the kernel refused.
        netns: The network namespace by name or path; None for the process's own.
    """

    def __init__(self, on_unrenewed: Callable[[Holding], None], netns: str | None = None) -> None:
        self._on_unrenewed = on_unrenewed
        self._loop = asyncio.get_running_loop()
        self._requests = Requests(netns=netns)
        # Not an executor: waking this one takes a third of the time.
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._obey, name="vrrpkit addresses", daemon=True).start()
        self._jobs: deque[_Job] = deque()
        self._renewals: deque[Holding] = deque()
        self._draining = False
        self._closed = False
        self.port: Final = self._requests.port

    def change(self, verb: Verb, holdings: Sequence[Holding], then: Callable[[], None]) -> asyncio.Future[None]:
        """Do this to these addresses; what came of it is in each.

        Returns:
            A future for one who waits. `then` is called before, and even if nobody waits any more.
        """
        done = self._loop.create_future()
        self._jobs.append(_Job(verb, holdings, then, done))
        self._start()
        return done

    def renew(self, holdings: Sequence[Holding]) -> None:
        """Renew these, or add them again; a few at once, many when there is time."""
        if len(holdings) <= _RENEWALS:
            self._jobs.append(_Job(Verb.RENEW, holdings, _nothing, self._loop.create_future()))
        else:
            self._renewals.extend(holdings)
        self._start()

    async def call(self, function: Callable[[Requests], T]) -> T:
        """Have the thread call this with its socket, between two batches."""
        called: Future[T] = Future()

        def call() -> None:
            try:
                called.set_result(function(self._requests))
            except BaseException as error:  # noqa: BLE001 - it is the caller's, whatever it is
                called.set_exception(error)

        self._order(call)
        return await asyncio.shield(asyncio.wrap_future(called))

    def close(self) -> None:
        """Finish what was asked for, then close the socket, without waiting."""
        if not self._closed:
            self._closed = True
            self._orders.put(self._requests.close)
            self._orders.put(None)

    def _start(self) -> None:
        if not self._draining:
            self._draining = True
            self._order(self._drain)

    def _order(self, order: Callable[[], None]) -> None:
        if self._closed:
            raise RuntimeError("the keeper of these addresses is closed")
        self._orders.put(order)

    def _obey(self) -> None:
        """In the thread, like all that follows up to `_finish()`."""
        while (order := self._orders.get()) is not None:
            order()

    def _drain(self) -> None:
        """Work until nothing is left."""
        while True:
            while self._jobs or self._renewals:
                self._work(self._next_jobs())
                self._work((), self._next_renewals())
            self._draining = False
            if not self._jobs and not self._renewals:
                return
            self._draining = True  # something came in just before it was False

    def _next_jobs(self) -> list[_Job]:
        """Whole jobs, as long as they fit and none removes what another one adds."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs and size < BATCH:
            job = self._jobs[0]
            unsettled = any(holding.condition is Condition.WANTED for holding in job.holdings)
            if jobs and job.verb is not Verb.ADD and unsettled:
                break
            jobs.append(self._jobs.popleft())
            size += len(job.holdings)
        return jobs

    def _next_renewals(self) -> list[Holding]:
        return [self._renewals.popleft() for _ in range(min(_RENEWALS, len(self._renewals)))]

    def _work(self, jobs: Sequence[_Job], renewals: Sequence[Holding] = ()) -> None:
        tasks = [(job.verb, holding) for job in jobs for holding in job.holdings]
        tasks += [(Verb.RENEW, holding) for holding in renewals]
        if not tasks and not jobs:
            return
        unrenewed: Sequence[Holding] = ()
        failure: Exception | None = None
        try:
            unrenewed = carry_out(self._requests, tasks)
        except Exception as error:
            log.exception("changing addresses failed")
            failure = error
        if not jobs and not unrenewed:
            return
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._finish, jobs, unrenewed, failure)

    def _finish(self, jobs: Sequence[_Job], unrenewed: Sequence[Holding], failure: Exception | None) -> None:
        for job in jobs:
            job.then()
            if job.done.done():
                continue
            if failure is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(failure)
        for holding in unrenewed:
            self._on_unrenewed(holding)


def _nothing() -> None:
    """What follows when nothing does."""
