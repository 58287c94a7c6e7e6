"""What the kernel counts, of services and of servers: octets -> values."""

from __future__ import annotations

from typing import Final

from vrrpkit.ipvs import Connections, Counters, Rates
from vrrpkit.linux._ipvs_fields import number_of
from vrrpkit.linux._ipvs_wire import Fields
from vrrpkit.linux._wire import attributes

__all__ = ["decode_connections", "decode_counters"]

# enum ip_vs_service_attr and ip_vs_dest_attr: these are the same in both
_STATS: Final = 10
_STATS64: Final = 12  # kernel 4.1

# enum ip_vs_dest_attr
_ACTIVE, _INACTIVE, _PERSISTENT = 7, 8, 9

# enum ip_vs_stats_attr
_CONNECTIONS, _PACKETS_IN, _PACKETS_OUT, _OCTETS_IN, _OCTETS_OUT = 1, 2, 3, 4, 5
_CONNECTION_RATE, _PACKET_RATE_IN, _PACKET_RATE_OUT, _OCTET_RATE_IN, _OCTET_RATE_OUT = 6, 7, 8, 9, 10


def decode_counters(has: Fields) -> Counters:
    """The counters of a service or a server, of 64 bits where there are such; what is not told is 0."""
    stats = {kind: number_of(octets) for kind, octets in attributes(has.get(_STATS64) or has.get(_STATS, b"")).items()}
    return Counters(
        connections=stats.get(_CONNECTIONS, 0),
        incoming_packets=stats.get(_PACKETS_IN, 0),
        outgoing_packets=stats.get(_PACKETS_OUT, 0),
        incoming_octets=stats.get(_OCTETS_IN, 0),
        outgoing_octets=stats.get(_OCTETS_OUT, 0),
        rates=Rates(
            connections=stats.get(_CONNECTION_RATE, 0),
            incoming_packets=stats.get(_PACKET_RATE_IN, 0),
            outgoing_packets=stats.get(_PACKET_RATE_OUT, 0),
            incoming_octets=stats.get(_OCTET_RATE_IN, 0),
            outgoing_octets=stats.get(_OCTET_RATE_OUT, 0),
        ),
    )


def decode_connections(has: Fields) -> Connections:
    """The connections of a server; what is not told is 0."""
    return Connections(
        active=number_of(has.get(_ACTIVE, b"")),
        inactive=number_of(has.get(_INACTIVE, b"")),
        persistent=number_of(has.get(_PERSISTENT, b"")),
        counters=decode_counters(has),
    )
