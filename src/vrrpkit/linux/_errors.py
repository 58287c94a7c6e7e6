"""What the kernel refuses, as an exception that says what was missing."""

from __future__ import annotations

import errno
import os

from vrrpkit.errors import KernelError

__all__ = ["kernel_error"]


class _ForbiddenError(KernelError, PermissionError):
    """A `KernelError` that `except PermissionError` catches, too."""


def kernel_error(operation: str, code: int, text: str = "", *, capability: str = "CAP_NET_ADMIN") -> KernelError:
    """What the kernel refused, in its own words; a lack of rights in ours, by the capability that is missing."""
    if code == errno.EPERM:
        return _ForbiddenError(operation, code, f"this needs {capability}")
    return KernelError(operation, code, text or os.strerror(code))
