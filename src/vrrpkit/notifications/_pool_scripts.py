"""Run scripts when something happens to a pool, as keepalived does, and one after another."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from attrs import Factory, define, field, frozen

from vrrpkit.commands import Command
from vrrpkit.errors import InRange, Whole, check_flag
from vrrpkit.lvs import PoolNotice
from vrrpkit.notifications._latest import Latest
from vrrpkit.notifications._pool_words import PoolWord, PoolWords, pool_arguments, subject_of
from vrrpkit.notifications._turns import Turns, check_command
from vrrpkit.pool import MemberMoved

__all__ = ["MemberScripts", "PoolScriptNotifier"]

log = logging.getLogger("vrrpkit.notify")

_SUBJECT: Final = "notification scripts of pools"


@frozen(kw_only=True)
class MemberScripts:
    """The commands of one member.

    Attributes:
        up: Runs when it is up; keepalived's `notify_up`.
        down: Runs when it is up no more, because of its checks or because somebody wants it so.

    Raises:
        ConfigError: One is no command.
    """

    up: Command | None = field(default=None, validator=check_command)
    down: Command | None = field(default=None, validator=check_command)

    def of(self, word: PoolWord) -> Command | None:
        """The one for a word."""
        return self.up if word == "UP" else self.down


@define(kw_only=True, eq=False)
class PoolScriptNotifier:
    """Runs a command for each piece of news, in keepalived's manner; a notifier for pools.

        scripts = PoolScriptNotifier(
            quorum_up=Command(["/etc/ha/announce.sh"]),
            quorum_down=Command(["/etc/ha/withdraw.sh"]),
            members={"web1": MemberScripts(down=Command(["/etc/ha/page.sh", "web1"]))},
        )
        async with scripts, ServerPool(..., notify=[scripts]) as pool:
            ...

    The commands of keepalived run with their own arguments alone; `notify` gets the words of its event pipe besides,
    see `pool_arguments()`. All of them run strictly one after another, in the order of the news, and nothing waits for
    them: not the kernel's table, not the checks. One that fails is logged; one that hangs holds up those behind it for
    `timeout` seconds. News that wait are dropped as a `ScriptNotifier` does, the newest of each member last.

    As with keepalived, a first verdict is told, but for one case: that a member is up which was in service before it,
    in a pool with `trust_unchecked`. A program that is started again tells first verdicts again.

    Leaving the block runs what has been told before, for `close_timeout` seconds at most. Leave it after the pools.

    Attributes:
        quorum_up: Runs when a pool has its quorum.
        quorum_down: Runs when it has lost it.
        members: The commands of members, by name.
        notify: Runs for each of these, and for all members, with the words of the event pipe.
        initial: Whether to tell that, too; keepalived's `rs_init_notifies`.
        timeout: Seconds, 0.01-86400, after which a command is ended.
        close_timeout: Seconds, 0-86400, that leaving the block may wait.
        backlog: How many notices may wait, 1-1000000.

    Raises:
        ConfigError: A value is out of its range.
    """

    quorum_up: Command | None = field(default=None, validator=check_command)
    quorum_down: Command | None = field(default=None, validator=check_command)
    members: Mapping[str, MemberScripts] = field(factory=dict)
    notify: Command | None = field(default=None, validator=check_command)
    initial: bool = field(default=False, validator=check_flag)
    timeout: float = field(default=30.0, validator=InRange(0.01, 86400, "seconds"))
    close_timeout: float = field(default=20.0, validator=InRange(0, 86400, "seconds"))
    backlog: int = field(default=1000, validator=Whole(1, 1_000_000))
    _words: PoolWords = field(
        init=False, default=Factory(lambda self: PoolWords(initial=self.initial), takes_self=True)
    )
    _waiting: Latest[tuple[PoolNotice, PoolWord]] = field(
        init=False, default=Factory(lambda self: Latest(self.backlog, log, _SUBJECT), takes_self=True)
    )
    _turns: Turns[tuple[PoolNotice, PoolWord]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make what runs them."""
        self._turns = Turns(self._waiting, self._to_run, self.timeout)

    async def __aenter__(self) -> Self:
        """Begin to take news.

        Raises:
            RuntimeError: The block has been entered already.
        """
        if self._turns.is_open:
            raise RuntimeError("a PoolScriptNotifier cannot be entered twice at a time")
        self._turns.is_open = True
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Run what has been told before, within the time there is; leave no process behind."""
        await self._turns.close(self.close_timeout)

    @property
    def run(self) -> int:
        """How many commands were run, or tried to."""
        return self._turns.run

    @property
    def failed(self) -> int:
        """How many of them could not be started, failed, or were ended."""
        return self._turns.failed

    @property
    def dropped(self) -> int:
        """How many notices were dropped: there was no room for them, or no time at the end."""
        return self._waiting.dropped

    def tell(self, notice: PoolNotice) -> None:
        """Have the commands run for one notice, after those of all earlier ones.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if not self._turns.is_open:
            raise RuntimeError(f"PoolScriptNotifier is not open, so no script runs for {notice.name}: {notice.news}")
        word = self._words.to_tell(notice)
        if word is not None and self._commands(notice, word):
            self._waiting.keep(subject_of(notice), (notice, word))
            self._turns.start()

    def _to_run(self, told: tuple[PoolNotice, PoolWord]) -> tuple[str, tuple[Command, ...]]:
        return " ".join(pool_arguments(told[0])), self._commands(*told)

    def _commands(self, notice: PoolNotice, word: PoolWord) -> tuple[Command, ...]:
        """What to run, in order."""
        news = notice.news
        if isinstance(news, MemberMoved):
            own = self.members.get(news.member, MemberScripts()).of(word)
        else:
            own = self.quorum_up if word == "UP" else self.quorum_down
        both = own, None if self.notify is None else self.notify.with_arguments(*pool_arguments(notice))
        return tuple(command for command in both if command is not None)
