"""Look-ups that hang, and those that they must not hold up; whatever hangs waits for an event, in its thread."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import pytest
from attrs import define, field

from tests.linux.support import LOOPS, eventually, run
from vrrpkit.checks._lookup import LookUps
from vrrpkit.testing import run_virtual

LONG = 60.0
"""Seconds after which nothing hangs any more, so that a defect fails a test instead of hanging it."""


@define
class Resolver:
    """Answers after its release."""

    begun: list[str] = field(factory=list)
    ended: list[str] = field(factory=list)
    threads: list[threading.Thread] = field(factory=list)
    beginnings: threading.Semaphore = field(factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(factory=threading.Event)

    def look_up(self, name: str) -> str:
        self.begun.append(name)
        self.threads.append(threading.current_thread())
        self.beginnings.release()
        self.released.wait(LONG)
        self.ended.append(name)
        return f"address of {name}"


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.released.set()


async def asked(names: LookUps, function: Callable[..., Any], *args: object) -> Any:
    return await asyncio.get_running_loop().run_in_executor(names, function, *args)


def fill(names: LookUps, resolver: Resolver, count: int = 64) -> list[Future[str]]:
    """Occupy so many threads."""
    filling = [names.submit(resolver.look_up, f"filling {number}") for number in range(count)]
    for _ in filling:
        assert resolver.beginnings.acquire(timeout=LONG)
    return filling


def at_once(name: str) -> str:
    return f"{name} at once"


def refuse(name: str) -> str:
    raise socket.gaierror(socket.EAI_NONAME, f"{name} is not known")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_hundred_askers_of_a_name_that_hangs_take_one_thread_and_get_one_answer(
    resolver: Resolver, loop: str
) -> None:
    names = LookUps()

    async def scenario() -> None:
        tasks = [asyncio.create_task(asked(names, resolver.look_up, "a")) for _ in range(100)]
        await eventually(lambda: resolver.begun, "one begins")
        assert await asked(names, at_once, "b") == "b at once"
        resolver.released.set()
        assert await asyncio.gather(*tasks) == ["address of a"] * 100

    run(scenario(), loop)
    assert resolver.begun == ["a"]


def test_what_has_ended_is_looked_up_anew() -> None:
    names = LookUps()
    counted: list[str] = []

    async def scenario() -> None:
        for _ in range(3):
            await asked(names, counted.append, "a")

    run(scenario())
    assert counted == ["a", "a", "a"]


def test_arguments_with_a_name_tell_questions_apart_like_those_without(resolver: Resolver) -> None:
    names = LookUps()
    waiting = [names.submit(resolver.look_up, name=name) for name in "abb"]
    resolver.released.set()
    assert [one.result(LONG) for one in waiting] == ["address of a", "address of b", "address of b"]


@pytest.mark.parametrize("loop", LOOPS)
def test_names_that_hang_do_not_hold_up_others(resolver: Resolver, loop: str) -> None:
    names = LookUps()

    async def scenario() -> None:
        fill(names, resolver, 63)
        found = await asked(names, socket.getaddrinfo, "localhost", 0, socket.AF_INET, socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 0)

    run(scenario(), loop)
    assert resolver.ended == []


@pytest.mark.parametrize("loop", LOOPS)
def test_who_gives_up_takes_the_answer_from_nobody_else(resolver: Resolver, loop: str) -> None:
    names = LookUps()

    async def scenario() -> None:
        first, second = (asyncio.create_task(asked(names, resolver.look_up, "a")) for _ in range(2))
        await eventually(lambda: resolver.begun, "it begins")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        third = asyncio.create_task(asked(names, resolver.look_up, "a"))
        await asyncio.sleep(0)
        resolver.released.set()
        assert [await second, await third] == ["address of a"] * 2

    run(scenario(), loop)
    assert resolver.begun == ["a"]


@pytest.mark.parametrize("loop", LOOPS)
def test_who_gives_up_leaves_nothing_but_the_one_thread(resolver: Resolver, loop: str) -> None:
    names = LookUps()
    tasks = weakref.WeakSet[asyncio.Task[Any]]()

    async def ask_for_a_moment() -> None:
        task = asyncio.create_task(asked(names, resolver.look_up, "a"))
        tasks.add(task)
        await eventually(lambda: resolver.begun, "it begins")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await task

    async def scenario() -> None:
        for _ in range(20):
            await ask_for_a_moment()
        await eventually(lambda: gc.collect() >= 0 and not tasks, "nothing is left")

    run(scenario(), loop)
    assert (resolver.begun, resolver.ended) == (["a"], [])


def test_a_waiter_that_is_cancelled_is_forgotten(resolver: Resolver) -> None:
    names = LookUps()
    (staying,) = fill(names, resolver, 1)
    leaving = names.submit(resolver.look_up, "filling 0")
    seen = weakref.ref(leaving)
    assert leaving.cancel()
    del leaving
    gc.collect()
    assert seen() is None
    resolver.released.set()
    assert staying.result(LONG) == "address of filling 0"


def test_waiters_that_cancel_each_other_while_they_are_told_harm_nobody(resolver: Resolver) -> None:
    names = LookUps()
    fill(names, resolver, 1)
    one, other = (names.submit(resolver.look_up, "filling 0") for _ in range(2))
    one.add_done_callback(lambda _one: other.cancel())
    other.add_done_callback(lambda _other: one.cancel())
    resolver.released.set()
    told, cancelled = sorted((one, other), key=lambda waiter: wait([waiter], LONG).done.pop().cancelled())
    assert told.result() == "address of filling 0"
    assert cancelled.cancelled()
    assert names.submit(at_once, "a").result(LONG) == "a at once"


def test_a_failure_is_told_to_everybody_and_harms_nobody_after() -> None:
    names = LookUps()

    async def scenario() -> None:
        for _ in range(2):
            found = await asyncio.gather(*(asked(names, refuse, "a") for _ in range(3)), return_exceptions=True)
            assert [str(error) for error in found] == ["[Errno -2] a is not known"] * 3
        assert await asked(names, at_once, "a") == "a at once"

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_ends_while_a_look_up_hangs(resolver: Resolver, loop: str) -> None:
    names = LookUps()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asked(names, resolver.look_up, "a")

    run(scenario(), loop)
    assert resolver.ended == []


def test_an_answer_that_comes_after_its_loop_harms_nobody(resolver: Resolver, caplog: pytest.LogCaptureFixture) -> None:
    names = LookUps()
    caplog.set_level(logging.DEBUG)
    loop = asyncio.new_event_loop()
    orphan = loop.run_in_executor(names, resolver.look_up, "a")
    loop.close()
    caplog.clear()
    heir = names.submit(resolver.look_up, "a")
    resolver.released.set()
    assert heir.result(LONG) == "address of a"
    assert names.submit(at_once, "b").result(LONG) == "b at once"
    assert not orphan.done()
    assert caplog.records == []


def test_loops_in_several_threads_share_a_look_up(resolver: Resolver) -> None:
    names = LookUps()
    asking = threading.Barrier(5)

    async def scenario() -> str:
        waiter = asyncio.ensure_future(asked(names, resolver.look_up, "a"))
        await asyncio.sleep(0)
        asking.wait(LONG)
        return str(await waiter)

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(run, scenario()) for _ in range(4)]
        asking.wait(LONG)
        resolver.released.set()
        assert [answer.result(LONG) for answer in answers] == ["address of a"] * 4
    assert resolver.begun == ["a"]


PROGRAM = """
import asyncio, threading
from vrrpkit.checks._lookup import LookUps

async def main():
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.05):
            await loop.run_in_executor(LookUps(), threading.Event().wait)
    except TimeoutError:
        print("over")

asyncio.run(main())
"""


def test_a_program_ends_while_a_look_up_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=LONG, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\n", "")


def test_the_sixty_fifth_waits_for_a_thread(resolver: Resolver) -> None:
    names = LookUps(clock=lambda: 0.0)
    fill(names, resolver)
    late = names.submit(at_once, "late")
    too = names.submit(at_once, "late")
    assert not late.done()
    resolver.released.set()
    assert late.result(LONG) == too.result(LONG) == "late at once"


def test_a_new_name_is_refused_while_sixty_four_others_hang(resolver: Resolver) -> None:
    now = [100.0]
    names = LookUps(clock=lambda: now[0])
    filling = fill(names, resolver)
    now[0] = 102.0
    waiting = names.submit(at_once, "early")
    now[0] = 102.1
    with pytest.raises(OSError, match=r"^name look-up: 64 others are still waiting for an answer$"):
        names.submit(at_once, "late")
    known = names.submit(resolver.look_up, "filling 7")
    resolver.released.set()
    assert [one.result(LONG) for one in (*filling[:2], known, waiting)] == [
        "address of filling 0",
        "address of filling 1",
        "address of filling 7",
        "early at once",
    ]
    assert names.submit(at_once, "late").result(LONG) == "late at once"


def test_names_that_come_all_at_once_after_slow_ones_are_not_refused(resolver: Resolver) -> None:
    now = [100.0]
    names = LookUps(clock=lambda: now[0])
    filling = fill(names, resolver)
    resolver.released.set()
    assert {one.result(LONG) for one in filling} == {f"address of filling {number}" for number in range(64)}
    now[0] = 103.0
    burst = [names.submit(at_once, str(number)) for number in range(200)]
    assert [one.result(LONG) for one in burst] == [f"{number} at once" for number in range(200)]


def test_what_nobody_waits_for_any_more_is_not_even_begun(resolver: Resolver) -> None:
    names = LookUps(clock=lambda: 0.0)
    fill(names, resolver)
    given_up = names.submit(resolver.look_up, "given up")
    wanted = [names.submit(resolver.look_up, "wanted") for _ in range(2)]
    assert given_up.cancel()
    assert wanted[0].cancel()
    resolver.released.set()
    assert wanted[1].result(LONG) == "address of wanted"
    assert names.submit(at_once, "last").result(LONG) == "last at once"
    assert sorted(set(resolver.begun) - {f"filling {number}" for number in range(64)}) == ["wanted"]


def test_a_thread_is_used_again_and_ends_when_it_is_idle() -> None:
    names = LookUps()

    async def scenario() -> None:
        threads = {await asked(names, threading.current_thread) for _ in range(50)}
        assert len(threads) < 50  # an answer comes a moment before its thread is idle
        assert all(thread.daemon for thread in threads)
        await eventually(lambda: not any(thread.is_alive() for thread in threads), "they end")
        assert await asked(names, at_once, "a") == "a at once"

    run(scenario())


def test_threads_that_have_ended_make_room_for_others(resolver: Resolver) -> None:
    names = LookUps()
    fill(names, resolver)
    resolver.released.set()
    for thread in resolver.threads:
        thread.join(LONG)
        assert not thread.is_alive()
    assert names.submit(at_once, "a").result(LONG) == "a at once"


@contextmanager
def threads_that_cannot_start() -> Iterator[None]:
    before = threading.stack_size(1 << 60)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_a_system_without_threads_is_a_failure_in_words() -> None:
    names = LookUps()

    async def scenario() -> None:
        with threads_that_cannot_start(), pytest.raises(OSError, match=r"^name look-up: can't start new thread$"):
            await asked(names, at_once, "a")
        assert await asked(names, at_once, "a") == "a at once"

    run(scenario())


def test_virtual_time_waits_for_a_thread_that_was_there_before(resolver: Resolver) -> None:
    names = LookUps()
    assert names.submit(at_once, "a").result(LONG) == "a at once"

    async def scenario() -> tuple[str, float]:
        threading.Timer(0.05, resolver.released.set).start()
        async with asyncio.timeout(1):
            return str(await asked(names, resolver.look_up, "b")), asyncio.get_running_loop().time()

    assert run_virtual(scenario(), patience=10.0) == ("address of b", 0.0)
