"""Requests by aiohttp, which takes 0.2 s to import: that happens when the first HTTP checker is constructed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import Factory, field, frozen
from yarl import URL

from vrrpkit.checks._http_expect import HTTPAnswer
from vrrpkit.checks._http_homes import Way
from vrrpkit.checks._http_target import Target
from vrrpkit.checks._tls import tls_in_words
from vrrpkit.checks._via import Via, in_words
from vrrpkit.checks._words import printable

__all__ = ["Client", "HTTPRequest", "NoAnswer"]

# aiohttp swallows a cancellation that comes together with one of its own timeouts: it gets none.
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_VERSIONS: Final = {"1.0": aiohttp.HttpVersion10, "1.1": aiohttp.HttpVersion11}

# Seconds that a connection is kept without a request: longer than most intervals, and than most servers keep it.
_IDLE: Final = 90.0


@frozen
class HTTPRequest:
    """A request, ready to be sent again and again."""

    way: Way
    method: str
    target: Target
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    context: ssl.SSLContext | None
    server_name: str | None
    url: URL = field(init=False, default=Factory(lambda self: URL(self.target.url, encoded=True), takes_self=True))


@frozen
class NoAnswer:
    """There was none; the text says why."""

    detail: str


class Client:
    """All requests of one event loop that go one way."""

    def __init__(self, way: Way) -> None:
        self._keep_alive = way.keep_alive
        self._via = way.via
        self._opened: dict[asyncio.Task[Any] | None, list[socket.socket]] = {}
        connector = aiohttp.TCPConnector(
            limit=0,  # otherwise the 101st check waits for another one's end
            force_close=not way.keep_alive,
            keepalive_timeout=_IDLE if way.keep_alive else None,
            use_dns_cache=False,
            happy_eyeballs_delay=None,
            resolver=_Resolver(way.via),
            socket_factory=self._socket_for,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            version=_VERSIONS[way.version],
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            auto_decompress=False,
            middlewares=(_once,),
        )

    def __del__(self) -> None:
        self._session.detach()  # its loop was closed without a word; an open session would complain

    async def close(self) -> None:
        """Close what is kept open."""
        await self._session.close()

    async def ask(self, request: HTTPRequest, most: int | None) -> HTTPAnswer | NoAnswer:
        """Send a request once, or again when the server has closed a kept connection meanwhile.

        Args:
            request: What to send.
            most: Read so much of the body at most; None to leave it.
        """
        task = asyncio.current_task()
        opened = self._opened[task] = list[socket.socket]()
        kept = False
        try:
            while True:
                try:
                    answer = await self._send(request, most)
                except _HungUpError as error:
                    if opened:
                        return NoAnswer(_told(error, error.__cause__))
                except (aiohttp.ClientError, OSError) as error:
                    return NoAnswer(_told(error, error))
                else:
                    kept = self._keep_alive and answer.whole
                    return answer
        finally:
            # Who knows its own task is freed with it only when the collector comes by, after thousands of timeouts.
            del self._opened[task], task
            if not kept:
                for sock in opened:
                    _hang_up(sock)

    async def _send(self, request: HTTPRequest, most: int | None) -> HTTPAnswer:
        response = await self._session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            ssl=request.context or True,
            server_hostname=request.server_name,
        )
        try:
            body, whole = (b"", False) if most is None else await _read(response.content, most)
            return HTTPAnswer(response.status, response.headers.get("Location"), body, whole)
        finally:
            response.close()

    def _socket_for(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = info
        sock = self._via.open_socket(family, kind, protocol)
        self._opened[asyncio.current_task()].append(sock)
        return sock


class _Resolver(AbstractResolver):
    """Looks names up as `Via` says."""

    def __init__(self, via: Via) -> None:
        self._via = via

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: int = socket.AF_UNSPEC,  # noqa: ARG002 - `Via` knows the family
    ) -> list[ResolveResult]:
        found, address = await self._via.look_up(host, port)
        zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        return [ResolveResult(hostname=host, host=f"{address[0]}{zone}", port=port, family=found, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


class _HungUpError(aiohttp.ClientError):
    """The connection ended before the answer; the cause says how."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again when the server hangs up: that hides every other failure."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _HungUpError from error


async def _read(content: aiohttp.StreamReader, most: int) -> tuple[bytes, bool]:
    """The body up to so many octets, and whether that is all."""
    body = bytearray()
    while len(body) <= most:
        chunk = await content.readany()
        if not chunk:
            return bytes(body), True
        body += chunk
    return bytes(body[:most]), False


def _hang_up(sock: socket.socket) -> None:
    """Make the transport close its socket now: it would wait 30 s for a TLS goodbye, or until all is sent."""
    if sock.fileno() >= 0:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _told(error: BaseException, about: BaseException | None) -> str:
    """In words, and let go: aiohttp's frames and exceptions hold each other until the collector comes."""
    words = _in_words(about)
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return words


def _in_words(error: BaseException | None) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            cause: BaseException | None = error.certificate_error
        case aiohttp.ClientConnectorError():
            cause = error.os_error
        case aiohttp.ClientOSError():
            cause = error.__cause__ or error
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientConnectionResetError():
            return "the connection ended without a whole answer"
        case aiohttp.ClientPayloadError():
            return "the body is broken, or ends too early"
        case aiohttp.ClientResponseError():
            return f"bad HTTP: {printable(error.message)}"
        case _:
            cause = error
    if isinstance(cause, ssl.SSLError):
        return tls_in_words(cause)
    if isinstance(cause, OSError):
        return in_words(cause)
    return printable(f"{type(cause).__name__}: {cause}")
