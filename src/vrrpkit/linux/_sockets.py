"""Raw sockets for IP protocol 112, opened complete: nothing comes in before the filter stands."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Collection
from typing import Final, TypeAlias

from vrrpkit.addresses import VRRP_PROTOCOL, Family, IPAddress, MACAddress, vrrp_group

__all__ = ["join_group", "open_framer", "open_receiver", "open_sender", "set_vrids"]

# Not in Python's socket module: linux/in.h, linux/in6.h, asm-generic/socket.h.
_IP_MULTICAST_ALL: Final = 49
_IP_MTU_DISCOVER: Final = 10
_IPV6_TCLASS: Final = 67
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33

_INTERNETWORK_CONTROL: Final = 0xC0
_HOPS: Final = 255
_SEND_PRIORITY: Final = 7
# The default of 208 KiB holds 256 advertisements; this holds 10,000: half a second of 2,040 routers at 100 ms.
_RECEIVE_BUFFER: Final = 4 << 20

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
_Instruction: TypeAlias = tuple[int, int, int, int]
_REJECT: Final[_Instruction] = (0x06, 0, 0, 0)
_ACCEPT: Final[_Instruction] = (0x06, 0, 0, 0xFFFF)

# Where the Ethernet header begins: SKF_LL_OFF of linux/filter.h; its octet 6 begins the source.
_SOURCE_MAC: Final = 0xFFE00000 + 6

# A = octet 1 of the message. IPv4 raw sockets begin with the IP header, X octets long; IPv6 ones behind it.
_LOAD_VRID: Final[dict[Family, list[_Instruction]]] = {
    Family.IPV4: [(0xB1, 0, 0, 0), (0x50, 0, 0, 1)],
    Family.IPV6: [(0x30, 0, 0, 1)],
}


def open_receiver(interface: str, index: int, family: Family) -> socket.socket:
    """A socket that receives every VRRP message of one family on one interface, once `set_vrids()` lets it.

    Raises:
        PermissionError: Without CAP_NET_RAW.
    """
    receiver = _raw_socket(interface, family)
    force_receive_buffer(receiver)
    if family is Family.IPV4:
        receiver.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    else:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    join_group(receiver, index, family)
    return receiver


def open_sender(interface: str, index: int, source: IPAddress) -> socket.socket:
    """A socket that sends from one address of one interface, and receives nothing.

    Raises:
        PermissionError: Without CAP_NET_RAW.
        OSError: The address is not, or no longer, the interface's.
    """
    family = Family(source.version)
    sender = _raw_socket(interface, family)
    try:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _SEND_PRIORITY)
        if family is Family.IPV4:
            for option, value in (
                (socket.IP_TOS, _INTERNETWORK_CONTROL),
                (socket.IP_TTL, _HOPS),
                (socket.IP_MULTICAST_TTL, _HOPS),
                (socket.IP_MULTICAST_LOOP, 0),
                (_IP_MTU_DISCOVER, 0),
            ):
                sender.setsockopt(socket.IPPROTO_IP, option, value)
            sender.setsockopt(
                socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(4) + source.packed + struct.pack("=i", index)
            )
        else:
            for option, value in (
                (_IPV6_TCLASS, _INTERNETWORK_CONTROL),
                (socket.IPV6_UNICAST_HOPS, _HOPS),
                (socket.IPV6_MULTICAST_HOPS, _HOPS),
                (socket.IPV6_MULTICAST_LOOP, 0),
                (socket.IPV6_MULTICAST_IF, index),
            ):
                sender.setsockopt(socket.IPPROTO_IPV6, option, value)
        sender.bind(socket_address(source, index))
    except OSError:
        sender.close()
        raise
    return sender


def open_framer(interface: str) -> socket.socket:
    """A socket that sends whole Ethernet frames from an interface, and receives nothing.

    Raises:
        PermissionError: Without CAP_NET_RAW.
    """
    framer = raw_socket(socket.AF_PACKET, 0)
    try:
        framer.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _SEND_PRIORITY)
        framer.bind((interface, 0))
    except OSError:
        framer.close()
        raise
    return framer


def socket_address(address: IPAddress, index: int) -> SocketAddress:
    """An address as the socket module wants it."""
    if address.version == 4:
        return str(address), 0
    return str(address), 0, 0, index if address.is_link_local or address.is_multicast else 0


def join_group(receiver: socket.socket, index: int, family: Family) -> None:
    """Receive what is sent to the VRRP group on an interface; outlives down and up, not a re-creation."""
    group = vrrp_group(family).packed
    if family is Family.IPV4:
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + bytes(4) + struct.pack("=i", index))
    else:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=i", index))


def set_vrids(
    receiver: socket.socket, family: Family, vrids: Collection[int] | None, mac: MACAddress | None = None
) -> None:
    """Keep other virtual routers' messages out of the process; None lets everything in.

    With a MAC address, only what was sent from there.
    """
    program: list[_Instruction] = [] if mac is None else _only_from(mac)
    if vrids is not None:
        program += _LOAD_VRID[family]
        last = len(vrids) - 1
        program += [(0x15, last - place + 1, 0, vrid) for place, vrid in enumerate(sorted(vrids))]
        program.append(_REJECT)
    _attach(receiver, [*program, _ACCEPT])


def _only_from(mac: MACAddress) -> list[_Instruction]:
    first, rest = int.from_bytes(mac[:4], "big"), int.from_bytes(mac[4:], "big")
    return [
        (0x20, 0, 0, _SOURCE_MAC),
        (0x15, 1, 0, first),
        _REJECT,
        (0x28, 0, 0, _SOURCE_MAC + 4),
        (0x15, 1, 0, rest),
        _REJECT,
    ]


def _raw_socket(interface: str, family: Family) -> socket.socket:
    raw = raw_socket(socket.AF_INET if family is Family.IPV4 else socket.AF_INET6, VRRP_PROTOCOL)
    try:
        _attach(raw, [_REJECT])
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        _discard_early(raw)
    except OSError:
        raw.close()
        raise
    return raw


def raw_socket(family: int, protocol: int) -> socket.socket:
    """A raw socket that never blocks.

    Raises:
        PermissionError: Without CAP_NET_RAW, and the text says so.
    """
    try:
        return socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    except PermissionError as error:
        raise PermissionError(error.errno, "opening a raw socket needs CAP_NET_RAW") from error


def _discard_early(raw: socket.socket) -> None:
    """Throw away what came in before the filter and the interface were set."""
    while True:
        try:
            raw.recv(1)
        except BlockingIOError:
            return


def force_receive_buffer(receiver: socket.socket) -> None:
    """Hold what comes in while the process is stopped; without CAP_NET_ADMIN as much as the system allows."""
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def _attach(raw: socket.socket, program: list[_Instruction]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer)))
