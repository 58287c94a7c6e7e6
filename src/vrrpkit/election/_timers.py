"""The two formulas every VRRP timer follows from."""

from __future__ import annotations

from vrrpkit.packet import Version

__all__ = ["active_down_interval", "skew_time"]


def skew_time(priority: int, interval: float, version: Version) -> float:
    """Head start of the higher priority, in seconds (RFC 9568 section 6.1; RFC 3768 section 6.1).

    Version 2 counts in 1/256 s whatever the interval is.
    """
    base = 1.0 if version is Version.V2 else interval
    return (256 - priority) * base / 256


def active_down_interval(priority: int, interval: float, version: Version, adverts: int = 3) -> float:
    """Silence, in seconds, after which a Backup takes over (RFC 9568 section 6.1).

    Args:
        priority: The Backup's own.
        interval: The Active Router's, in seconds.
        version: Decides the skew's base.
        adverts: How many advertisements may be missed; the RFC's number is 3.
    """
    return adverts * interval + skew_time(priority, interval, version)
