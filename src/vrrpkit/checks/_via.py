"""How a check gets to its target: from which address, by which interface, in which network namespace."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.addresses import Family, IPAddress, family_of, parse_address
from vrrpkit.checks._lookup import LookUps
from vrrpkit.errors import ConfigError, KernelError, Whole
from vrrpkit.linux._netns import in_netns

__all__ = ["DIRECT", "NAMES", "SocketAddress", "Via", "in_words"]

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

_IP_BIND_ADDRESS_NO_PORT: Final = 24
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_LONGEST_NAME: Final = 15
_RECEIVE_ERRORS: Final[dict[int, tuple[int, int]]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
_FAMILIES: Final = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}
NAMES: Final = LookUps()


def _to_source(value: str | IPAddress | None) -> IPAddress | None:
    return None if value is None else parse_address("source", value)


def _check_interface(_instance: object, _attribute: object, name: str | None) -> None:
    given: object = name
    if given is not None and not (isinstance(given, str) and 1 <= len(given) <= _LONGEST_NAME):
        raise ConfigError(f"interface must be a name of 1-{_LONGEST_NAME} characters, got {name!r}")


@frozen(kw_only=True)
class Via:
    """How to get to a target. The default is as any program would.

    Attributes:
        source: The address to send from.
        interface: The interface to send by, whatever the routes say.
        mark: The firewall mark of what is sent, 0-4294967295; needs CAP_NET_ADMIN.
        family: Look names up in this family only; IPv4 and IPv6 in the system's order when None.
        lookup_once: Look a name up once and keep the answer, instead of anew for every check.
        netns: The network namespace by name or path; needs CAP_SYS_ADMIN. Names are still looked up in one's own.

    Raises:
        ConfigError: A setting is out of its range, or source and family do not fit together.
    """

    source: IPAddress | None = field(default=None, converter=_to_source)
    interface: str | None = field(default=None, validator=_check_interface)
    mark: int | None = field(default=None, validator=optional(Whole(0, 0xFFFFFFFF)))
    family: Family | None = None
    lookup_once: bool = False
    netns: str | None = None
    _known: dict[tuple[str, int], SocketAddress] = field(factory=dict, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        if self.source is not None and self.family not in {None, family_of(self.source)}:
            raise ConfigError(f"source must be of family {self.family}, got {self.source}")

    async def look_up(self, host: str, port: int) -> tuple[int, SocketAddress]:
        """The family and the address of a socket for this host, an address or a name.

        The system's resolver looks names up in threads of their own, each name once at a time however many checks
        wait for it, and 64 together. So one that hangs holds up only the checks of that name.

        Raises:
            OSError: There is no such name, or none in the family; or 64 other look-ups hang.
        """
        known = self._known.get((host, port)) or self._literal(host, port)
        if known is None:
            known = await self._ask(host, port)
            if self.lookup_once:
                self._known[host, port] = known
        return socket.AF_INET if len(known) == 2 else socket.AF_INET6, known

    async def connect(self, host: str, port: int, *, abrupt: bool = False) -> socket.socket:
        """Connect by TCP; the caller closes the socket, which does not block.

        Args:
            host: An address or a name.
            port: 1-65535.
            abrupt: Whether closing resets the connection, which leaves no TIME_WAIT behind.

        Raises:
            OSError: It is refused, or cannot be reached, or `source`, `interface` or `mark` cannot be had.
        """
        family, address = await self.look_up(host, port)
        sock = self.open_socket(family, socket.SOCK_STREAM)
        try:
            if abrupt:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    def open_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that does not block and that goes this way; the caller closes it.

        Raises:
            OSError: `source`, `interface` or `mark` cannot be had.
        """
        sock = in_netns(self.netns, lambda: socket.socket(family, kind, protocol))
        try:
            sock.setblocking(False)
            if kind != socket.SOCK_STREAM:
                # Otherwise the kernel keeps to itself that routers know no way, or that nobody has the address.
                sock.setsockopt(*_RECEIVE_ERRORS[family], 1)
            if self.mark is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self.mark)
            if self.interface is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
            if self.source is not None:
                # Otherwise bind() takes a port for itself, and they run out: 28,000 for all targets together.
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((str(self.source), 0))
        except BaseException:
            sock.close()
            raise
        return sock

    def _literal(self, host: str, port: int) -> SocketAddress | None:
        """An address in digits needs no thread to be looked up; its zone is one of the namespace."""
        name, _, zone = host.partition("%")
        if _is_address(socket.AF_INET, name):
            return name, port
        if not _is_address(socket.AF_INET6, name):
            return None
        if not zone or zone.isdecimal():
            return name, port, 0, int(zone or 0)
        return name, port, 0, in_netns(self.netns, lambda: socket.if_nametoindex(zone))

    async def _ask(self, host: str, port: int) -> SocketAddress:
        family = socket.AF_UNSPEC if self.family is None else _FAMILIES[self.family]
        if self.source is not None:
            family = _FAMILIES[family_of(self.source)]
        loop = asyncio.get_running_loop()
        # Without the port, so that checks of several ports of a host share an answer.
        answers = await loop.run_in_executor(NAMES, socket.getaddrinfo, host, 0, family, socket.SOCK_STREAM)
        found, *_more = answers
        address = found[4]
        if len(address) == 2:
            return str(address[0]), port
        return str(address[0]), port, 0, address[3]


DIRECT: Final = Via()


def _is_address(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def in_words(error: OSError) -> str:
    """What went wrong, for people: asyncio's own texts tell addresses and not reasons."""
    if isinstance(error, KernelError | socket.gaierror) or not error.errno:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)
