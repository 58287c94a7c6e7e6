"""A kernel of one's own: User-Mode Linux on this machine's files, for what this machine's kernel does not have."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.support.requirements import require

__all__ = ["Ended", "boot", "in_uml"]

_MEMORY: Final = "1024M"
# All that there is of IPVS but for FTP; `none` needs no module, and `twos` has none.
_IPVS: Final = ("dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "pe_sip", "rr", "sed", "sh", "wlc", "wrr")
_MODULES: Final = ("dummy", "veth", "ip_vs", *(f"ip_vs_{name}" for name in _IPVS))
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "CI", "VRRPKIT_REQUIRE")

# The first process. The machine's files are there to read only; what is written goes to memory, but for the folder
# that is shared. Modules are loaded by hand: their tree is not where the kernel would look for it.
_INIT: Final = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mkdir -p /dev/shm/tmp /dev/shm/shared /dev/shm/system/lib/modules
mount -t hostfs -o {shared} shared /dev/shm/shared
exec </dev/null >/dev/shm/shared/output 2>&1
mount -t tmpfs run /run
dmesg -n 1
ip link set lo up
release=$(uname -r)
ln -s {modules}/"$release" /dev/shm/system/lib/modules/"$release"
modprobe -d /dev/shm/system -a {names}
cd {directory} && {command}
echo $? >/dev/shm/shared/status
sync
{python} -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'
"""


@frozen
class Ended:
    """What a command has come to.

    Attributes:
        status: Its exit status; None if it did not get there in time, or the kernel did not.
        output: What it has written, both to stdout and to stderr.
        console: What the kernel has written.
    """

    status: int | None
    output: str
    console: str


def in_uml() -> bool:
    """Whether this is User-Mode Linux."""
    return "User Mode Linux" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def boot(command: Sequence[str], timeout: float) -> Ended:
    """Boot, run a command as root in this directory, and halt; not later than after so many seconds."""
    linux = shutil.which("linux.uml")
    require(linux, "needs linux.uml (Debian: user-mode-linux)")
    require(shutil.which("modprobe"), "needs modprobe (Debian: kmod)")
    assert linux is not None
    with tempfile.TemporaryDirectory(prefix="vrrpkit-uml-") as folder:
        shared = Path(folder)
        init = shared / "init"
        init.write_text(_init(command, shared, Path(linux)), encoding="utf-8")
        init.chmod(0o755)
        root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}")
        console = _run([linux, f"mem={_MEMORY}", *root, "con=null", "con0=null,fd:1", "quiet"], shared, timeout)
        return Ended(_status(shared / "status"), _text(shared / "output"), console)


def _init(command: Sequence[str], shared: Path, linux: Path) -> str:
    passed_on = [f"{name}={os.environ[name]}" for name in _PASSED_ON if name in os.environ]
    homes = [f"{name}=/dev/shm/tmp" for name in ("HOME", "TMPDIR", "HYPOTHESIS_STORAGE_DIRECTORY")]
    return _INIT.format(
        shared=shlex.quote(str(shared)),
        modules=shlex.quote(str(linux.parent.parent / "lib" / "uml" / "modules")),
        names=shlex.join(_MODULES),
        directory=shlex.quote(str(Path.cwd())),
        command=shlex.join(["env", *passed_on, *homes, "PYTHONDONTWRITEBYTECODE=1", *command]),
        python=shlex.quote(sys.executable),
    )


def _run(command: Sequence[str], shared: Path, timeout: float) -> str:
    """Run the kernel: it is a group of processes."""
    environment = {**os.environ, "TMPDIR": str(shared)}  # for its memory, which is a file
    with (shared / "console").open("wb") as console:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            console.write(f"\nended by force after {timeout:g} s\n".encode())
        finally:
            _end(process)
    return _text(shared / "console")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _status(path: Path) -> int | None:
    return int(path.read_text(encoding="ascii")) if path.exists() else None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
