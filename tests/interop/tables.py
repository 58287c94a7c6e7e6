"""One script under keepalived and under vrrpkit at once: what each makes of the same ends of the same runs.

A table says how a script's runs end, one after another. Each side runs it from a virtual router of its own, and the
script writes the number of each run to the same pipe to which that side tells what it makes of the last one. So it is
known which run has led to what, whatever the clock says.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from attrs import asdict, define, field, frozen

from tests.support.lab import Change, Lab, Node, Router, keepalived_command

__all__ = ["Ours", "Side", "Table", "Theirs", "play", "start"]

S = TypeVar("S", bound="Side")

_PROGRAM: Final = Path(__file__).parent / "run_tables.py"
_PRIORITY: Final = 100
_LINES: Final = 200

# What a script does in its runs: script PIPE COUNTER GATE NAME STEP...; the last step is repeated.
_SCRIPT: Final = """#!/bin/sh
pipe=$1 counter=$2 gate=$3 name=$4
shift 4
number=0
[ -s "$counter" ] && read -r number < "$counter"
number=$((number + 1))
echo $number > "$counter"
echo "RUN $name $number" >> "$pipe"
[ $number -gt $# ] && number=$#
shift $((number - 1))
case $1 in
    hang) exec sleep 15 ;;
    polite) trap 'kill $!; exit 0' TERM; sleep 15 & wait ;;
    deaf) trap '' TERM; exec sleep 15 ;;
    slow) sleep 1.5; echo "END $name $number" >> "$pipe" ;;
    wait-*) while [ ! -e "$gate" ]; do sleep 0.1; done; exit ${1#wait-} ;;
    KILL | SEGV | TERM) ulimit -c 0; kill -$1 $$ ;;
    *) exit $1 ;;
esac
"""


@frozen
class Table:
    """How the runs of a script end, and what has to come of it.

    Attributes:
        name: What the script and its virtual router are called.
        steps: How its runs end, in order: an exit code, a signal, or a word of the script above.
        ours: What vrrpkit tells, as `"1 BACKUP, 3 FAULT"`: the new state, or with a weight the new priority, and after
            which run. The priority is 100 by itself.
        theirs: The same for keepalived; None where it agrees.
        why: Why it does not.
        interval: Seconds; keepalived 2.2.7 takes whole ones only.
        timeout: Seconds; long, so that a busy machine decides nothing.
        program: What to run instead of a script with steps.
        advert_interval: Seconds; at 40, nobody becomes Active while it is watched.
    """

    name: str
    steps: str
    ours: str
    theirs: str | None = field(default=None, kw_only=True)
    why: str = field(default="", kw_only=True)
    interval: int = field(default=1, kw_only=True)
    timeout: int = field(default=10, kw_only=True)
    rise: int = field(default=1, kw_only=True)
    fall: int = field(default=1, kw_only=True)
    init_fail: bool = field(default=False, kw_only=True)
    weight: int = field(default=0, kw_only=True)
    reverse: bool = field(default=False, kw_only=True)
    program: str | None = field(default=None, kw_only=True)
    advert_interval: float = field(default=40, kw_only=True)

    @property
    def runs(self) -> int:
        """How many runs it takes to see what has come of all steps: one more, that begins after the last one's end."""
        return len(self.steps.split()) + 1


@define(eq=False)
class Side(Router):
    """A process that runs tables.

    Attributes:
        tables: Which.
        folder: Where its files are.
    """

    _FIRST_VRID: ClassVar[int]
    tables: tuple[Table, ...] = field(kw_only=True)
    folder: Path = field(init=False)
    _pipe: int = field(init=False)
    _unread: str = field(default="", init=False)
    _lines: list[str] = field(factory=list, init=False)
    _words: defaultdict[str, list[list[str]]] = field(factory=lambda: defaultdict(list), init=False)

    def open(self, folder: Path) -> Path:
        """Make the pipe."""
        self.folder = folder
        os.mkfifo(folder / "pipe")
        self._pipe = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        (folder / "script").write_text(_SCRIPT)
        (folder / "script").chmod(0o700)
        return folder / "pipe"

    def command_of(self, table: Table) -> list[str]:
        """The command line of a table's script."""
        if table.program is not None:
            return shlex.split(table.program)
        paths = [self.folder / name for name in ("script", "pipe", f"counter-{table.name}", "gate")]
        return [*map(str, paths), table.name, *table.steps.split()]

    def open_gate(self) -> None:
        """Let the scripts go on that wait."""
        (self.folder / "gate").touch()

    def of(self, table: Table) -> list[list[str]]:
        """The lines about one table so far, in words; the name is left out."""
        self._read()
        return self._words[table.name]

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while octets := os.read(self._pipe, 1 << 16):
                self._unread += octets.decode()
        *lines, self._unread = self._unread.split("\n")
        for line in lines:
            kind, name, *words = line.split()
            self._words[name.strip('"')].append([kind, *words])
        self._lines += lines

    def is_over(self, table: Table) -> bool:
        """Whether all has come of a table that can: the run after its last step has begun."""
        return not table.steps or ["RUN", str(table.runs)] in self.of(table)

    def vrid(self, table: Table) -> int:
        """The VRID of a table's virtual router; each side has its own."""
        return self._FIRST_VRID + self.tables.index(table)

    def told(self, table: Table) -> str:
        """What has come of a table."""
        run, known, told = "0", str(_PRIORITY) if table.weight else "", []
        for kind, *words in self.of(table):
            if kind == "RUN":
                run = words[0]
                if int(run) == table.runs:
                    break
            elif kind == "INSTANCE":
                state, priority = words
                news = priority if table.weight else state
                if news != known and state != "STOP":
                    told.append(f"{run} {news}")
                known = news
        return ", ".join(told)

    def _news(self) -> Iterator[Change]:
        return iter(())

    def close(self) -> None:
        super().close()
        os.close(self._pipe)

    def report(self) -> str:
        self._read()
        return "\n".join([super().report(), *self._lines[-_LINES:]])


@define(eq=False)
class Ours(Side):
    """A vrrpkit node; see `run_tables.py`."""

    _FIRST_VRID = 21

    def _prepare(self, folder: Path) -> Sequence[str]:
        pipe = self.open(folder)
        tables = [
            asdict(table) | {"command": self.command_of(table), "vrid": self.vrid(table)} for table in self.tables
        ]
        return [sys.executable, str(_PROGRAM), str(pipe), json.dumps(tables)]

    def told_by_changes(self, table: Table) -> list[str]:
        """The states that follow, without a weight, from what `changes()` has told."""
        states = {"up": "BACKUP", "down": "FAULT"}
        if table.reverse:
            states = {"up": "FAULT", "down": "BACKUP"}
        return [states[words[1]] for words in self.of(table) if words[0] == "NEWS"]

    def reasons(self, table: Table) -> list[str]:
        """What the tracker's news have said, in order: `down: exit 1`."""
        return [f"{verdict}: {' '.join(why)}" for kind, verdict, *why in self.of(table) if kind == "NEWS"]


@define(eq=False)
class Theirs(Side):
    """A keepalived that tells its states and priorities."""

    _FIRST_VRID = 121

    def _prepare(self, folder: Path) -> Sequence[str]:
        pipe, config = self.open(folder), folder / "keepalived.conf"
        world = _block(
            "global_defs", f"vrrp_notify_fifo {pipe}", "vrrp_notify_priority_changes yes", "script_user root"
        )
        config.write_text("\n".join([world, *map(self._parts, self.tables), ""]))
        return keepalived_command(config)

    def _parts(self, table: Table) -> str:
        vrid = self.vrid(table)
        script = _block(
            f"vrrp_script {table.name}",
            f'script "{shlex.join(self.command_of(table))}"',
            f"interval {table.interval}",
            f"timeout {table.timeout}",
            f"rise {table.rise}",
            f"fall {table.fall}",
            f"weight {table.weight}{' reverse' if table.reverse else ''}",
            "init_fail" if table.init_fail else "",
        )
        instance = _block(
            f"vrrp_instance {table.name}",
            "interface eth0",
            f"virtual_router_id {vrid}",
            f"priority {_PRIORITY}",
            "version 3",
            f"advert_int {table.advert_interval:g}",
            _block("virtual_ipaddress", f"10.77.0.{vrid}/24"),
            _block("track_script", table.name),
        )
        return f"{script}\n{instance}"


def _block(name: str, *lines: str) -> str:
    return "\n".join([f"{name} {{", *lines, "}"])


def start(node: Node, kind: type[S], tables: Iterable[Table]) -> S:
    """Start one side on a node."""
    side = kind(node, (), tables=tuple(tables))
    node.routers.append(side)
    return side


def play(lab: Lab, tables: Iterable[Table]) -> Ours:
    """Run tables to their end on both sides, and hold what has come of them against what they say."""
    tables = tuple(tables)
    ours, theirs = start(lab.one, Ours, tables), start(lab.two, Theirs, tables)
    lab.until(lambda: all(side.is_over(table) for side in (ours, theirs) for table in tables), "all tables are over")
    assert {table.name: ours.told(table) for table in tables} == {table.name: table.ours for table in tables}
    for table in tables:
        expected = table.ours if table.theirs is None else table.theirs
        assert theirs.told(table) == expected, f"{table.name} {table.why}"
    ours.stop()
    theirs.stop()
    for table in tables:
        if not table.weight:
            assert ours.told_by_changes(table) == [words[1] for words in ours.of(table) if words[0] == "INSTANCE"]
    return ours
