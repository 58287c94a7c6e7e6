"""The Internet checksum, and the pseudo-header in front of it."""

from __future__ import annotations

from vrrpkit.addresses import IPAddress

__all__ = ["internet_checksum", "pseudo_header_sum"]


def internet_checksum(octets: bytes, extra: int = 0) -> int:
    """The RFC 1071 checksum of an even number of octets; 0 when they already carry a right one.

    A number's 16-bit words add up to the number itself modulo 0xFFFF, so one big integer does for the usual loop.
    That differs from the loop for octets that are all zero, which no VRRP or ICMPv6 message is.

    Args:
        octets: The message.
        extra: What stands before it, as a sum; see `pseudo_header_sum()`.
    """
    return -(int.from_bytes(octets, "big") + extra) % 0xFFFF


def pseudo_header_sum(source: IPAddress, destination: IPAddress, length: int, protocol: int) -> int:
    """The pseudo-header of RFC 8200 section 8.1, as a sum for `internet_checksum()`."""
    return int(source) + int(destination) + length + protocol
