"""Operations in the words of ipvsadm(8): what `ipvsadm -R` would read, in the order in which `ipvsadm -Sn` writes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final, assert_never

from vrrpkit.addresses import Family
from vrrpkit.ipvs._operations import (
    AddServer,
    AddService,
    Operation,
    RemoveServer,
    RemoveService,
    SetServer,
    SetService,
)
from vrrpkit.ipvs._server import Checksum, Forwarding, RealServer, Tunnel, TunnelKind, Way, with_port
from vrrpkit.ipvs._service import Endpoint, L4Protocol, SchedulerFlags, ServiceKey, VirtualService

__all__ = ["as_ipvsadm"]

_PROTOCOLS: Final = {L4Protocol.TCP: "-t", L4Protocol.UDP: "-u", L4Protocol.SCTP: "--sctp-service"}
_FLAGS: Final = {
    SchedulerFlags.FLAG_1: ("flag-1", "fallback"),
    SchedulerFlags.FLAG_2: ("flag-2", "port"),
    SchedulerFlags.FLAG_3: ("flag-3", "flag-3"),
}
_CHECKSUMS: Final = {Checksum.NONE: "--tun-nocsum", Checksum.FULL: "--tun-csum", Checksum.REMOTE: "--tun-remcsum"}


def as_ipvsadm(operation: Operation) -> str:
    """One line for `ipvsadm -R`, without the program's name."""
    match operation:
        case AddService(service):
            return f"-A {_key(service.key)} {_settings(service)}"
        case SetService(service):
            return f"-E {_key(service.key)} {_settings(service)}"
        case RemoveService(key):
            return f"-D {_key(key)}"
        case AddServer(key, server):
            return f"-a {_key(key)} {_server(server)}"
        case SetServer(key, server):
            return f"-e {_key(key)} {_server(server)}"
        case RemoveServer(key, server):
            return f"-d {_key(key)} -r {server}"
        case unreachable:
            assert_never(unreachable)


def _key(key: ServiceKey) -> str:
    if isinstance(key, Endpoint):
        return f"{_PROTOCOLS[key.protocol]} {with_port(key.address, key.port)}"
    return f"-f {key.mark}{' -6' if key.family is Family.IPV6 else ''}"


def _settings(service: VirtualService) -> str:
    words = [f"-s {service.scheduler}"]
    if service.persistence is not None:
        words.append(f"-p {service.persistence}")
    if service.persistence_prefix is not None:
        words.append(f"-M {_mask(service.family, service.persistence_prefix)}")
    if service.persistence_engine is not None:
        words.append(f"--pe {service.persistence_engine}")
    if service.one_packet:
        words.append("-o")
    if service.flags:
        words.append(f"-b {','.join(_flag_names(service))}")
    return " ".join(words)


def _flag_names(service: VirtualService) -> list[str]:
    own = service.scheduler in {"sh", "mh"}
    names: list[str] = []
    for flag, (plain, special) in _FLAGS.items():
        if flag in service.flags:
            names.append(f"{service.scheduler}-{special}" if own and special != plain else plain)
    return names


def _mask(family: Family, prefix: int) -> str:
    if prefix < 0:
        return str(IPv4Address(-prefix))
    return str(IPv4Network((0, prefix)).netmask) if family is Family.IPV4 else str(prefix)


def _server(server: RealServer) -> str:
    method, tunnel = _forwarding(server.forwarding)
    words = [f"-r {server} {method} -w {server.weight}"]
    if server.upper_threshold:
        words.append(f"-x {server.upper_threshold} -y {server.lower_threshold}")
    return " ".join((*words, *tunnel))


def _forwarding(way: Way) -> tuple[str, list[str]]:
    match way:
        case Forwarding.NAT | Forwarding.LOCAL:
            return "-m", []
        case Forwarding.DIRECT:
            return "-g", []
        case Tunnel(TunnelKind.IPIP):
            return "-i", []
        case Tunnel(TunnelKind.GUE, port, checksum):
            return "-i", [f"--tun-type gue --tun-port {port} {_CHECKSUMS[checksum]}"]
        case Tunnel(_gre, _port, checksum):
            return "-i", [f"--tun-type gre {_CHECKSUMS[checksum]}"]
        case unreachable:
            assert_never(unreachable)
