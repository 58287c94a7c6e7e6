"""The unit of docs/howto/privileges.md, with what this machine has of it: an ordinary user, few rights, filters."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.linux.support import eventually, namespace, run
from tests.linux.wire import wire_of
from tests.security.service import ROOT, environment, unit
from tests.support.requirements import require

pytestmark = pytest.mark.kernel

VIRTUAL: Final = IPv4Address("10.0.0.100")
PROGRAM: Final = str(ROOT / "examples" / "virtual_router.py")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody may look into, as those of pytest are not."""
    require(os.geteuid() == 0, "needs root")
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said_by(command: list[str]) -> list[str]:
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_router_of_the_unit_does_its_work_and_leaves_nothing(folder: Path) -> None:
    """An ordinary user with two capabilities and every filter of the unit: all that a router does."""
    asked = unit()
    assert asked.capabilities == ["CAP_NET_ADMIN", "CAP_NET_RAW"]
    with namespace() as net, wire_of(net.name) as wire:
        net.ip("addr add 10.0.0.1/24 dev eth0")
        words = [
            sys.executable,
            PROGRAM,
            "-i",
            "eth0",
            "--vrid",
            "51",
            "--interval",
            "0.1",
            "--address",
            f"{VIRTUAL}/24",
        ]
        with started(asked.command(folder, words, *asked.capabilities, netns=net.name)) as process:
            assert process.stdout is not None

            async def is_announced() -> None:
                await eventually(lambda: process.poll() is not None or VIRTUAL in wire.announced(), "an announcement")

            run(is_announced())
            assert process.poll() is None, process.communicate()[1]
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            assert {line.split(":")[0]: line.split()[1] for line in status.splitlines() if "Cap" in line} == {
                "CapInh": "0000000000003000",
                "CapPrm": "0000000000003000",
                "CapEff": "0000000000003000",
                "CapBnd": "0000000000003000",
                "CapAmb": "0000000000003000",
            }
            assert "Uid:\t65534\t65534\t65534\t65534" in status
            assert "Seccomp:\t2" in status
            assert f"{VIRTUAL}/24" in net.shown()
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
            states = [json.loads(line)["new"] for line in output.splitlines()]
            assert states == ["backup", "active", "initialize"]
        assert f"{VIRTUAL}/24" not in net.shown()
        assert wire.priorities()[-1] == 0


CHECKS: Final = """
import asyncio, sys
from vrrpkit.checks import DNSChecker, HTTPChecker, HTTPPath, ScriptChecker, TCPChecker
from vrrpkit.commands import Command

async def main():
    port = int(sys.argv[1])
    for checker in (
        TCPChecker(host="127.0.0.1", port=port),
        HTTPChecker(host="127.0.0.1", port=port, paths=[HTTPPath(regex="well")]),
        HTTPChecker(host="localhost", port=port),
        ScriptChecker(command=Command(["id", "-u"]), timeout=10),
        ScriptChecker(command=Command(["/bin/true"], user="root"), timeout=10),
    ):
        async with asyncio.timeout(30):
            print((await checker.check()).detail)

asyncio.run(main())
"""


def answer(listener: socket.socket) -> None:
    """To one request of HTTP; to a connection that is reset, nothing."""
    with suppress(TimeoutError, ConnectionResetError):
        connection, _peer = listener.accept()
        with connection:
            connection.settimeout(10)
            if connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")


def test_checks_need_no_capability_at_all(folder: Path) -> None:
    script = folder / "checks.py"
    script.write_text(CHECKS, encoding="utf-8")
    script.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = unit().command(folder, [sys.executable, str(script), str(port)])
        with started(command) as process:
            listener.settimeout(0.1)
            while process.poll() is None:
                answer(listener)
            output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert output.splitlines() == [
        "connected",
        "status 200",
        "status 200",
        "exit 0: 65534",
        "cannot run /bin/true: becoming user 0 needs CAP_SETUID and CAP_SETGID",
    ]


RIGHTS: Final = """
import asyncio, ctypes, sys
from vrrpkit.commands import Command, run

if len(sys.argv) > 1:
    ctypes.CDLL(None).prctl(47, 4, 0, 0, 0)

async def main():
    outcome = await run(Command(["grep", "CapEff", "/proc/self/status"]), timeout=10)
    print(outcome.output.decode().split()[1])

asyncio.run(main())
"""


@pytest.mark.parametrize(("arguments", "rights"), [([], "0000000000003000"), (["drop"], "0000000000000000")])
def test_scripts_have_the_ambient_capabilities_unless_these_are_dropped(
    folder: Path, arguments: list[str], rights: str
) -> None:
    script = folder / "rights.py"
    script.write_text(RIGHTS, encoding="utf-8")
    script.chmod(0o644)
    asked = unit()
    words = [sys.executable, str(script), *arguments]
    assert said_by(asked.command(folder, words, *asked.capabilities)) == [rights]


FORBIDDEN: Final = """
import mmap, os, socket

for name, attempt in (
    ("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 0)),
    ("memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    ("root", lambda: os.setuid(0)),
    ("chroot", lambda: os.chroot("/")),
):
    try:
        print(name, attempt())
    except OSError as error:
        print(name, error.errno)
"""


def test_the_filters_of_the_unit_are_in_force(folder: Path) -> None:
    """The same stand-in as above does keep from what the unit forbids."""
    script = folder / "forbidden.py"
    script.write_text(FORBIDDEN, encoding="utf-8")
    script.chmod(0o644)
    asked = unit()
    said = said_by(asked.command(folder, [sys.executable, str(script)], *asked.capabilities))
    assert said == ["bluetooth 97", "memory 1", "root 1", "chroot 1"]


def test_systemd_understands_the_unit(folder: Path) -> None:
    require(shutil.which("systemd-analyze"), "needs systemd-analyze (systemd)")
    text = (ROOT / "docs" / "howto" / "privileges.md").read_text("utf-8").partition("```ini\n")[2].partition("```")[0]
    path = folder / "failover.service"
    path.write_text(text.replace("/opt/failover/bin/python", "/bin/true"), encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert [line for line in checked.stderr.splitlines() if "failover.service" in line] == []
