"""What trackers share that find out by themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from vrrpkit.errors import ConfigError
from vrrpkit.runtime import Driver, Seat
from vrrpkit.runtime._tracker import Tracker
from vrrpkit.tracking import Observed, Settled, Settling, SettlingDue

__all__ = ["Finder", "SettlingFinder", "check_interface"]

_LONGEST_NAME: Final = 15


class Finder(Tracker, ABC):
    """A tracker that can be opened once, and that gives back on every path what it has opened.

    Args:
        name: What causes, logs and explanations call it; no white space.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        driver: The clock that it shares; its own when None.

    Raises:
        ConfigError: The name or the weight is not allowed.
    """

    def __init__(self, name: str, *, weight: int, reverse: bool, driver: Driver | None) -> None:
        super().__init__(name, weight=weight, reverse=reverse)
        self._driver = driver
        self._opened = False
        self._exit = ExitStack()

    @property
    def is_open(self) -> bool:
        """Whether it finds out anything: within its `async with` block."""
        return self._opened

    async def __aenter__(self) -> Self:
        """Begin to find out; what needs no check is known when this returns.

        Raises:
            RuntimeError: It has been opened already.
        """
        if self._opened:
            raise RuntimeError(f"{self.name} has been opened already")
        self._opened = True
        with ExitStack() as stack:
            driver = self._driver
            if driver is None:
                driver = Driver()
                stack.callback(driver.close)
            await self._open(driver, stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Find out no more; routers keep what was known last."""
        try:
            self._exit.close()
        finally:
            await super().__aexit__(kind, error, trace)

    @abstractmethod
    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        """Begin to find out, and leave on the stack how to end that."""


class SettlingFinder(Finder):
    """A tracker that believes what it has found only when that has lasted.

    Args:
        name: What causes, logs and explanations call it; no white space.
        weight: How it bears on a router that gives it no weight of its own, see `Track`.
        reverse: The same.
        up_delay: Seconds, 0-3600, that being up must last.
        down_delay: Seconds, 0-3600, that being down must last.
        driver: The clock that it shares; its own when None.

    Raises:
        ConfigError: An argument is not allowed.
    """

    def __init__(
        self, name: str, *, weight: int, reverse: bool, up_delay: float, down_delay: float, driver: Driver | None
    ) -> None:
        super().__init__(name, weight=weight, reverse=reverse, driver=driver)
        self._settling = Settling(up_delay, down_delay)
        self._seat: Seat[Observed | SettlingDue, Settled] | None = None
        self._why = ""

    async def _open(self, driver: Driver, stack: ExitStack) -> None:
        self._seat = driver.seat(self._settling, self._conclude, tick=SettlingDue(), leeway=lambda: 0.0)
        stack.callback(self._seat.leave)

    def _observe(self, up: bool, why: str) -> None:
        """Say what has been found; it is reported once it has lasted."""
        self._why = why
        if up is self._settling.up:
            self.report(up, why)  # for the reason may be another one
        if self._seat is not None:
            self._seat.post(Observed(up))

    def _conclude(self, settled: Settled) -> None:
        self.report(settled.up, self._why)


def check_interface(field: str, name: object) -> None:
    """Raise `ConfigError` for what cannot be the name of a link."""
    if (
        not isinstance(name, str)
        or not 1 <= len(name.encode()) <= _LONGEST_NAME
        or name in {".", ".."}
        or "/" in name
        or any(map(str.isspace, name))
    ):
        raise ConfigError(
            f"{field} must be a name of 1-{_LONGEST_NAME} octets without '/' or white space, got {name!r}"
        )
