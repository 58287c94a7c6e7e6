"""News of pools in the words that keepalived gives to its event pipe."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never

from vrrpkit.ipvs import Endpoint, FirewallMark, ServiceKey
from vrrpkit.lvs import PoolNotice
from vrrpkit.pool import Condition, MemberMoved, QuorumMoved

__all__ = ["PoolWord", "PoolWords", "pool_arguments", "pool_line", "pool_word", "subject_of"]

PoolWord: TypeAlias = Literal["UP", "DOWN"]

_LONGEST_NAME: Final = 255  # characters: at four octets each, the line stays whole in a pipe


def pool_word(notice: PoolNotice) -> PoolWord:
    """UP or DOWN, for a quorum that is held or lost, and for a member that is up or not, whatever it is then."""
    match notice.news:
        case QuorumMoved(held=held):
            return "UP" if held else "DOWN"
        case MemberMoved(new=new):
            return "UP" if new is Condition.UP else "DOWN"
        case unreachable:
            assert_never(unreachable)


def subject_of(notice: PoolNotice) -> tuple[str, str | None]:
    """Whom the news are of: a pool, or a member of one."""
    return notice.name, notice.news.member if isinstance(notice.news, MemberMoved) else None


class PoolWords:
    """Remembers what was told of each pool and member, and says what is left to tell.

    As with keepalived, a first verdict is told; but not that a member is up which was in service before it. Of members
    that leave without one nothing is told.

    Args:
        initial: Whether to tell that, too, as with keepalived's `rs_init_notifies`.
    """

    def __init__(self, *, initial: bool) -> None:
        self._initial = initial
        self._told: dict[tuple[str, str | None], PoolWord] = {}  # of members

    def to_tell(self, notice: PoolNotice) -> PoolWord | None:
        """The word to tell now; None if there is nothing new."""
        news, about = notice.news, subject_of(notice)
        if isinstance(news, QuorumMoved):
            return pool_word(notice)
        if news.new is Condition.UNKNOWN:
            return None
        known, word = self._told.get(about), pool_word(notice)
        if news.new is None:
            self._told.pop(about, None)
        else:
            self._told[about] = word
        if known is not None:
            return None if word == known else word
        is_old = (word == "UP") if notice.trusted else news.new is None
        return word if self._initial or not is_old else None


def pool_arguments(notice: PoolNotice) -> tuple[str, ...]:
    """The words of the line in keepalived's event pipe.

    They are `VS`, the service, and UP or DOWN; or `RS`, the real server, the service, and UP or DOWN. Several services,
    which are a group in keepalived, are called by the pool's name.
    """
    service = _service(notice)
    match notice.news:
        case QuorumMoved():
            return "VS", service, pool_word(notice)
        case MemberMoved(member=name):
            return "RS", _server(notice, name), service, pool_word(notice)
        case unreachable:
            assert_never(unreachable)


def pool_line(notice: PoolNotice) -> str:
    r"""The line in keepalived's event pipe, and no NUL follows it.

    `VS [192.0.2.10]:tcp:80 UP\n`, `RS [10.1.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN\n`. A service of a firewall mark is
    `FWM 7`, a pool of several services `[web]:0`.
    """
    return f"{' '.join(pool_arguments(notice))}\n"


def _service(notice: PoolNotice) -> str:
    if len(notice.keys) > 1:
        return f"[{_printable(notice.name)}]:0"
    key = next(iter(notice.keys))
    match key:
        case Endpoint():
            return f"[{key.address}]:{_protocol(key)}:{key.port}"
        case FirewallMark(mark):
            return f"FWM {mark}"
        case unreachable:
            assert_never(unreachable)


def _server(notice: PoolNotice, name: str) -> str:
    if notice.member is None:
        return f"[{_printable(name)}]"
    server = notice.member.to_server(notice.keys[0], 0)
    return f"[{server.address}]:{_protocol(notice.keys[0])}:{server.port}"


def _protocol(key: ServiceKey) -> str:
    return key.protocol.name.lower() if isinstance(key, Endpoint) else "none"


def _printable(name: str) -> str:
    """No name can forge a line."""
    return "".join(char if char.isprintable() and char != '"' else "_" for char in name[:_LONGEST_NAME])
