"""Sync daemons and timeouts as the kernel says and takes them: octets <-> values."""

from __future__ import annotations

from ipaddress import IPv4Address
from socket import AF_INET, AF_INET6
from typing import Final

from vrrpkit.ipvs import SyncDaemon, SyncRole, Timeouts
from vrrpkit.linux._ipvs_fields import address_of, name_of, number_of, text, u8, u16, u32
from vrrpkit.linux._ipvs_found import found
from vrrpkit.linux._ipvs_wire import GENERIC_HEADER, Fields, nonsense
from vrrpkit.linux._wire import attribute, attributes, nested

__all__ = [
    "DAEMON",
    "decode_daemon",
    "decode_timeouts",
    "encode_daemon",
    "encode_role",
    "encode_timeouts",
    "runs_as",
]

# enum ip_vs_genl_cmd_attr: what a message is about, or says by itself
DAEMON: Final = 3
_TCP, _TCP_FIN, _UDP = 4, 5, 6

# enum ip_vs_daemon_attr
_ROLE, _INTERFACE, _SYNC_ID, _MAX_LENGTH, _GROUP4, _GROUP6, _PORT, _TTL = 1, 2, 3, 4, 5, 6, 7, 8
_DEFAULT_GROUP: Final = IPv4Address("224.0.0.81")
_DEFAULT_PORT: Final = 8848
_LEAST_OF_BACKUP: Final = 1024
_HEADERS: Final = {4: 28, 6: 48}
_COMPARED: Final = ("interface", "sync_id", "port", "ttl", "group")


def encode_role(role: SyncRole) -> bytes:
    """Which daemon to stop."""
    return nested(DAEMON, u32(_ROLE, role))


def encode_daemon(role: SyncRole, daemon: SyncDaemon) -> bytes:
    """A daemon to start. Its port is in host order, unlike every other."""
    return nested(
        DAEMON,
        u32(_ROLE, role),
        text(_INTERFACE, daemon.interface),
        u32(_SYNC_ID, daemon.sync_id),
        b"" if daemon.max_length is None else u16(_MAX_LENGTH, daemon.max_length),
        attribute(_GROUP4 if daemon.group.version == 4 else _GROUP6, daemon.group.packed),
        u16(_PORT, daemon.port),
        u8(_TTL, daemon.ttl),
    )


def decode_daemon(has: Fields) -> tuple[SyncRole, SyncDaemon]:
    """A daemon that runs. Kernels before 4.3 do not tell its group, port, TTL and length: there is no choice.

    Raises:
        KernelError: The octets make no sense.
    """
    try:
        group6 = has.get(_GROUP6)
        group4 = has.get(_GROUP4, _DEFAULT_GROUP.packed)
        return SyncRole(number_of(has[_ROLE])), found(
            SyncDaemon,
            interface=name_of(has[_INTERFACE]),
            sync_id=number_of(has[_SYNC_ID]),
            port=number_of(has[_PORT]) if _PORT in has else _DEFAULT_PORT,
            ttl=number_of(has[_TTL]) if _TTL in has else 1,
            group=address_of(AF_INET, group4) if group6 is None else address_of(AF_INET6, group6),
            max_length=number_of(has[_MAX_LENGTH]) if _MAX_LENGTH in has else None,
        )
    except (KeyError, ValueError) as error:
        raise nonsense("a sync daemon", error) from error


def runs_as(role: SyncRole, wanted: SyncDaemon, running: SyncDaemon) -> bool:
    """Whether `running` is what becomes of `wanted`; any length of datagrams will do where none is wanted.

    The kernel does not refuse lengths that it does not like: those of a backup are 1024 octets at least.
    """
    if wanted.max_length is not None:
        least = _LEAST_OF_BACKUP if role is SyncRole.BACKUP else 1
        most = 65535 - _HEADERS[wanted.group.version]
        if running.max_length != min(max(wanted.max_length, least), most):
            return False
    return all(getattr(wanted, name) == getattr(running, name) for name in _COMPARED)


def encode_timeouts(timeouts: Timeouts) -> bytes:
    """Timeouts to set; 0 leaves one as it is."""
    return u32(_TCP, timeouts.tcp or 0) + u32(_TCP_FIN, timeouts.tcp_fin or 0) + u32(_UDP, timeouts.udp or 0)


def decode_timeouts(payload: bytes) -> Timeouts:
    """The timeouts that hold; None for one that is not told."""
    has = attributes(payload, GENERIC_HEADER)
    tcp, tcp_fin, udp = (number_of(has[kind]) if kind in has else None for kind in (_TCP, _TCP_FIN, _UDP))
    return found(Timeouts, tcp=tcp, tcp_fin=tcp_fin, udp=udp)
