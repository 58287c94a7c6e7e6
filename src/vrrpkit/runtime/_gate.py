"""Which advertisements reach the election; the others are counted, and logged once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from vrrpkit.addresses import IPAddress
from vrrpkit.election import AdvertReceived, Difference, Election, ElectionConfig, differences, screen
from vrrpkit.packet import Advertisement, ChecksumForm, Reject
from vrrpkit.stats import RouterCounters

__all__ = ["Gate"]

log = logging.getLogger("vrrpkit.router")

_REMEMBERED_COMPLAINTS: Final = 1024
_PSEUDO_HEADER: Final = ChecksumForm.PSEUDO_HEADER


class Gate:
    """Screens what the transport decoded.

    The advertisement that was admitted last is admitted again without a second look: a transport gives the same
    object for the same octets, and an Active Router sends the same octets again and again.
    """

    def __init__(
        self,
        election: Election,
        counters: RouterCounters,
        name: str,
        on_loser: Callable[[AdvertReceived], None],
    ) -> None:
        """Screen by the election's configuration, count into the counters, log under the name, tell of losers."""
        self._election = election
        self._counters = counters
        self._name = name
        self._on_loser = on_loser
        self._known: tuple[Advertisement, ElectionConfig, ChecksumForm | None, tuple[Difference, ...]] | None = None
        self._complaints: set[tuple[str, IPAddress]] = set()

    def admits(self, event: AdvertReceived) -> bool:
        """Judge, count and perhaps log one advertisement."""
        advert, config, counters = event.advert, self._election.config, self._counters
        known = self._known
        if known is None or known[0] is not advert or known[1] is not config:
            reason = screen(advert, config)
            if reason is not None:
                self.reject(reason, event.source, advert)
                return False
            form = advert.form if advert.has_form_choice else None
            known = self._known = (advert, config, form, differences(advert, config))
        counters.advertisement_rcvd += 1
        if advert.priority == 0:
            counters.priority_zero_pkts_rcvd += 1
        if self._election.is_beating(advert.priority):
            counters.lower_priority_rcvd += 1
            self._on_loser(event)
            self._complain("loser", event.source, "is of lower priority, and it is Active too", advert)
        form = known[2]
        if form is _PSEUDO_HEADER:
            counters.pseudo_header_checksums += 1
        elif form is not None:
            counters.message_only_checksums += 1
        for kind in known[3]:
            counters.differences[kind] += 1
            self._complain(kind, event.source, f"accepted, although it has {kind}", advert)
        return True

    def reject(self, reason: Reject, source: IPAddress, detail: str | Advertisement) -> None:
        """Count what was not accepted; say so once per source and reason."""
        self._counters.rejected[reason] += 1
        self._complain(reason, source, f"rejected ({reason})", detail)

    def forget_complaints(self) -> None:
        """The state is another one: what goes on being wrong is worth saying once more."""
        self._complaints.clear()

    def _complain(self, kind: str, source: IPAddress, text: str, detail: str | Advertisement) -> None:
        # An advertisement is put into words only if it is told: that can take three times as long as all the rest.
        if (kind, source) in self._complaints:
            return
        if len(self._complaints) < _REMEMBERED_COMPLAINTS:
            self._complaints.add((kind, source))
            log.warning("%s: advertisement from %s %s: %s", self._name, source, text, detail)
