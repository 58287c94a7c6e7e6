"""How an HTTP check goes: request by request, with redirects, to a verdict."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vrrpkit.checks._http_client import Client, HTTPRequest, NoAnswer
from vrrpkit.checks._http_expect import HTTPAnswer, HTTPPath
from vrrpkit.checks._http_homes import Way, client_for
from vrrpkit.checks._http_target import Target, authority_of, name_in
from vrrpkit.checks._tls import TLS, context_of
from vrrpkit.checks._words import printable

if TYPE_CHECKING:
    from vrrpkit.checks._http import HTTPChecker

__all__ = ["Probe"]

_USUAL: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "vrrpkit"}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Probe:
    """What a checker does, prepared once."""

    def __init__(self, checker: HTTPChecker) -> None:
        self._checker = checker
        self._tls = checker.tls or TLS()
        self._context = context_of(self._tls) if checker.tls or checker.follow_redirects else None
        self._own = _own_headers(checker)
        self._steps = tuple((path, self._request_for(path), self._most_of(path)) for path in checker.paths)

    async def look(self) -> tuple[bool, str]:
        """Ask for all paths, up to the first that is not well."""
        several = len(self._steps) > 1
        detail = ""
        for path, request, most in self._steps:
            ok, detail = _judge(path, await self._ask(request, most))
            if not ok:
                return False, f"{_shown(path)}: {detail}" if several else detail
        return True, f"all {len(self._steps)} paths are well" if several else detail

    async def _ask(self, first: HTTPRequest, most: int | None) -> HTTPAnswer | NoAnswer:
        request, answer = first, await _send(first, most)
        for _ in range(self._checker.follow_redirects):
            if isinstance(answer, NoAnswer) or answer.status not in _REDIRECTS or answer.location is None:
                break
            try:
                request = self._redirected(request, answer.status, answer.location, first.target)
            except ValueError:
                return NoAnswer(f"status {answer.status} leads nowhere: {printable(answer.location)}")
            answer = await _send(request, most)
        return answer

    def _request_for(self, path: HTTPPath) -> HTTPRequest:
        checker = self._checker
        secure = checker.tls is not None
        authority = path.virtual_host or checker.virtual_host or authority_of(checker.host, checker.port, secure=secure)
        target = Target(secure=secure, host=checker.host, port=checker.port, authority=authority, path=path.path)
        return self._request(checker.method, checker.body, target, self._own)

    def _most_of(self, path: HTTPPath) -> int | None:
        """A connection can only be kept when the body is out of it."""
        return self._checker.max_body if path.wants_body or self._checker.keep_alive else None

    def _redirected(self, request: HTTPRequest, status: int, location: str, home: Target) -> HTTPRequest:
        """RFC 9110 section 15.4: what became a GET stays one, and 307 and 308 change nothing."""
        method, body = request.method, request.body
        if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
            method, body = "GET", None
        target = request.target.redirected(location)
        return self._request(method, body, target, self._own if target.has_origin_of(home) else _USUAL)

    def _request(self, method: str, body: bytes | None, target: Target, headers: Mapping[str, str]) -> HTTPRequest:
        checker = self._checker
        ours = target.host == checker.host
        name, context = None, None
        if target.secure:
            name, context = (ours and self._tls.server_name) or name_in(target.authority), self._context
        keep = checker.keep_alive and ours  # where redirects lead is others' choice, and without bound
        way = Way(checker.via, checker.version, keep, name if keep else None)
        return HTTPRequest(way, method, target, {"Host": target.authority, **headers}, body, context, name)


async def _send(request: HTTPRequest, most: int | None) -> HTTPAnswer | NoAnswer:
    client = await client_for(request.way, Client)
    return await client.ask(request, most)


def _judge(path: HTTPPath, answer: HTTPAnswer | NoAnswer) -> tuple[bool, str]:
    if isinstance(answer, NoAnswer):
        return False, answer.detail
    problem = path.problem(answer)
    return problem is None, problem or f"status {answer.status}"


def _own_headers(checker: HTTPChecker) -> Mapping[str, str]:
    given = {name.lower() for name in checker.headers}
    headers = {name: value for name, value in _USUAL.items() if name.lower() not in given} | dict(checker.headers)
    if checker.user is not None:
        headers["Authorization"] = f"Basic {b64encode(f'{checker.user}:{checker.password}'.encode()).decode()}"
    if checker.token is not None:
        headers["Authorization"] = f"Bearer {checker.token}"
    return headers


def _shown(path: HTTPPath) -> str:
    """Without the query, which may hold a secret."""
    return printable(path.path.partition("?")[0], 60)
