"""What befalls the machines of a scenario, and the network between them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import field, frozen

from vrrpkit.election import Event
from vrrpkit.errors import ConfigError, InRange

__all__ = ["Act", "Burst", "Drift", "Heal", "Lose", "Mishap", "Post", "Split", "Strike", "machines_of"]

_AT: Final = InRange(0, 1e9, "seconds")
_PROBABILITY: Final = InRange(0, 1)


class Act(enum.StrEnum):
    """What is done to a whole machine."""

    START = "start"
    """Start it again; a machine that runs takes no notice."""
    KILL = "kill"
    """It vanishes without a word."""
    STOP = "stop"
    """It is shut down in good order."""
    PAUSE = "pause"
    RESUME = "resume"
    LINK_DOWN = "link-down"
    """Its link fails: it is in fault, and nothing reaches it or leaves it."""
    LINK_UP = "link-up"
    REPLAY = "replay"
    """What it said last, maybe long ago, comes out of the wire once more."""


@frozen
class Strike:
    """Something is done to a machine."""

    at: float = field(validator=_AT)
    machine: str
    act: Act


@frozen
class Post:
    """Each router of a machine is fed an event: another priority, a fault, an operator's wish."""

    at: float = field(validator=_AT)
    machine: str
    event: Event


@frozen
class Drift:
    """A machine's clock begins to run at another rate; 1.01 is 1 % fast."""

    at: float = field(validator=_AT)
    machine: str
    rate: float = field(validator=InRange(0.01, 100))


@frozen
class Lose:
    """One direction between two machines loses datagrams with this probability; 1 cuts it."""

    at: float = field(validator=_AT)
    sender: str
    receiver: str
    probability: float = field(default=1.0, validator=_PROBABILITY)


def _to_groups(groups: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    if isinstance(groups, str) or any(isinstance(group, str) for group in groups):
        raise ConfigError(f"groups must be lists of names, got {groups!r}")
    return tuple(tuple(group) for group in groups)


@frozen
class Split:
    """The network falls into these groups; the machines that are not named make one more."""

    at: float = field(validator=_AT)
    groups: tuple[tuple[str, ...], ...] = field(converter=_to_groups)


@frozen
class Heal:
    """The network is one again, and each direction as good as the others."""

    at: float = field(validator=_AT)


@frozen
class Burst:
    """From now on everybody loses datagrams with this probability; 0 ends it."""

    at: float = field(validator=_AT)
    loss: float = field(validator=_PROBABILITY)


Mishap: TypeAlias = Strike | Post | Drift | Lose | Split | Heal | Burst


def machines_of(mishap: Mishap) -> tuple[str, ...]:
    """The machines that it names."""
    match mishap:
        case Strike() | Post() | Drift():
            return (mishap.machine,)
        case Lose():
            return (mishap.sender, mishap.receiver)
        case Split():
            return tuple(name for group in mishap.groups for name in group)
        case Heal() | Burst():
            return ()
