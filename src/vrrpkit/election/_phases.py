"""What is true only while in one state: a timer exists where it runs, and nowhere else."""

from __future__ import annotations

from typing import TypeAlias

from vrrpkit._cheap import value
from vrrpkit.election._actions import Heard, Reason

__all__ = ["Active", "Backup", "Fault", "Initialize", "Phase"]


@value
class Initialize:
    """Not started."""

    deadline: None = None


@value
class Backup:
    """Following an Active Router, or waiting for silence to prove that there is none.

    Attributes:
        down_at: When to take over (Active_Down_Timer).
        active_interval: The Active Router's interval in seconds (Active_Adver_Interval).
        learned: Whether that interval was heard; until then it is the own one.
        preempt_at: Until when a lower priority is still followed; None while none is heard.
        why: What a take-over at `down_at` would be called.
        heard: The last advertisement, followed or not; what a person would call the current Active.
    """

    down_at: float
    active_interval: float
    learned: bool = False
    preempt_at: float | None = None
    why: Reason = Reason.ACTIVE_SILENT
    heard: Heard | None = None

    @property
    def deadline(self) -> float:
        """The take-over."""
        return self.down_at


@value
class Active:
    """Holding the addresses.

    Attributes:
        advert_at: When the next advertisement is due (Adver_Timer).
        sent_at: When the last one left.
        answer_at: No answer to a loser before this: what a peer can make us send is bounded.
    """

    advert_at: float
    sent_at: float
    answer_at: float

    @property
    def deadline(self) -> float:
        """The next advertisement."""
        return self.advert_at


@value
class Fault:
    """Started, and not eligible while there is a cause."""

    deadline: None = None


Phase: TypeAlias = Initialize | Backup | Active | Fault
