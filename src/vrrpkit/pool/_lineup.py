"""Who is in the kernel's table, and with which weight."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from vrrpkit.ipvs import Table
from vrrpkit.pool._actions import Condition
from vrrpkit.pool._config import PoolConfig
from vrrpkit.pool._member import Entry, Shown
from vrrpkit.pool._quorum import Tally
from vrrpkit.pool._table import Changes, made_table

__all__ = ["Lineup"]


@define(eq=False)
class Lineup:
    """What each member should be in the table, changed one by one.

    Attributes:
        config: The settings.
        present: Whether the services are in the table.
        sorry_serves: Whether the sorry server serves instead of the members.
        tally: The sums over all members.
        serving: How many members get new connections.
        kept: Those that are down, and in service because too few would be left: the weight of each, which stays as it
            is. Whoever failed first is first.
    """

    config: PoolConfig
    present: bool = field(default=False, init=False)
    sorry_serves: bool = field(default=False, init=False)
    tally: Tally = field(factory=Tally, init=False)
    serving: int = field(default=0, init=False)
    kept: dict[str, int] = field(factory=dict, init=False)
    _sorry: Shown | None = field(default=None, init=False)

    @property
    def others_serve(self) -> bool:
        """Whether anybody serves who is believed to be able to."""
        return self.serving > len(self.kept)

    def desired(self, entries: Mapping[str, Entry]) -> Table:
        """What the table should be."""
        if not self.present:
            return {}
        everybody = (*(entry.shown for entry in entries.values()), self._sorry)
        return made_table(self.config.services, [shown for shown in everybody if shown is not None])

    def adopt(self, entry: Entry, weight: int) -> None:
        """A member was found in the table."""
        self._set(entry, Shown(entry.member, weight))

    def keep(self, entry: Entry) -> None:
        """Let a member that has just failed serve on, until it is released; one that is not down needs no such help."""
        if not self.present or entry.condition is not Condition.DOWN:
            self.kept.pop(entry.name, None)
        elif entry.shown is not None and entry.shown.weight:
            self.kept.setdefault(entry.name, entry.shown.weight)

    def release(self, entries: Mapping[str, Entry], changes: Changes) -> None:
        """Take out whoever is down, the first to fail first, as long as members enough are left."""
        while self.kept and (self.serving - 1) / self.tally.eligible >= self.config.minimum_share:
            name = next(iter(self.kept))
            del self.kept[name]
            self.show(entries[name], changes)

    def show(self, entry: Entry, changes: Changes) -> None:
        """Give a member the weight that it should have."""
        weight = self._weight(entry)
        self._change(entry, None if weight is None else Shown(entry.member, weight), changes)

    def drop(self, entry: Entry, changes: Changes) -> None:
        """Take a member out that is no member any more."""
        self.kept.pop(entry.name, None)
        self._change(entry, None, changes)

    def show_sorry(self, changes: Changes, *, serves: bool) -> None:
        """Give the sorry server the weight that it should have."""
        sorry, inhibit = self.config.sorry_server, self.config.sorry_inhibit
        is_there = sorry is not None and self.present and (serves or inhibit)
        new = Shown(sorry, sorry.weight if serves else 0) if sorry is not None and is_there else None
        changes.replace(self._sorry, new)
        self._sorry = new

    def _weight(self, entry: Entry) -> int | None:
        if not self.present:
            return None
        inhibit = self.config.inhibit if entry.member.inhibit is None else entry.member.inhibit
        idle = 0 if inhibit else None
        if entry.order is not None:
            return 0 if entry.order.lingers else idle
        if entry.name in self.kept:
            return self.kept[entry.name]
        if entry.verdict is None and entry.found == 0:
            return 0
        if self.sorry_serves or not entry.is_live(trusted=self.config.trust_unchecked):
            return idle
        return entry.served_weight()

    def _change(self, entry: Entry, new: Shown | None, changes: Changes) -> None:
        changes.replace(entry.shown, new)
        self._set(entry, new)

    def _set(self, entry: Entry, new: Shown | None) -> None:
        self.serving -= entry.is_serving
        entry.shown = new
        self.serving += entry.is_serving
