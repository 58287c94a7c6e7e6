"""What stands between a command and its process: finding, checking, becoming another user, starting."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from vrrpkit.commands._account import Account, may_switch
from vrrpkit.commands._program import find, obstacle

__all__ = ["SAFE_ENVIRONMENT", "Launch", "Obstacle", "prepare"]

SAFE_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
)


@frozen
class Obstacle:
    """Why a program cannot be run, in words."""

    reason: str


@frozen(kw_only=True)
class Launch:
    """A program that can be started, as far as can be known before."""

    file: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    cwd: str
    account: Account | None
    helper: str | None  # setpriv(1), which becomes the other user

    def start(self, output: int | None) -> int:
        """Start it, in a session of its own; return its process ID. Blocks for 0.5-0.9 ms.

        Popen's own `user`, `group` and `extra_groups` switch its vfork() off: with 500 MB of memory it would block for
        23 ms. Hence setpriv(1), which drops the inheritable and ambient capabilities, too.

        Args:
            output: What becomes its stdout and stderr; None for /dev/null.

        Raises:
            OSError: It cannot be started.
        """
        argv, file, account = self.argv, self.file, self.account
        if account is not None and self.helper is not None:
            argv = (self.helper, *_switches(account), "--", self.file, *self.argv[1:])
            file, account = self.helper, None
        process = subprocess.Popen(  # noqa: S603 - running what it is told is what this package is for
            argv,
            executable=file,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if output is None else output,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.cwd,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else account.groups,
            start_new_session=True,
        )
        process.returncode = 0  # it is not Popen who reaps it
        return process.pid

    def refusal(self, exit_code: int | None, output: bytes) -> str | None:
        """What the helper said when it could not become the user, or run the program; None if it could."""
        if self.account is None or self.helper is None or exit_code not in {126, 127}:
            return None
        name, _, text = output.partition(b": ")
        if name != b"setpriv" or not text:
            return None
        return f"cannot run {self.file} as user {self.account.uid}: {text.decode(errors='replace').strip()}"


def prepare(
    argv: Sequence[str], account: Account | None, environment: Mapping[str, str], cwd: str, *, secure: bool
) -> Launch | Obstacle:
    """Find the program and look for whatever would keep it from being run, or should."""
    path = environment.get("PATH", os.defpath)
    if account is not None and account.is_ours:
        account = None
    uid = os.geteuid() if account is None else account.uid
    file = find(argv[0], path, cwd)
    if file is None:
        return Obstacle(f"cannot run {argv[0]}: not found on PATH {path}")
    reason = obstacle(file, cwd, as_root=secure and uid == 0)
    if reason is None and account is not None and not may_switch():
        reason = f"becoming user {uid} needs CAP_SETUID and CAP_SETGID"
    if reason is not None:
        return Obstacle(f"cannot run {file}: {reason}")
    return Launch(file=file, argv=argv, environment=environment, cwd=cwd, account=account, helper=_setpriv())


def _switches(account: Account) -> tuple[str, ...]:
    groups = f"--groups={','.join(map(str, account.groups))}" if account.groups else "--clear-groups"
    return (f"--reuid={account.uid}", f"--regid={account.gid}", groups, "--inh-caps=-all")


@cache
def _setpriv() -> str | None:
    """The setpriv(1) of util-linux; BusyBox has one of that name that cannot change users."""
    found = shutil.which("setpriv", path=SAFE_ENVIRONMENT["PATH"])
    return None if found is None or "busybox" in Path(found).resolve().name else found
