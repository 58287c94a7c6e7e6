"""Names on the way to a target, however many of them hang."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from attrs import evolve

from tests.linux.support import LOOPS, eventually, run
from vrrpkit import Family
from vrrpkit.checks import Checker, CheckResult, HTTPChecker, HTTPPath, TCPChecker, Via
from vrrpkit.checks._via import NAMES

LONG = 60.0

REFUSED = CheckResult(ok=False, detail="name look-up: 64 others are still waiting for an answer")


@contextmanager
def hanging(count: int) -> Iterator[None]:
    """So many names are being looked up."""
    begun = threading.Semaphore(0)
    released = threading.Event()

    def hang(_number: int) -> None:
        begun.release()
        released.wait(LONG)

    jobs = [NAMES.submit(hang, number) for number in range(count)]
    try:
        for _ in jobs:
            assert begun.acquire(timeout=LONG)
        yield
    finally:
        released.set()
        for job in jobs:
            job.result(LONG)


async def told(checker: Checker) -> CheckResult:
    return evolve(await checker.check(), elapsed=0.0)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def by_name(port: int) -> TCPChecker:
    return TCPChecker(host="localhost", port=port, via=Via(family=Family.IPV4))


@pytest.mark.parametrize("loop", LOOPS)
def test_names_that_hang_hold_up_neither_other_names_nor_the_loops_own_threads(loop: str, port: int) -> None:
    async def scenario() -> None:
        with hanging(40):
            assert await told(by_name(port)) == CheckResult(ok=True, detail="connected")
            await asyncio.to_thread(int)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_threads_of_the_loop_that_hang_hold_up_no_names(loop: str, port: int) -> None:
    async def scenario() -> None:
        released = threading.Event()
        busy = [asyncio.create_task(asyncio.to_thread(released.wait, LONG)) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            assert await told(by_name(port)) == CheckResult(ok=True, detail="connected")
        finally:
            released.set()
            await asyncio.gather(*busy)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_with_sixty_four_names_that_hang_others_wait_and_then_fail_in_words(loop: str, port: int) -> None:
    checkers: list[Checker] = [by_name(port), HTTPChecker(host="localhost", port=port, paths=HTTPPath("/"))]

    async def scenario() -> None:
        with hanging(64):
            for checker in checkers:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await checker.check()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            for checker in checkers:
                await eventually_refused(checker)
        assert await told(by_name(port)) == CheckResult(ok=True, detail="connected")

    run(scenario(), loop)


async def eventually_refused(checker: Checker) -> None:
    found: list[CheckResult] = []

    async def ask() -> None:
        while not found:
            try:
                async with asyncio.timeout(0.05):
                    found.append(await told(checker))
            except TimeoutError:
                continue

    asking = asyncio.create_task(ask())
    await eventually(lambda: found, "it fails at once")
    await asking
    assert found == [REFUSED]


@pytest.mark.parametrize("loop", LOOPS)
def test_an_address_in_digits_needs_no_thread(loop: str, port: int) -> None:
    async def scenario() -> None:
        with hanging(64):
            assert (await told(TCPChecker(host="127.0.0.1", port=port))).ok
            assert await Via().look_up("::1", 80) == (socket.AF_INET6, ("::1", 80, 0, 0))

    run(scenario(), loop)


def test_ports_and_families_of_a_name_are_their_own() -> None:
    async def scenario() -> None:
        web, secure, six = await asyncio.gather(
            Via(family=Family.IPV4).look_up("localhost", 80),
            Via(family=Family.IPV4).look_up("localhost", 443),
            Via(family=Family.IPV6).look_up("localhost", 80),
            return_exceptions=True,
        )
        assert (web, secure) == ((socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET, ("127.0.0.1", 443)))
        assert isinstance(six, socket.gaierror) or six == (socket.AF_INET6, ("::1", 80, 0, 0))

    run(scenario())


def test_an_answer_is_kept_only_if_that_is_wished() -> None:
    once, anew = Via(family=Family.IPV4, lookup_once=True), Via(family=Family.IPV4)

    async def scenario() -> None:
        for via in (once, anew):
            assert await via.look_up("localhost", 80) == (socket.AF_INET, ("127.0.0.1", 80))
        with hanging(64):
            assert await once.look_up("localhost", 80) == (socket.AF_INET, ("127.0.0.1", 80))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anew.look_up("localhost", 80)

    run(scenario())
