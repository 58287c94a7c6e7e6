"""Tests that are coroutines: nodes of vrrpkit in this process, in the namespaces of a lab, beside a real keepalived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from attrs import define, field

from tests.support.lab import GIVING_UP, Keepalived, Lab, Node

__all__ = ["ConfiguredKeepalived", "in_lab", "keepalived", "priorities", "until", "write_script"]

T = TypeVar("T")

_TIMEOUT = 30.0

Play = Callable[[Lab], Coroutine[object, object, None]]


def in_lab(*, links: int = 1) -> Callable[[Play], Callable[[], None]]:
    """Make a test of a coroutine function that is given a lab of its own."""

    def decorate(play: Play) -> Callable[[], None]:
        def test() -> None:
            with Lab(links=links) as lab:
                asyncio.run(play(lab))

        test.__name__, test.__qualname__, test.__module__ = play.__name__, play.__qualname__, play.__module__
        return test

    return decorate


async def until(lab: Lab, condition: Callable[[], T], what: str) -> T:
    """Let the loop run until a condition holds and return what it gave, while no router process ends by itself."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TIMEOUT
    while True:
        for router in lab.routers:
            router.check()
        result = condition()
        if result:
            return result
        if GIVING_UP.is_set():
            raise RuntimeError(f"given up while waiting for this: {what}")
        if loop.time() > deadline:
            raise AssertionError(f"not within {_TIMEOUT:g} s: {what}")
        await asyncio.sleep(0.02)


@define(eq=False)
class ConfiguredKeepalived(Keepalived):
    """A keepalived with a configuration of the test's own.

    The states of virtual routers named as `VR_51_IPV4` can be asked for; `{folder}` is the lab's.
    """

    text: str = field(kw_only=True)

    def _prepare(self, folder: Path) -> Sequence[str]:
        command = super()._prepare(folder)
        with (folder / "keepalived.conf").open("a") as config:
            config.write(self.text.replace("{folder}", str(self.node.lab.folder)))
        return command


def keepalived(node: Node, text: str) -> ConfiguredKeepalived:
    """Start a keepalived with this configuration."""
    router = ConfiguredKeepalived(node, (), text=text)
    node.routers.append(router)
    return router


def write_script(path: Path, text: str) -> Path:
    """Write a shell script that all may run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def priorities(lab: Lab, vrid: int = 51) -> list[int]:
    """The priorities on the wire in order; what is repeated counts once."""
    return [priority for priority, _ in groupby(seen.advert.priority for seen in lab.capture.adverts(vrid))]
