"""Who else could change a program that root runs."""

from __future__ import annotations

import errno
import os
from stat import S_ISLNK, S_ISVTX, S_IWGRP, S_IWOTH, filemode
from typing import Final

__all__ = ["weak_spot"]

_MOST_LINKS: Final = 40  # the kernel's own limit


def weak_spot(path: str) -> str | None:
    """Name what on the way to a file somebody other than root could change; None if there is nothing.

    The way is the file, the directories above it, and those of every symbolic link that is followed. In a sticky
    directory such as /tmp everybody may create, but only its owner remove: there, what root owns is good.

    Args:
        path: An absolute path. Text, because this is done before every run, and a pathlib.Path takes four times as
            long.

    Raises:
        OSError: The file, or something on the way, is not there.
    """
    here, holder, ahead, links = "", os.lstat("/"), path.split("/")[::-1], 0
    while ahead:
        name = ahead.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = here.rpartition("/")[0]
            holder = os.lstat(here or "/")
            continue
        entry = f"{here}/{name}"
        found = os.lstat(entry)
        weakness = _weakness(here or "/", holder, found)
        if weakness is not None:
            return weakness
        if not S_ISLNK(found.st_mode):
            here, holder = entry, found
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(entry)  # noqa: PTH115 - see above
        ahead.extend(target.split("/")[::-1])
        if target.startswith("/"):
            here, holder = "", os.lstat("/")
    return _weakness(here or "/", holder)


def _weakness(path: str, found: os.stat_result, entry: os.stat_result | None = None) -> str | None:
    """What is wrong with a file; or with a directory, as far as this entry of it is concerned."""
    if found.st_uid != 0:
        return f"{path} belongs to user {found.st_uid}"
    if entry is not None and found.st_mode & S_ISVTX and entry.st_uid == 0:
        return None
    if found.st_mode & S_IWOTH or (found.st_mode & S_IWGRP and found.st_gid != 0):
        return f"others than root may write {path} ({filemode(found.st_mode)}, group {found.st_gid})"
    return None
