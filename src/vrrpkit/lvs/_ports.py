"""What a pool needs of the kernel; `vrrpkit.linux.IPVSManager` and `vrrpkit.testing.FakeServices` provide it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from vrrpkit.addresses import IPAddress
from vrrpkit.ipvs import Connections, Operation, ServiceKey, SyncDaemon, SyncRole, Table

__all__ = ["ServiceTable", "SyncDaemons"]


class ServiceTable(Protocol):
    """The kernel's table of virtual services."""

    async def read(self, keys: Collection[ServiceKey]) -> Table:
        """Those of the services that are there, with their servers.

        Raises:
            OSError: The kernel refused.
        """
        ...

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Carry out all operations, in order.

        Raises:
            ApplyError: The kernel refused some; all the others were carried out.
            OSError: Nothing could be asked of the kernel.
        """

    async def connections(self, key: ServiceKey) -> Mapping[tuple[IPAddress, int], Connections]:
        """The connections of each server of a service, by its address and port; empty if there is no such service.

        Raises:
            OSError: The kernel refused.
        """
        ...


class SyncDaemons(Protocol):
    """The kernel's threads that tell another machine of connections, and learn of them."""

    async def start_daemon(self, role: SyncRole, daemon: SyncDaemon) -> None:
        """Run one; another one of this role is stopped first, and the same goes on.

        Raises:
            OSError: The kernel refused.
        """

    async def stop_daemon(self, role: SyncRole) -> None:
        """Stop one; nothing if there is none.

        Raises:
            OSError: The kernel refused.
        """
