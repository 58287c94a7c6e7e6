"""What can happen to an election."""

from __future__ import annotations

from typing import Final, TypeAlias

from attrs import field
from attrs.validators import optional

from vrrpkit._cheap import value
from vrrpkit.addresses import IPAddress
from vrrpkit.election._config import ElectionConfig
from vrrpkit.errors import Whole
from vrrpkit.packet import Advertisement

__all__ = [
    "AdvertReceived",
    "Event",
    "FaultCleared",
    "FaultRaised",
    "GroupTookOver",
    "GroupYielded",
    "PrimaryAddressChanged",
    "PriorityChanged",
    "Reconfigured",
    "Resumed",
    "Shutdown",
    "Startup",
    "SteppedDown",
    "Suspended",
    "TimerFired",
]


@value
class Startup:
    """Begin to take part."""


@value
class Shutdown:
    """Stop taking part; an Active router resigns.

    Attributes:
        deleted: Whether the virtual router is removed while the program lives on; keepalived's `notify_deleted`.
    """

    deleted: bool = False


@value
class TimerFired:
    """The tick: the deadline may have come."""


@value
class AdvertReceived:
    """An advertisement that `screen()` has passed."""

    advert: Advertisement
    source: IPAddress


@value
class PriorityChanged:
    """The effective priority is now another one, 1-254; an owner's never changes."""

    priority: int = field(validator=Whole(1, 254))


@value
class PrimaryAddressChanged:
    """The address that advertisements leave from, and that breaks ties, is now another one."""

    address: IPAddress


@value
class FaultRaised:
    """Something this router cannot do without is gone.

    The cause is a name that a person can read: `link:eth0`, `track:haproxy`, `addresses:EACCES`.
    """

    cause: str


@value
class FaultCleared:
    """A cause of fault is gone."""

    cause: str


@value
class Reconfigured:
    """Go on with another configuration of the same virtual router: VRID and family stay.

    Attributes:
        config: The new configuration.
        priority: The effective priority under it, 1-254, which an Active router's advertisement of this moment already
            has. None keeps the effective one, unless the configured one is another now; an owner's is 255.
    """

    config: ElectionConfig
    priority: int | None = field(default=None, validator=optional(Whole(1, 254)))


@value
class SteppedDown:
    """An operator's wish: let another take over now, and do not take the role back while it lives."""


@value
class Suspended:
    """An operator's wish: stay away until `Resumed`; seen as the cause `operator`."""


@value
class Resumed:
    """An operator's wish: come back, and take over again where the priority says so."""


@value
class GroupYielded:
    """Another member of the sync group stopped being Active.

    An Active router resigns and waits for the full silence limit as Backup; any other takes no notice. It does not
    follow lower priorities afterwards, as it does after `SteppedDown`.
    """

    member: str


@value
class GroupTookOver:
    """Another member of the sync group is Active: a Backup becomes Active at once, any other takes no notice.

    It does not wait for the end of its startup delay: the group that it joins is ready.
    """

    member: str


OPERATOR_CAUSE: Final = "operator"

Event: TypeAlias = (
    Startup
    | Shutdown
    | TimerFired
    | AdvertReceived
    | PriorityChanged
    | PrimaryAddressChanged
    | FaultRaised
    | FaultCleared
    | Reconfigured
    | SteppedDown
    | Suspended
    | Resumed
    | GroupYielded
    | GroupTookOver
)
