"""VRRP on the wire: octets to frozen values and back.

`encode()` and `decode()` meet in the same `Datagram`, so a checksum cannot be computed for one destination and sent
to another. What the octets alone can say is judged here; what needs the configuration is
`vrrpkit.election.screen()`.
"""

from __future__ import annotations

from vrrpkit.packet._advert import (
    Advertisement,
    ChecksumForm,
    Datagram,
    Version,
)
from vrrpkit.packet._announce import announcement_frame, gratuitous_arp, unsolicited_na
from vrrpkit.packet._checksum import internet_checksum
from vrrpkit.packet._codec import decode, encode
from vrrpkit.packet._decoder import Decoder
from vrrpkit.packet._reject import PacketError, Reject

__all__ = [
    "Advertisement",
    "ChecksumForm",
    "Datagram",
    "Decoder",
    "PacketError",
    "Reject",
    "Version",
    "announcement_frame",
    "decode",
    "encode",
    "gratuitous_arp",
    "internet_checksum",
    "unsolicited_na",
]
