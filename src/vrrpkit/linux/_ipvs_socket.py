"""Asking the kernel about IPVS, over generic netlink."""

from __future__ import annotations

import enum
import errno
import struct
from collections.abc import Iterable
from typing import Final

from vrrpkit.errors import KernelError
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._ipvs_fields import number_of, text
from vrrpkit.linux._ipvs_wire import GENERIC_HEADER
from vrrpkit.linux._netlink import Change, Refusal, Requests
from vrrpkit.linux._wire import attributes

__all__ = ["Command", "IPVSSocket"]

_NETLINK_GENERIC: Final = 16
_HEADER: Final = struct.Struct("=BBxx")  # struct genlmsghdr: command, version
_VERSION: Final = 1

# linux/genetlink.h
_CONTROLLER: Final = 16
_GET_FAMILY: Final = 3
_FAMILY_ID: Final = 1
_FAMILY_NAME: Final = 2


class Command(enum.IntEnum):
    """What can be asked (enum ip_vs_genl_cmd); "set" is the kernel's word for a change of what is there."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    GET_SERVICE = 4
    NEW_DEST = 5
    SET_DEST = 6
    DEL_DEST = 7
    GET_DEST = 8
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    GET_DAEMON = 11
    SET_CONFIG = 12
    GET_CONFIG = 13
    GET_INFO = 15
    ZERO = 16


class IPVSSocket:
    """A socket to ask IPVS, used by one thread at a time.

    Args:
        netns: The network namespace by name or path; None for the caller's own.

    Raises:
        KernelError: The kernel has no IPVS, we may not ask, or there is no such network namespace.
    """

    def __init__(self, netns: str | None = None) -> None:
        self._requests = Requests(_NETLINK_GENERIC, netns)
        try:
            self._family = _family(self._requests)
            self.ask("open IPVS", Command.GET_INFO)
        except BaseException:
            self._requests.close()
            raise

    def close(self) -> None:
        """Close the socket; twice is a no-op."""
        self._requests.close()

    def ask(self, operation: str, command: Command, payload: bytes = b"") -> bytes | None:
        """Ask for one thing, or have it done; the answer's payload, or None for a plain "done".

        Raises:
            KernelError: The kernel refused.
        """
        return self._requests.request(operation, self._family, payload=_HEADER.pack(command, _VERSION) + payload)

    def change(self, operation: str, messages: Iterable[tuple[Command, bytes]]) -> list[Refusal]:
        """Have many things done, in this order; those that were refused.

        Raises:
            KernelError: The kernel gave no answer.
        """
        changes = [Change(self._family, 0, _HEADER.pack(command, _VERSION) + payload) for command, payload in messages]
        return self._requests.batch(operation, changes)

    def dump(self, operation: str, command: Command, payload: bytes = b"") -> list[bytes]:
        """Ask for a table; the payloads of its entries.

        Raises:
            KernelError: The kernel refused.
        """
        return self._requests.dump(operation, self._family, _HEADER.pack(command, _VERSION) + payload)


def _family(requests: Requests) -> int:
    """The number by which IPVS is asked. Where modules are loaded on demand, asking for it loads the module."""
    operation = "open IPVS"
    payload = _HEADER.pack(_GET_FAMILY, _VERSION) + text(_FAMILY_NAME, "IPVS")
    try:
        answer = requests.request(operation, _CONTROLLER, payload=payload)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        raise kernel_error(operation, errno.ENOENT, "the kernel has none, or not yet: modprobe ip_vs") from error
    return number_of(attributes(answer or b"", GENERIC_HEADER).get(_FAMILY_ID, b""))
