"""Who tells of processes: one source for everybody on an event loop."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC
from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar, Final, Literal, Protocol, TypeVar

from vrrpkit._cheap import value
from vrrpkit.errors import KernelError
from vrrpkit.linux._inquiry import Inquiry
from vrrpkit.linux._process_events import PROCESS_BUFFER, ProcessEvents
from vrrpkit.linux._process_table import ProcessFact, read_process, read_processes
from vrrpkit.linux._rhythm import Beat, BeatDue, Begun, Ended, Rhythm
from vrrpkit.runtime import Driver, Seat

__all__ = ["EventSource", "ProcessListener", "ProcessSource", "ScanSource", "attach"]

log = logging.getLogger("vrrpkit.track")

T = TypeVar("T")


class ProcessListener(Protocol):
    """Who wants to know of processes."""

    @property
    def wants_arguments(self) -> bool:
        """Whether command lines matter."""
        ...

    def scanned(self, processes: Mapping[int, ProcessFact]) -> None:
        """These are all processes."""
        ...

    def changed(self, processes: Mapping[int, ProcessFact | None]) -> None:
        """These are new, or not what they were; None stands for one that has ended. Possibly before any scan."""
        ...


@value
class _Scan:
    """All processes, with their command lines or without."""

    processes: Mapping[int, ProcessFact]
    arguments: bool


class ProcessSource(ABC):
    """Tells any number of listeners of processes; closed when the last has left.

    Attributes:
        kind: Whether it goes by events, or scans.
    """

    kind: ClassVar[Literal["events", "scan"]]

    def __init__(self) -> None:
        self._listeners: list[ProcessListener] = []
        self._scan = Inquiry(self._read, self._scanned, _nothing)

    def join(self, listener: ProcessListener) -> None:
        """Tell one more."""
        self._listeners.append(listener)

    def leave(self, listener: ProcessListener) -> None:
        """Tell one less."""
        self._listeners.remove(listener)
        if not self._listeners:
            self.close()

    async def read(self) -> None:
        """Tell every listener of all processes.

        Raises:
            KernelError: There is no /proc.
        """
        await self._scan.answered()

    @property
    def in_use(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def close(self) -> None:
        """Tell nothing any more."""
        self._scan.close()

    @property
    def _wants_arguments(self) -> bool:
        return any(listener.wants_arguments for listener in tuple(self._listeners))

    def _read(self) -> _Scan:
        """In a thread."""
        arguments = self._wants_arguments
        return _Scan(read_processes(arguments=arguments), arguments)

    def _scanned(self, scan: _Scan) -> None:
        for listener in tuple(self._listeners):
            if scan.arguments or not listener.wants_arguments:  # else it came too late for this one
                _shielded(listener.scanned, scan.processes)


class EventSource(ProcessSource):
    """Tells of processes as the kernel does; reads them all in the beginning, and when news was lost.

    Args:
        receive_buffer: For news that waits, in octets.

    Raises:
        KernelError: The kernel does not tell us.
    """

    kind: ClassVar[Literal["events", "scan"]] = "events"

    def __init__(self, receive_buffer: int = PROCESS_BUFFER) -> None:
        super().__init__()
        self._kept: dict[int, bool] = {}
        self._events = ProcessEvents(self._take, self._overrun, receive_buffer=receive_buffer)

    def close(self) -> None:
        """Tell nothing any more."""
        self._events.close()
        super().close()

    def _take(self, changes: Mapping[int, bool]) -> None:
        if self._scan.busy:
            self._kept |= changes
        else:
            self._tell(changes)

    def _overrun(self) -> None:
        self._kept.clear()  # a number may have been used again since
        self._scan.begin()

    def _scanned(self, scan: _Scan) -> None:
        super()._scanned(scan)
        kept, self._kept = self._kept, {}
        if kept:
            self._tell(kept)

    def _tell(self, changes: Mapping[int, bool]) -> None:
        arguments = self._wants_arguments
        processes = {
            number: read_process(number, arguments=arguments) if lives else None for number, lives in changes.items()
        }
        for listener in tuple(self._listeners):
            _shielded(listener.changed, processes)


class ScanSource(ProcessSource):
    """Tells of processes by reading them all again and again, in a thread.

    Args:
        interval: Seconds between two readings.
    """

    kind: ClassVar[Literal["events", "scan"]] = "scan"

    def __init__(self, interval: float) -> None:
        super().__init__()
        self._driver = Driver()
        self._seat: Seat[Begun | Ended | BeatDue, Beat] = self._driver.seat(
            Rhythm(interval), self._beat, tick=BeatDue(), leeway=lambda: 0.0
        )
        self._seat.post(Begun())

    def close(self) -> None:
        """Tell nothing any more."""
        self._driver.close()
        super().close()

    def _beat(self, _beat: Beat) -> None:
        self._scan.begin()


# Everybody on an event loop shares a source; the kernel's events have no interval.
_sources: Final[dict[tuple[asyncio.AbstractEventLoop, float | None], ProcessSource]] = {}


def attach(listener: ProcessListener, interval: float, *, events: bool) -> tuple[ProcessSource, Callable[[], None]]:
    """Have a listener told of processes.

    Args:
        listener: Who wants to know.
        interval: Seconds between two readings of the process table, where that is what it takes.
        events: Whether to go by the kernel's events, if they are to be had; it is logged if they are not.

    Returns:
        The source, which has told nothing yet, and how to stop.
    """
    loop = asyncio.get_running_loop()
    key: tuple[asyncio.AbstractEventLoop, float | None] = (loop, None)
    source = _event_source(loop) if events else None
    if source is None:
        key = (loop, interval)
        source = _sources.get(key) or ScanSource(interval)
    _sources[key] = source
    source.join(listener)

    def detach() -> None:
        source.leave(listener)
        if not source.in_use:
            del _sources[key]

    return source, detach


def _event_source(loop: asyncio.AbstractEventLoop) -> ProcessSource | None:
    try:
        return _sources.get((loop, None)) or EventSource()
    except KernelError as error:
        _complain(str(error))
        return None


def _shielded(tell: Callable[[T], None], news: T) -> None:
    """A defect in one listener must not silence the others."""
    try:
        tell(news)
    except Exception as error:  # noqa: BLE001 - told to the loop's handler, as for any callback
        context = {"message": f"vrrpkit process source: {tell!r} failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


@cache
def _complain(text: str) -> None:
    """Once."""
    log.warning("%s; reading the process table again and again instead", text)


def _nothing() -> None:
    """What has to be given back."""
