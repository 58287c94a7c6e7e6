"""The kernel's news of processes: its process events connector."""

from __future__ import annotations

import asyncio
import errno
import struct
from collections.abc import Callable, Iterable
from typing import Final

from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._netlink import SOL_NETLINK, open_netlink
from vrrpkit.linux._wire import messages, pack

__all__ = ["PROCESS_BUFFER", "ProcessEvents", "decode_change", "decode_verdict"]

# linux/connector.h, linux/cn_proc.h
_NETLINK_CONNECTOR: Final = 11
_NETLINK_ADD_MEMBERSHIP: Final = 1
_CN_IDX_PROC: Final = 1
_CN_VAL_PROC: Final = 1
_PROC_CN_MCAST_LISTEN: Final = 1
_PROC_CN_MCAST_IGNORE: Final = 2
_PROC_EVENT_NONE: Final = 0
_PROC_EVENT_FORK: Final = 0x1
_PROC_EVENT_EXEC: Final = 0x2
_PROC_EVENT_COMM: Final = 0x200
_PROC_EVENT_EXIT: Final = 0x80000000
_NLMSG_DONE: Final = 3

# struct cn_msg: index, value, sequence, acknowledgement, length, flags; then the order
_ORDER: Final = struct.Struct("=IIIIHHI")
# The same up to the flags; then struct proc_event: what, processor, time, up to four numbers of threads and processes.
_EVENT: Final = struct.Struct("=II4xIHHII8xIIII")

_MESSAGE_SIZE: Final = 1 << 12
PROCESS_BUFFER: Final = 4 << 20
_BUDGET: Final = 1024  # messages at a time: 3 ms
_PAUSE: Final = 0.01  # seconds from one time to the next


class ProcessEvents:
    """Hears of every process that begins, runs another program, gets another name, or ends.

    Args:
        on_changes: Told, on the running event loop, which processes have changed since the last call: True for one
            that needs to be looked at, False for one that has ended.
        on_overrun: Told that news was lost. What is reported from then on is complete again.
        receive_buffer: For news that waits, in octets; an event takes about 800.

    Raises:
        KernelError: The kernel does not tell us: outside the initial network, PID and user namespaces,
            and before kernel 6.6 without CAP_NET_ADMIN.
    """

    def __init__(
        self,
        on_changes: Callable[[dict[int, bool]], None],
        on_overrun: Callable[[], None],
        *,
        receive_buffer: int = PROCESS_BUFFER,
    ) -> None:
        self._on_changes = on_changes
        self._on_overrun = on_overrun
        self._lossy = False
        self._pause: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = open_netlink(_NETLINK_CONNECTOR, receive_buffer=receive_buffer)
        try:
            self._socket.setblocking(False)
            self._subscribe()
        except BaseException:
            self._socket.close()
            raise
        self._listen()

    def close(self) -> None:
        """Unsubscribe; twice is a no-op."""
        if self._pause is not None:
            self._pause.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            with self._socket:
                # Before kernel 6.6 it does not notice when a listener is gone.
                self._order(_PROC_CN_MCAST_IGNORE)

    def _subscribe(self) -> None:
        operation = "listen to process events"
        try:
            self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _CN_IDX_PROC)
            self._order(_PROC_CN_MCAST_LISTEN)
        except OSError as error:
            elsewhere = "the kernel tells of them in the initial network namespace only"
            text = elsewhere if error.errno == errno.ECONNREFUSED else ""
            raise kernel_error(operation, error.errno or errno.EIO, text) from error
        verdict = self._verdict()
        if verdict is None:
            text = "the kernel does not answer; it does in the initial user and PID namespaces only"
            raise kernel_error(operation, errno.ETIMEDOUT, text)
        if verdict:
            raise kernel_error(operation, verdict)

    def _order(self, order: int) -> None:
        header = _ORDER.pack(_CN_IDX_PROC, _CN_VAL_PROC, 0, self._port, 4, 0, order)
        self._socket.sendto(pack(_NLMSG_DONE, 0, 0, header), (0, 0))

    @property
    def _port(self) -> int:
        port: int = self._socket.getsockname()[0]
        return port

    def _verdict(self) -> int | None:
        """The answer, which is there when send() has returned; events may have come before it."""
        while True:
            try:
                octets, (sender, _groups) = self._socket.recvfrom(_MESSAGE_SIZE)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            for message in messages(octets) if sender == 0 else ():
                verdict = decode_verdict(message.payload, self._port)
                if verdict is not None:
                    return verdict

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        # A machine that starts one process after the other must not wake us up for each of them.
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(_PAUSE, self._listen)
        changes: dict[int, bool] = {}
        for _ in range(_BUDGET):
            try:
                octets, (sender, _groups) = self._socket.recvfrom(_MESSAGE_SIZE)
            except BlockingIOError:
                if self._lossy:  # what was queued is older than the loss
                    self._lossy = False
                    self._on_overrun()
                    return
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lossy = True
            else:
                if sender == 0:  # nobody but the kernel is believed
                    changes.update(_changes(octets))
        if changes and not self._lossy:
            self._on_changes(changes)


def _changes(octets: bytes) -> Iterable[tuple[int, bool]]:
    for message in messages(octets):
        change = decode_change(message.payload)
        if change is not None:
            yield change


def decode_change(payload: bytes) -> tuple[int, bool] | None:
    """The process that an event is about, and whether it lives; None for what only concerns a thread, or nothing.

    A process ends with its first thread.
    """
    if len(payload) < _EVENT.size:
        return None
    index, value, _acknowledged, _length, _flags, what, _processor, *numbers = _EVENT.unpack_from(payload)
    if (index, value) != (_CN_IDX_PROC, _CN_VAL_PROC):
        return None
    thread, process = numbers[2:] if what == _PROC_EVENT_FORK else numbers[:2]
    if thread != process or what not in {_PROC_EVENT_FORK, _PROC_EVENT_EXEC, _PROC_EVENT_COMM, _PROC_EVENT_EXIT}:
        return None
    return process, what != _PROC_EVENT_EXIT


def decode_verdict(payload: bytes, port: int) -> int | None:
    """The error number in the answer to what a port has ordered, 0 for none; None for anything else."""
    if len(payload) < _EVENT.size:
        return None
    index, value, acknowledged, _length, _flags, what, _processor, code, *_rest = _EVENT.unpack_from(payload)
    # The kernel adds one to what it acknowledges. Every listener hears every answer.
    ours = (index, value, acknowledged, what) == (_CN_IDX_PROC, _CN_VAL_PROC, port + 1 & 0xFFFFFFFF, _PROC_EVENT_NONE)
    return code if ours else None
