"""Pools that keepalived and we both run, on real servers of their own, and what becomes of the kernel's table."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from attrs import define, field, frozen

from tests.uml.inside.rigs import ScriptRig
from vrrpkit.checks import Checker, Schedule, ScriptChecker, TCPChecker
from vrrpkit.commands import Command
from vrrpkit.ipvs import Endpoint, ServiceKey, VirtualService
from vrrpkit.lvs import PoolNotifier, ServerPool, ServiceTable
from vrrpkit.pool import Member, PoolConfig
from vrrpkit.runtime import Driver

__all__ = ["Case", "Farm", "Keepalived", "Step", "Tables", "is_ours", "keepalived", "short", "tables"]

_PORT: Final = 8000
_SORRY: Final = 9
_LINE: Final = re.compile(r"-(?P<kind>[Aa]) -t 10\.99\.(?P<side>[01])\.(?P<case>\d+):(?P<port>\d+) (?P<rest>.*)")
_SERVER: Final = re.compile(r"-r 127\.1\.\d+\.(?P<server>\d+):\d+ -m -w (?P<weight>\d+)")
_NEWS: Final = re.compile(
    r"(?:RS \[127\.1\.\d+\.(?P<server>\d+)\]:tcp:\d+|VS) "
    r"(?:\[10\.99\.\d\.(?P<case>\d+)\]:tcp:\d+|\[case(?P<group>\d+)\]:0) (?P<word>UP|DOWN)"
)

Tables: TypeAlias = dict[tuple[int, int], dict[str, dict[int, int]]]


@frozen
class Step:
    """What happens to real servers, and what comes of it; what is told at the start may come in any order.

    Attributes:
        states: What becomes of servers, by number: `up`, `down`, or how a script ends.
        table: The weights in the table by the server's number; 9 is the sorry server.
        news: What is told, in order: `1 UP`, `VS DOWN`.
        ours: What our table is, if it is another one.
        our_news: What we tell, if it is something else.
    """

    states: Mapping[int, str]
    table: Mapping[int, int]
    news: Sequence[str]
    ours: Mapping[int, int] | None = None
    our_news: Sequence[str] | None = None


@frozen(kw_only=True)
class Case:
    """One pool in keepalived's words and in ours, and what happens to it; the first step is the start.

    Attributes:
        name: What it is about.
        number: Its own, which is in all of its addresses.
        steps: What happens.
        weights: Of the real servers 1, 2 and so on.
        quorum: As in both.
        hysteresis: The same.
        sorry: Whether there is a sorry server.
        sorry_inhibit: Whether it is always in the table.
        inhibit: Whether servers that are down stay in the table.
        alpha: Whether servers are down before they were checked.
        scripts: Whether scripts say how they are, with weights, and not their ports.
        ports: The ports of the services.
    """

    name: str
    number: int
    steps: tuple[Step, ...]
    weights: tuple[int, ...] = (1, 1, 1)
    quorum: int = 1
    hysteresis: int = 0
    sorry: bool = False
    sorry_inhibit: bool = False
    inhibit: bool = False
    alpha: bool = False
    scripts: bool = False
    ports: tuple[int, ...] = (80,)

    def address(self, server: int) -> str:
        """Of a real server."""
        return f"127.1.{self.number}.{server}"

    def block(self, farm: Farm) -> str:
        """What keepalived reads."""
        members = "\n".join(f"10.99.0.{self.number} {port}" for port in self.ports)
        lines = [
            *([f"virtual_server_group case{self.number} {{\n{members}\n}}"] if len(self.ports) > 1 else []),
            f"virtual_server {f'group case{self.number}' if len(self.ports) > 1 else members} {{",
            "delay_loop 2\nlvs_sched rr\nlvs_method NAT\nprotocol TCP",
            f"quorum {self.quorum}\nhysteresis {self.hysteresis}",
            *(["alpha"] if self.alpha else []),
            *([f"sorry_server {self.address(_SORRY)} {_PORT}"] if self.sorry else []),
            *(["sorry_server_inhibit"] if self.sorry_inhibit else []),
        ]
        for server, weight in enumerate(self.weights, start=1):
            lines += [
                f"real_server {self.address(server)} {_PORT} {{\nweight {weight}",
                *(["inhibit_on_failure"] if self.inhibit else []),
                farm.block(self, server),
                "}",
            ]
        return "\n".join([*lines, "}\n"])

    def pool(self, farm: Farm, table: ServiceTable, notifier: PoolNotifier, driver: Driver) -> ServerPool:
        """The same for us."""
        services = [
            VirtualService(Endpoint("tcp", f"10.99.1.{self.number}", port), scheduler="rr") for port in self.ports
        ]
        config = PoolConfig(
            services=services,
            quorum=self.quorum,
            hysteresis=self.hysteresis,
            sorry_server=Member(self.address(_SORRY), _PORT) if self.sorry else None,
            sorry_inhibit=self.sorry_inhibit,
            inhibit=self.inhibit,
            trust_unchecked=not self.alpha,
        )
        schedule = Schedule.keepalived(delay_loop=2, timeout=2, retry=0, alpha=self.alpha)
        pool = ServerPool(f"case{self.number}", config, table, driver=driver, schedule=schedule, notify=[notifier])
        for server, weight in enumerate(self.weights, start=1):
            pool.add(Member(self.address(server), _PORT, weight=weight), farm.checker(self, server))
        return pool


@define(eq=False)
class Farm:
    """The real servers of all cases."""

    folder: Path
    _servers: dict[str, asyncio.Server] = field(factory=dict)
    _scripts: dict[str, ScriptRig] = field(factory=dict)

    def block(self, case: Case, server: int) -> str:
        """keepalived's check of a server."""
        if not case.scripts:
            return "TCP_CHECK {\nconnect_timeout 2\nretry 0\n}"
        script = self._script(case.address(server)).script
        return f'MISC_CHECK {{\nmisc_path "{script} keepalived"\nmisc_timeout 2\nmisc_dynamic\n}}'

    def checker(self, case: Case, server: int) -> Checker:
        """Ours."""
        host = case.address(server)
        if not case.scripts:
            return TCPChecker(host=host, port=_PORT)
        script = self._script(host).script
        return ScriptChecker(command=Command([str(script), "ours"]), timeout=2, dynamic=True)

    async def become(self, case: Case, states: Mapping[int, str]) -> None:
        """Let something happen to servers."""
        for server, state in states.items():
            host = case.address(server)
            if case.scripts:
                await self._script(host).become(state)
            elif state == "up":
                self._servers[host] = await asyncio.start_server(_hang_up, host, _PORT)
            elif host in self._servers:
                self._servers.pop(host).close()

    def close(self) -> None:
        """End all."""
        for server in self._servers.values():
            server.close()

    def _script(self, host: str) -> ScriptRig:
        if host not in self._scripts:
            folder = self.folder / host
            folder.mkdir()
            self._scripts[host] = ScriptRig(folder)
        return self._scripts[host]


def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@define(eq=False)
class Keepalived:
    """A running keepalived, and what it has said."""

    process: subprocess.Popen[bytes]
    log: Path
    _fifo: int
    lines: list[str] = field(factory=list)
    _unread: str = ""

    def listen(self) -> list[str]:
        """All that it has said so far."""
        assert self.process.poll() is None, f"keepalived has ended:\n{self.log.read_text()}"
        with suppress(BlockingIOError):
            self._unread += os.read(self._fifo, 1 << 16).decode()
        *lines, self._unread = self._unread.split("\n")
        self.lines += lines
        return self.lines


@contextmanager
def keepalived(blocks: Sequence[str], folder: Path) -> Iterator[Keepalived]:
    """Run keepalived's checkers with these virtual servers."""
    fifo, config, log = folder / "fifo", folder / "keepalived.conf", folder / "log"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    config.write_text(f"global_defs {{\nlvs_notify_fifo {fifo}\nscript_user root\n}}\n{''.join(blocks)}")
    options = ("--dont-fork", "--log-console", "--no-syslog", "--log-detail", "--check", f"--use-file={config}")
    pids = [f"--{name}={folder / name}" for name in ("pid", "checkers_pid", "vrrp_pid")]
    with log.open("wb") as output:
        process = subprocess.Popen(["keepalived", *options, *pids], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Keepalived(process, log, reading)
    finally:
        process.terminate()
        process.wait(20)
        os.close(reading)


def is_ours(key: ServiceKey) -> bool:
    """Whether a service is one of our cases."""
    return isinstance(key, Endpoint) and str(key.address).startswith("10.99.1.")


def tables() -> Tables:
    """What ipvsadm shows: by side (0 for keepalived, 1 for us) and case, each service's words and servers' weights."""
    shown = subprocess.run(["ipvsadm", "-Sn"], capture_output=True, text=True, check=True)
    found: Tables = {}
    for line in shown.stdout.splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        services = found.setdefault((int(matched["side"]), int(matched["case"])), {})
        if matched["kind"] == "A":
            services[f"{matched['port']} {matched['rest'].strip()}"] = {}
        else:
            server = _SERVER.match(matched["rest"])
            assert server is not None, line
            name = next(name for name in services if name.startswith(f"{matched['port']} "))
            services[name][int(server["server"])] = int(server["weight"])
    return found


def short(lines: Sequence[str], case: int) -> list[str]:
    """The news of one case: `1 UP`, `VS DOWN`."""
    found = (_NEWS.fullmatch(line) for line in lines)
    own = (one for one in found if one is not None and int(one["case"] or one["group"]) == case)
    return [f"{one['server'] or 'VS'} {one['word']}" for one in own]
