"""A memory for octets seen before."""

from __future__ import annotations

from typing import Final

from attrs import define, field

from vrrpkit.packet._advert import Advertisement, Datagram
from vrrpkit.packet._codec import decode

__all__ = ["Decoder"]

_CAPACITY: Final = 8192
_ROOM: Final = 1 << 20  # octets of payload; with its addresses each takes up to 25 octets of memory


@define
class Decoder:
    """`decode()` that reads the same octets only once.

    An Active router sends the same octets again and again, so in the steady state this is one dictionary look-up.
    Everything that enters the verdict is in the key, and only good datagrams are remembered. When full it starts
    afresh: 8,192 different advertisements, or 1 MiB of them, are four times the virtual routers that two families have
    on eight links, or somebody's flood.
    """

    _seen: dict[tuple[bytes, bytes, bytes, int], Advertisement] = field(factory=dict, init=False)
    _octets: int = field(default=0, init=False)

    def decode(self, datagram: Datagram) -> Advertisement:
        """Parse untrusted octets.

        Raises:
            PacketError: For anything wrong, and nothing else for any octets.
        """
        key = (datagram.payload, datagram.source.packed, datagram.destination.packed, datagram.hop_limit)
        advert = self._seen.get(key)
        if advert is None:
            advert = decode(datagram)
            if len(self._seen) >= _CAPACITY or self._octets > _ROOM:
                self._seen.clear()
                self._octets = 0
            self._seen[key] = advert
            self._octets += len(datagram.payload)
        return advert
