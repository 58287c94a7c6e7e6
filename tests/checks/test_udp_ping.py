"""UDP and ICMP checks against real sockets and a real kernel."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.linux.support import LOOPS, Namespace, namespace, run
from vrrpkit import ConfigError
from vrrpkit.checks import Checker, CheckResult, PingChecker, UDPChecker, Via

REQUEST = bytes.fromhex("00112233")


@contextmanager
def udp_server(*answers: bytes) -> Iterator[int]:
    """A server that answers the first datagram so; its port. Without answers it stays silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            octets, peer = server.recvfrom(2048)
            assert octets == REQUEST
            for answer in answers:
                server.sendto(answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join()


def told(checker: Checker, loop: str = "asyncio") -> CheckResult:
    """What it finds, but for the time it took; it leaves nothing open."""

    async def ask() -> CheckResult:
        before = descriptors()
        async with asyncio.timeout(5):
            result = await checker.check()
        assert descriptors() == before
        return evolve(result, elapsed=0.0)

    return run(ask(), loop)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def udp(port: int, host: str = "127.0.0.1", **settings: Any) -> UDPChecker:
    return UDPChecker(host=host, port=port, payload=REQUEST, **settings)


@pytest.mark.parametrize("loop", LOOPS)
def test_silence_is_well_unless_a_reply_is_required(loop: str) -> None:
    with udp_server() as port:
        assert told(udp(port, quiet=0.1), loop) == CheckResult(ok=True, detail="no objection in 0.1 s")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_port_that_nobody_listens_to_is_told_by_icmp(loop: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    assert told(udp(port), loop) == CheckResult(ok=False, detail="Connection refused")


@pytest.mark.parametrize(
    ("settings", "answer", "result"),
    [
        ({}, b"", CheckResult(ok=True, detail="a reply of 0 octets")),
        ({"require_reply": True}, b"abc", CheckResult(ok=True, detail="a reply of 3 octets")),
        ({"reply": "61 6X"}, b"abc", CheckResult(ok=True, detail="a reply of 3 octets")),
        ({"reply": "61 7x"}, b"abc", CheckResult(ok=False, detail="another reply: 6162")),
        ({"reply": "616263"}, b"ab", CheckResult(ok=False, detail="another reply: 6162")),
        ({"reply": "61"}, b"", CheckResult(ok=False, detail="another reply: empty")),
        ({"shortest": 4}, b"abc", CheckResult(ok=False, detail="a reply of 3 octets, not 4-65535")),
        ({"longest": 2}, b"abc", CheckResult(ok=False, detail="a reply of 3 octets, not 0-2")),
    ],
)
def test_replies_are_judged(settings: dict[str, Any], answer: bytes, result: CheckResult) -> None:
    with udp_server(answer) as port:
        assert told(udp(port, **settings)) == result


def test_the_caller_bounds_the_wait_for_a_reply_that_is_required() -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await udp(port, require_reply=True).check()

    with udp_server() as port:
        run(scenario(port))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"payload": bytes(1473)}, "payload must be 0-1472 octets"),
        ({"payload": "text"}, "payload must be 0-1472 octets, got 'text'"),
        ({"reply": "6"}, "reply must be hexadecimal octets, with X for any digit, got '6'"),
        ({"reply": "ZZ"}, "reply must be hexadecimal octets, with X for any digit, got 'ZZ'"),
        ({"shortest": -1}, "shortest must be 0-65535, got -1"),
        ({"longest": 65536}, "longest must be 0-65535, got 65536"),
        ({"quiet": 0}, "quiet must be 0.01-3600 seconds, got 0"),
    ],
)
def test_settings_of_udp_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        UDPChecker(host="127.0.0.1", **{"port": 9, **settings})
    assert str(refusal.value).startswith(text)


def test_the_size_of_a_ping_is_checked() -> None:
    with pytest.raises(ConfigError, match="size must be 16-1472, got 15"):
        PingChecker(host="127.0.0.1", size=15)


@contextmanager
def peer() -> Iterator[Namespace]:
    """A namespace with 10.0.0.1 and 2001:db8::1 on its loopback, and a route into nowhere."""
    with namespace() as net:
        net.ip(
            "link set lo up",
            "addr add 10.0.0.1/32 dev lo",
            "addr add 2001:db8::1/128 dev lo nodad",
            "route add unreachable 10.9.0.0/16",
            "addr add 10.1.0.1/24 dev eth0",
        )
        yield net


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("host", ["10.0.0.1", "2001:db8::1"])
@pytest.mark.parametrize("group_range", ["1 0", "0 0"])
def test_a_host_that_is_there_replies_with_and_without_the_kernels_leave(
    loop: str, host: str, group_range: str
) -> None:
    with peer() as net:
        command = ["ip", "netns", "exec", net.name, "sysctl", "-q", f"net.ipv4.ping_group_range={group_range}"]
        subprocess.run(command, check=True)
        for size in (16, 57, 1472):
            assert told(PingChecker(host=host, size=size, via=Via(netns=net.name)), loop) == CheckResult(
                ok=True, detail="replied"
            )


@pytest.mark.kernel
def test_what_the_network_says_instead_of_a_reply_is_a_failure() -> None:
    with peer() as net:
        assert told(PingChecker(host="10.9.9.9", via=Via(netns=net.name))) == CheckResult(
            ok=False, detail="No route to host"
        )


@pytest.mark.kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_that_nobody_answers_arp_is_no_silence(loop: str) -> None:
    with peer() as net:
        result = told(udp(7, host="10.1.0.77", quiet=30, via=Via(netns=net.name)), loop)
        assert result == CheckResult(ok=False, detail="No route to host")


@pytest.mark.kernel
def test_the_caller_bounds_a_host_that_stays_silent() -> None:
    async def scenario(net: Namespace) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await PingChecker(host="10.1.0.77", via=Via(netns=net.name)).check()

    with peer() as net:
        run(scenario(net))


@pytest.mark.kernel
def test_many_pings_at_once_do_not_take_each_others_replies() -> None:
    async def scenario(net: Namespace) -> None:
        pings = [PingChecker(host=host, via=Via(netns=net.name)) for host in ("10.0.0.1", "127.0.0.1") * 20]
        async with asyncio.timeout(5):
            results = await asyncio.gather(*(ping.check() for ping in pings))
        assert all(result.ok for result in results)

    with peer() as net:
        run(scenario(net))
