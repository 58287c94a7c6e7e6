"""A kernel's part in a virtual router, played in memory."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

from attrs import define, field

from vrrpkit.addresses import IPAddress, parse_address
from vrrpkit.errors import KernelError

__all__ = ["FakeAddresses", "FakeAnnouncer", "Operation"]


class Operation(NamedTuple):
    """One thing that was asked of a `FakeAddresses`.

    Attributes:
        time: When it was done or refused, by the event loop's clock.
        verb: What it was.
        address: The address.
        errno: Why it was refused; 0 if it was done.
    """

    time: float
    verb: Literal["acquire", "release"]
    address: IPAddress
    errno: int = 0

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.time:.3f} {self.verb} {self.address}{f': {os.strerror(self.errno)}' if self.errno else ''}"


@define(eq=False)
class FakeAddresses:
    """An `AddressManager` whose kernel is a set.

    Like a kernel it may refuse, and it may be slow.

    Attributes:
        log: Everything that changed something or was refused, in order. Acquiring what is held and releasing what is
            not change nothing.
    """

    log: list[Operation] = field(factory=list, init=False)
    _held: dict[IPAddress, None] = field(factory=dict, init=False)
    _refusals: deque[int] = field(factory=deque, init=False)
    _pause: float = field(default=0.0, init=False)

    @property
    def held(self) -> list[IPAddress]:
        """The addresses that are there now, in the order in which they came."""
        return list(self._held)

    def refuse(self, number: int, times: int = 1) -> None:
        """Refuse the next operations with an error number, `errno.EACCES` for one."""
        self._refusals.extend([number] * times)

    def slow(self, seconds: float) -> None:
        """From now on take so many seconds for every operation; 0 for none."""
        self._pause = seconds

    def lose(self, address: str | IPAddress) -> None:
        """Let somebody else remove an address."""
        self._held.pop(parse_address("address", address), None)

    async def acquire(self, addresses: Iterable[IPAddress]) -> None:
        """Add the addresses.

        Raises:
            KernelError: One was refused; those before it stay, those after it have not been tried.
        """
        for address in addresses:
            if address not in self._held:
                await self._operate("acquire", address)
                self._held[address] = None

    async def release(self, addresses: Iterable[IPAddress]) -> None:
        """Remove the addresses.

        Raises:
            KernelError: One was refused; the others are removed all the same.
        """
        failure: KernelError | None = None
        for address in addresses:
            if address in self._held:
                try:
                    await self._operate("release", address)
                except KernelError as error:
                    failure = error
                else:
                    self._held.pop(address, None)
        if failure is not None:
            raise failure

    async def _operate(self, verb: Literal["acquire", "release"], address: IPAddress) -> None:
        """What adding and removing have in common: they take time, and may fail."""
        if self._pause:
            await asyncio.sleep(self._pause)
        number = self._refusals.popleft() if self._refusals else 0
        self.log.append(Operation(asyncio.get_running_loop().time(), verb, address, number))
        if number:
            raise KernelError(f"{verb} {address}", number, os.strerror(number))


@define(eq=False)
class FakeAnnouncer:
    """An `Announcer` that tells nobody but the test.

    Attributes:
        log: Every burst that was begun, as the addresses it was for; an empty one is the end of announcing.
    """

    log: list[list[IPAddress]] = field(factory=list, init=False)

    @property
    def announcing(self) -> list[IPAddress]:
        """What is announced now; empty when nothing is."""
        return list(self.log[-1]) if self.log else []

    def announce(self, addresses: Iterable[IPAddress]) -> None:
        """Begin a burst; replaces what was running."""
        self.log.append(list(addresses))

    def cease(self) -> None:
        """Stop at once."""
        if self.announcing:
            self.log.append([])
