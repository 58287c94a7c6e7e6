"""Being told when what a path leads to may be another thing, or another content."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import Final

from vrrpkit._cheap import value
from vrrpkit.linux._inotify import (
    IN_ATTRIB,
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_IGNORED,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_Q_OVERFLOW,
    Inotify,
    InotifyEvent,
)

__all__ = ["PathWatcher", "Step", "steps"]

_NAMES: Final = IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
_MOST_LINKS: Final = 40  # the kernel's limit
_TRIES: Final = 10
_WORDS: Final = {
    errno.EMFILE: "no instance is left (fs.inotify.max_user_instances, or the limit of open files)",
    errno.ENOSPC: "no watch is left (fs.inotify.max_user_watches)",
}


@value
class Step:
    """A name that is looked up on the way to a file.

    Attributes:
        directory: The directory, by a path without symbolic links.
        name: The name in it.
    """

    directory: str
    name: str


class PathWatcher:
    """Watches every directory in which something is looked up on the way to a file, symbolic links included.

    So it sees the file written, replaced, removed and made, and every directory or link on its way as well. Of a path
    that leads nowhere it watches as much as there is.

    Args:
        path: An absolute path.
        on_change: Called, on the running event loop, when `refresh()` is due.
    """

    def __init__(self, path: str, on_change: Callable[[], None]) -> None:
        self._path = path
        self._on_change = on_change
        self._inotify: Inotify | None = None
        self._names: dict[int, set[bytes]] = {}

    def refresh(self) -> str | None:
        """Watch what is on the way now; what happens to it from then on is told.

        Returns:
            Why something on the way cannot be watched; None if all of it is.
        """
        try:
            inotify = self._inotify = self._inotify or Inotify(self._take)
        except OSError as error:
            return f"inotify: {_WORDS.get(error.errno or 0, error.strerror)}"
        watched = set(self._names)
        trouble: str | None = None
        for _ in range(_TRIES):
            way = steps(self._path)
            trouble = self._watch(inotify, way)
            watched |= self._names.keys()
            if steps(self._path) == way:  # else it has changed before it was watched
                break
        for watch in watched - self._names.keys():
            inotify.unwatch(watch)
        return trouble

    def close(self) -> None:
        """Watch nothing any more; twice is a no-op."""
        if self._inotify is not None:
            self._inotify.close()

    def _watch(self, inotify: Inotify, way: tuple[Step, ...]) -> str | None:
        """From the root on, so that a directory that is replaced meanwhile is noticed in the one above."""
        self._names = {}
        trouble: str | None = None
        for step in way:
            mask = _NAMES | IN_CLOSE_WRITE if step is way[-1] else _NAMES
            try:
                watch = inotify.watch(step.directory, mask)
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ENOTDIR}:  # those are news already on its way
                    trouble = trouble or f"inotify: {step.directory}: {_WORDS.get(error.errno or 0, error.strerror)}"
            else:
                self._names.setdefault(watch, set()).add(os.fsencode(step.name))
        return trouble

    def _take(self, events: Iterable[InotifyEvent]) -> None:
        if any(map(self._is_on_the_way, events)):
            self._on_change()

    def _is_on_the_way(self, event: InotifyEvent) -> bool:
        if event.mask & IN_Q_OVERFLOW:
            return True
        names = self._names.get(event.watch)
        return names is not None and (bool(event.mask & IN_IGNORED) or event.name in names)


def steps(path: str) -> tuple[Step, ...]:
    """Every name that is looked up on the way to a file, up to the first that is not there."""
    way: list[Step] = []
    links = 0
    here = "/"
    names = path.split("/")[::-1]
    while names:
        name = names.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = os.path.dirname(here)  # noqa: PTH120 - text about a path that has no links
            continue
        way.append(Step(here, name))
        here = f"{here.rstrip('/')}/{name}"
        try:
            target = os.readlink(here)  # noqa: PTH115 - thousands of these must be cheap
        except OSError as error:
            if error.errno != errno.EINVAL:  # it is not a link
                break
            continue
        links += 1
        if links > _MOST_LINKS:
            break
        here = "/" if target.startswith("/") else way[-1].directory
        names.extend(target.split("/")[::-1])
    return tuple(way)
