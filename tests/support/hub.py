"""A bridge in user space: it loses, doubles, delays and replays VRRP messages as it is told.

    with Lab() as lab, Hub(lab, seed=1) as hub:
        hub.rule("one", "two", drop=0.5)
        ...
        hub.clear()

What it does to a message depends on the seed, the direction, and how many messages went that way under the rule: not
on time. Everything that is not VRRP passes untouched. A frame spends far less than a millisecond in it on a machine
that is not busy.
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field, frozen

from tests.support.lab import Lab
from vrrpkit.addresses import VRRP_PROTOCOL

__all__ = ["Hub", "Rule"]

_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_PACKET_IGNORE_OUTGOING: Final = 23
_SO_RCVBUFFORCE: Final = 33
_ETH_P_ALL: Final = 3
_OFFLOADS: Final = 10  # octets before the frame that say which checksums are still to be made
_ROOT: Final = Path(__file__).parents[2]


@frozen(kw_only=True)
class Rule:
    """What happens to VRRP messages from one port to another.

    Attributes:
        drop: The share that is lost.
        copies: How often each of the others arrives.
        delay: For how many seconds they are kept.
    """

    drop: float = 0.0
    copies: int = 1
    delay: float = 0.0


class Hub:
    """Takes the place of a lab's bridge while it is open; a process of its own does the work."""

    def __init__(self, lab: Lab, seed: int = 1) -> None:
        """Draw from a seed."""
        self._lab = lab
        self._seed = seed
        self._ports = [node.name for node in lab.nodes] + ["client"]

    def __enter__(self) -> Self:
        """Unplug every port from the kernel's bridge, and carry its frames here; that takes some milliseconds."""
        command = ["nsenter", f"--net=/run/netns/{self._lab.bridge}", "setpriv", "--pdeathsig", "KILL"]
        command += [sys.executable, "-m", "tests.support.hub", str(self._seed), *self._ports]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()
        self._bridge("nomaster")
        self._tell(clear=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the ports back to the kernel's bridge."""
        self._bridge("master br0")
        self._process.kill()
        self._process.communicate()

    def rule(self, source: str, target: str, *, drop: float = 0.0, copies: int = 1, delay: float = 0.0) -> None:
        """Treat what goes from one port to another like this from now on."""
        self._tell(rule=[source, target, drop, copies, delay])

    def clear(self) -> None:
        """Let everything pass again."""
        self._tell(clear=True)

    def replay(self, source: str, target: str, *, priority: int, times: int = 1, every: float = 1.0) -> None:
        """Send again to one port what another has last said with a priority: now, and some times more."""
        self._tell(replay=[source, target, priority, times, every])

    def _tell(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != "done":
            raise RuntimeError(f"the hub said {said!r}")

    def _bridge(self, change: str) -> None:
        lines = "\n".join(f"link set dev {port} {change}" for port in self._ports)
        subprocess.run(["ip", "-n", self._lab.bridge, "-batch", "-"], input=lines, text=True, check=True)


@define(eq=False)
class _Carrier:
    """The process: every frame that enters by a port leaves by the others."""

    seed: str
    ports: Sequence[str]
    _sockets: dict[str, socket.socket] = field(factory=dict, init=False)
    _rules: dict[tuple[str, str], tuple[Rule, random.Random]] = field(factory=dict, init=False)
    _heard: dict[tuple[str, int], bytes] = field(factory=dict, init=False)
    _later: list[tuple[float, int, str, bytes]] = field(factory=list, init=False)
    _serial: int = field(default=0, init=False)

    def carry(self, orders: FileIO) -> None:
        """Carry frames from the first order on until there are no more."""
        _say("done")
        orders.readline()
        selector = selectors.DefaultSelector()
        for port in self.ports:
            self._sockets[port] = _packet_socket(port)
            selector.register(self._sockets[port], selectors.EVENT_READ, port)
        selector.register(orders, selectors.EVENT_READ)
        _say("done")
        while True:
            for key, _ in selector.select(self._wait()):
                if key.data is not None:
                    self._drain(key.data)
                    continue
                line = orders.readline()
                if not line:
                    return
                self._obey(json.loads(line))
                _say("done")
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                _at, _serial, port, frame = heapq.heappop(self._later)
                self._send(port, frame)

    def _wait(self) -> float | None:
        return max(self._later[0][0] - time.monotonic(), 0.0) if self._later else None

    def _obey(self, order: dict[str, Any]) -> None:
        match order:
            case {"rule": [source, target, drop, copies, delay]}:
                draw = random.Random(f"{self.seed}/{source}/{target}")  # noqa: S311 - to be repeated, not to be secret
                self._rules[source, target] = Rule(drop=drop, copies=copies, delay=delay), draw
            case {"replay": [source, target, priority, times, every]}:
                for number in range(times):
                    self._send_later(number * every, target, self._heard[source, priority])
            case _:
                self._rules.clear()

    def _drain(self, source: str) -> None:
        receive = self._sockets[source].recv
        while True:
            try:
                frame = receive(1 << 17)
            except BlockingIOError:
                return
            except OSError:  # the port is down
                return
            priority = _priority(frame)
            if priority is not None:
                self._heard[source, priority] = frame
            for target in self.ports:
                if target != source:
                    self._pass(source, target, frame, is_vrrp=priority is not None)

    def _pass(self, source: str, target: str, frame: bytes, *, is_vrrp: bool) -> None:
        found = self._rules.get((source, target)) if is_vrrp else None
        if found is None:
            self._send(target, frame)
            return
        rule, draw = found
        if draw.random() < rule.drop:
            return
        for _ in range(rule.copies):
            if rule.delay:
                self._send_later(rule.delay, target, frame)
            else:
                self._send(target, frame)

    def _send_later(self, delay: float, port: str, frame: bytes) -> None:
        self._serial += 1
        heapq.heappush(self._later, (time.monotonic() + delay, self._serial, port, frame))

    def _send(self, port: str, frame: bytes) -> None:
        try:
            self._sockets[port].send(frame)
        except OSError:  # the port is down, or its queue is full: lost, as on any bridge
            return


def _packet_socket(port: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
    sock.bind((port, _ETH_P_ALL))
    return sock


def _priority(frame: bytes) -> int | None:
    """The priority that a VRRP message tells; None for another frame."""
    ethertype, packet = frame[_OFFLOADS + 12 : _OFFLOADS + 14], frame[_OFFLOADS + 14 :]
    if ethertype == b"\x08\x00" and packet[9] == VRRP_PROTOCOL:
        return packet[(packet[0] & 15) * 4 + 2]
    if ethertype == b"\x86\xdd" and packet[6] == VRRP_PROTOCOL:
        return packet[42]
    return None


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Unbuffered: a line that Python has read ahead would never make the selector ring.
    with FileIO(0) as standard_input:
        _Carrier(sys.argv[1], sys.argv[2:]).carry(standard_input)
