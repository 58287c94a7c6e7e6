"""What an election asks to be done, in order."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress
from vrrpkit.packet import Advertisement

__all__ = [
    "AcquireAddresses",
    "Action",
    "AnnounceAddresses",
    "Heard",
    "Reason",
    "ReleaseAddresses",
    "SendAdvertisement",
    "State",
    "StateChanged",
]


class State(enum.StrEnum):
    """A virtual router's state, in the words of RFC 9568; keepalived's are aliases."""

    INITIALIZE = "initialize"
    BACKUP = "backup"
    ACTIVE = "active"
    FAULT = "fault"
    """Started, and not eligible while it has a cause; the RFC's Initialize."""
    if TYPE_CHECKING:
        MASTER: State  # keepalived's word; the same member, so not one more to match
    else:
        MASTER = "active"


class Reason(enum.StrEnum):
    """Why a state changed."""

    STARTUP = "startup"
    OWNER = "owner"
    """The owner of the addresses takes them as soon as it can."""
    ACTIVE_SILENT = "active-silent"
    ACTIVE_RESIGNED = "active-resigned"
    PREEMPTED = "preempted"
    """Took over from a lower priority."""
    OUTRANKED = "outranked"
    """Yielded to a higher priority."""
    TIE_LOST = "tie-lost"
    """Yielded to an equal priority with a higher primary address."""
    STALLED = "stalled"
    """Woke up so late that another must have taken over, and does not preempt it."""
    STEPPED_DOWN = "stepped-down"
    FAULT = "fault"
    RECOVERED = "recovered"
    SHUTDOWN = "shutdown"
    DELETED = "deleted"
    """Shut down because it was removed, while the program lives on."""
    SYNC = "sync"
    """Moved together with its sync group."""


@value
class Heard:
    """The last advertisement that counts: from whom, and what it said.

    Attributes:
        source: The sender's primary address.
        priority: Its priority.
        interval: Its interval, in seconds.
        at: When it was heard, on the machine's clock.
    """

    source: IPAddress
    priority: int
    interval: float
    at: float


@value
class SendAdvertisement:
    """Send it now: nothing may stand between the decision and the wire."""

    advert: Advertisement


@value
class AcquireAddresses:
    """Add these addresses."""

    addresses: tuple[IPAddress, ...]


@value
class ReleaseAddresses:
    """Remove these addresses, and stop announcing them."""

    addresses: tuple[IPAddress, ...]


@value
class AnnounceAddresses:
    """Tell the LAN where these addresses live."""

    addresses: tuple[IPAddress, ...]


@frozen(kw_only=True)
class StateChanged:
    """News: the state is another one, and why.

    Attributes:
        old: The state before.
        new: The state now.
        reason: The rule that decided.
        at: When, on the machine's clock, in seconds.
        priority: The effective priority at that moment.
        heard: The advertisement behind the decision, if there is one.
        causes: What keeps the router in fault, if it is.
        member: The member of the sync group that it moved with, if that is the reason.
    """

    old: State
    new: State
    reason: Reason
    at: float
    priority: int
    heard: Heard | None = None
    causes: frozenset[str] = frozenset()
    member: str | None = None

    def __str__(self) -> str:
        """One line for logs and people."""
        return f"{self.old} -> {self.new}: {self.explanation}"

    @property
    def explanation(self) -> str:
        """The reason with its facts, in words."""
        facts = []
        if self.member is not None:
            facts.append(f"with {self.member}")
        if self.causes:
            facts.append(", ".join(sorted(self.causes)))
        if self.heard is not None:
            silence = f", last heard {self.at - self.heard.at:.3f} s ago" if self.at > self.heard.at else ""
            facts.append(f"{self.heard.source} priority {self.heard.priority}{silence}")
        facts.append(f"own priority {self.priority}")
        return f"{self.reason} ({'; '.join(facts)})"


Action: TypeAlias = SendAdvertisement | AcquireAddresses | ReleaseAddresses | AnnounceAddresses | StateChanged
