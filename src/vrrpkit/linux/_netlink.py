"""Netlink sockets, and how to ask the kernel.

The kernel carries a request out inside send(2), so its answer is there when send() returns: 15-35 µs for a
synchronous request, and nothing that could be cancelled half way. A change may sleep on the kernel's configuration
lock, non-blocking socket or not; where that matters, ask from a thread.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._wire import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    error_code,
    kernel_text,
    messages,
    pack,
)

__all__ = ["BATCH", "SOL_NETLINK", "Change", "Refusal", "Requests", "open_netlink"]

# linux/netlink.h and asm-generic/socket.h
SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_NETLINK_GET_STRICT_CHK: Final = 12
_SO_RCVBUFFORCE: Final = 33
_TIMEVAL: Final = struct.Struct("@ll")

# A refusal is always answered, success only on request: a batch is answered once, and at worst once for each message.
# The stock receive buffer holds 512 answers.
BATCH: Final = 250
_PATIENCE: Final = 5  # seconds
_ANSWER_SIZE: Final = 1 << 16
_DUMP_SIZE: Final = 1 << 18  # the kernel fills 32 KiB at a time, or more for one link with many virtual functions
_DUMP_TRIES: Final = 10


def open_netlink(protocol: int, netns: str | None = None, *, receive_buffer: int | None = None) -> socket.socket:
    """A netlink socket with a port id of the kernel's choice.

    Args:
        protocol: Such as `socket.NETLINK_ROUTE`.
        netns: The network namespace by name or path; None for the caller's own.
        receive_buffer: Its size in octets, beyond net.core.rmem_max where we may; None for the kernel's default.

    Raises:
        KernelError: There is no such network namespace.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    netlink = in_netns(netns, lambda: socket.socket(socket.AF_NETLINK, kind, protocol))
    for option in (_NETLINK_EXT_ACK, _NETLINK_CAP_ACK, _NETLINK_GET_STRICT_CHK):
        with suppress(OSError):  # each makes things better; nothing depends on them
            netlink.setsockopt(SOL_NETLINK, option, 1)
    if receive_buffer is not None:
        try:
            netlink.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer)
        except PermissionError:
            netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    netlink.bind((0, 0))
    return netlink


class Change(NamedTuple):
    """One message of a batch."""

    kind: int
    flags: int
    payload: bytes


class Refusal(NamedTuple):
    """One message of a batch that the kernel refused: its position, the error number, the kernel's words."""

    position: int
    errno: int
    text: str


class _Reading(NamedTuple):
    """A table as it was read, in how many pieces, and whether it changed meanwhile."""

    entries: list[bytes]
    datagrams: int
    interrupted: bool


class Requests:
    """A socket to ask the kernel, used by one thread at a time.

    It must never join a multicast group: news would be taken for answers.

    Args:
        protocol: Such as `socket.NETLINK_ROUTE`.
        netns: The network namespace by name or path; None for the caller's own.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(self, protocol: int = socket.NETLINK_ROUTE, netns: str | None = None) -> None:
        self._socket = open_netlink(protocol, netns)
        # The kernel watches the time: with a timeout of Python's, every call would poll first.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(_PATIENCE, 0))
        self._sequence = 0
        self.port: Final[int] = self._socket.getsockname()[0]

    def __enter__(self) -> Self:
        """The open socket."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the socket; twice is a no-op."""
        self._socket.close()

    def request(self, operation: str, kind: int, flags: int = 0, payload: bytes = b"") -> bytes | None:
        """Send one message; return the payload of its answer, or None for a plain "done".

        Args:
            operation: What is asked for, for the error's text: `add 192.0.2.10/24 to eth0`.
            kind: The message's type.
            flags: What it needs besides NLM_F_REQUEST and NLM_F_ACK.
            payload: What follows its header.

        Raises:
            KernelError: The kernel refused.
        """
        sequence = self._reserve(1)
        self._send(operation, pack(kind, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, payload))
        answer: bytes | None = None
        while True:
            for message in self._receive(operation, _ANSWER_SIZE):
                if message.sequence != sequence:
                    continue  # the answer to a request that was given up
                if message.kind != NLMSG_ERROR:
                    answer = message.payload
                elif code := error_code(message):
                    raise kernel_error(operation, code, kernel_text(message))
                else:
                    return answer

    def batch(self, operation: str, changes: Sequence[Change]) -> list[Refusal]:
        """Send many messages; return those that were refused.

        Not a transaction: what follows a refused message is carried out all the same.

        Raises:
            KernelError: The kernel gave no answer; what became of the last `BATCH` messages is not known.
        """
        refusals: list[Refusal] = []
        for start in range(0, len(changes), BATCH):
            refused = self._batch(operation, changes[start : start + BATCH])
            refusals.extend(refusal._replace(position=start + refusal.position) for refusal in refused)
        return refusals

    def dump(self, operation: str, kind: int, payload: bytes) -> list[bytes]:
        """Ask for a table; return the payloads of its entries.

        The kernel says when a table changed while it was read. Entries may be missing then: it is read again.

        Raises:
            KernelError: The kernel refused, or the table never stood still (EAGAIN).
        """
        for _ in range(_DUMP_TRIES):
            reading = self._dump(operation, kind, payload)
            if not reading.interrupted:
                return reading.entries
        text = f"the table changed during each of {_DUMP_TRIES} readings"
        raise kernel_error(operation, errno.EAGAIN, text)

    def dump_at_once(self, operation: str, kind: int, payload: bytes) -> list[bytes] | None:
        """Ask for a table that fits into one datagram; None if it does not, or if it changed meanwhile.

        For tables of which the kernel does not say that they changed while they were read.

        Raises:
            KernelError: The kernel refused.
        """
        reading = self._dump(operation, kind, payload)
        return reading.entries if reading.datagrams <= 1 and not reading.interrupted else None

    def _batch(self, operation: str, changes: Sequence[Change]) -> list[Refusal]:
        first = self._reserve(len(changes))
        last = first + len(changes) - 1
        octets = [
            pack(kind, flags | NLM_F_REQUEST | (NLM_F_ACK if sequence == last else 0), sequence, payload)
            for sequence, (kind, flags, payload) in enumerate(changes, first)
        ]
        self._send(operation, b"".join(octets))
        refusals: list[Refusal] = []
        while True:
            for message in self._receive(operation, _ANSWER_SIZE):
                if message.kind != NLMSG_ERROR or not first <= message.sequence <= last:
                    continue
                if code := error_code(message):
                    refusals.append(Refusal(message.sequence - first, code, kernel_text(message)))
                if message.sequence == last:
                    return refusals

    def _dump(self, operation: str, kind: int, payload: bytes) -> _Reading:
        sequence = self._reserve(1)
        self._send(operation, pack(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, payload))
        entries: list[bytes] = []
        datagrams = 0
        interrupted = False
        while True:
            before = len(entries)
            for message in self._receive(operation, _DUMP_SIZE):
                if message.sequence != sequence:
                    continue
                interrupted = interrupted or bool(message.flags & NLM_F_DUMP_INTR)
                if message.kind not in {NLMSG_DONE, NLMSG_ERROR}:
                    entries.append(message.payload)
                elif code := error_code(message):
                    raise kernel_error(operation, code, kernel_text(message))
                else:
                    return _Reading(entries, datagrams + (len(entries) > before), interrupted)
            datagrams += len(entries) > before

    def _reserve(self, count: int) -> int:
        """The first of `count` sequence numbers in a row, never 0: that is the number of what nobody asked for."""
        first = self._sequence + 1
        if first + count > 1 << 32:
            first = 1
        self._sequence = first + count - 1
        return first

    def _send(self, operation: str, octets: bytes) -> None:
        try:
            self._socket.sendto(octets, (0, 0))
        except OSError as error:
            raise kernel_error(operation, error.errno or errno.EIO) from error

    def _receive(self, operation: str, size: int) -> Iterator[Message]:
        try:
            octets, (sender, _groups) = self._socket.recvfrom(size)
        except BlockingIOError as error:
            text = f"the kernel did not answer within {_PATIENCE} seconds"
            raise kernel_error(operation, errno.ETIMEDOUT, text) from error
        except OSError as error:
            raise kernel_error(operation, error.errno or errno.EIO) from error
        return messages(octets) if sender == 0 else iter(())  # nobody but the kernel is believed
