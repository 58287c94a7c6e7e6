"""Who is to be woken when."""

from __future__ import annotations

from heapq import heappop, heappush

from attrs import define, field

__all__ = ["Timers"]


@define(eq=False)
class Timers:
    """One time at most for each name: setting it costs no more among many than among few."""

    _due: dict[str, float] = field(factory=dict, init=False)
    _heap: list[tuple[float, str]] = field(factory=list, init=False)  # also what does not hold any more, but on top

    @property
    def deadline(self) -> float | None:
        """The first of all times."""
        return self._heap[0][0] if self._heap else None

    def set(self, name: str, at: float | None) -> None:
        """Wake it then, and not when it was to be; None for never."""
        if self._due.get(name) == at:
            return
        if at is None:
            del self._due[name]
        else:
            self._due[name] = at
            heappush(self._heap, (at, name))
        self._prune()

    def take(self, now: float) -> list[str]:
        """Those whose time has come, the first one first; they are not woken again."""
        names: list[str] = []
        while self._heap and self._heap[0][0] <= now:
            name = self._heap[0][1]
            names.append(name)
            self.set(name, None)
        return names

    def _prune(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
