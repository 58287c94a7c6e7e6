"""What can be done to the kernel's table, one step at a time."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from vrrpkit.ipvs._server import Forwarding, RealServer, Way
from vrrpkit.ipvs._service import ServiceKey, VirtualService

__all__ = [
    "AddServer",
    "AddService",
    "Operation",
    "RemoveServer",
    "RemoveService",
    "SetServer",
    "SetService",
]


@frozen
class AddService:
    """Add a service; its servers follow one by one."""

    service: VirtualService

    def __str__(self) -> str:
        """Say what is done."""
        return f"add {_told(self.service)}"


@frozen
class SetService:
    """Change a service in place; its servers and connections stay."""

    service: VirtualService

    def __str__(self) -> str:
        """Say what is done."""
        return f"set {_told(self.service)}"


@frozen
class RemoveService:
    """Remove a service with all its servers; what becomes of their connections is told at `RemoveServer`.

    Without any service left, packets of former connections are for the machine itself, which answers by a reset.
    """

    key: ServiceKey

    def __str__(self) -> str:
        """Say what is done."""
        return f"remove {self.key}"


@frozen
class AddServer:
    """Add a server to a service."""

    key: ServiceKey
    server: RealServer

    def __str__(self) -> str:
        """Say what is done."""
        return f"add {_described(self.server)} to {self.key}"


@frozen
class SetServer:
    """Change a server of a service in place; its connections stay."""

    key: ServiceKey
    server: RealServer

    def __str__(self) -> str:
        """Say what is done."""
        return f"set {_described(self.server)} of {self.key}"


@frozen
class RemoveServer:
    """Remove a server from a service.

    What becomes of its connections is the kernel's setting: their packets are dropped until they time out or it comes
    back, or answered by a reset with net.ipv4.vs.expire_nodest_conn.
    """

    key: ServiceKey
    server: RealServer

    def __str__(self) -> str:
        """Say what is done."""
        return f"remove {self.server} from {self.key}"


Operation: TypeAlias = AddService | SetService | RemoveService | AddServer | SetServer | RemoveServer
"""One step."""


def _told(service: VirtualService) -> str:
    parts = [f"{service.key} by {service.scheduler}"]
    if service.flags:
        parts.append(f"flags {service.flags:#x}")
    if service.persistence is not None:
        prefix = "" if service.persistence_prefix is None else f" for /{service.persistence_prefix}"
        engine = "" if service.persistence_engine is None else f" by {service.persistence_engine}"
        parts.append(f"persistent {service.persistence} s{prefix}{engine}")
    if service.one_packet:
        parts.append("one packet")
    return ", ".join(parts)


def _described(server: RealServer) -> str:
    text = f"{server} with weight {server.weight} by {_way(server.forwarding)}"
    if not server.upper_threshold:
        return text
    return f"{text}, thresholds {server.lower_threshold}-{server.upper_threshold}"


def _way(way: Way) -> str:
    if isinstance(way, Forwarding):
        return way.name
    port = f" to port {way.port}" if way.port else ""
    checksum = f" with checksum {way.checksum.name}" if way.checksum else ""
    return f"{way.kind.name}{port}{checksum}"
