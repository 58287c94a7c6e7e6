"""The in-memory kernel: it may refuse, and it may be slow."""

import asyncio
import errno
from ipaddress import IPv4Address

import pytest

from vrrpkit.errors import KernelError
from vrrpkit.runtime import AddressManager, Announcer
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, Operation, run_virtual

ONE, TWO, THREE = (IPv4Address(f"192.0.2.{number}") for number in (1, 2, 3))


def test_acquiring_and_releasing_change_what_is_held() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        await kernel.acquire([ONE, TWO])
        assert kernel.held == [ONE, TWO]
        await kernel.release([ONE])
        assert kernel.held == [TWO]
        assert kernel.log == [(0.0, "acquire", ONE, 0), (0.0, "acquire", TWO, 0), (0.0, "release", ONE, 0)]

    run_virtual(main())


def test_what_changes_nothing_is_not_asked_of_the_kernel() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        await kernel.acquire([ONE])
        await kernel.acquire([ONE])
        await kernel.release([TWO])
        assert len(kernel.log) == 1

    run_virtual(main())


def test_refused_acquisition_keeps_what_came_before_it() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        await kernel.acquire([ONE])
        kernel.refuse(errno.EACCES)
        with pytest.raises(KernelError, match=r"acquire 192\.0\.2\.2: Permission denied \(errno 13\)"):
            await kernel.acquire([TWO, THREE])
        assert kernel.held == [ONE]
        await kernel.acquire([TWO, THREE])
        assert kernel.held == [ONE, TWO, THREE]
        assert [str(operation) for operation in kernel.log] == [
            "0.000 acquire 192.0.2.1",
            "0.000 acquire 192.0.2.2: Permission denied",
            "0.000 acquire 192.0.2.2",
            "0.000 acquire 192.0.2.3",
        ]

    run_virtual(main())


def test_refused_release_removes_the_others_all_the_same() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        await kernel.acquire([ONE, TWO, THREE])
        kernel.refuse(errno.EBUSY, times=2)
        with pytest.raises(KernelError):
            await kernel.release([ONE, TWO, THREE])
        assert kernel.held == [ONE, TWO]

    run_virtual(main())


def test_slow_kernel_takes_its_time_for_each_address() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        kernel.slow(2.0)
        await kernel.acquire([ONE, TWO])
        assert asyncio.get_running_loop().time() == 4.0
        kernel.slow(0.0)
        await kernel.release([ONE, TWO])
        assert kernel.log[-1] == Operation(4.0, "release", TWO)

    run_virtual(main())


def test_address_that_somebody_else_removed_is_gone() -> None:
    async def main() -> None:
        kernel = FakeAddresses()
        await kernel.acquire([ONE])
        kernel.lose("192.0.2.1")
        assert kernel.held == []
        await kernel.release([ONE])
        assert len(kernel.log) == 1

    run_virtual(main())


def test_announcer_remembers_what_it_announced() -> None:
    announcer = FakeAnnouncer()
    announcer.cease()
    assert (announcer.announcing, announcer.log) == ([], [])
    announcer.announce([ONE, TWO])
    assert announcer.announcing == [ONE, TWO]
    announcer.cease()
    announcer.cease()
    assert (announcer.announcing, announcer.log) == ([], [[ONE, TWO], []])


def test_doubles_are_the_ports_of_the_runtime() -> None:
    ports: tuple[AddressManager, Announcer] = FakeAddresses(), FakeAnnouncer()
    assert len(ports) == 2  # mypy is the test
