"""Network namespaces joined by a bridge, with routers and a client in them.

    with Lab() as lab:
        active = lab.one.start(VrrpkitRouter, RouterSpec(priority=200, addresses=("10.77.0.100/24",)))
        backup = lab.two.start(Keepalived, RouterSpec(priority=100, addresses=("10.77.0.100/24",)))
        lab.until(lambda: active.state() == "active", "the higher priority is Active")

Whatever happens inside, nothing is left behind: processes die with the thread that started them, and what a
killed run could not remove is removed by the next one.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from attrs import define, field, frozen

import vrrpkit.packet
from tests.support.capture import Capture, timeline
from vrrpkit.addresses import Family, IPAddress, family_of

__all__ = [
    "GIVING_UP",
    "Change",
    "Client",
    "HeldAddress",
    "Keepalived",
    "Lab",
    "Node",
    "Router",
    "RouterSpec",
    "VrrpkitRouter",
    "keepalived_command",
    "until",
]

T = TypeVar("T")
R = TypeVar("R", bound="Router")

GIVING_UP: Final = threading.Event()
"""Set to end every wait in every lab, when the test run is interrupted."""

_EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "virtual_router.py"
_SOURCE: Final = Path(vrrpkit.packet.__file__).parents[2]
_NAMESPACES: Final = Path("/run/netns")
_PREFIX: Final = "vrrpkit-lab-"
_CLONE_NEWNET: Final = 0x40000000
_IP_FREEBIND: Final = 15
_IPV6_FREEBIND: Final = 78
_FOREVER: Final = 0xFFFFFFFF
_ECHO_PORT: Final = 7007
_TIMEOUT: Final = 30.0
_LOG_LINES: Final = 30
_CHATTER: Final = re.compile("gratuitous ARP|nsolicited Neighbour|keepalived.conf|pid=|log-detail")
_libc: Final = ctypes.CDLL(None, use_errno=True)
_serials: Final = itertools.count(1)


def until(condition: Callable[[], T], what: str, timeout: float = _TIMEOUT, *, pause: float = 0.02) -> T:
    """Wait for a condition to hold and return what it gave: the one place in which tests wait."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if GIVING_UP.is_set():
            raise RuntimeError(f"given up while waiting for this: {what}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(pause)


def _ip(namespace: str, *lines: str) -> None:
    """Run lines of ip(8) in a namespace, or outside of any."""
    where = ["-n", namespace] if namespace else []
    command = ["ip", *where, "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _within(namespace: str, function: Callable[[], T]) -> T:
    """Call a function in a namespace: a thread of its own enters it, and what it opens stays there."""

    def run() -> T:
        with (_NAMESPACES / namespace).open("rb") as handle:
            if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        return function()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(run).result()


def _sweep() -> None:
    """Remove what runs that were killed have left: namespaces and folders whose owner is gone."""
    for path in (*_NAMESPACES.glob(f"{_PREFIX}*"), *Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if Path("/proc", owner).exists():
            continue
        if path.parent == _NAMESPACES:
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, check=False)
        else:
            shutil.rmtree(path, ignore_errors=True)


@frozen
class HeldAddress:
    """An address as the kernel holds it.

    Attributes:
        lifetime: Seconds it is still valid for; None for ever.
    """

    address: IPAddress
    prefix_length: int
    lifetime: int | None


@define(eq=False)
class Node:
    """A namespace with an interface on each of the lab's bridges: `eth0`, and `eth1` if there are two links.

    Attributes:
        name: What it is called in the lab, and its port's name on the bridge; that on the second bridge is `one.1`.
        namespace: Its network namespace.
        ipv4: Its own IPv4 address; a node that comes later in the lab has a higher one of each kind.
        ipv6: Its own global IPv6 address.
        link_local: Its own link-local address.
    """

    lab: Lab = field(repr=False)
    name: str
    namespace: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    link_local: IPv6Address
    routers: list[Router] = field(factory=list, init=False, repr=False)

    def start(self, kind: type[R], *specs: RouterSpec) -> R:
        """Start a router process here, for one virtual router or several."""
        router = kind(self, specs)
        self.routers.append(router)
        return router

    def command(self, *argv: str) -> list[str]:
        """A command line that runs here and dies with the thread that starts it."""
        return ["nsenter", f"--net={_NAMESPACES / self.namespace}", "setpriv", "--pdeathsig", "KILL", *argv]

    def run(self, *argv: str) -> str:
        """Run a command here to its end and return what it printed."""
        return subprocess.run(self.command(*argv), capture_output=True, text=True, check=True).stdout

    def within(self, function: Callable[[], T]) -> T:
        """Call a function here, such as one that opens a socket."""
        return _within(self.namespace, function)

    def held(self) -> dict[IPAddress, HeldAddress]:
        """The addresses on its interfaces beyond the node's own."""
        output = subprocess.run(
            ["ip", "-j", "-n", self.namespace, "address", "show"], capture_output=True, check=True
        ).stdout
        links = [link for link in json.loads(output) if link["ifname"] != "lo"]
        own = (self.ipv6, self.link_local, *(self.address(link) for link in range(self.lab.links)))
        found = {}
        for entry in itertools.chain.from_iterable(link["addr_info"] for link in links):
            address, lifetime = ip_address(entry["local"]), entry["valid_life_time"]
            if address not in own:
                lasting = None if lifetime == _FOREVER else lifetime
                found[address] = HeldAddress(address, entry["prefixlen"], lasting)
        return found

    def address(self, link: int) -> IPv4Address:
        """Its own IPv4 address on a link: `ipv4` on the first."""
        return self.ipv4 + (link << 16)

    def port(self, link: int) -> str:
        """Its port's name on a bridge, by which the capture knows it."""
        return f"{self.name}.{link}" if link else self.name

    def cut(self, link: int = 0) -> None:
        """Pull the plug: the interface loses its carrier."""
        _ip(self.lab.bridge, f"link set dev {self.port(link)} down")

    def repair(self, link: int = 0) -> None:
        """Put the plug back."""
        _ip(self.lab.bridge, f"link set dev {self.port(link)} up")

    @contextmanager
    def isolated(self, link: int = 0) -> Iterator[None]:
        """Let the bridge drop what comes from here and goes here; the interface keeps its carrier."""
        port = ["bridge", "-n", self.lab.bridge, "link", "set", "dev", self.port(link), "state"]
        subprocess.run([*port, "0"], check=True)
        try:
            yield
        finally:
            subprocess.run([*port, "3"], check=True)


@frozen(kw_only=True)
class RouterSpec:
    """One virtual router, in words that both implementations can be told in.

    Attributes:
        interface: Where; `eth1` is on the second link.
        addresses: The virtual addresses with their prefix lengths.
        peers: Unicast peers; none for multicast.
        checksum: The form to send in version 3 over IPv4; keepalived before 2.2.8 has only `pseudo-header`.
        link_local_first: Whether an IPv6 list has to begin with a link-local address; keepalived does not ask.
        virtual_mac: Whether the addresses live at the virtual router's MAC address.
    """

    interface: str = "eth0"
    vrid: int = 51
    priority: int = 100
    addresses: tuple[str, ...] = ()
    version: int = 3
    interval: float = 1.0
    preempt: bool = True
    preempt_delay: float = 0.0
    password: str | None = None
    peers: tuple[IPAddress, ...] = ()
    checksum: str = "pseudo-header"
    link_local_first: bool = True
    virtual_mac: bool = False

    @property
    def plain_addresses(self) -> frozenset[IPAddress]:
        """The virtual addresses without prefix lengths."""
        return frozenset(ip_interface(address).ip for address in self.addresses)

    @property
    def family(self) -> Family:
        """The family of the virtual addresses."""
        return family_of(ip_interface(self.addresses[0]).ip)


@frozen
class Change:
    """A virtual router's state changed.

    Attributes:
        state: `backup`, `active`, `fault` or `initialize`.
        reason: What vrrpkit gives as the reason; nothing from keepalived.
        text: What the process said.
    """

    vrid: int
    state: str
    reason: str
    text: str


@define(eq=False)
class Router(ABC):
    """A running router process; its output is read when somebody asks for it."""

    node: Node
    specs: tuple[RouterSpec, ...]
    _log: Path = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _changes: list[Change] = field(factory=list, init=False)
    _ended: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix=f"{self.node.name}-", dir=self.node.lab.folder))
        self._log = folder / "log"
        command = self.node.command(*self._prepare(folder))
        with self._log.open("wb") as log, (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(_SOURCE)},
            )

    @abstractmethod
    def _prepare(self, folder: Path) -> Sequence[str]:
        """Write what the process needs to a folder and return its command line."""

    @abstractmethod
    def _news(self) -> Iterator[Change]:
        """What the process has said since the last call."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of state so far."""
        self._changes += self._news()
        return tuple(self._changes)

    def state(self, vrid: int | None = None) -> str:
        """A virtual router's state, of the only one if none is named."""
        vrid = self.specs[0].vrid if vrid is None else vrid
        return next((change.state for change in reversed(self.changes) if change.vrid == vrid), "initialize")

    @property
    def running(self) -> bool:
        """Whether the process lives, or should."""
        return not self._ended

    def check(self) -> None:
        """Fail if the process has ended by itself."""
        if self.running and self._process.poll() is not None:
            raise AssertionError(f"ended by itself: {self.report()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Let the process vanish, with all it has started, without a chance to say or remove anything."""
        self._ended = True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End the process in order; it has to succeed, and to complain about nothing."""
        self.check()
        self._ended = True
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not stop: {self.report()}") from None
        self._changes += self._news()
        if self._process.returncode or "Traceback" in self.log:
            raise AssertionError(f"does not stop in order: {self.report()}")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process from running, as a machine does that is paused or overloaded."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    @property
    def log(self) -> str:
        """What the process wrote to its standard error."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Let nothing of it stay."""
        self.kill()

    def report(self) -> str:
        """The process for a failure message."""
        fate = "running" if self._process.poll() is None else f"exit status {self._process.returncode}"
        said = "\n".join(change.text for change in self.changes)
        log = "\n".join([line for line in self.log.splitlines() if not _CHATTER.search(line)][-_LOG_LINES:])
        return f"{type(self).__name__} on {self.node.name} ({fate})\n{said}\n{log}"


@define(eq=False)
class VrrpkitRouter(Router):
    """`examples/virtual_router.py` as a process."""

    _output: Path = field(init=False)
    _read: int = field(default=0, init=False)
    _snapshots: list[dict[str, Any]] = field(factory=list, init=False)

    def _prepare(self, folder: Path) -> Sequence[str]:
        self._output = folder / "output"
        groups = itertools.chain.from_iterable(["+", *_options(spec)] for spec in self.specs)
        return [sys.executable, str(_EXAMPLE), *itertools.islice(groups, 1, None)]

    def _news(self) -> Iterator[Change]:
        with self._output.open("rb") as output:
            output.seek(self._read)
            for line in output:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                said = json.loads(line)
                if "snapshot" in said:
                    self._snapshots.append(said["snapshot"])
                else:
                    vrid = int(said["router"].rpartition("/")[2])
                    yield Change(vrid, said["new"], said["reason"], line.decode().rstrip())

    def snapshots(self) -> dict[int, dict[str, Any]]:
        """Everything the process knows about each of its virtual routers now, by VRID."""
        before = len(self._snapshots)
        self.signal(signal.SIGUSR1)

        def complete() -> bool:
            self._changes += self._news()
            return len(self._snapshots) >= before + len(self.specs)

        self.node.lab.until(complete, "a snapshot of each router")
        return {snapshot["vrid"]: snapshot for snapshot in self._snapshots[-len(self.specs) :]}


def _options(spec: RouterSpec) -> Iterator[str]:
    yield from ("--interface", spec.interface, "--vrid", str(spec.vrid), "--priority", str(spec.priority))
    yield from ("--version", str(spec.version), "--interval", f"{spec.interval:g}")
    for address in spec.addresses:
        yield from ("--address", address)
    for peer in spec.peers:
        yield from ("--peer", str(peer))
    if not spec.preempt:
        yield "--no-preempt"
    if spec.preempt_delay:
        yield from ("--preempt-delay", f"{spec.preempt_delay:g}")
    if spec.password is not None:
        yield from ("--password", spec.password)
    if spec.checksum != "pseudo-header":
        yield from ("--checksum", spec.checksum)
    if not spec.link_local_first:
        yield "--no-link-local-first"
    if spec.virtual_mac:
        yield "--virtual-mac"


@define(eq=False)
class Keepalived(Router):
    """A real keepalived; the states it reports come from its notification pipe."""

    _fifo: int = field(init=False)
    _unread: str = field(default="", init=False)

    def _prepare(self, folder: Path) -> Sequence[str]:
        fifo, config = folder / "fifo", folder / "keepalived.conf"
        os.mkfifo(fifo)
        self._fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        instances = [_instance(spec, self.node) for spec in self.specs]
        config.write_text("\n".join([_block("global_defs", f"vrrp_notify_fifo {fifo}"), *instances, ""]))
        return keepalived_command(config)

    def _news(self) -> Iterator[Change]:
        with suppress(BlockingIOError):
            while octets := os.read(self._fifo, 1 << 16):
                self._unread += octets.decode()
        *lines, self._unread = self._unread.split("\n")
        for line in lines:
            matched = re.fullmatch(r'INSTANCE "VR_(\d+)_IPV[46]" (\w+) \d+', line)
            if matched is not None and matched[2] in _STATES:  # not MASTER_RX_LOWER_PRI, say
                yield Change(int(matched[1]), _STATES[matched[2]], "", line)

    def close(self) -> None:
        super().close()
        os.close(self._fifo)


def keepalived_command(config: Path) -> list[str]:
    """The command line of a keepalived that runs a configuration, and keeps its other files beside it."""
    options = ("--dont-fork", "--log-console", "--no-syslog", "--log-detail", "--vrrp", f"--use-file={config}")
    pids = [f"--{name}={config.with_name(name)}" for name in ("pid", "vrrp_pid", "checkers_pid")]
    return ["keepalived", *options, *pids]


_STATES: Final = {"MASTER": "active", "BACKUP": "backup", "FAULT": "fault", "STOP": "initialize"}


def _instance(spec: RouterSpec, node: Node) -> str:
    lines = [
        f"interface {spec.interface}",
        f"state {'MASTER' if spec.priority == 255 else 'BACKUP'}",
        f"virtual_router_id {spec.vrid}",
        f"priority {spec.priority}",
        f"version {spec.version}",
        f"advert_int {spec.interval:g}",
        "garp_master_delay 1",
        _block("virtual_ipaddress", *spec.addresses),
    ]
    if spec.virtual_mac:
        lines.append("use_vmac")
    if not spec.preempt:
        lines.append("nopreempt")
    if spec.preempt_delay:
        lines.append(f"preempt_delay {spec.preempt_delay:g}")
    if spec.password is not None:
        lines.append(_block("authentication", "auth_type PASS", f"auth_pass {spec.password}"))
    if spec.peers:
        own = node.ipv4 if spec.family is Family.IPV4 else node.link_local
        lines += [f"unicast_src_ip {own}", _block("unicast_peer", *map(str, spec.peers))]
    return _block(f"vrrp_instance VR_{spec.vrid}_{spec.family.name}", *lines)


def _block(name: str, *lines: str) -> str:
    return "\n".join([f"{name} {{", *lines, "}"])


@frozen
class Answer:
    """The virtual address answered the client."""

    at: float
    address: IPAddress
    node: str


class Client(threading.Thread):
    """Asks virtual addresses again and again which node they lead to, from a node of its own.

    Each asked address has an echo service on every node, bound whether or not the node holds the address. A crashed
    router's node goes on answering for addresses it was left with, until the client's neighbor table is told better.
    """

    _EVERY: Final = 0.02

    def __init__(self, home: Node, nodes: Sequence[Node]) -> None:
        """Ask from one node; the others answer."""
        super().__init__(name="client", daemon=True)
        self.home, self._nodes = home, nodes
        self._selector = selectors.DefaultSelector()
        self._closing, self._close = socket.socketpair()
        self._selector.register(self._closing, selectors.EVENT_READ, None)
        self._asking: dict[IPAddress, socket.socket] = {}
        self._answers: list[Answer] = []

    def ask(self, address: IPAddress) -> None:
        """Begin to ask this address too."""
        for node in self._nodes:
            sock = node.within(lambda: _udp_socket(address))
            sock.setsockopt(*_freebind(address), 1)
            sock.bind((str(address), _ECHO_PORT))
            self._selector.register(sock, selectors.EVENT_READ, node.name.encode())
        sock = self.home.within(lambda: _udp_socket(address))
        sock.connect((str(address), _ECHO_PORT))
        self._selector.register(sock, selectors.EVENT_READ, address)
        self._asking[address] = sock

    def answers(self, address: IPAddress, since: float = 0.0) -> tuple[Answer, ...]:
        """Who answered when."""
        return tuple(answer for answer in self._answers if answer.address == address and answer.at >= since)

    def reaches(self, address: IPAddress) -> str | None:
        """The node that answered last, if that is not long ago."""
        recent = self.answers(address, time.time() - 5 * self._EVERY)
        return recent[-1].node if recent else None

    def run(self) -> None:
        """Ask until `close()`."""
        while True:
            for sock in tuple(self._asking.values()):
                with suppress(OSError):  # no answer is what this is about
                    sock.send(b"?")
            deadline = time.monotonic() + self._EVERY
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in self._selector.select(left):
                    if key.data is None:
                        return
                    assert isinstance(key.fileobj, socket.socket)
                    self._serve(key.fileobj, key.data)

    def _serve(self, sock: socket.socket, role: bytes | IPAddress) -> None:
        with suppress(OSError):
            octets, sender = sock.recvfrom(64)
            if isinstance(role, bytes):
                sock.sendto(role, sender)
            else:
                self._answers.append(Answer(time.time(), role, octets.decode()))

    def close(self) -> None:
        """Stop asking."""
        self._close.send(b"x")
        self.join()
        for key in tuple(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._close.close()


def _udp_socket(address: IPAddress) -> socket.socket:
    family = socket.AF_INET if family_of(address) is Family.IPV4 else socket.AF_INET6
    return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def _freebind(address: IPAddress) -> tuple[int, int]:
    if family_of(address) is Family.IPV4:
        return socket.IPPROTO_IP, _IP_FREEBIND
    return socket.IPPROTO_IPV6, _IPV6_FREEBIND


class Lab:
    """Nodes on one bridge or several, with a capture of all they send and a client that asks them on the first.

    Nodes are named `one`, `two` and so on; a failing test's message gets the lab's whole story.
    """

    def __init__(self, *names: str, links: int = 1) -> None:
        """Name the nodes; none for `one` and `two`."""
        self.links = links
        stem = f"{_PREFIX}{os.getpid()}-{next(_serials)}"
        self.bridge = f"{stem}-bridge"
        self.nodes = tuple(
            _node(self, name, f"{stem}-{name}", number) for number, name in enumerate(names or ("one", "two"), 1)
        )
        self._home = _node(self, "client", f"{stem}-client", 99)
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        """Build it."""
        with ExitStack() as stack:
            stack.callback(self._remove)
            _sweep()
            self.folder = Path(tempfile.mkdtemp(prefix=f"{self.bridge}-"))
            everybody = (*self.nodes, self._home)
            _ip("", *(f"netns add {name}" for name in (self.bridge, *(node.namespace for node in everybody))))
            for link in range(self.links):
                _ip(self.bridge, *_bridge_lines(everybody, link))
            for node in everybody:
                _ip(node.namespace, *_node_lines(node))
            capture = _within(self.bridge, Capture.open_socket)
            self.capture = Capture(capture, frozenset(n.port(link) for n in everybody for link in range(self.links)))
            self.capture.start()
            stack.callback(self.capture.close)
            self.client = Client(self._home, self.nodes)
            self.client.start()
            stack.callback(self.client.close)
            stack.callback(self._close_routers)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it down, and tell a failure what has happened here."""
        if error is not None:
            error.add_note(self.report())
        self._exit.close()

    def __getattr__(self, name: str) -> Node:
        """A node by its name."""
        nodes: tuple[Node, ...] = self.__dict__.get("nodes", ())
        for node in nodes:
            if node.name == name:
                return node
        raise AttributeError(name)

    @property
    def routers(self) -> tuple[Router, ...]:
        """Every router process so far."""
        return tuple(router for node in self.nodes for router in node.routers)

    def until(self, condition: Callable[[], T], what: str, timeout: float = _TIMEOUT) -> T:
        """Wait for a condition, while no router ends by itself."""

        def check() -> T:
            for router in self.routers:
                router.check()
            return condition()

        return until(check, what, timeout)

    def holders(self, address: IPAddress) -> frozenset[str]:
        """The nodes that hold an address."""
        return frozenset(node.name for node in self.nodes if address in node.held())

    def report(self) -> str:
        """What has happened, for a failure message."""
        held = [f"{node.name} holds {sorted(map(str, node.held()))}" for node in self.nodes]
        parts = [timeline(self.capture.seen), *held, *(router.report() for router in self.routers)]
        return "\n\n".join(parts)

    def _close_routers(self) -> None:
        for router in self.routers:
            router.close()

    def _remove(self) -> None:
        for name in (self.bridge, *(node.namespace for node in (*self.nodes, self._home))):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)


def _node(lab: Lab, name: str, namespace: str, number: int) -> Node:
    return Node(
        lab,
        name,
        namespace,
        IPv4Address(f"10.77.0.{number}"),
        IPv6Address(f"fd77::{number}"),
        IPv6Address(f"fe80::{number}"),
    )


def _bridge_lines(nodes: Sequence[Node], link: int) -> Iterator[str]:
    yield f"link add name br{link} type bridge forward_delay 0 mcast_snooping 0"
    yield f"link set dev br{link} addrgenmode none up"
    for node in nodes:
        port = node.port(link)
        yield f"link add name {port} type veth peer name eth{link} netns {node.namespace}"
        yield f"link set dev {port} addrgenmode none"
        yield f"link set dev {port} master br{link} up"


def _node_lines(node: Node) -> Iterator[str]:
    yield "link set dev lo up"
    for link in range(1, node.lab.links):
        yield f"link set dev eth{link} addrgenmode none"
        yield f"address add {node.address(link)}/24 brd + dev eth{link}"
        yield f"link set dev eth{link} up"
    yield "link set dev eth0 addrgenmode none"
    yield f"address add {node.ipv4}/24 brd + dev eth0"
    yield f"address add {node.ipv6}/64 dev eth0 nodad"
    yield f"address add {node.link_local}/64 dev eth0 nodad"
    yield "link set dev eth0 up"
