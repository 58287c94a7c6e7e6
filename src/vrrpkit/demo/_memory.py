"""The scenario on a LAN in memory, for machines that allow no namespaces."""

from __future__ import annotations

import asyncio
from typing import Final

from vrrpkit.demo._scenario import CONFIGS, View
from vrrpkit.runtime import VirtualRouter
from vrrpkit.testing import FakeAddresses, FakeAnnouncer, MemoryLan

__all__ = ["MemoryStage"]

_OWN: Final = {"a": "192.0.2.1", "b": "192.0.2.2"}
