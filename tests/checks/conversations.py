"""Conversations without a connection."""

from __future__ import annotations

import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

from vrrpkit.checks._lines import LineError, Lines

__all__ = ["Said", "driven"]

T = TypeVar("T")


class Said(Lines):
    """A server that has said all this, whatever it hears."""

    def __init__(self, octets: bytes) -> None:
        with socket.socket() as unused:
            super().__init__(unused)
        self._rest = octets

    async def send(self, octets: bytes) -> None:
        assert octets

    async def exactly(self, count: int) -> bytes:
        if count > len(self._rest):
            raise LineError("the server closed the connection")
        octets, self._rest = self._rest[:count], self._rest[count:]
        return octets


def driven(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that never waits for anything but its turn."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
