"""Two routers of one kind, something that happens to them, and what must be true in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from attrs import define, field, frozen

from tests.faults.judge import Bounds, intrusions, silences, terms
from tests.interop.duel import IPV4, Duel, Variant
from tests.support.capture import Capture, SeenAdvert, only
from tests.support.lab import Keepalived, Lab, Node, Router, RouterSpec, VrrpkitRouter

__all__ = ["KINDS", "RESULTS", "SECOND", "Footprint", "Subject", "Trial", "footprint", "processes", "trial"]

_PROGRAM: Final = Path(__file__).with_name("subject.py")

# Version 3 at one second: priority 100 waits 3 * 1 s + 156/256 * 1 s, and 156/256 * 1 s after a resignation.
SECOND: Final = Variant(
    name="v3-second", spec=RouterSpec(interval=1.0, addresses=IPV4), interval=1.0, silence=3.609375, skew=0.609375
)
_LOWER: Final = Bounds(100, silence=3.609375, skew=0.609375)

RESULTS: Final[list[tuple[str, str, str]]] = []
"""What was measured: the fault, the program, in words."""


@define(eq=False)
class Subject(VrrpkitRouter):
    """vrrpkit as `tests/faults/subject.py`; `{folder}` in its options is the process's own."""

    options: ClassVar[Mapping[str, str | list[str]]] = {}
    _folder: Path = field(init=False)

    def _prepare(self, folder: Path) -> Sequence[str]:
        self._folder = folder
        os.mkfifo(folder / "control")
        (folder / "options.json").write_text(json.dumps(self.options).replace("{folder}", str(folder)))
        python, _example, *options = super()._prepare(folder)
        return [python, str(_PROGRAM), str(folder), *options]

    def order(self, line: str) -> None:
        """Have the program do something."""
        (self._folder / "control").write_text(f"{line}\n")


KINDS: Final[tuple[type[Router], ...]] = (Subject, Keepalived)


@frozen(order=True)
class Footprint:
    """What a router's processes have of the machine.

    Attributes:
        descriptors: Open file descriptors.
        tasks: asyncio tasks; 0 where there are none.
    """

    descriptors: int
    tasks: int


def processes(router: Router) -> tuple[int, ...]:
    """Its process; of keepalived also the one that does the work."""
    first = router._process.pid  # noqa: SLF001 - the lab has no need of it otherwise
    if isinstance(router, Subject):
        return (first,)
    return (first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split()))


def footprint(router: Router) -> Footprint:
    """Look now."""
    descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in processes(router))  # noqa: PTH208 - names count
    if not isinstance(router, Subject):
        return Footprint(descriptors, 0)
    ((_vrid, snapshot),) = router.snapshots().items()
    return Footprint(descriptors, snapshot["tasks"])


@define(eq=False)
class Trial:
    """A settled pair: priority 200 on node `one`, priority 100 on node `two`.

    Attributes:
        kind: What both are.
        active: Who is Active when all is well, and has to be in the end.
        backup: The other one.
        ears: What arrives at each node.
        began: When it was settled.
    """

    lab: Lab
    duel: Duel
    kind: type[Router]
    active: Router
    backup: Router
    ears: dict[str, Capture]
    began: float
    _before: dict[str, Footprint]

    def sent(self, node: Node, since: float | None = None) -> tuple[SeenAdvert, ...]:
        """What left a node."""
        since = self.began if since is None else since
        return tuple(one for one in only(self.duel.adverts, since=since) if one.node == node.name)

    def heard(self, node: Node, since: float | None = None) -> tuple[SeenAdvert, ...]:
        """What arrived at a node."""
        return only(
            self.ears[node.name].adverts(self.duel.variant.spec.vrid), since=self.began if since is None else since
        )

    def intrusions(self) -> tuple[SeenAdvert, ...]:
        """What priority 100 said when it had to be silent."""
        return intrusions(self.sent(self.lab.two), self.heard(self.lab.two), _LOWER)

    def terms(self) -> tuple[float, ...]:
        """For how long priority 100 was Active, each time."""
        return tuple(end - start for start, end in terms(self.sent(self.lab.two), self.heard(self.lab.two), _LOWER))

    def silences(self) -> tuple[float, ...]:
        """For how long priority 100 had heard nothing better before each of these."""
        return silences(self.sent(self.lab.two), self.heard(self.lab.two), _LOWER)

    def further(self, adverts: int) -> None:
        """Wait for so many more advertisements of the Active: time by the protocol's own clock."""
        self.duel.further(self.active, adverts)

    def record(self, fault: str, text: str) -> None:
        """Keep what was measured for the table."""
        RESULTS.append((fault, "keepalived" if self.kind is Keepalived else "vrrpkit", text))

    def conclude(self) -> None:
        """The roles and the addresses are as before, no descriptor and no task is left; nor is anything in the end."""
        self.lab.until(self._is_settled, "all is as it was")
        for router in (self.active, self.backup):
            self.lab.until(partial(self._is_back, router), f"{router.node.name} is back to {self._before}")
        for router in (self.active, self.backup):
            router.stop()
        assert {node.name: set(node.held()) for node in self.lab.nodes} == {"one": set(), "two": set()}
        assert self.lab.capture.garbage == ()

    def _is_settled(self) -> bool:
        held = {node.name: frozenset(node.held()) for node in self.lab.nodes}
        expected = {self.active.node.name: frozenset({SECOND.asked}), self.backup.node.name: frozenset()}
        states = (self.active.state(), self.backup.state())
        reached = self.lab.client.reaches(SECOND.asked)
        return (states, held, reached) == (("active", "backup"), expected, self.active.node.name)

    def _is_back(self, router: Router) -> bool:
        now, before = footprint(router), self._before[router.node.name]
        return now.descriptors <= before.descriptors and now.tasks <= before.tasks


@contextmanager
def trial(kind: type[Router], *, preempt: bool = True) -> Iterator[Trial]:
    """Settle two routers of a kind, and check them afterwards."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        duel = Duel(lab, SECOND)
        upper = duel.start(lab.one, kind, 200, preempt=preempt)
        if not preempt:
            lab.until(lambda: upper.state() == "active", "the first is Active before there is a second")
        lower = duel.start(lab.two, kind, 100, preempt=preempt)
        ears = {}
        for node in lab.nodes:
            ear = ears[node.name] = Capture(node.within(Capture.open_socket), {"eth0"})
            ear.start()
            stack.callback(ear.close)
        duel.settle(upper)
        # The least of three looks: a script may run during one.
        before = {router.node.name: min(footprint(router) for _ in range(3)) for router in (upper, lower)}
        tried = Trial(lab, duel, kind, upper, lower, ears, duel.adverts[-1].at, before)
        yield tried
        tried.conclude()
