"""What one check costs the process that checks, beside the least that could do it: TCP, HTTP, HTTPS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import aiohttp

from tests.benchmarks.check_servers import accepting, answering
from tests.benchmarks.table import median, show
from tests.checks.talks import credentials
from vrrpkit.checks import TLS, Checker, HTTPChecker, HTTPPath, TCPChecker

HOST = "127.0.0.1"
ROUNDS = 25
CHECKS = 100  # in each round, by each contender
SECURE_CHECKS = 25

Way: TypeAlias = Callable[[], Awaitable[object]]
Row: TypeAlias = tuple[str, float, float]


async def compare(ways: Mapping[str, Way], checks: int) -> list[Row]:
    """In turns, so that all meet the same neighbours: CPU microseconds, and times the first one's in its round."""
    for way in ways.values():
        await way()
    rounds = [[await _cost(way, checks) for way in ways.values()] for _ in range(ROUNDS)]
    return [
        (name, median([costs[place] for costs in rounds]), median([costs[place] / costs[0] for costs in rounds]))
        for place, name in enumerate(ways)
    ]


async def _cost(way: Way, checks: int) -> float:
    began = time.process_time()
    for _ in range(checks):
        await way()
    return (time.process_time() - began) / checks * 1e6


async def tcp_costs(port: int) -> list[Row]:
    async def bare() -> None:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
        finally:
            sock.close()

    async def streams() -> None:
        _reader, writer = await asyncio.open_connection(HOST, port)
        writer.close()

    checker = TCPChecker(host=HOST, port=port)
    return await compare({"bare sock_connect": bare, "TCPChecker": well(checker), "asyncio streams": streams}, CHECKS)


async def web_costs(port: int, authorities: str | None, checks: int) -> list[Row]:
    """With authorities by TLS, with a handshake for each: both sides verify the certificate."""
    tls = None if authorities is None else TLS(ca_file=authorities)
    context = None if authorities is None else ssl.create_default_context(cafile=authorities)
    url = f"{'http' if tls is None else 'https'}://{HOST}:{port}/"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:

        async def bare() -> None:
            async with session.get(url, ssl=context or True) as response:
                await response.read()

        ways = {
            "bare aiohttp": bare,
            "HTTPChecker, status": well(HTTPChecker(host=HOST, port=port, tls=tls)),
            "HTTPChecker, body": well(HTTPChecker(host=HOST, port=port, tls=tls, paths=HTTPPath("/", regex="xxx"))),
        }
        return await compare(ways, checks)


def well(checker: Checker) -> Way:
    async def check() -> None:
        result = await checker.check()
        assert result.ok, result.detail

    return check


def run() -> None:
    known = credentials()
    with accepting() as port:
        tcp = asyncio.run(tcp_costs(port))
    with answering(known) as server:
        http = asyncio.run(web_costs(server.ports["http"], None, CHECKS))
        https = asyncio.run(web_costs(server.ports["https"], str(known.certificate), SECURE_CHECKS))
    head = ("way", "us", "times the bare one")
    show("One TCP check: CPU of the process that checks", head, tcp)
    show("One HTTP check of 2,000 octets, by a new connection", head, http)
    show("One HTTPS check of the same, by a new connection with a handshake", head, https)
