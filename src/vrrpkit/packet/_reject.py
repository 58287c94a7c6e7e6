"""Why octets from the network were not accepted."""

from __future__ import annotations

import enum

from vrrpkit.errors import VRRPKitError

__all__ = ["PacketError", "Reject"]


class Reject(enum.StrEnum):
    """Why a datagram was not accepted; also the name of its counter.

    The first group is judged by `decode()` from the octets alone, in this order. The second is judged by
    `vrrpkit.election.screen()` and by the link, which know the configuration.
    """

    HOP_LIMIT = "ip-ttl-errors"
    TRUNCATED = "truncated-packets"
    VERSION = "version-errors"
    TYPE = "invalid-type-pkts-rcvd"
    LENGTH = "packet-length-errors"
    CHECKSUM = "checksum-errors"
    VRID = "vrid-errors"
    INTERVAL = "interval-errors"
    AUTH_TYPE = "invalid-auth-type"

    AUTH_TYPE_MISMATCH = "auth-type-mismatch"
    AUTH_FAILURE = "auth-failures"
    ADDRESS_LIST = "address-list-errors"
    UNKNOWN_PEER = "unknown-peer-errors"


class PacketError(VRRPKitError, ValueError):
    """Octets that are not a valid advertisement.

    Attributes:
        reason: Which check failed.
        detail: How, for people.
    """

    def __init__(self, reason: Reject, detail: str) -> None:
        """Keep the reason and the detail."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
