"""A named pipe as the one who writes to it sees it."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISFIFO, S_ISLNK, S_IWOTH, filemode

from attrs import frozen

from vrrpkit.errors import ConfigError, KernelError

__all__ = ["Pipe", "open_pipe"]

log = logging.getLogger("vrrpkit.notify")


@frozen(eq=False)
class Pipe:
    """An open FIFO that never makes its writer wait, and never fails for want of a reader.

    It is open for reading, too, so what is written stays in it, 64 KiB of it, while nobody reads.

    Attributes:
        path: Where it was opened.
        descriptor: Becomes writable when a line that did not fit before fits.
        made: Whether it was made here, and goes when it is closed.
    """

    path: Path
    descriptor: int
    made: bool

    def write(self, line: bytes) -> bool:
        """Write a line of 4,096 octets at most, whole or not at all; whether there was room."""
        try:
            os.write(self.descriptor, line)
        except BlockingIOError:
            return False
        return True

    def is_in_place(self) -> bool:
        """Whether whoever opens the path gets this pipe; also true if nobody here can tell."""
        try:
            found = self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return os.path.samestat(found, os.fstat(self.descriptor))

    def close(self) -> None:
        """Close it, and remove it if it was made here. What nobody has read yet is for those who have it open."""
        try:
            if self.made and self.is_in_place():
                self.path.unlink()
        except OSError as error:
            log.warning("pipe %s: cannot be removed: %s", self.path, error)
        finally:
            os.close(self.descriptor)


def open_pipe(path: Path, *, create: bool, mode: int, group: int | None) -> Pipe:
    """Open the FIFO at a path.

    Args:
        path: Where it is.
        create: Whether to make it if there is nothing.
        mode: Its exact permissions if it is made.
        group: Its group if it is made; None for the process's own.

    Raises:
        ConfigError: What is there is no FIFO, or not only root and this process's user have a say about it.
        KernelError: It cannot be made or opened.
    """
    made = create and _make(path)
    try:
        descriptor = _open(path)
        try:
            if made:
                _adorn(path, descriptor, mode, group)
        except BaseException:
            os.close(descriptor)
            raise
    except BaseException:
        if made:
            path.unlink(missing_ok=True)
        raise
    return Pipe(path, descriptor, made)


def _make(path: Path) -> bool:
    with _told(f"make the pipe {path}"):
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            return False
    return True


def _open(path: Path) -> int:
    """Open what is a good FIFO before and after: opening something else, a device say, could have consequences."""
    with _told(f"open the pipe {path}"):
        _check(path, path.lstat())
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _check(path, os.fstat(descriptor))
    except ConfigError:
        os.close(descriptor)
        raise
    return descriptor


def _adorn(path: Path, descriptor: int, mode: int, group: int | None) -> None:
    with _told(f"set the permissions of the pipe {path}"):
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)


def _check(path: Path, found: os.stat_result) -> None:
    if S_ISLNK(found.st_mode):
        raise ConfigError(f"path must lead to a FIFO and not to a symbolic link, got {path}")
    if not S_ISFIFO(found.st_mode):
        raise ConfigError(f"path must lead to a FIFO, got {path} ({filemode(found.st_mode)})")
    if found.st_uid not in {0, os.geteuid()}:
        raise ConfigError(f"path must lead to a FIFO of root or of one's own, got {path} of user {found.st_uid}")
    if found.st_mode & S_IWOTH:
        raise ConfigError(f"path must lead to a FIFO that not all may write to, got {path} ({filemode(found.st_mode)})")


@contextmanager
def _told(operation: str) -> Generator[None, None, None]:
    """Say what the kernel has refused."""
    try:
        yield
    except OSError as error:
        raise KernelError(operation, error.errno or 0, error.strerror or str(error)) from error
