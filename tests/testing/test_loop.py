"""asyncio in virtual time."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from vrrpkit.checks import Via
from vrrpkit.errors import VRRPKitError
from vrrpkit.testing import DeadlockError, VirtualTimeLoop, run_virtual


def test_ten_hours_pass_at_once() -> None:
    async def main() -> float:
        for _ in range(3600):
            await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtual(main()) == 36000.0
    assert time.monotonic() - began < 10


def test_time_begins_where_it_is_told() -> None:
    async def main() -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert run_virtual(main(), start=1000.0) == 1001.0


def test_timers_fire_at_exactly_their_time_and_in_its_order() -> None:
    async def main() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[float, float]] = []

        def note(when: float) -> None:
            fired.append((loop.time(), when))

        for number in (7, 3, 9, 1, 5):
            when = number / 7 + 1e5
            loop.call_at(when, note, when)
        await asyncio.sleep(2e5)
        return fired

    fired = run_virtual(main(), start=0.1)
    assert [at for at, _when in fired] == sorted(number / 7 + 1e5 for number in (7, 3, 9, 1, 5))
    assert all(at == when for at, when in fired)


def test_cancelled_timer_leaves_no_trace() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        for number in range(10):
            loop.call_later(0.1 * number, print).cancel()
        await asyncio.sleep(2)
        return loop.time()

    assert run_virtual(main()) == 2.0


def test_time_stands_still_while_code_runs() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0


def test_timeout_fires_at_its_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 30.0


def test_day_long_sleep_takes_a_day() -> None:
    async def main() -> float:
        await asyncio.sleep(10 * 86400)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 864000.0


def test_deadlock_is_an_error_that_names_who_waits() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        waiter = asyncio.create_task(wait_for_nothing(), name="the waiter")
        await asyncio.wait({waiter})

    with pytest.raises(DeadlockError, match=r"the waiter: .*wait_for_nothing in .*test_loop\.py, line \d+") as raised:
        run_virtual(main())
    assert isinstance(raised.value, VRRPKitError)
    assert isinstance(raised.value, RuntimeError)


def test_deadlock_after_a_thread_was_used_is_still_found() -> None:
    async def main() -> None:
        await asyncio.to_thread(int)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtual(main())


def test_deadlock_after_sleeping_is_found() -> None:
    async def main() -> None:
        await asyncio.sleep(3600)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtual(main())


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_file_descriptor_is_really_waited_for(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sockets

    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        threading.Timer(0.05, theirs.send, (b"hello",)).start()
        return await loop.sock_recv(ours, 100), loop.time()

    assert run_virtual(main()) == (b"hello", 0.0)


def test_file_descriptor_comes_before_a_timer_within_the_patience(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = sockets

    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        threading.Timer(0.05, theirs.send, (b"hello",)).start()
        async with asyncio.timeout(0.001):  # a virtual millisecond is longer than ten real seconds of patience
            return await loop.sock_recv(ours, 100), loop.time()

    assert run_virtual(main(), patience=10.0) == (b"hello", 0.0)


def test_file_descriptor_that_is_too_late_is_jumped_over(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, _theirs = sockets

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await loop.sock_recv(ours, 100)
        return loop.time()

    assert run_virtual(main(), patience=0.0) == 3600.0


def test_job_in_an_executor_is_waited_for() -> None:
    release = threading.Event()

    async def main() -> tuple[bool, float]:
        threading.Timer(0.05, release.set).start()
        async with asyncio.timeout(1):
            return await asyncio.to_thread(release.wait, 10), asyncio.get_running_loop().time()

    assert run_virtual(main(), patience=10.0) == (True, 0.0)


def test_idle_workers_do_not_slow_the_clock_down() -> None:
    async def main() -> float:
        await asyncio.to_thread(int)
        for _ in range(1000):
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtual(main(), patience=1.0) == 1000.0
    assert time.monotonic() - began < 100


def test_thread_of_ones_own_may_call_back() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        called = asyncio.Event()
        threading.Timer(0.05, loop.call_soon_threadsafe, (called.set,)).start()
        await called.wait()
        return loop.time()

    assert run_virtual(main()) == 0.0


def test_child_process_is_really_waited_for() -> None:
    async def main() -> tuple[bytes, float]:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('hello')", stdout=pipe)
        output, _errors = await child.communicate()
        return output, asyncio.get_running_loop().time()

    assert run_virtual(main()) == (b"hello\n", 0.0)


def test_exception_comes_out() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run_virtual(main())


def test_loop_is_made_for_a_runner() -> None:
    async def main() -> float:
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(main()) == 5.0
        assert runner.run(main()) == 10.0


def test_deadlock_after_a_name_was_looked_up_is_still_found() -> None:
    async def main() -> None:
        await Via().look_up("localhost", 80)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtual(main())


def test_idle_threads_of_look_ups_do_not_slow_the_clock_down() -> None:
    async def main() -> float:
        for _ in range(1000):
            await Via().look_up("localhost", 80)
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtual(main(), patience=1.0) == 1000.0
    assert time.monotonic() - began < 100
