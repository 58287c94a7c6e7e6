"""TCP checks, and the ways to a target, against real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.linux.support import LOOPS, namespace, run
from vrrpkit import ConfigError, Family
from vrrpkit.checks import CheckResult, TCPChecker, Via
from vrrpkit.linux import in_netns


@contextmanager
def listener(family: int = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A server that only listens: the kernel accepts for it."""
    with socket.create_server((host, 0), family=family) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def free_port() -> int:
    with listener() as server:
        return port_of(server)


async def told(checker: TCPChecker) -> CheckResult:
    """What it finds, but for the time it took."""
    result = await checker.check()
    assert 0 <= result.elapsed < 5
    return evolve(result, elapsed=0.0)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def leaving_nothing(scenario: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    async def play() -> None:
        before = descriptors()
        await scenario()
        assert descriptors() == before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(play(), loop)


@pytest.mark.conforms("keyword virtual_server/TCP_CHECK")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_accepts_is_well_and_sees_a_reset(loop: str) -> None:
    with listener() as server:

        async def scenario() -> None:
            checker = TCPChecker(host="127.0.0.1", port=port_of(server))
            assert await told(checker) == CheckResult(ok=True, detail="connected")

        leaving_nothing(scenario, loop)
        accepted, _peer = server.accept()
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)


@pytest.mark.conforms("keyword virtual_server/TCP_CHECK")
def test_a_port_that_nobody_listens_to_has_failed() -> None:
    async def scenario() -> None:
        checker = TCPChecker(host="127.0.0.1", port=free_port())
        assert await told(checker) == CheckResult(ok=False, detail="Connection refused")

    leaving_nothing(scenario)


def test_ipv6_works_like_ipv4() -> None:
    with listener(socket.AF_INET6, "::1") as server:

        async def scenario() -> None:
            assert (await told(TCPChecker(host="::1", port=port_of(server)))).ok

        leaving_nothing(scenario)


def test_a_name_is_looked_up() -> None:
    with listener() as server:

        async def scenario() -> None:
            via = Via(family=Family.IPV4, lookup_once=True)
            checker = TCPChecker(host="localhost", port=port_of(server), via=via)
            assert (await told(checker)).ok
            assert await via.look_up("localhost", 80) == (socket.AF_INET, ("127.0.0.1", 80))

        run(scenario())


def test_a_name_that_does_not_exist_is_a_failure_in_words() -> None:
    async def scenario() -> None:
        result = await told(TCPChecker(host="no-such-host.invalid", port=80))
        assert not result.ok
        assert result.detail

    run(scenario())


@pytest.mark.conforms("keyword virtual_server/TCP_CHECK")
def test_the_caller_bounds_a_target_that_never_answers() -> None:
    with listener() as server:
        server.listen(0)
        full = [socket.socket() for _ in range(4)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(server.getsockname())

        async def scenario() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await TCPChecker(host="127.0.0.1", port=port_of(server)).check()

        leaving_nothing(scenario)
        for one in full:
            one.close()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": 0}, "port must be 1-65535, got 0"),
        ({"port": 65536}, "port must be 1-65535, got 65536"),
        ({"host": "a b"}, "host must be an IPv4 or IPv6 address or a host name, got 'a b'"),
        ({"host": "127.1"}, "host must be an IPv4 or IPv6 address or a host name, got '127.1'"),
    ],
)
def test_targets_that_cannot_be_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        TCPChecker(**{"host": "127.0.0.1", "port": 80, **settings})
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"source": "here"}, "source must be an IPv4 or IPv6 address without a prefix length, got 'here'"),
        ({"interface": ""}, "interface must be a name of 1-15 characters, got ''"),
        ({"interface": "a-much-too-long-name"}, "interface must be a name of 1-15 characters"),
        ({"mark": -1}, "mark must be 0-4294967295, got -1"),
        ({"source": "192.0.2.1", "family": Family.IPV6}, "source must be of family"),
    ],
)
def test_ways_that_cannot_be_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Via(**settings)
    assert str(refusal.value).startswith(text)


@pytest.mark.kernel
def test_a_check_comes_from_its_source_in_its_namespace() -> None:
    with namespace() as net:
        net.ip("addr add 10.0.0.1/24 dev eth0", "addr add 10.0.0.2/24 dev eth0", "link set lo up")
        with in_netns(net.name, lambda: socket.create_server(("10.0.0.1", 0))) as server:

            async def scenario() -> None:
                via = Via(netns=net.name, source="10.0.0.2")
                checker = TCPChecker(host="10.0.0.1", port=port_of(server), via=via)
                assert await told(checker) == CheckResult(ok=True, detail="connected")

            leaving_nothing(scenario)
            accepted, peer = server.accept()
            accepted.close()
            assert peer[0] == "10.0.0.2"


@pytest.mark.kernel
def test_a_socket_has_its_interface_and_its_mark() -> None:
    with namespace() as net:
        via = Via(netns=net.name, interface="eth0", mark=7)
        with via.open_socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"eth0"
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) == 7


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("via", "detail"),
    [
        (Via(source="10.0.0.77"), "Cannot assign requested address"),
        (Via(interface="eth77"), "No such device"),
        (Via(), "Network is unreachable"),
    ],
)
def test_a_way_that_is_not_there_is_a_failure_in_words(via: Via, detail: str) -> None:
    with namespace() as net:

        async def scenario() -> None:
            checker = TCPChecker(host="203.0.113.1", port=80, via=evolve(via, netns=net.name))
            assert await told(checker) == CheckResult(ok=False, detail=detail)

        leaving_nothing(scenario)


def test_a_namespace_that_is_not_there_is_a_failure_in_words() -> None:
    async def scenario() -> None:
        result = await told(TCPChecker(host="127.0.0.1", port=80, via=Via(netns="no-such-namespace")))
        assert result == CheckResult(ok=False, detail="there is no /run/netns/no-such-namespace")

    run(scenario())


@pytest.mark.kernel
def test_the_zone_of_an_address_is_one_of_the_namespace() -> None:
    with namespace() as net:
        via = Via(netns=net.name)
        index = in_netns(net.name, lambda: socket.if_nametoindex("eth0"))

        async def scenario() -> None:
            assert await via.look_up("fe80::1%eth0", 80) == (socket.AF_INET6, ("fe80::1", 80, 0, index))
            assert await via.look_up("fe80::1%7", 80) == (socket.AF_INET6, ("fe80::1", 80, 0, 7))

        run(scenario())
