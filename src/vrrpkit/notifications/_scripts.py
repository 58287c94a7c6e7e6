"""Run scripts when something happens, as keepalived does, and one after another."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self, assert_never

from attrs import Factory, define, field

from vrrpkit.commands import Command
from vrrpkit.election import StateChanged
from vrrpkit.errors import InRange, Whole
from vrrpkit.notifications._backlog import Backlog
from vrrpkit.notifications._turns import Turns, check_command
from vrrpkit.notifications._words import Word, arguments, state_word
from vrrpkit.runtime import LoserHeard, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["ScriptNotifier"]

log = logging.getLogger("vrrpkit.notify")


@define(kw_only=True, eq=False)
class ScriptNotifier:
    """Runs a command for each piece of news, in keepalived's manner; a notifier for routers and sync groups.

        async with ScriptNotifier(notify_master=Command(["/etc/ha/taken.sh"])) as scripts:
            async with VirtualRouter(config, ..., notify=[scripts]):
                ...

    A change of state runs the command for that state with its own arguments alone, then `notify` with four more:
    `INSTANCE` or `GROUP`, the name, the word, and the effective priority; see `arguments()`. As in keepalived, DELETED
    is said only if there is a `notify_deleted`; otherwise `notify` is told FAULT when a router is removed, and
    `notify_fault` is not run.

    All commands run strictly one after another, in the order of the news, where keepalived starts them side by side.
    Nothing waits for them, and nothing depends on their success: one that fails is logged. One that hangs holds up
    those behind it for `timeout` seconds, so give routers that must not wait for each other's scripts a notifier each.

    News that come faster than the scripts run wait. If more than `backlog` do, those are dropped first that a later
    state of the same router or group makes obsolete, so that the newest state of each is told. Where keepalived runs
    `notify_master_rx_lower_pri` for every advertisement, one run per router waits at a time, and stands for all that
    were heard meanwhile.

    Leaving the block runs what has been told before, for `close_timeout` seconds at most. Then, or when the leaving is
    cancelled, the running command is ended, which may take it three seconds more, and the rest is dropped. Leave it
    after the routers.

    Attributes:
        notify_master: Runs when a router or group has become Active.
        notify_backup: Runs when it has become Backup.
        notify_fault: Runs when it is in fault.
        notify_stop: Runs when it was shut down.
        notify_deleted: Runs when it was removed while the program lives on.
        notify: Runs at each of these, with four arguments more.
        notify_master_rx_lower_pri: Runs while Active when an advertisement of lower priority was heard.
        timeout: Seconds, 0.01-86400, after which a command is ended.
        close_timeout: Seconds, 0-86400, that leaving the block may wait.
        backlog: How many notices may wait, 1-1000000.

    Raises:
        ConfigError: A value is out of its range.
    """

    notify_master: Command | None = field(default=None, validator=check_command)
    notify_backup: Command | None = field(default=None, validator=check_command)
    notify_fault: Command | None = field(default=None, validator=check_command)
    notify_stop: Command | None = field(default=None, validator=check_command)
    notify_deleted: Command | None = field(default=None, validator=check_command)
    notify: Command | None = field(default=None, validator=check_command)
    notify_master_rx_lower_pri: Command | None = field(default=None, validator=check_command)
    timeout: float = field(default=30.0, validator=InRange(0.01, 86400, "seconds"))
    close_timeout: float = field(default=20.0, validator=InRange(0, 86400, "seconds"))
    backlog: int = field(default=1000, validator=Whole(1, 1_000_000))
    _waiting: Backlog = field(
        init=False, default=Factory(lambda self: Backlog(self.backlog, log, "notification scripts"), takes_self=True)
    )
    _turns: Turns[Notice] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make what runs them."""
        self._turns = Turns(self._waiting, self._commands, self.timeout)

    async def __aenter__(self) -> Self:
        """Begin to take news.

        Raises:
            RuntimeError: The block has been entered already.
        """
        if self._turns.is_open:
            raise RuntimeError("a ScriptNotifier cannot be entered twice at a time")
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

    def tell(self, notice: Notice) -> None:
        """Have the commands run for one notice, after those of all earlier ones.

        Raises:
            RuntimeError: The block has not been entered, or has been left.
        """
        if not self._turns.is_open:
            raise RuntimeError(f"ScriptNotifier is not open, so no script runs for {notice.name}: {notice.news}")
        if isinstance(notice.news, PriorityMoved):
            return
        if isinstance(notice.news, LoserHeard) and self.notify_master_rx_lower_pri is None:
            return
        self._waiting.add(notice)
        self._turns.start()

    def _commands(self, notice: Notice) -> tuple[str, tuple[Command, ...]]:
        """Whose news they are, for logs, and what to run, in order."""
        match notice.news:
            case StateChanged() | GroupChanged():
                own = self._by_word(state_word(notice.news))
                words = arguments(notice, deleted=self.notify_deleted is not None)
                both = own, None if self.notify is None else self.notify.with_arguments(*words)
            case LoserHeard():
                both = self.notify_master_rx_lower_pri, None
            case PriorityMoved():
                both = None, None
            case unreachable:
                assert_never(unreachable)
        return " ".join(arguments(notice)[:3]), tuple(command for command in both if command is not None)

    def _by_word(self, word: Word) -> Command | None:
        """The command for a state alone."""
        match word:
            case "MASTER":
                return self.notify_master
            case "BACKUP":
                return self.notify_backup
            case "FAULT":
                return self.notify_fault
            case "STOP":
                return self.notify_stop
            case "DELETED":
                return self.notify_deleted
            case _:
                return None
