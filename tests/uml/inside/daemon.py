"""keepalived's checkers, and what they find."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

__all__ = ["Checkers", "RealServer", "checkers", "weights"]

_REAL_SERVER: Final = re.compile(r"RS \[([\d.]+)\]:(?:tcp|udp):(\d+) \S+ (UP|DOWN)")
_DESTINATION: Final = re.compile(r"-a .* -r ([\d.]+):(\d+) .*-w (\d+)")
_PARTING: Final = 20.0


@frozen
class RealServer:
    """One real server with one checker.

    Attributes:
        address: Where it is; with the port it is its name in news.
        port: The same.
        block: The checker in keepalived's words.
        alpha: Whether it is down until its first check.
        delay_loop: Seconds between two checks.
        udp: Whether it belongs to a virtual server for UDP.
    """

    address: str
    port: int
    block: str
    alpha: bool = True
    delay_loop: int = 1
    udp: bool = False


@define(eq=False)
class Checkers:
    """A running keepalived.

    Attributes:
        verdicts: What it has said of each real server, by address and port, one after the other.
        log: What it has logged.
    """

    process: subprocess.Popen[bytes]
    log: Path
    _fifo: int
    verdicts: dict[tuple[str, int], list[bool]] = field(factory=dict)
    _unread: str = ""

    def listen(self) -> None:
        """Take in what it has said meanwhile."""
        assert self.process.poll() is None, f"keepalived has ended:\n{self.log.read_text()}"
        with suppress(BlockingIOError):
            while octets := os.read(self._fifo, 1 << 16):
                self._unread += octets.decode().replace("\0", "")
        *lines, self._unread = self._unread.split("\n")
        for line in lines:
            if matched := _REAL_SERVER.search(line):
                self.verdicts.setdefault((matched[1], int(matched[2])), []).append(matched[3] == "UP")

    def about(self, host: str, port: int) -> str:
        """What it has logged of a real server."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return "\n".join(line for line in lines if f"[{host}]" in line and f":{port}" in line)


@contextmanager
def checkers(servers: Sequence[RealServer], folder: Path, tracked: Path | None = None) -> Iterator[Checkers]:
    """Run keepalived's checkers on these; `tracked` is a file that they may track by that name."""
    fifo, config, log = folder / "fifo", folder / "keepalived.conf", folder / "log"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    config.write_text("\n".join([*_globals(fifo, tracked), *_virtual_servers(servers)]), encoding="ascii")
    options = ("--dont-fork", "--log-console", "--no-syslog", "--log-detail", "--check", f"--use-file={config}")
    pids = [f"--{name}={folder / name}" for name in ("pid", "checkers_pid", "vrrp_pid")]
    with log.open("wb") as output:
        process = subprocess.Popen(["keepalived", *options, *pids], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Checkers(process, log, reading)
    finally:
        process.terminate()
        process.wait(_PARTING)
        os.close(reading)


def weights() -> dict[tuple[str, int], int]:
    """The weight of each real server, as the kernel has it."""
    shown = subprocess.run(["ipvsadm", "--save", "--numeric"], capture_output=True, text=True, check=True)
    found = map(_DESTINATION.match, shown.stdout.splitlines())
    return {(match[1], int(match[2])): int(match[3]) for match in found if match is not None}


def _globals(fifo: Path, tracked: Path | None) -> Iterator[str]:
    yield f"global_defs {{\n lvs_notify_fifo {fifo}\n script_user root\n}}"
    if tracked is not None:
        yield f"track_file tracked {{\n file {tracked}\n}}"


def _virtual_servers(servers: Sequence[RealServer]) -> Iterator[str]:
    for number, server in enumerate(servers):
        yield f"virtual_server 10.99.0.{number + 1} 80 {{"
        yield f" delay_loop {server.delay_loop}\n lvs_sched rr\n lvs_method NAT"
        yield f" protocol {'UDP' if server.udp else 'TCP'}"
        if server.alpha:
            yield " alpha"
        yield f" real_server {server.address} {server.port} {{"
        yield "  weight 5"
        yield f"  {server.block}"
        yield " }\n}"
