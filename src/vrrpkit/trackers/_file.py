"""A number in a file, as a tracked thing."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from vrrpkit._files import read_beginning, to_path
from vrrpkit.errors import check_number
from vrrpkit.linux._path_watcher import PathWatcher
from vrrpkit.linux._rhythm import Beat, BeatDue, Begun, Ended, Rhythm
from vrrpkit.runtime import Driver, Seat
from vrrpkit.trackers._finder import Finder
from vrrpkit.tracking import Level
from vrrpkit.tracking._levels import LevelRead, read_level

__all__ = ["FileTracker"]

log = logging.getLogger("vrrpkit.track")


class FileTracker(Finder):
    """The number that a file begins with (keepalived's `track_file`).

        async with FileTracker("/run/app/health", weight=2) as health:
            router.track(health)

    Decimal, hexadecimal (0x1f) and octal (017) numbers are read, with a sign or without; what follows does not matter.
    No file, an empty one, one that may not be read and one without a number are 0. A number that 32 bits do not hold
    is ignored: what was read before still holds. `detail` says what is wrong. See `Track` for what a number does.

    The file is read when it has been written and closed, replaced by another (rename(2), or a symbolic link that is
    turned to another target), removed, or given other rights; so are the directories on its way. Of a path that leads
    nowhere as much is watched as there is. To write several times before closing is to be read half-way, now and
    then: write another file and rename it.

    It must be a file of this machine: nobody tells of changes in a network file system or in /proc and /sys, nor that
    something has been mounted over a directory on the way. The file is read on the event loop, at most 4,096 octets of
    it, and a path that hangs would hang that, too. A FIFO or a device is not opened; it is 0.

    Args:
        path: The file; a relative path is one from the working directory of this moment.
        name: What causes, logs and explanations call it; the file's name when None.
        weight: What the number is multiplied by, for a router that gives it no weight of its own; see `Track`.
        reverse: The same.
        interval: Seconds, 0.05-3600, between two looks while the kernel cannot tell of changes, because its limits for
            inotify are reached or a directory on the way may not be read. That is logged.
        driver: The clock that it shares; its own when None.

    Attributes:
        path: The file.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        weight: int = 1,
        reverse: bool = False,
        interval: float = 10.0,
        driver: Driver | None = None,
    ) -> None:
        check_number("interval", interval, 0.05, 3600, "seconds")
        self.path: Final = to_path(path)
        super().__init__(self.path.name if name is None else name, weight=weight, reverse=reverse, driver=driver)
        self._interval = interval
        self._watcher = PathWatcher(str(self.path), self._look)
        self._rhythm: Seat[Begun | Ended | BeatDue, Beat] | None = None
        self._trouble: str | None = None
        self._level = Level(0)

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        self._rhythm = driver.seat(Rhythm(self._interval), self._beat, tick=BeatDue(), leeway=lambda: 0.0)
        stack.callback(self._rhythm.leave)
        stack.callback(self._watcher.close)
        self._look()

    def _beat(self, _beat: Beat) -> None:
        self._look()

    def _look(self) -> None:
        # Watched first and read second: nothing happens unseen in between.
        self._keep_watching(self._watcher.refresh())
        found = _read(self.path)
        if found.level is not None:
            self._level = found.level
        self.report(self._level, found.detail)

    def _keep_watching(self, trouble: str | None) -> None:
        if trouble is not None and self._trouble is None:
            log.warning("%s: %s; looking every %g s instead", self.name, trouble, self._interval)
        self._trouble = trouble
        if self._rhythm is not None:
            self._rhythm.post(Ended() if trouble is None else Begun())


def _read(path: Path) -> LevelRead:
    try:
        return read_level(read_beginning(path))
    except (FileNotFoundError, NotADirectoryError):
        return LevelRead(Level(0), "there is no such file")
    except OSError as error:
        return LevelRead(Level(0), f"it cannot be read: {error.strerror}" if error.strerror else str(error))
