"""What one change costs does not depend on how many members there are: function calls are counted, not seconds."""

import sys
from types import FrameType

import pytest

from tests.pool.helpers import WEB
from vrrpkit.pool import CheckChanged, Event, Member, MemberAdded, Pool, PoolConfig, PoolStarted, PoolTick


def crowd(size: int, share: float) -> Pool:
    pool = Pool(PoolConfig(services=WEB, quorum=2, slow_start=10.0, minimum_share=share))
    for number in range(size):
        member = Member(f"10.1.{number >> 8}.{number & 255}", 80, name=f"m{number}")
        pool.handle(MemberAdded(member, ["ping"]), 0.0)
    pool.handle(PoolStarted({}), 0.0)
    for number in range(size):
        pool.handle(CheckChanged(f"m{number}", "ping", True), 0.0)
    return pool


def calls(pool: Pool, event: Event, now: float) -> int:
    count = 0

    def note(_frame: FrameType, what: str, _argument: object) -> None:
        nonlocal count
        count += what == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    pool.handle(event, now)
    sys.setprofile(before)
    return count


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_change_among_many_costs_what_it_costs_among_few(share: float) -> None:
    story: list[tuple[Event, float]] = [
        (CheckChanged("m1", "ping", False), 1.0),
        (CheckChanged("m1", "ping", True, 7), 2.0),
        (PoolTick(), 3.0),
        (CheckChanged("m1", "ping", True, 9), 3.5),
    ]
    few, many = crowd(10, share), crowd(2000, share)
    costs = [(calls(few, event, now), calls(many, event, now)) for event, now in story]
    assert all(one == other for one, other in costs), costs
    assert all(0 < one < 200 for one, _other in costs), costs
