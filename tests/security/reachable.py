"""`python -m tests.security.reachable FOLDER COMMAND...`: lets an ordinary user reach this Python, wherever it is.

A Python in root's home or in a private directory is no use to others. So, in a mount namespace of one's own, the
directories that nobody may enter are replaced by empty ones with nothing in them but this Python and what it imports.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp


def uncover(folder: str) -> None:
    """Take this Python and its modules out, empty what hides them, and put them back."""
    wanted = {Path(path).resolve() for path in (sys.base_prefix, sys.prefix, *sys.path) if path and Path(path).is_dir()}
    kept = {path: mkdtemp(dir=folder) for path in sorted(wanted) if _hiding(path) is not None}
    for path, place in kept.items():
        _mount("--bind", str(path), place)
    for path, place in kept.items():
        while (hiding := _hiding(path)) is not None:
            _mount("-t", "tmpfs", "-o", "mode=755", "none", str(hiding))
        path.mkdir(parents=True, exist_ok=True)
        _mount("--bind", place, str(path))


def _hiding(path: Path) -> Path | None:
    """The first directory on the way that others may not enter."""
    return next((one for one in reversed(path.parents) if one.exists() and not one.stat().st_mode & 0o001), None)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    uncover(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - which is what it is for
