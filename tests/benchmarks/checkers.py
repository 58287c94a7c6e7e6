"""What a check costs beside the least that could do it, and ten thousand of them in one process."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from attrs import define, field

from tests.benchmarks.table import median, quantile, show
from vrrpkit.checks import CheckResult, HTTPChecker, HTTPPath, Schedule, TCPChecker
from vrrpkit.runtime import Driver
from vrrpkit.trackers import CheckTracker

CHECKS = 2000
ROUNDS = 5
MANY = 10_000
PERIOD = 10.0
REAL_SECONDS = 20.0

# A server of its own process: what it costs is not ours.
SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(server.getsockname()[1], flush=True)
while True:
    connection, _peer = server.accept()
    connection.close()
"""


@contextmanager
def server() -> Iterator[int]:
    """A server that accepts and closes; its port."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


async def bare_connect(port: int) -> None:
    sock = socket.socket()
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    finally:
        sock.close()


async def streams(port: int) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def cost(one: Callable[[], Awaitable[object]]) -> float:
    """CPU microseconds of this process for each."""
    began = time.process_time()
    for _ in range(CHECKS):
        await one()
    return (time.process_time() - began) / CHECKS * 1e6


@contextmanager
def web_server() -> Iterator[int]:
    """HAProxy, which answers by itself; its port."""
    with TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        config = Path(folder, "haproxy.cfg")
        config.write_text(
            "defaults\n mode http\n timeout client 10s\n timeout server 10s\n timeout connect 1s\n"
            f"frontend web\n bind 127.0.0.1:{port}\n"
            f' http-request return status 200 content-type text/plain string "{"x" * 2000}"\n',
            encoding="ascii",
        )
        with subprocess.Popen(["haproxy", "-db", "-f", str(config)], stderr=subprocess.DEVNULL) as process:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.01)
            yield port
            process.kill()


async def web_costs(port: int) -> dict[str, float]:
    """One HTTP request, with what aiohttp alone costs in the same settings."""
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False)
    checker = HTTPChecker(host="127.0.0.1", port=port)
    reading = HTTPChecker(host="127.0.0.1", port=port, paths=HTTPPath("/", regex="xxx"))
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:

        async def bare() -> None:
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                await response.read()

        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "bare aiohttp": bare,
            "HTTPChecker, status": checker.check,
            "HTTPChecker, body": reading.check,
        }
        return await compare(ways)


async def compare(ways: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, float]:
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            samples[name].append(await cost(way))
    return {name: median(found) for name, found in samples.items()}


async def single_costs(port: int) -> dict[str, float]:
    checker = TCPChecker(host="127.0.0.1", port=port)
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "bare sock_connect": lambda: bare_connect(port),
        "TCPChecker": checker.check,
        "asyncio streams": lambda: streams(port),
    }
    return await compare(ways)


@define
class Timekeeper:
    """A checker around another that notes how late it was begun."""

    checker: TCPChecker
    phase: float
    lateness: list[float] = field(factory=list)

    async def check(self) -> CheckResult:
        now = asyncio.get_running_loop().time()
        self.lateness.append((now - self.phase) % PERIOD)
        return await self.checker.check()


async def many(port: int) -> dict[str, float]:
    """Ten thousand TCP checkers, spread over their period."""
    gc.collect()
    idle_memory = _memory()
    driver = Driver()
    clock = asyncio.get_running_loop().time
    began = clock()
    keepers: list[Timekeeper] = []
    schedule = Schedule(interval=PERIOD, timeout=5, warmup=PERIOD)
    async with AsyncExitStack() as stack:
        for number in range(MANY):
            share = number / MANY
            keeper = Timekeeper(TCPChecker(host="127.0.0.1", port=port), 0.0)
            keepers.append(keeper)
            tracker = CheckTracker(f"c{number}", keeper, schedule, driver=driver, draw=lambda share=share: share)  # type: ignore[misc]  # a default argument is how a loop's variable is kept
            keeper.phase = (clock() + share * PERIOD) % PERIOD
            await stack.enter_async_context(tracker)
        setup = clock() - began
        gc.collect()
        memory = (_memory() - idle_memory) / MANY
        await asyncio.sleep(PERIOD)
        for keeper in keepers:
            keeper.lateness.clear()
        cpu, began = time.process_time(), clock()
        most_files = 0
        while clock() - began < REAL_SECONDS:
            await asyncio.sleep(0.5)
            most_files = max(most_files, len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - the cheapest way
        spent, lasted = time.process_time() - cpu, clock() - began
    lateness = [late for keeper in keepers for late in keeper.lateness]
    driver.close()
    return {
        "checks": len(lateness) / lasted,
        "cpu": 100 * spent / lasted,
        "memory": memory / 1024,
        "p50": 1000 * median(lateness),
        "p99": 1000 * quantile(lateness, 0.99),
        "files": most_files,
        "setup": setup,
    }


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def run() -> None:
    with web_server() as port:
        web = asyncio.run(web_costs(port))
    with server() as port:
        costs = asyncio.run(single_costs(port))
        found = asyncio.run(many(port))
    bare = costs["bare sock_connect"]
    show(
        "One TCP check: CPU of the process that checks",
        ("way", "us", "times the bare one"),
        [(name, micros, micros / bare) for name, micros in costs.items()],
    )
    show(
        "One HTTP check of 2,000 octets: CPU of the process that checks",
        ("way", "us", "times the bare one"),
        [(name, micros, micros / web["bare aiohttp"]) for name, micros in web.items()],
    )
    show(
        f"{MANY:,} TCP checkers every {PERIOD:g} s in one process",
        ("checks/s", "CPU %", "KiB per checker", "lateness p50 ms", "p99 ms", "open files"),
        [tuple(found[name] for name in ("checks", "cpu", "memory", "p50", "p99", "files"))],
    )
