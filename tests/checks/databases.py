"""Real database servers of a test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve, frozen

from tests.checks.talks import Serve
from tests.linux.support import run
from tests.support.requirements import require
from vrrpkit.checks import Checker, CheckResult

__all__ = ["Server", "endless_after", "glance", "home_of", "programs", "started", "unprivileged", "until"]


def glance(checker: Checker) -> CheckResult:
    """What it finds, but for the time it took, while the test has connections of its own to the same server."""
    return evolve(run(checker.check()), elapsed=0.0)


def until(condition: Callable[[CheckResult], object], probe: Callable[[], CheckResult]) -> CheckResult:
    """Check again and again until the result is as it should become at last."""
    deadline = time.monotonic() + 15.0
    while not condition(result := probe()):
        assert time.monotonic() < deadline, result
    return result


def endless_after(octets: bytes, chunk: bytes) -> Serve:
    """A server that says this, and then the same again and again."""

    def serve(connection: socket.socket, _made: object) -> None:
        connection.sendall(octets)
        while True:
            connection.sendall(chunk)

    return serve


@frozen
class Server:
    """A server that runs as a child process."""

    port: int
    process: subprocess.Popen[str]

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It is stopped: the kernel goes on accepting connections for it, and it says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def programs(folders: str, *names: str) -> list[Path]:
    """Programs of a package that may lie outside PATH: in the last of the folders `/usr/lib/postgresql/*/bin`."""
    *_others, folder = ["", *map(str, sorted(Path("/").glob(folders)))]
    found = [shutil.which(name, path=os.pathsep.join([os.environ["PATH"], folder])) for name in names]
    for name, path in zip(names, found, strict=True):
        require(path, f"needs {name}")
    return [Path(path) for path in found if path is not None]


def unprivileged(name: str) -> str:
    """The user that a server can run as which refuses to be root; ourselves if we are not."""
    return name if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def home_of(user: str) -> Iterator[Path]:
    """A folder that belongs to this user; pytest's own may not be entered by others."""
    with tempfile.TemporaryDirectory(prefix="vrrpkit-") as name:
        shutil.chown(name, user)
        yield Path(name)


@contextmanager
def started(
    command: list[str | Path], *, until: str, port: int, user: str | None = None, end: signal.Signals = signal.SIGTERM
) -> Iterator[Server]:
    """A server that is ready once it has logged a line with this text."""
    group = None if user is None else pwd.getpwnam(user).pw_gid
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, user=user, group=group) as process:
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            if until in line:
                break
        else:
            pytest.fail("".join(log))
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield Server(port, process)
        finally:
            process.send_signal(end)
            drain.join()
