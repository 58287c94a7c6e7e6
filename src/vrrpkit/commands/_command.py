"""What to run, as whom, with what environment, and where."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from copy import copy

from attrs import Factory, field, frozen

from vrrpkit.commands._account import Account, account_of
from vrrpkit.commands._launch import SAFE_ENVIRONMENT, Launch, Obstacle, prepare
from vrrpkit.errors import ConfigError, check_flag

__all__ = ["Command", "launch_of"]


def _words(argv: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    given: object = argv
    if isinstance(given, str | bytes):
        raise ConfigError(f"argv must be a list of words, got {argv!r}; Command.shell() takes a line of shell")
    words = tuple(_text("argv", word) for word in argv)
    if not words or not words[0]:
        raise ConfigError(f"argv must begin with a program, got {words!r}")
    return words


def _environment(env: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if env is None:
        return None
    for name in env:
        if not _text("env", name) or "=" in name:
            raise ConfigError(f"env must have names without '=', got {name!r}")
    return {name: _secret(name, value) for name, value in env.items()}


def _directory(cwd: str | os.PathLike[str]) -> str:
    text = _text("cwd", cwd)
    if not text.startswith("/"):
        raise ConfigError(f"cwd must be an absolute path, got {text!r}")
    return text


def _text(name: str, value: object) -> str:
    """What execve(2) takes: text without a NUL."""
    text: object = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not _can_be_passed(text):
        raise ConfigError(f"{name} must be text without NUL, got {value!r}")
    return text


def _secret(name: str, value: object) -> str:
    if not isinstance(value, str) or not _can_be_passed(value):
        raise ConfigError(f"env[{name!r}] must be text without NUL")
    return value


def _can_be_passed(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


@frozen(repr=False)
class Command:
    """A program to run: argv, as whom, with what environment, where.

    `str()` and `repr()` show the line as one would type it, and nothing of the environment.

    Attributes:
        argv: The program and its arguments, any iterable of text or paths. A program without a slash is looked for on
            the PATH of `env`; one with a slash that is not absolute belongs to `cwd`.
        user: The user to become, by name or number; None for this process's own. Looked up once, here. Without
            CAP_KILL, a process that is not root cannot end what it has started as somebody else.
        group: The group; None for the user's own, as in keepalived. The supplementary groups are always the user's.
        env: The whole environment. None for a safe minimum: a PATH of the system's directories, and LC_ALL=C.
        cwd: The directory to run in, an absolute path.
        secure: Whether to refuse to run as root what others than root could change: the program, the interpreter of
            its `#!` line, a directory above them, or above a symbolic link on the way; keepalived's
            `enable_script_security`. This knows nothing of what the program itself reads or runs, so it says
            little about `shell()`, where the program is `/bin/sh`.

    Raises:
        ConfigError: A setting is out of range, or there is no such user or group.
    """

    argv: tuple[str, ...] = field(converter=_words)
    user: str | int | None = field(default=None, kw_only=True)
    group: str | int | None = field(default=None, kw_only=True)
    env: Mapping[str, str] | None = field(default=None, converter=_environment, kw_only=True, hash=False)
    cwd: str = field(default="/", converter=_directory, kw_only=True)
    secure: bool = field(default=True, validator=check_flag, kw_only=True)
    _account: Account | None = field(
        init=False, eq=False, default=Factory(lambda self: account_of(self.user, self.group), takes_self=True)
    )

    @classmethod
    def shell(
        cls,
        line: str,
        *,
        user: str | int | None = None,
        group: str | int | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        secure: bool = True,
    ) -> Command:
        """A line for `/bin/sh -c`, with arguments that are added later as `$1` and so on; the rest as for the class."""
        return cls(("/bin/sh", "-c", line, "sh"), user=user, group=group, env=env, cwd=cwd, secure=secure)

    def with_arguments(self, *arguments: str) -> Command:
        """The same with more arguments, such as the four that keepalived's `notify` scripts get."""
        longer = copy(self)  # attrs.evolve() would look the user up again
        object.__setattr__(longer, "argv", (*self.argv, *(_text("arguments", argument) for argument in arguments)))
        return longer

    def check(self) -> None:
        """Raise now what `run()` would put into `Outcome.error`, as far as it can be known before.

        Raises:
            ConfigError: The program cannot be run, or should not.
        """
        launch = launch_of(self)
        if isinstance(launch, Obstacle):
            raise ConfigError(launch.reason)

    def __str__(self) -> str:
        return shlex.join(self.argv)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


def launch_of(command: Command) -> Launch | Obstacle:
    """Look at the world as it is now."""
    environment = SAFE_ENVIRONMENT if command.env is None else command.env
    account = command._account  # noqa: SLF001 - of the class above
    return prepare(command.argv, account, environment, command.cwd, secure=command.secure)
