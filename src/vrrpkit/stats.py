"""Counters of one virtual router, named after RFC 8347 and RFC 6527."""

from __future__ import annotations

from collections import Counter
from typing import Final

from attrs import define, field

from vrrpkit.election import Difference
from vrrpkit.packet import Reject

__all__ = ["RouterCounters"]

_YANG_REJECTS: Final = (
    Reject.INTERVAL,
    Reject.TYPE,
    Reject.ADDRESS_LIST,
    Reject.LENGTH,
)


@define
class RouterCounters:
    """What one virtual router has counted since it was made.

    Attributes:
        advertisement_rcvd: Advertisements accepted.
        advertisement_sent: Advertisements that left; one for all unicast peers together.
        priority_zero_pkts_rcvd: Resignations accepted.
        priority_zero_pkts_sent: Resignations that left.
        master_transitions: Times this router became Active.
        lower_priority_rcvd: Advertisements heard while Active from another Active Router of lower priority.
        send_errors: Advertisements that the kernel did not take.
        rejected: Datagrams for this VRID that were not accepted, by reason.
        differences: Accepted advertisements that differ from the configuration, by kind.
        pseudo_header_checksums: Accepted version 3 IPv4 advertisements with this form of checksum.
        message_only_checksums: The same for the other form.
    """

    advertisement_rcvd: int = 0
    advertisement_sent: int = 0
    priority_zero_pkts_rcvd: int = 0
    priority_zero_pkts_sent: int = 0
    master_transitions: int = 0
    lower_priority_rcvd: int = 0
    send_errors: int = 0
    pseudo_header_checksums: int = 0
    message_only_checksums: int = 0
    rejected: Counter[Reject] = field(factory=Counter[Reject])
    differences: Counter[Difference] = field(factory=Counter[Difference])

    def copy(self) -> RouterCounters:
        """A value of its own, for a snapshot."""
        return RouterCounters(
            self.advertisement_rcvd,
            self.advertisement_sent,
            self.priority_zero_pkts_rcvd,
            self.priority_zero_pkts_sent,
            self.master_transitions,
            self.lower_priority_rcvd,
            self.send_errors,
            self.pseudo_header_checksums,
            self.message_only_checksums,
            Counter(self.rejected),
            Counter(self.differences),
        )

    def to_dict(self) -> dict[str, int]:
        """Every counter under its RFC 8347 name, and ours under names of the same kind.

        The statistics of RFC 8347's virtual router are always there; other reasons only once they were seen.
        """
        named = {
            "master-transitions": self.master_transitions,
            "advertisement-rcvd": self.advertisement_rcvd,
            "advertisement-sent": self.advertisement_sent,
            "priority-zero-pkts-rcvd": self.priority_zero_pkts_rcvd,
            "priority-zero-pkts-sent": self.priority_zero_pkts_sent,
            **{reason.value: 0 for reason in _YANG_REJECTS},
            "lower-priority-rcvd": self.lower_priority_rcvd,
            "send-errors": self.send_errors,
            "checksums-pseudo-header": self.pseudo_header_checksums,
            "checksums-message-only": self.message_only_checksums,
        }
        for kind, count in (*self.rejected.items(), *self.differences.items()):
            named[kind.value] = count
        return named
