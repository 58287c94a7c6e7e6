"""Who runs a program: user, group and supplementary groups, by number."""

from __future__ import annotations

import grp
import os
import pwd
from typing import Final

from attrs import frozen

from vrrpkit.errors import ConfigError

__all__ = ["Account", "account_of", "may_switch"]

_CAP_SETGID: Final = 1 << 6
_CAP_SETUID: Final = 1 << 7
_HIGHEST: Final = 2**32 - 2  # the number after it means "leave it as it is" to the kernel


@frozen
class Account:
    """What initgroups(3), setgid(2) and setuid(2) are told."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def is_ours(self) -> bool:
        """Whether this process is that already."""
        return (
            os.getresuid() == (self.uid,) * 3
            and os.getresgid() == (self.gid,) * 3
            and {self.gid, *os.getgroups()} == {self.gid, *self.groups}
        )


def account_of(user: str | int | None, group: str | int | None) -> Account | None:
    """Look a user and a group up, once; None for this process's own.

    Raises:
        ConfigError: There is no such user or group.
    """
    if user is None:
        if group is not None:
            raise ConfigError(f"group goes with a user, got group={group!r} alone")
        return None
    entry = _user(user)
    if entry is None:
        if group is None:
            raise ConfigError(f"user {user!r} is not in the user database, so that it needs a group as well")
        return Account(int(user), _group(group), ())
    gid = entry.pw_gid if group is None else _group(group)
    return Account(entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)))


def may_switch() -> bool:
    """Tell whether this thread, whose rights a child inherits, may become another user."""
    try:
        with open("/proc/thread-self/status", encoding="ascii") as status:  # noqa: PTH123 - half the time of a Path's
            effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    except (OSError, StopIteration):
        return True  # without /proc the attempt will tell
    return effective & _CAP_SETGID != 0 and effective & _CAP_SETUID != 0


def _user(user: object) -> pwd.struct_passwd | None:
    """The entry of a user; None for a number without one, as containers have them."""
    try:
        match user:
            case str():
                return pwd.getpwnam(user)
            case int() if not isinstance(user, bool) and 0 <= user <= _HIGHEST:
                return pwd.getpwuid(user)
            case _:
                pass
    except (KeyError, ValueError):
        if isinstance(user, int):
            return None
    raise ConfigError(f"user must be a user of this machine, got {user!r}")


def _group(group: object) -> int:
    try:
        match group:
            case str():
                return grp.getgrnam(group).gr_gid
            case int() if not isinstance(group, bool) and 0 <= group <= _HIGHEST:
                return group
            case _:
                pass
    except (KeyError, ValueError):
        pass  # told below
    raise ConfigError(f"group must be a group of this machine, got {group!r}")
