"""What happened in a simulation, as values and as lines to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from re import sub
from typing import ClassVar, Final, NamedTuple, TypeAlias, overload

from attrs import frozen

from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Event,
    FaultCleared,
    FaultRaised,
    PrimaryAddressChanged,
    PriorityChanged,
    ReleaseAddresses,
    SendAdvertisement,
    StateChanged,
)
from vrrpkit.packet import Reject

__all__ = [
    "CLEARED",
    "INJECTED",
    "KILLED",
    "PAUSED",
    "RESTARTED",
    "RESUMED",
    "Flight",
    "Record",
    "Rejected",
    "Transcript",
]

# What a simulation does to a router, as its transcript says it.
KILLED: Final = "killed"
RESTARTED: Final = "restarted"
CLEARED: Final = "cleared what it had left behind"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
INJECTED: Final = "injected from "


@frozen
class Rejected:
    """A datagram that a router did not accept; recorded once per source and reason."""

    reason: Reject
    source: IPAddress
    detail: str


What: TypeAlias = Action | Event | Rejected | str


class Record(NamedTuple):
    """One thing that happened.

    Attributes:
        time: When, in virtual seconds.
        router: To whom; empty for the network.
        what: An action of its election, an event it was fed, a refused datagram, or in words what was done to it.
    """

    time: float
    router: str
    what: What

    def __str__(self) -> str:
        """One line: time, router, what."""
        return f"{self.time:.3f} {self.router or '-'} {told(self.what)}"


class Flight(NamedTuple):
    """What became of one advertisement, for one of the routers of its virtual router.

    Attributes:
        sent: When it left, in virtual seconds.
        sender: Whose it was.
        receiver: Where it was to arrive.
        priority: What it said; 0 for a resignation.
        arrivals: When it arrived: once, twice if it was duplicated, never if it was lost.
    """

    sent: float
    sender: str
    receiver: str
    priority: int
    arrivals: tuple[float, ...]


class Transcript(Sequence[Record]):
    """Records in order; `str()` makes lines of them, one for all that a router did in one moment."""

    __slots__ = ("_records",)

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Keep the records; a list is kept as it is, and may grow."""
        self._records = records if isinstance(records, list) else list(records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Transcript: ...

    def __getitem__(self, index: int | slice) -> Record | Transcript:
        """One record, or a transcript of some."""
        if isinstance(index, slice):
            return Transcript(self._records[index])
        return self._records[index]

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._records)

    def __eq__(self, other: object) -> bool:
        """Whether the same happened."""
        return self._records == other._records if isinstance(other, Transcript) else NotImplemented

    __hash__: ClassVar[None]  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        """How many records there are."""
        return f"<Transcript of {len(self)} records>"

    def __str__(self) -> str:
        """The lines."""
        return "\n".join(self.lines())

    def of(self, router: str) -> Transcript:
        """The records of one router."""
        return Transcript([record for record in self._records if record.router == router])

    def changes(self) -> list[tuple[str, StateChanged]]:
        """Every change of state, with the name of the router."""
        return [(each.router, each.what) for each in self._records if isinstance(each.what, StateChanged)]

    def lines(self) -> Iterator[str]:
        """One line per event, and one for all actions of a router in one moment."""
        for (time, router, acted), group in groupby(self._records, _moment):
            records = list(group)
            if acted:
                yield f"{time:.3f} {router} {_sentence(records)}"
            else:
                yield from map(str, records)


def _moment(record: Record) -> tuple[float, str, bool]:
    return (record.time, record.router, isinstance(record.what, Action))


def _sentence(records: list[Record]) -> str:
    """The change of state, if there is one, then the rest."""
    news = [told(record.what) for record in records if isinstance(record.what, StateChanged)]
    deeds = [told(record.what) for record in records if not isinstance(record.what, StateChanged)]
    return ": ".join("; ".join(part) for part in (news, deeds) if part)


def told(what: What) -> str:
    """One record's content, in words."""
    match what:
        case str():
            return what
        case Rejected(reason, source, detail):
            return f"rejected from {source} ({reason}): {detail}"
        case SendAdvertisement(advert):
            return f"send {advert.priority}"
        case AcquireAddresses(addresses):
            return f"acquire {_listed(addresses)}"
        case ReleaseAddresses(addresses):
            return f"release {_listed(addresses)}"
        case AnnounceAddresses(addresses):
            return f"announce {_listed(addresses)}"
        case StateChanged():
            return f"{what.old} -> {what.new} ({what.reason})"
        case FaultRaised(cause) | FaultCleared(cause):
            return f"{_words(what)} {cause}"
        case PriorityChanged(priority):
            return f"{_words(what)} {priority}"
        case PrimaryAddressChanged(address):
            return f"{_words(what)} {address}"
        case AdvertReceived(advert, source):
            return f"{_words(what)} {advert.priority} from {source}"
        case _:
            return _words(what)


def _words(event: Event) -> str:
    """The class name of an event as it would be said."""
    return sub(r"(?<=.)(?=[A-Z])", " ", type(event).__name__).lower()


def _listed(addresses: tuple[IPAddress, ...]) -> str:
    return " ".join(map(str, addresses))
