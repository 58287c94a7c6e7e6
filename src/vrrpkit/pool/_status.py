"""Members as they stand, in values and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define

from vrrpkit.pool._actions import Condition, MemberStatus
from vrrpkit.pool._lineup import Lineup
from vrrpkit.pool._member import Drain, Entry
from vrrpkit.pool._weights import WARM_UP_STEPS

__all__ = ["Statuses"]


@define(eq=False)
class Statuses(Mapping[str, MemberStatus]):
    """The members by name; each status is made when it is asked for."""

    _entries: Mapping[str, Entry]
    _lineup: Lineup

    def __getitem__(self, name: str) -> MemberStatus:
        """One member's status."""
        entry = self._entries[name]
        return MemberStatus(
            condition=entry.condition,
            in_service=entry.is_serving,
            weight=None if entry.shown is None else entry.shown.weight,
            effective_weight=entry.effective_weight,
            down=entry.named(False),
            unknown=entry.named(None),
            explanation=f"{_service(entry, self._lineup)}: {_reason(entry, self._lineup)}{_weights(entry)}",
        )

    def __iter__(self) -> Iterator[str]:
        """Their names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)


def _service(entry: Entry, lineup: Lineup) -> str:
    if not lineup.present:
        return "not in service, as the pool's services are not in the table"
    if entry.shown is None:
        return "not in service"
    return f"in service with weight {entry.shown.weight}" if entry.shown.weight else "no new connections, weight 0"


def _reason(entry: Entry, lineup: Lineup) -> str:
    match entry.condition:
        case Condition.MAINTENANCE:
            return "in maintenance"
        case Condition.DRAINING:
            return _drain(entry)
        case Condition.DOWN:
            kept = entry.name in lineup.kept
            return f"down{_checks(entry, False)}{_kept(lineup) if kept else ''}"
        case Condition.UNKNOWN:
            return f"no verdict yet{_checks(entry, None)}{_before_verdict(entry, lineup)}"
        case _:
            return f"up{_checks(entry, False)}{_while_live(entry, lineup)}"


def _drain(entry: Entry) -> str:
    left = entry.order.left if isinstance(entry.order, Drain) else None
    return "draining, connections not counted yet" if left is None else f"draining, connections left: {left}"


def _checks(entry: Entry, up: bool | None) -> str:
    word = "unknown" if up is None else "down"
    told = [f"{name}: {entry.checks[name].detail or word}" for name in entry.named(up)]
    return f" ({', '.join(told)})" if told else ""


def _kept(lineup: Lineup) -> str:
    share = f"{lineup.config.minimum_share:.0%} of {lineup.tally.eligible}"
    return f", but without it fewer than {share} members would be left"


def _before_verdict(entry: Entry, lineup: Lineup) -> str:
    if entry.found is not None:
        return f", found in the table with weight {entry.found}{_instead(entry, lineup)}"
    if lineup.config.trust_unchecked:
        return f", trusted until then{_instead(entry, lineup)}"
    return ""


def _while_live(entry: Entry, lineup: Lineup) -> str:
    slow = "" if entry.warm_up is None else f", slow start: {entry.warm_up.step} of {WARM_UP_STEPS} tenths"
    return f"{slow}{_instead(entry, lineup)}"


def _instead(entry: Entry, lineup: Lineup) -> str:
    live = entry.is_live(trusted=lineup.config.trust_unchecked)
    return ", but the quorum is lost, and the sorry server serves" if lineup.sorry_serves and live else ""


def _weights(entry: Entry) -> str:
    """`; weight 30 = 100 -70 (cpu)`."""
    configured = entry.member.weight
    wishes = {name: each.weight for name, each in entry.checks.items() if each.up is not False}
    terms = [f"{wish - configured:+d} ({name})" for name, wish in wishes.items() if wish is not None]
    if not terms:
        return ""
    total = configured + sum(wish - configured for wish in wishes.values() if wish is not None)
    limited = "" if total == entry.effective_weight else f" = {total}, limited to 0-65535"
    return f"; weight {entry.effective_weight} = {configured} {' '.join(terms)}{limited}"
