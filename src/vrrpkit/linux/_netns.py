"""Making things in another network namespace without leaving one's own."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Final, TypeVar

from vrrpkit.errors import KernelError
from vrrpkit.linux._errors import kernel_error

__all__ = ["in_netns"]

T = TypeVar("T")

_NAMED: Final = "/run/netns"
_CLONE_NEWNET: Final = 0x40000000


def in_netns(netns: str | None, make: Callable[[], T]) -> T:
    """Call `make` in a network namespace and return what it made; its exceptions pass.

    A socket stays where it was created, and setns(2) moves one thread only: a thread of its own (about 0.2 ms) enters
    the namespace and ends there.

    Args:
        netns: A name known to ip-netns(8), or a path such as `/proc/42/ns/net`; None for the caller's own.
        make: What to call.

    Raises:
        KernelError: There is no such namespace, or it may not be entered.
    """
    if netns is None:
        return make()
    descriptor = _open(netns)
    made: Future[T] = Future()

    def work() -> None:
        try:
            _enter(netns, descriptor)
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - it is the caller's, whatever it is
            made.set_exception(error)

    try:
        thread = Thread(target=work, name=f"netns {netns}")
        thread.start()
        thread.join()
    finally:
        os.close(descriptor)
    return made.result()


def _open(netns: str) -> int:
    path = netns if "/" in netns else f"{_NAMED}/{netns}"
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(netns, error.errno or errno.EINVAL, path) from error


def _enter(netns: str, descriptor: int) -> None:
    if sys.version_info >= (3, 12):
        try:
            os.setns(descriptor, _CLONE_NEWNET)
        except OSError as error:
            raise _refused(netns, error.errno or errno.EINVAL) from error
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET):
            raise _refused(netns, ctypes.get_errno())


def _refused(netns: str, code: int, path: str = "") -> KernelError:
    reasons = {errno.ENOENT: f"there is no {path}", errno.EINVAL: "this is not a network namespace"}
    return kernel_error(f"enter network namespace {netns}", code, reasons.get(code, ""), capability="CAP_SYS_ADMIN")
