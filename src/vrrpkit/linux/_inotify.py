"""The kernel's news of what happens in directories."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from typing import Final

from vrrpkit._cheap import value

__all__ = [
    "IN_ATTRIB",
    "IN_CLOSE_WRITE",
    "IN_CREATE",
    "IN_DELETE",
    "IN_IGNORED",
    "IN_MOVED_FROM",
    "IN_MOVED_TO",
    "IN_Q_OVERFLOW",
    "Inotify",
    "InotifyEvent",
    "inotify_events",
]

# sys/inotify.h
IN_ATTRIB: Final = 0x4
IN_CLOSE_WRITE: Final = 0x8
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000
_IN_ONLYDIR: Final = 0x1000000
_IN_MASK_ADD: Final = 0x20000000
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC  # IN_NONBLOCK and IN_CLOEXEC are the same

_HEADER: Final = struct.Struct("=iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_READ_SIZE: Final = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


@value
class InotifyEvent:
    """One thing that has happened.

    Attributes:
        watch: The number of the watch, -1 for none.
        mask: `IN_...`
        name: To what in the directory; empty for the directory itself.
    """

    watch: int
    mask: int
    name: bytes


class Inotify:
    """One queue of news, read on the running event loop.

    Args:
        on_events: Takes what has happened since the last call, in order.

    Raises:
        OSError: The kernel has none to give.
    """

    def __init__(self, on_events: Callable[[list[InotifyEvent]], None]) -> None:
        self._on_events = on_events
        self._loop = asyncio.get_running_loop()
        self._fd = _checked(_libc.inotify_init1(_FLAGS), "inotify")
        self._loop.add_reader(self._fd, self._readable)

    def watch(self, directory: str, mask: int) -> int:
        """Be told of what happens in a directory, besides what is told already; return the number of the watch.

        That number is the directory's, whatever path leads there.

        Raises:
            OSError: There is none, it may not be read, or there are too many watches.
        """
        path = os.fsencode(directory)
        return _checked(_libc.inotify_add_watch(self._fd, path, mask | _IN_ONLYDIR | _IN_MASK_ADD), directory)

    def unwatch(self, watch: int) -> None:
        """Be told no more; nothing if the directory is gone."""
        _libc.inotify_rm_watch(self._fd, watch)

    def close(self) -> None:
        """Be told nothing any more; twice is a no-op."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        try:
            octets = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return
        self._on_events(list(inotify_events(octets)))


def inotify_events(octets: bytes) -> Iterator[InotifyEvent]:
    """The events of one reading, up to the first that is not whole."""
    start = 0
    while start + _HEADER.size <= len(octets):
        watch, mask, _cookie, length = _HEADER.unpack_from(octets, start)
        start += _HEADER.size
        if length > len(octets) - start:
            break
        yield InotifyEvent(watch, mask, octets[start : start + length].rstrip(b"\0"))
        start += length


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
