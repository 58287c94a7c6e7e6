"""From when to when a certificate is valid, read from its octets (RFC 5280 section 4.1, X.690)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from attrs import frozen

__all__ = ["CertificateError", "Validity", "validity"]

_SEQUENCE: Final = 0x30
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_VERSION: Final = 0xA0
_LONGEST_LENGTH: Final = 4
_TIMES: Final = {
    _UTC_TIME: re.compile(rb"([0-9]{2})([0-9]{10})Z"),
    _GENERALIZED_TIME: re.compile(rb"([0-9]{4})([0-9]{10})Z"),
}


class CertificateError(ValueError):
    """Octets that are no X.509 certificate."""


@frozen
class Validity:
    """From when to when, in seconds since 1970."""

    not_before: float
    not_after: float


def validity(der: bytes) -> Validity:
    """From when to when a certificate in DER is valid.

    Raises:
        CertificateError: These octets are none.
    """
    certificate = _Reader(_Reader(der).take(_SEQUENCE)).take(_SEQUENCE)  # its first part, TBSCertificate
    fields = _Reader(certificate)
    if fields.next_tag == _VERSION:
        fields.skip()
    for _serial_number_signature_issuer in range(3):
        fields.skip()
    period = _Reader(fields.take(_SEQUENCE))
    return Validity(_time(*period.read()), _time(*period.read()))


class _Reader:
    """Takes one element after the other: a tag, a length, and so many octets."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def next_tag(self) -> int | None:
        return self._octets[self._at] if self._at < len(self._octets) else None

    def take(self, tag: int) -> bytes:
        found, content = self.read()
        if found != tag:
            raise CertificateError(f"tag {found:#x} where {tag:#x} was expected")
        return content

    def skip(self) -> None:
        self.read()

    def read(self) -> tuple[int, bytes]:
        tag, length = self._octet(), self._octet()
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= _LONGEST_LENGTH:
                raise CertificateError(f"a length of {count} octets")
            length = int.from_bytes(self._some(count), "big")
        return tag, self._some(length)

    def _octet(self) -> int:
        return self._some(1)[0]

    def _some(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._octets):
            raise CertificateError(f"{self._at - len(self._octets)} octets are missing")
        return self._octets[start : self._at]


def _time(tag: int, text: bytes) -> float:
    """RFC 5280 section 4.1.2.5: in UTC, with seconds; years of two digits are 1950 to 2049."""
    match = _TIMES[tag].fullmatch(text) if tag in _TIMES else None
    if match is None:
        raise CertificateError(f"{text[:20]!r} (tag {tag:#x}) where a time was expected")
    year = int(match[1])
    if tag == _UTC_TIME:
        year += 2000 if year < 50 else 1900
    month, day, hour, minute, second = (int(match[2][i : i + 2]) for i in range(0, 10, 2))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError as error:
        raise CertificateError(f"{text!r}: {error}") from error
