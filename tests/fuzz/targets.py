"""All targets."""

from __future__ import annotations

from typing import Final

from tests.fuzz import machine, servers, told, vrrp
from tests.fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: Final[dict[str, Target]] = {
    target.name: target for module in (vrrp, servers, machine, told) for target in module.TARGETS
}
