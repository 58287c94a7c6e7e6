"""`python -m tests.security.confined FILTER COMMAND...`: runs a command under what a systemd unit forbids.

FILTER is a file of JSON: `calls`, the system calls that are allowed; `families`, the numbers of the address families
that sockets may have, or null; `execute`, whether memory may become executable. As under systemd with
`SystemCallErrorNumber=EPERM`, all else fails with EPERM, and another family with EAFNOSUPPORT.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any, ClassVar, Final

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_EQ, _MASKED_EQ = 4, 7
_PROT_WRITE, _PROT_EXEC = 0x2, 0x4


class _Comparison(ctypes.Structure):
    _fields_: ClassVar = [  # type: ignore[mutable-override]  # as ctypes wants it
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    ]


class _Filter:
    """libseccomp, as far as it takes."""

    def __init__(self, otherwise: int) -> None:
        self._library: Any = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._filter = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, action: int, call: str, *comparisons: _Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return  # of another architecture
        array = (_Comparison * len(comparisons))(*comparisons)
        self._call("seccomp_rule_add_array", ctypes.c_uint32(action), number, len(comparisons), array)

    def load(self) -> None:
        self._call("seccomp_load")

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(self._filter, *arguments)
        if code:
            raise OSError(-code, f"{name}: {os.strerror(-code)}")


def confine(wanted: dict[str, Any]) -> None:
    """Two filters, of which the stricter counts, as systemd makes them."""
    others = _Filter(_ALLOW)
    if wanted["families"] is not None:
        for family in range(64):
            if family not in wanted["families"]:
                others.rule(_ERRNO | errno.EAFNOSUPPORT, "socket", _Comparison(0, _EQ, family, 0))
    if not wanted["execute"]:
        both = _PROT_WRITE | _PROT_EXEC
        others.rule(_ERRNO | errno.EPERM, "mmap", _Comparison(2, _MASKED_EQ, both, both))
        others.rule(_ERRNO | errno.EPERM, "mprotect", _Comparison(2, _MASKED_EQ, _PROT_EXEC, _PROT_EXEC))
    others.load()
    calls = _Filter(_ERRNO | errno.EPERM)
    for call in wanted["calls"]:
        calls.rule(_ALLOW, call)
    calls.load()  # the last: it allows no further one


if __name__ == "__main__":
    confine(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - which is what it is for
