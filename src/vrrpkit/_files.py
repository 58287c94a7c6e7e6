"""Small files that are read by their beginning, and what is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from vrrpkit.errors import ConfigError

__all__ = ["read_beginning", "to_path"]

_MOST_OCTETS: Final = 4096


def to_path(value: str | os.PathLike[str]) -> Path:
    """The absolute path of a file, for a field called `path`.

    Raises:
        ConfigError: It cannot be one.
    """
    given: object = value
    if not isinstance(given, str | os.PathLike) or "\0" in str(given) or not Path(given).name:
        raise ConfigError(f"path must be that of a file, got {value!r}")
    return Path(value).absolute()


def read_beginning(path: Path) -> bytes:
    """The first 4,096 octets of a file; a FIFO or a device is not opened.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a file")
    # Should it have become a FIFO meanwhile, that must not hang.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_OCTETS)
    finally:
        os.close(descriptor)
