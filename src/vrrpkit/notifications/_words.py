"""News in the words that keepalived gives to its scripts and writes to its event pipe."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never

from vrrpkit.election import Reason, State, StateChanged
from vrrpkit.runtime import LoserHeard, News, Notice, PriorityMoved
from vrrpkit.sync import GroupChanged

__all__ = ["Word", "arguments", "fifo_line", "state_word"]

Word: TypeAlias = Literal[
    "MASTER", "BACKUP", "FAULT", "STOP", "DELETED", "MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY"
]

_LONGEST_NAME: Final = 255  # characters: at four octets each, the line stays whole in a pipe


def state_word(news: News) -> Word:
    """The word of keepalived for what has happened.

    A state is MASTER, BACKUP, FAULT, STOP (shut down), or DELETED (removed while the program lives on). The pipe alone
    has MASTER_RX_LOWER_PRI, MASTER_PRIORITY, and BACKUP_PRIORITY, which is said in FAULT, too.
    """
    match news:
        case StateChanged() | GroupChanged():
            return _word_of_state(news.new, news.reason)
        case LoserHeard():
            return "MASTER_RX_LOWER_PRI"
        case PriorityMoved():
            return "MASTER_PRIORITY" if news.state is State.ACTIVE else "BACKUP_PRIORITY"
        case unreachable:
            assert_never(unreachable)


def _word_of_state(state: State, reason: Reason) -> Word:
    match state:
        case State.ACTIVE:
            return "MASTER"
        case State.BACKUP:
            return "BACKUP"
        case State.FAULT:
            return "FAULT"
        case State.INITIALIZE:
            return "DELETED" if reason is Reason.DELETED else "STOP"
        case unreachable:
            assert_never(unreachable)


def arguments(notice: Notice, *, deleted: bool = True) -> tuple[str, str, str, str]:
    """The four arguments that keepalived's `notify` appends to a script's own.

    These are INSTANCE or GROUP, the name, the word, and the effective priority (0 for a group). For news that are no
    state, for which keepalived does not run `notify`, they are what its pipe says.

    No name can forge a line: quotation marks and all that is not printable (line ends, other control characters) are
    told as `_`, and of a longer name only the first 255 characters. Nothing is escaped, as in keepalived, where a name
    cannot have a quotation mark or a line end in the first place.

    Args:
        notice: The news, and whose they are.
        deleted: Whether the removal of a router is called DELETED; if not, it is FAULT, which is what keepalived says
            where no `notify_deleted` is configured.
    """
    word = state_word(notice.news)
    if word == "DELETED" and not deleted:
        word = "FAULT"
    kind = "GROUP" if isinstance(notice.news, GroupChanged) else "INSTANCE"
    return kind, _told(notice.name), word, str(_priority(notice.news))


def _told(name: str) -> str:
    """A name as it is told."""
    return "".join(char if char.isprintable() and char != '"' else "_" for char in name[:_LONGEST_NAME])


def _priority(news: News) -> int:
    match news:
        case StateChanged() | LoserHeard():
            return news.priority
        case PriorityMoved():
            return news.new
        case GroupChanged():
            return 0
        case unreachable:
            assert_never(unreachable)


def fifo_line(notice: Notice, *, deleted: bool = True) -> str:
    r"""The line in keepalived's event pipe: `INSTANCE "VI_1" MASTER 100\n`, `GROUP "VG_1" FAULT 0\n`.

    It is one line of fewer than 4,096 octets in UTF-8 whatever the name, see `arguments()`, and no NUL follows it.

    Args:
        notice: The news, and whose they are.
        deleted: As in `arguments()`.
    """
    kind, name, word, priority = arguments(notice, deleted=deleted)
    return f'{kind} "{name}" {word} {priority}\n'
