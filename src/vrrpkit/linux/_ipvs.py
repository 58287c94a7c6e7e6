"""The kernel's virtual servers, from asyncio."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import ConfigError
from vrrpkit.ipvs import (
    AddService,
    ApplyError,
    Connections,
    Counters,
    Operation,
    RemoveService,
    ServiceKey,
    SetService,
    SyncDaemon,
    SyncRole,
    Table,
    Timeouts,
    VirtualService,
    plan,
    table,
)
from vrrpkit.linux._ipvs_daemons import read_daemons, read_timeouts, set_timeouts, start_daemon, stop_daemon
from vrrpkit.linux._ipvs_socket import IPVSSocket
from vrrpkit.linux._ipvs_table import (
    Owner,
    apply,
    owned_keys,
    read,
    read_all,
    read_connections,
    read_counters,
    zero,
)
from vrrpkit.linux._ipvs_worker import IPVSWorker

__all__ = ["IPVSManager"]

log = logging.getLogger("vrrpkit.ipvs")

T = TypeVar("T")
P = ParamSpec("P")


def _every(_key: ServiceKey) -> bool:
    return True


class IPVSManager:
    """Makes the kernel's virtual servers what they should be.

        async with IPVSManager(owns=lambda key: key in ours) as ipvs:
            await ipvs.reconcile([web, mail])

    The kernel is asked in a thread of its own, in the order of the calls. A call that is cancelled is carried out all
    the same: nothing is left half done.

    All state is the kernel's. A program that is killed leaves its services as they are; the next one finds them, and
    changes only what is not as it should be. Connections last.

    Args:
        owns: Tells which services are this program's. All others are neither changed nor shown. Without it every
            service of the network namespace is, and `reconcile()` removes those that are not named. It may be
            called in a thread.
        netns: The network namespace by name or path; None for the process's own.
    """

    def __init__(self, *, owns: Callable[[ServiceKey], bool] = _every, netns: str | None = None) -> None:
        self._owns: Final = owns
        self._netns: Final = netns
        self._worker: IPVSWorker | None = None

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            KernelError: The kernel has no IPVS, we lack CAP_NET_ADMIN, or there is no such network namespace.
            RuntimeError: It is open.
        """
        if self._worker is not None:
            raise RuntimeError("this IPVSManager is open")
        self._worker = IPVSWorker(self._netns)
        try:
            await self._worker.opened()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Finish what was asked for, then close; the table stays as it is."""
        await self._close()

    # Tables -----------------------------------------------------------------------------------------------------------

    async def current(self) -> Table:
        """All services that are owned, with their servers.

        Raises:
            KernelError: The kernel refused.
        """
        return await self._ask(read_all, self._owns)

    async def read(self, keys: Collection[ServiceKey]) -> Table:
        """Those of these services that are there, with their servers.

        Raises:
            ConfigError: A service is not owned.
            KernelError: The kernel refused.
        """
        self._check_owned(keys)
        return await self._ask(read, tuple(keys))

    async def plan(self, desired: Iterable[VirtualService]) -> tuple[Operation, ...]:
        """What `reconcile()` would do now.

        Raises:
            ConfigError: Two services are known by the same, or one is not owned.
            KernelError: The kernel refused.
        """
        return await self._ask(_plan, self._owns, self._checked(desired))

    async def reconcile(self, desired: Iterable[VirtualService]) -> tuple[Operation, ...]:
        """Make the services that are owned exactly these: read them, and change what is not as it should be.

        Returns:
            What was done; nothing if all was well.

        Raises:
            ConfigError: Two services are known by the same, or one is not owned. Nothing was changed.
            ApplyError: Some operations were refused; all the others were carried out.
            KernelError: The kernel refused.
        """
        return await self._ask(_reconcile, self._owns, self._checked(desired))

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out what can be carried out, in this order.

        Adding what is there sets it, and removing what is gone is fine.

        Raises:
            ConfigError: A service is not owned. Nothing was changed.
            ApplyError: Some operations were refused; all the others were carried out.
            KernelError: The kernel gave no answer; what has become of them is not known.
        """
        self._check_owned(map(_key_of, operations))
        await self._ask(_apply, tuple(operations))

    async def flush(self) -> None:
        """Remove all services that are owned. Their connections end.

        Raises:
            ApplyError: Some could not be removed; all the others were.
            KernelError: The kernel refused.
        """
        await self._ask(_flush, self._owns)

    # Counters ---------------------------------------------------------------------------------------------------------

    async def counters(self) -> Mapping[ServiceKey, Counters]:
        """What has gone through each service that is owned.

        Raises:
            KernelError: The kernel refused.
        """
        return await self._ask(read_counters, self._owns)

    async def connections(self, key: ServiceKey) -> Mapping[tuple[IPAddress, int], Connections]:
        """The connections and counters of each server of a service, by the server's address and port.

        Returns:
            Nothing if there is no such service.

        Raises:
            ConfigError: The service is not owned.
            KernelError: The kernel refused.
        """
        self._check_owned([key])
        return await self._ask(read_connections, key)

    async def zero(self, key: ServiceKey | None = None) -> None:
        """Let the counters of a service, or of all that are owned, begin at 0 again, and those of their servers.

        Raises:
            ConfigError: The service is not owned.
            KernelError: The kernel refused.
        """
        if key is None:
            await self._ask(_zero_all, self._owns)
        else:
            self._check_owned([key])
            await self._ask(zero, [key])

    # What is one for the whole network namespace ----------------------------------------------------------------------

    async def timeouts(self) -> Timeouts:
        """For how long connections are remembered.

        Raises:
            KernelError: The kernel refused.
        """
        return await self._ask(read_timeouts)

    async def set_timeouts(self, timeouts: Timeouts) -> None:
        """Change for how long connections are remembered, from their next packet on.

        Raises:
            KernelError: The kernel refused.
        """
        await self._ask(set_timeouts, timeouts)
        log.info("%s", timeouts)

    async def daemons(self) -> Mapping[SyncRole, SyncDaemon]:
        """The sync daemons that run.

        Raises:
            KernelError: The kernel refused.
        """
        return await self._ask(read_daemons)

    async def start_daemon(self, role: SyncRole, daemon: SyncDaemon) -> None:
        """See to it that a sync daemon runs like this. One that runs otherwise is stopped first, even if this fails.

        Raises:
            KernelError: The kernel refused.
        """
        if await self._ask(start_daemon, role, daemon):
            log.info("the %s sync daemon runs on %s", role.name, daemon.interface)

    async def stop_daemon(self, role: SyncRole) -> None:
        """See to it that a sync daemon does not run.

        Raises:
            KernelError: The kernel refused.
        """
        if await self._ask(stop_daemon, role):
            log.info("the %s sync daemon runs no more", role.name)

    async def _ask(self, function: Callable[Concatenate[IPVSSocket, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._worker is None:
            raise RuntimeError("this IPVSManager is not open: async with IPVSManager() as manager")
        return await self._worker.call(function, *args, **kwargs)

    async def _close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()

    def _checked(self, desired: Iterable[VirtualService]) -> Table:
        wanted = table(desired)
        self._check_owned(wanted)
        return wanted

    def _check_owned(self, keys: Iterable[ServiceKey]) -> None:
        for key in keys:
            if not self._owns(key):
                raise ConfigError(f"service must be one that this IPVSManager owns, got {key}")


def _key_of(operation: Operation) -> ServiceKey:
    match operation:
        case AddService(service) | SetService(service):
            return service.key
        case _:
            return operation.key


# In the thread --------------------------------------------------------------------------------------------------------


def _plan(ipvs: IPVSSocket, owns: Owner, desired: Table) -> tuple[Operation, ...]:
    return plan(read_all(ipvs, owns), desired)


def _reconcile(ipvs: IPVSSocket, owns: Owner, desired: Table) -> tuple[Operation, ...]:
    operations = _plan(ipvs, owns, desired)
    _apply(ipvs, operations)
    return operations


def _flush(ipvs: IPVSSocket, owns: Owner) -> None:
    _apply(ipvs, [RemoveService(key) for key in owned_keys(ipvs, owns)])


def _zero_all(ipvs: IPVSSocket, owns: Owner) -> None:
    zero(ipvs, owned_keys(ipvs, owns))


def _apply(ipvs: IPVSSocket, operations: Sequence[Operation]) -> None:
    try:
        apply(ipvs, operations)
    except ApplyError as error:
        log.warning("%s", error)
        _tell(error.done)
        raise
    _tell(operations)


def _tell(operations: Sequence[Operation]) -> None:
    if log.isEnabledFor(logging.INFO):
        for operation in operations:
            log.info("%s", operation)
