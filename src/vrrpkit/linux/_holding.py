"""One held address, between the event loop that wants it and the thread that asks the kernel for it."""

from __future__ import annotations

import enum
from collections.abc import Callable

from attrs import define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux._placement import Placement

__all__ = ["Condition", "Device", "Holding"]


class Condition(enum.Enum):
    """What became of an address. Only the thread that asks the kernel changes it."""

    WANTED = enum.auto()
    """Nothing was asked yet."""
    INSTALLED = enum.auto()
    """The kernel has it from us."""
    FOREIGN = enum.auto()
    """It was there before us and is not ours to renew or to remove."""
    REFUSED = enum.auto()
    """The kernel would not add it; `error` says why."""
    REMOVED = enum.auto()
    """It is gone, by our wish."""


@define(eq=False)
class Device:
    """An interface that carries held addresses; its number is 0 while it does not exist."""

    name: str
    index: int
    quiet_until: float = 0.0
    holdings: dict[Holding, None] = field(factory=dict, repr=False)


@define(eq=False)
class Holding:
    """One address on one interface.

    Attributes:
        placement: How it is put there.
        device: Where.
        lease: For how many seconds at a time; None for ever.
        owners: Who holds it: each is told when it is given up.
        released: Nobody holds it any more.
        condition: See `Condition`.
        error: Why the kernel refused what was asked last.
    """

    placement: Placement
    device: Device
    lease: float | None
    owners: dict[object, Callable[[IPAddress], None]] = field(factory=dict, repr=False)
    released: bool = False
    condition: Condition = Condition.WANTED
    error: KernelError | None = None
    _addition: bytes | None = field(default=None, init=False, repr=False)

    def locate(self) -> None:
        """Take note that the device has another number now."""
        self._addition = None

    @property
    def addition(self) -> bytes:
        """What tells the kernel to add the address or to renew it; worked out once, as it is said again and again."""
        if self._addition is None:
            self._addition = self.placement.addition(self.device.index, self.lease)
        return self._addition

    @property
    def removal(self) -> bytes:
        """What tells the kernel to remove the address."""
        return self.placement.removal(self.device.index)
