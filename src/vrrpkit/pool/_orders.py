"""What operators want of members, and what comes of it."""

from __future__ import annotations

from typing import Final, assert_never

from attrs import evolve

from vrrpkit.pool._actions import Condition
from vrrpkit.pool._events import ConnectionsCounted, DrainBegan, MaintenanceBegan, MaintenanceEnded
from vrrpkit.pool._member import Drain, Entry, Maintenance
from vrrpkit.pool._turn import Turn

__all__ = ["count_left", "drain_on", "end_drain", "obey"]

_COUNT_EVERY: Final = 1.0


def obey(
    entry: Entry, event: DrainBegan | MaintenanceBegan | MaintenanceEnded, turn: Turn, now: float, *, started: bool
) -> None:
    """Take an order for a member."""
    old = entry.condition
    match event:
        case DrainBegan():
            _begin_drain(entry, event, turn, now, started=started)
            return
        case MaintenanceBegan():
            entry.order, why = Maintenance(lingers=entry.shown is not None), "maintenance began"
        case MaintenanceEnded():
            entry.order, why = None, "maintenance ended"
        case unreachable:
            assert_never(unreachable)
    turn.touched.append(entry)
    turn.moved(entry, old, entry.condition, why)


def _begin_drain(entry: Entry, event: DrainBegan, turn: Turn, now: float, *, started: bool) -> None:
    old, limit = entry.condition, event.limit
    drain = entry.order = Drain(
        lingers=entry.shown is not None,
        remove=event.remove,
        count_at=now + _COUNT_EVERY,
        ends_at=None if limit is None else now + limit,
        limit=limit,
    )
    if started and not drain.lingers:
        end_drain(entry, drain, turn, "drained: not in the table", old)
    elif limit == 0:
        end_drain(entry, drain, turn, _late(drain), old)
    else:
        turn.touched.append(entry)
        turn.moved(entry, old, Condition.DRAINING, "drain began")
        turn.ask(entry)


def drain_on(entry: Entry, drain: Drain, turn: Turn, now: float) -> None:
    """Count again, unless it has taken too long."""
    if drain.ends_at is not None and now >= drain.ends_at:
        end_drain(entry, drain, turn, _late(drain))
        return
    entry.order = evolve(drain, count_at=now + _COUNT_EVERY)
    turn.touched.append(entry)
    turn.ask(entry)


def count_left(entry: Entry, event: ConnectionsCounted, turn: Turn) -> None:
    """So many connections are left; nothing of interest unless the member is draining."""
    if not isinstance(entry.order, Drain):
        return
    entry.order = evolve(entry.order, left=event.total)
    if event.total == 0:
        end_drain(entry, entry.order, turn, "drained: no connections left")


def end_drain(entry: Entry, drain: Drain, turn: Turn, why: str, old: Condition = Condition.DRAINING) -> None:
    """Let a member leave that has drained, or stay in maintenance."""
    if drain.remove:
        turn.leaving.append(entry)
    else:
        entry.order = Maintenance(drain.lingers)
        turn.touched.append(entry)
    turn.moved(entry, old, None if drain.remove else Condition.MAINTENANCE, why)


def _late(drain: Drain) -> str:
    left = "not counted" if drain.left is None else drain.left
    return f"drain limit of {drain.limit:g} s is over, connections left: {left}"
