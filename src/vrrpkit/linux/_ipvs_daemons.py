"""The kernel's sync daemons and timeouts: reading and changing them."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from vrrpkit.errors import KernelError
from vrrpkit.ipvs import SyncDaemon, SyncRole, Timeouts
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._ipvs_control import (
    DAEMON,
    decode_daemon,
    decode_timeouts,
    encode_daemon,
    encode_role,
    encode_timeouts,
    runs_as,
)
from vrrpkit.linux._ipvs_socket import Command, IPVSSocket
from vrrpkit.linux._ipvs_wire import fields

__all__ = ["read_daemons", "read_timeouts", "set_timeouts", "start_daemon", "stop_daemon"]


def read_daemons(ipvs: IPVSSocket) -> Mapping[SyncRole, SyncDaemon]:
    """Those that run."""
    payloads = ipvs.dump("read the sync daemons of IPVS", Command.GET_DAEMON)
    return dict(decode_daemon(fields(payload, DAEMON)) for payload in payloads)


def start_daemon(ipvs: IPVSSocket, role: SyncRole, daemon: SyncDaemon) -> bool:
    """See to it that it runs like this: one that runs otherwise is stopped before. Whether there was anything to do."""
    running = read_daemons(ipvs).get(role)
    if running is not None:
        if runs_as(role, daemon, running):
            return False
        stop_daemon(ipvs, role)
    operation = f"start the {role.name} sync daemon on {daemon.interface}"
    try:
        ipvs.ask(operation, Command.NEW_DAEMON, encode_daemon(role, daemon))
    except KernelError as error:
        raise kernel_error(operation, error.errno or errno.EIO, _explain(error, daemon)) from error
    return True


def stop_daemon(ipvs: IPVSSocket, role: SyncRole) -> bool:
    """See to it that it does not run. Whether there was anything to do.

    The kernel answers nothing at all when the daemon has not yet got to run (EINTR). So something is asked after it
    that has an answer.
    """
    operation = f"stop the {role.name} sync daemon"
    for refusal in ipvs.change(operation, [(Command.DEL_DAEMON, encode_role(role)), (Command.GET_INFO, b"")]):
        if refusal.errno != errno.ESRCH:
            raise kernel_error(operation, refusal.errno, refusal.text)
        return False
    return True


def read_timeouts(ipvs: IPVSSocket) -> Timeouts:
    """Those that hold."""
    return decode_timeouts(ipvs.ask("read the timeouts of IPVS", Command.GET_CONFIG) or b"")


def set_timeouts(ipvs: IPVSSocket, timeouts: Timeouts) -> None:
    """Set those that are not None."""
    ipvs.ask("set the timeouts of IPVS", Command.SET_CONFIG, encode_timeouts(timeouts))


def _explain(error: KernelError, daemon: SyncDaemon) -> str:
    if error.errno == errno.ENODEV:
        return f"there is no interface {daemon.interface}"
    if error.errno == errno.EINVAL:
        return "the kernel runs none while a server is of another family than its service"
    return error.strerror or ""
