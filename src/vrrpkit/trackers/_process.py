"""Processes of this machine, as a tracked thing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Literal

from vrrpkit.errors import ConfigError, check_number
from vrrpkit.linux._process_source import attach
from vrrpkit.linux._process_table import ProcessFact
from vrrpkit.runtime import Driver
from vrrpkit.trackers._census import ArgumentMatch, Census, Wanted
from vrrpkit.trackers._finder import SettlingFinder

__all__ = ["ArgumentMatch", "ProcessTracker"]

_MOST: Final = 1_000_000


class ProcessTracker(SettlingFinder):
    """Up while enough processes run, and not too many (keepalived's `vrrp_track_process`).

        async with ProcessTracker("haproxy", terminate_delay=0.5) as haproxy:
            router.track(haproxy)

    A process counts by its command name, which `ps -o comm` shows: at most 15 characters, that of the script for a
    script, and whatever the process has chosen to be called. With `arguments`, or if `command` is a path, it counts by
    its command line. Threads do not count, nor do zombies.

    The kernel tells of every process that begins, changes or ends, all trackers of an event loop by one socket: in the
    initial network, PID and user namespaces, and before kernel 6.6 only to one with CAP_NET_ADMIN. A process that
    begins and ends costs about 0.1 ms then. Elsewhere the process table is read every `scan_interval` seconds in a
    thread (15 µs for each process), which is logged once; a process that begins and ends in between is not noticed
    then. What a process writes over its own command line is noticed by reading only.

    A program that starts others is for a moment two processes of its name: with `quorum_max`, give `terminate_delay`.

    Args:
        command: The command's name. With a command line: what that begins with, the directory left aside unless it is
            given.
        arguments: What must follow on the command line; None for anything.
        match: `exact`: the arguments are these; `initial`: they begin with these; `partial`: these are somewhere among
            them, next to each other.
        quorum: How many are enough, 1-1000000.
        quorum_max: How many are not too many, `quorum`-1000000, or 0: none may run. None for no limit.
        fork_delay: Seconds, 0-3600, that it must last that there are as many as wanted.
        terminate_delay: Seconds, 0-3600, that it must last that there are too few, or too many.
        scan_interval: Seconds, 0.05-3600, between two readings of the process table, where that is what it takes.
        events: Whether to go by the kernel's events where they are to be had.
        name: What causes, logs and explanations call it; the command's last part when None.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        driver: The clock that it shares; its own when None.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - keywords with the usual case as default
        self,
        command: str,
        *,
        arguments: Sequence[str] | None = None,
        match: ArgumentMatch | Literal["exact", "initial", "partial"] = ArgumentMatch.EXACT,
        quorum: int = 1,
        quorum_max: int | None = None,
        fork_delay: float = 0.0,
        terminate_delay: float = 0.0,
        scan_interval: float = 1.0,
        events: bool = True,
        name: str | None = None,
        weight: int = 0,
        reverse: bool = False,
        driver: Driver | None = None,
    ) -> None:
        check_number("fork_delay", fork_delay, 0, 3600, "seconds")
        check_number("terminate_delay", terminate_delay, 0, 3600, "seconds")
        check_number("scan_interval", scan_interval, 0.05, 3600, "seconds")
        self._wanted = _wanted(command, arguments, match)
        self._lowest, self._highest = _limits(quorum, quorum_max)
        super().__init__(
            command.rpartition("/")[2] if name is None else name,
            weight=weight,
            reverse=reverse,
            up_delay=fork_delay,
            down_delay=terminate_delay,
            driver=driver,
        )
        self._scan_interval = scan_interval
        self._events = events
        self._census = Census()
        self._counted = False
        self._source: Literal["events", "scan"] | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self._census.count

    @property
    def source(self) -> Literal["events", "scan"] | None:
        """Whether it goes by events, or reads the process table again and again; None before it is opened."""
        return self._source

    @property
    def wants_arguments(self) -> bool:
        """For the source of processes: whether command lines matter."""
        return self._wanted.arguments is not None

    def scanned(self, processes: Mapping[int, ProcessFact]) -> None:
        """From the source: these are all processes."""
        self._census.scanned(number for number, fact in processes.items() if self._fits(fact))
        self._counted = True
        self._judge()

    def changed(self, processes: Mapping[int, ProcessFact | None]) -> None:
        """From the source: these are new, another thing than before, or gone."""
        before = self._census.count
        self._census.changed({number: self._fits(fact) for number, fact in processes.items()})
        if self._counted and self._census.count != before:
            self._judge()

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        await super()._open(driver, stack)
        source, detach = attach(self, self._scan_interval, events=self._events)
        stack.callback(detach)
        self._source = source.kind
        await source.read()

    def _fits(self, fact: ProcessFact | None) -> bool:
        return fact is not None and self._wanted.fits(fact.name, fact.arguments)

    def _judge(self) -> None:
        count = self._census.count
        if count < self._lowest:
            why = f"{count} running, at least {self._lowest} wanted"
        elif self._highest is not None and count > self._highest:
            why = f"{count} running, at most {self._highest} wanted"
        else:
            why = f"{count} running"
        up = self._lowest <= count and (self._highest is None or count <= self._highest)
        self._observe(up, why if self._source == "events" else f"{why}; read every {self._scan_interval:g} s")


def _limits(quorum: object, highest: object) -> tuple[int, int | None]:
    if isinstance(quorum, bool) or not isinstance(quorum, int) or not 1 <= quorum <= _MOST:
        raise ConfigError(f"quorum must be 1-{_MOST}, got {quorum!r}")
    if highest is None:
        return quorum, None
    if isinstance(highest, bool) or not isinstance(highest, int) or (highest and not quorum <= highest <= _MOST):
        raise ConfigError(f"quorum_max must be {quorum}-{_MOST}, or 0 for none, got {highest!r}")
    return (quorum, highest) if highest else (0, 0)


def _wanted(command: object, arguments: object, match: str) -> Wanted:
    if not isinstance(command, str) or not command.rpartition("/")[2] or "\0" in command:
        raise ConfigError(f"command must be a name or a path, got {command!r}")
    if match not in set(ArgumentMatch):
        raise ConfigError(f"match must be exact, initial or partial, got {match!r}")
    if arguments is None:
        if "/" not in command:
            return Wanted(os.fsencode(command))
        return Wanted(os.fsencode(command), (), ArgumentMatch.INITIAL)
    if isinstance(arguments, str) or not isinstance(arguments, Sequence):
        raise ConfigError(f"arguments must be a list of texts, got {arguments!r}")
    if not all(isinstance(argument, str) for argument in arguments):
        raise ConfigError(f"arguments must be a list of texts, got {arguments!r}")
    return Wanted(os.fsencode(command), tuple(map(os.fsencode, arguments)), ArgumentMatch(match))
