"""What a virtual router needs of the world; `vrrpkit.linux` and `vrrpkit.testing` provide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from vrrpkit.addresses import IPAddress
from vrrpkit.election import AdvertReceived
from vrrpkit.packet import Advertisement, Reject

__all__ = ["AddressManager", "Announcer", "Clock", "Receiver", "Transport"]


class Clock(Protocol):
    """A monotonic clock with one alarm."""

    @property
    def lead(self) -> float:
        """How many seconds before a moment that matters it should ring; 0 if it cannot be waited out."""
        ...

    def now(self) -> float:
        """Seconds since any moment; never goes back."""
        ...

    def start(self, ring: Callable[[], None]) -> None:
        """Call `ring` on the running event loop whenever the alarm is due."""

    def wake_at(self, at: float | None) -> None:
        """Set the one alarm, replacing the last; None for no alarm."""

    def close(self) -> None:
        """Forget the alarm and give back what it needed."""


class Receiver(Protocol):
    """What a transport tells its router. Called on the event loop; never waits."""

    def heard(self, event: AdvertReceived) -> None:
        """A well-formed advertisement for this VRID came in."""

    def rejected(self, reason: Reject, source: IPAddress, detail: str) -> None:
        """Octets for this VRID came in that `decode()` refused."""


class Transport(Protocol):
    """Carries one virtual router's advertisements on one link, in both directions."""

    @property
    def primary_address(self) -> IPAddress | None:
        """The address that advertisements leave from; None while there is none."""
        ...

    def open(self, receiver: Receiver) -> None:
        """Begin to deliver."""

    def send(self, advert: Advertisement) -> None:
        """Send now, without waiting.

        Raises:
            OSError: It did not leave.
        """

    def close(self) -> None:
        """Stop delivering. Closing twice is a no-op."""


class AddressManager(Protocol):
    """Holds addresses. Idempotent: acquiring what is held and releasing what is not are no-ops."""

    async def acquire(self, addresses: Iterable[IPAddress]) -> None:
        """Add the addresses.

        Raises:
            OSError: The kernel refused one; those added before it stay until they are released.
        """

    async def release(self, addresses: Iterable[IPAddress]) -> None:
        """Remove the addresses; one that is already gone is no error.

        Raises:
            OSError: The kernel refused; the others are removed all the same.
        """


class Announcer(Protocol):
    """Tells the LAN where addresses live. Never waits."""

    def announce(self, addresses: Iterable[IPAddress]) -> None:
        """Begin a burst now, and what follows it; replaces what was running."""

    def cease(self) -> None:
        """Stop at once."""
