"""Tell scripts and readers of a pipe what happens, in the way keepalived does.

Give `ScriptNotifier` and `FifoNotifier` to routers and sync groups (`notify=[...]`), and `PoolScriptNotifier` and
`PoolFifoNotifier` to pools of real servers. One of them may serve any number; it tells the news of all in one order.
"""

from __future__ import annotations

from vrrpkit.notifications._fifo import FifoNotifier
from vrrpkit.notifications._pool_fifo import PoolFifoNotifier
from vrrpkit.notifications._pool_scripts import MemberScripts, PoolScriptNotifier
from vrrpkit.notifications._pool_words import pool_arguments, pool_line, pool_word
from vrrpkit.notifications._scripts import ScriptNotifier
from vrrpkit.notifications._words import arguments, fifo_line, state_word

__all__ = [
    "FifoNotifier",
    "MemberScripts",
    "PoolFifoNotifier",
    "PoolScriptNotifier",
    "ScriptNotifier",
    "arguments",
    "fifo_line",
    "pool_arguments",
    "pool_line",
    "pool_word",
    "state_word",
]
