"""What the kernel refuses, and what of that need not trouble anybody."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from vrrpkit.errors import KernelError
from vrrpkit.ipvs._operations import (
    AddServer,
    AddService,
    Operation,
    RemoveServer,
    RemoveService,
    SetServer,
    SetService,
)
from vrrpkit.ipvs._service import VirtualService

__all__ = ["ApplyError", "Refused", "explain", "is_settled", "second_try"]


@frozen
class Refused:
    """One operation that the kernel did not carry out.

    Attributes:
        operation: Which.
        errno: The kernel's error number.
        text: Why, in words.
    """

    operation: Operation
    errno: int
    text: str

    def __str__(self) -> str:
        """Say what was refused, and why."""
        return f"{self.operation}: {self.text} (errno {self.errno})"


class ApplyError(KernelError):
    """Some operations were refused; all the others were carried out.

    Attributes:
        refused: Those that were refused, in their order. A service that was refused takes its servers along.
        done: Those that were carried out, in their order.
    """

    def __init__(self, refused: Sequence[Refused], done: Sequence[Operation] = ()) -> None:
        """Speak of the first of them, which often is the cause of the others."""
        first = refused[0]
        super().__init__(str(first.operation), first.errno, first.text)
        self.refused: Final = tuple(refused)
        self.done: Final = tuple(done)

    def __str__(self) -> str:
        """Say what was refused first and why, and of how many."""
        total = len(self.refused) + len(self.done)
        return f"{self.refused[0]}; {len(self.refused)} of {total} operations refused"


def second_try(operation: Operation, code: int) -> Operation | None:
    """What to do instead of an operation that was refused with this error number; None if there is no other way.

    What should be added and is there already, is set.
    """
    if code != errno.EEXIST:
        return None
    match operation:
        case AddService(service):
            return SetService(service)
        case AddServer(key, server):
            return SetServer(key, server)
        case _:
            return None


def is_settled(operation: Operation, code: int) -> bool:
    """Whether an operation that was refused with this error number has nothing left to do: what to remove is gone."""
    match operation:
        case RemoveService():
            return code == errno.ESRCH
        case RemoveServer():
            return code in {errno.ESRCH, errno.ENOENT}
        case _:
            return False


def explain(operation: Operation, code: int) -> str:
    """What an error number means for an operation; empty if it means no more than it does everywhere."""
    if code == errno.ESRCH:
        return "there is no such service"
    match operation:
        case AddService(service) | SetService(service) if code == errno.ENOENT:
            return _lacking(service)
        case SetServer() | RemoveServer() if code == errno.ENOENT:
            return "the service has no such server"
        case AddServer(key, server) | SetServer(key, server) if code == errno.EINVAL:
            if server.family is not key.family:
                return "a server of the other family needs a tunnel, and no sync daemon to run"
            return "the kernel wants the address of one machine"
        case _:
            return ""


def _lacking(service: VirtualService) -> str:
    text = f"the kernel has no scheduler {service.scheduler} (modprobe ip_vs_{service.scheduler})"
    if service.persistence_engine is None:
        return text
    engine = service.persistence_engine
    return f"{text}, or no persistence engine {engine} (modprobe ip_vs_pe_{engine})"
