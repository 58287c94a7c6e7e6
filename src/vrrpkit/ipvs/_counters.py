"""What the kernel counts."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Connections", "Counters", "Rates"]


@frozen(kw_only=True)
class Rates:
    """How much goes through per second, as the kernel estimates it over some seconds."""

    connections: int = 0
    incoming_packets: int = 0
    outgoing_packets: int = 0
    incoming_octets: int = 0
    outgoing_octets: int = 0


@frozen(kw_only=True)
class Counters:
    """What has gone through a service or to a server since it was added, or since counters were zeroed.

    The kernel adds up every two seconds. Outgoing packets are seen with NAT only: otherwise servers answer past this
    machine.
    """

    connections: int = 0
    incoming_packets: int = 0
    outgoing_packets: int = 0
    incoming_octets: int = 0
    outgoing_octets: int = 0
    rates: Rates = Rates()


@frozen(kw_only=True)
class Connections:
    """The connections of one real server.

    Attributes:
        active: Those that are open, as far as the kernel can see.
        inactive: All others that it still remembers, such as closing ones, and UDP.
        persistent: Templates that keep clients with their server.
        counters: What has gone to it.
    """

    active: int = 0
    inactive: int = 0
    persistent: int = 0
    counters: Counters = Counters()

    @property
    def total(self) -> int:
        """What a server that is drained still has: active and inactive."""
        return self.active + self.inactive
