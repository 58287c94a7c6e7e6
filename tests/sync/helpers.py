"""Sync groups in the words of a test.

Members are called a, b and c; theirs are VRID 1 and 192.0.2.1, VRID 2 and 192.0.2.2, and so on. Unless a test says
otherwise: version 3, an advertisement every second, priority 100, primary address 192.0.2.5. So the silence limit is
3.609375 s. The peers are 192.0.2.9 and, to lose ties, 192.0.2.3.
"""

from collections.abc import Iterable
from typing import Unpack

from attrs import evolve

from tests.election.helpers import OWN, PEER, VIP, Settings
from tests.election.helpers import news as told
from vrrpkit.addresses import IPAddress
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    AdvertReceived,
    AnnounceAddresses,
    Election,
    ElectionConfig,
    Heard,
    Reason,
    ReleaseAddresses,
    SendAdvertisement,
    Startup,
    State,
    TimerFired,
)
from vrrpkit.packet import Advertisement
from vrrpkit.sync import GroupChanged, MemberAction, MemberEvent, SyncGroup

NUMBERS = {"a": 0, "b": 1, "c": 2}
TICK = TimerFired()


def config(name: str, **settings: Unpack[Settings]) -> ElectionConfig:
    return ElectionConfig(vrid=NUMBERS[name] + 1, addresses=[VIP + NUMBERS[name]], **settings)


def member(name: str, **settings: Unpack[Settings]) -> Election:
    """A router that has not started."""
    return Election(config(name, **settings), OWN)


def group(names: str = "ab", **settings: Unpack[Settings]) -> SyncGroup:
    """A group that has not started."""
    return SyncGroup({name: member(name, **settings) for name in names})


def backups(names: str = "ab", *, since: float = 0.0, **settings: Unpack[Settings]) -> SyncGroup:
    """A group that has started and heard nothing yet."""
    made = group(names, **settings)
    made.handle(Startup(), since)
    assert made.state is State.BACKUP
    return made


def actives(names: str = "ab", *, since: float = 0.0, **settings: Unpack[Settings]) -> SyncGroup:
    """A group that became Active, or as one of owners sent its last advertisements, at this moment."""
    made = group(names, **settings)
    made.handle(Startup(), since - 5000)
    made.handle(TICK, since)
    assert made.state is State.ACTIVE
    return made


def heard(name: str, priority: int = 100, *, source: IPAddress = PEER, interval: float = 1.0) -> MemberEvent:
    advert = Advertisement(
        vrid=NUMBERS[name] + 1, priority=priority, interval=interval, addresses=(VIP + NUMBERS[name],)
    )
    return MemberEvent(name, AdvertReceived(advert, source))


def send(name: str, priority: int = 100, *, interval: float = 1.0) -> MemberAction:
    advert = Advertisement(
        vrid=NUMBERS[name] + 1, priority=priority, interval=interval, addresses=(VIP + NUMBERS[name],)
    )
    return MemberAction(name, SendAdvertisement(advert))


def takes(name: str) -> tuple[MemberAction, MemberAction]:
    """Acquire and announce."""
    return of(name, AcquireAddresses((VIP + NUMBERS[name],)), AnnounceAddresses((VIP + NUMBERS[name],)))


def releases(name: str) -> MemberAction:
    return MemberAction(name, ReleaseAddresses((VIP + NUMBERS[name],)))


def of(name: str, first: Action, second: Action) -> tuple[MemberAction, MemberAction]:
    return MemberAction(name, first), MemberAction(name, second)


def news(
    name: str,
    old: State,
    new: State,
    reason: Reason,
    at: float,
    *,
    priority: int = 100,
    heard: Heard | None = None,
    causes: Iterable[str] = (),
) -> MemberAction:
    """What a member tells of its own move."""
    return MemberAction(name, told(old, new, reason, at, priority=priority, heard=heard, causes=causes))


def along(
    name: str, old: State, new: State, at: float, member: str, *, priority: int = 100, heard: Heard | None = None
) -> MemberAction:
    """What it tells when it moved with another member."""
    change = told(old, new, Reason.SYNC, at, priority=priority, heard=heard)
    return MemberAction(name, evolve(change, member=member))


def moved(old: State, new: State, reason: Reason, at: float, member: str | None = None) -> GroupChanged:
    """What the group tells; `member` is who made it move."""
    return GroupChanged(old=old, new=new, at=at, member=member, reason=reason)


def standing(made: SyncGroup) -> tuple[State, float | None]:
    """The state and when it wants to be woken."""
    assert {election.state for election in made.members.values()} <= {made.state}
    return made.state, made.deadline
