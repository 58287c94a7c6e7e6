"""The programs of examples/ as processes on a lab's nodes, and a client that uses what they keep up."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from attrs import define, field, frozen

from tests.support.lab import Change, Lab, Node, Router
from tests.support.requirements import require

__all__ = ["Answer", "Program", "Visitor", "example", "nothing_left_running", "require_all"]

log = logging.getLogger(__name__)

_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_CHANGE: Final = re.compile(r"^[\d-]+ [\d:,]+ eth0/(\d+): \w+ -> (\w+): ([\w-]+) .*$", re.MULTILINE)
_PAUSE: Final = 0.02


def require_all(*tools: str) -> None:
    """Skip, or fail under CI, on a machine that cannot run these tests."""
    require(os.geteuid() == 0, "needs root")
    for tool in ("ip", "bridge", "nsenter", "setpriv", *tools):
        require(shutil.which(tool), f"needs {tool}")
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    require(tried.returncode == 0, "needs network namespaces")


@contextmanager
def nothing_left_running(lab: Lab) -> Iterator[None]:
    """Kill every process on the lab's nodes in the end, daemons too."""
    try:
        yield
    finally:
        for node in lab.nodes:
            listed = subprocess.run(
                ["ip", "netns", "pids", node.namespace], capture_output=True, check=False, text=True
            )
            for number in listed.stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGKILL)


@define(eq=False)
class Program(Router):
    """Whatever an operator runs on a node for good: one of the examples, or what it looks after."""

    argv: tuple[str, ...]

    @classmethod
    def start(cls, node: Node, *argv: str | Path) -> Program:
        """Start one; the lab ends it at the latest."""
        program = cls(node, (), tuple(map(str, argv)))
        node.routers.append(program)
        return program

    def _prepare(self, folder: Path) -> Sequence[str]:
        del folder
        return self.argv

    def _news(self) -> Iterator[Change]:
        found = [Change(int(line[1]), line[2], line[3], line[0]) for line in _CHANGE.finditer(self.log)]
        yield from found[len(self._changes) :]

    def is_in(self, state: str) -> bool:
        """Whether the last change led to this state."""
        return bool(self.changes) and self.changes[-1].state == state


def example(name: str) -> tuple[str, str]:
    """How one of the examples is run."""
    return sys.executable, str(_EXAMPLES / name)


@frozen
class Answer:
    """What the client got, and when."""

    at: float
    text: str


@define(eq=False)
class Visitor:
    """Asks again and again from a node of its own, and notes every answer.

    Attributes:
        home: Where it lives.
        ask: Asks once; None for no answer.
        answers: All of them, in order.
    """

    home: Node
    ask: Callable[[], str | None]
    answers: list[Answer] = field(factory=list, init=False)
    _closing: threading.Event = field(factory=threading.Event, init=False)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: self.home.within(self._visit), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def gets(self, text: str) -> bool:
        """Whether the last answer, not long ago, was this one."""
        return bool(self.answers) and self.answers[-1].text == text and time.monotonic() - self.answers[-1].at < 1

    def since(self, at: float) -> tuple[Answer, ...]:
        """The answers from a moment on."""
        return tuple(answer for answer in self.answers if answer.at >= at)

    def note_outage(self, scene: str, since: float) -> None:
        """Log the longest time without an answer from a moment until now, for `pytest --log-cli-level=INFO`."""
        times = [since, *(answer.at for answer in self.since(since)), time.monotonic()]
        log.info("%s: no answer for %.2f s", scene, max(later - earlier for earlier, later in pairwise(times)))

    def _visit(self) -> None:
        while not self._closing.wait(_PAUSE):
            text = self.ask()
            if text is not None:
                self.answers.append(Answer(time.monotonic(), text))
