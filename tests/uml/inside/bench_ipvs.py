"""A service with ten thousand servers, by whoever can: ours, ipvsadm, keepalived, pyroute2; on one kernel.

`tests.benchmarks.ipvs` runs it without arguments, and it prints JSON: for each way what took how many seconds. With the
name of a way it is the process that goes that way.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from vrrpkit.ipvs import AddServer, AddService, Endpoint, RealServer, SetServer, VirtualService, as_ipvsadm
from vrrpkit.linux import IPVSManager
from vrrpkit.linux._ipvs_socket import IPVSSocket
from vrrpkit.linux._ipvs_table import read

SERVERS: Final = 10_000
CHANGES: Final = 1_000
SAMPLE: Final = 1_000
ROUNDS: Final = 3
WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
LAST: Final = Endpoint("tcp", "192.0.2.11", 80)

Times = dict[str, float]


def places() -> Iterator[str]:
    return (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1, SERVERS + 1))


def crowd(weight: int = 1) -> VirtualService:
    """All servers; the first thousand with this weight."""
    servers = [RealServer(address, 80, weight=weight if n < CHANGES else 1) for n, address in enumerate(places())]
    return VirtualService(WEB, scheduler="rr", servers=servers)


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def ours() -> Times:
    times: Times = {"idle memory": peak()}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        times[name] = time.perf_counter() - began
        began = time.perf_counter()

    service, heavier = crowd(), crowd(2)
    times["values"] = (time.perf_counter() - began) / 2
    changes = [SetServer(WEB, evolve(server, weight=3)) for server in heavier.servers[:CHANGES]]
    async with IPVSManager() as manager:
        lateness = asyncio.create_task(_lateness())
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        assert len(await manager.reconcile([service])) == SERVERS + 1
        lap("load")
        lateness.cancel()
        times["lateness"] = max(await lateness)
        began = time.perf_counter()
        await manager.current()
        lap("dump")
        assert await manager.reconcile([service]) == ()
        lap("no change")
        assert len(await manager.reconcile([heavier])) == CHANGES
        lap("weights, found by reading")
        await manager.apply(changes)
        lap("weights")
        times["memory"] = peak()
        began = time.perf_counter()
        await manager.flush()
        lap("flush")
    return times


async def _lateness() -> list[float]:
    """By how many seconds somebody who sleeps for 10 ms is late, until cancelled."""
    found: list[float] = []
    try:
        while True:
            due = time.perf_counter() + 0.01
            await asyncio.sleep(0.01)
            found.append(time.perf_counter() - due)
    except asyncio.CancelledError:
        return found


def pyroute2() -> Times:
    """A thousand servers; with more of them each takes longer."""
    from pyroute2 import IPVS, IPVSDest, IPVSService

    times: Times = {"idle memory": peak()}
    with IPVS() as ipvs:
        service = IPVSService(addr=str(WEB.address), port=WEB.port, protocol=WEB.protocol, sched_name="rr")
        ipvs.service("add", service=service)

        def all_of(command: str, weight: int) -> float:
            began = time.perf_counter()
            for address, _number in zip(places(), range(SAMPLE), strict=False):
                dest = IPVSDest(addr=address, port=80, weight=weight, fwd_method=0)
                ipvs.dest(command, service=service, dest=dest)
            return (time.perf_counter() - began) / SAMPLE

        times["load"] = all_of("add", 1) * SERVERS
        began = time.perf_counter()
        for message in ipvs.dest("dump", service=service):
            IPVSDest.from_message(message)
        times["dump"] = (time.perf_counter() - began) / SAMPLE * SERVERS
        times["weights"] = all_of("set", 2) * CHANGES
    times["memory"] = peak()
    return times


def ipvsadm() -> Times:
    service = crowd()
    lines = [as_ipvsadm(AddService(evolve(service, servers=())))]
    lines += [as_ipvsadm(AddServer(WEB, server)) for server in service.servers]
    changes = [as_ipvsadm(SetServer(WEB, server)) for server in crowd(2).servers[:CHANGES]]
    times: Times = {}
    times["load"] = _timed("ipvsadm", "-R", given=lines)
    times["dump"] = _timed("ipvsadm", "-Sn")
    times["weights"] = _timed("ipvsadm", "-R", given=changes)
    times["flush"] = _timed("ipvsadm", "-C")
    return times


def _timed(*command: str, given: list[str] = []) -> float:  # noqa: B006 - nobody changes it
    text = "".join(f"{line}\n" for line in given)
    began = time.perf_counter()
    subprocess.run(command, input=text, text=True, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def keepalived() -> Times:
    """Until it has added a second virtual server, which comes after the first."""
    times: Times = {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "keepalived.conf")
        real = "".join(f"real_server {address} 80 {{\nweight 1\n}}\n" for address in places())
        head = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n"
        config.write_text(
            f"virtual_server {WEB.address} 80 {{\n{head}{real}}}\n"
            f"virtual_server {LAST.address} 80 {{\n{head}real_server 10.1.0.1 80 {{\n}}\n}}\n",
            encoding="ascii",
        )
        pids = [f"--{name}={folder}/{name}" for name in ("pid", "checkers_pid")]
        began = time.perf_counter()
        with subprocess.Popen(
            ["keepalived", "--check", "--dont-fork", "--log-console", "--no-syslog", f"--use-file={config}", *pids],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            _await_added()
            times["load"] = time.perf_counter() - began
            status = Path(f"/proc/{Path(folder, 'checkers_pid').read_text().strip()}/status").read_text()
            times["memory"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            os.killpg(process.pid, signal.SIGKILL)  # it would remove the servers one by one
    return times


def _await_added() -> None:
    deadline = time.monotonic() + 60.0
    with closing(IPVSSocket()) as ipvs:
        while not read(ipvs, [LAST]):
            assert time.monotonic() < deadline, "keepalived adds nothing"
            time.sleep(0.02)
        assert len(read(ipvs, [WEB])[WEB].servers) == SERVERS


WAYS: Final[dict[str, Callable[[], Times]]] = {
    "ours": lambda: asyncio.run(ours()),
    "keepalived": keepalived,
    "ipvsadm": ipvsadm,
    "pyroute2": pyroute2,
}


def main() -> None:
    found: dict[str, list[Any]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, times in found.items():
            command = [sys.executable, "-m", "tests.uml.inside.bench_ipvs", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            times.append(json.loads(done.stdout))
            subprocess.run(["ipvsadm", "-C"], check=True)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(WAYS[sys.argv[1]]()))
    else:
        main()
