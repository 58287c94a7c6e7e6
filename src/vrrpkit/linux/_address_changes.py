"""Carrying out changes of addresses, and judging what the kernel says to them. Waits for the kernel."""

from __future__ import annotations

import enum
import errno
import os
import re
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address
from typing import Final, TypeAlias, assert_never

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux._dumps import read_addresses
from vrrpkit.linux._errors import kernel_error
from vrrpkit.linux._holding import Condition, Holding
from vrrpkit.linux._netlink import Change, Refusal, Requests
from vrrpkit.linux._placement import Placement
from vrrpkit.linux._rtnetlink import (
    RTM_DELADDR,
    RTM_NEWADDR,
    AddressFact,
    decode_address,
    encode_address,
)
from vrrpkit.linux._wire import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE

__all__ = ["Task", "Verb", "carry_out", "is_leftover", "is_ours", "marks_addresses", "remove_leftovers"]

# Of an address that we wanted to remove: it, its interface, or all of IPv6 there is not there.
_GONE: Final = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO})


class Verb(enum.Enum):
    """What to do with an address."""

    ADD = enum.auto()
    RENEW = enum.auto()
    REMOVE = enum.auto()


Task: TypeAlias = tuple[Verb, Holding]


def carry_out(requests: Requests, tasks: Sequence[Task]) -> list[Holding]:
    """Do all of this in one go; return what could not be renewed.

    What became of each address is in its `condition` and `error`. What a condition makes pointless is left out, so
    an address must not be added and removed in one go.
    """
    steps = [(verb, holding, change) for verb, holding in tasks if (change := _change(verb, holding))]
    try:
        refused = {
            refusal.position: refusal
            for refusal in requests.batch("change addresses", [change for _verb, _holding, change in steps])
        }
    except KernelError as error:
        refused = {at: Refusal(at, error.errno or errno.EIO, error.strerror or "") for at in range(len(steps))}
    existing: list[Holding] = []
    unrenewed: list[Holding] = []
    for position, (verb, holding, _sent) in enumerate(steps):
        refusal = refused.get(position)
        if verb is Verb.ADD and refusal is not None and refusal.errno == errno.EEXIST:
            existing.append(holding)
        else:
            _settle(verb, holding, refusal)
            if verb is Verb.RENEW and refusal is not None:
                unrenewed.append(holding)
    if existing:
        _adopt(requests, existing)
    return unrenewed


def is_ours(fact: AddressFact, *, marked: bool) -> bool:
    """Whether an address must have come from this library: by its mark, or where there are none by its lease."""
    return fact.virtual if marked else not fact.permanent


def is_leftover(fact: AddressFact, placement: Placement, lease: float | None, *, marked: bool) -> bool:
    """Whether an earlier run has left this address.

    Where addresses do not say who added them, it must be exactly what this placement and this lease would make it.
    """
    if marked:
        return fact.virtual
    return fact.prefix_length == placement.prefix_length and fact.permanent == (lease is None)


def remove_leftovers(requests: Requests, facts: Sequence[AddressFact]) -> list[Refusal]:
    """Remove addresses that an earlier run has left; what is gone already is no refusal."""
    changes = [Change(RTM_DELADDR, 0, encode_address(fact.index, fact.address, fact.prefix_length)) for fact in facts]
    refusals = requests.batch("remove leftovers", changes)
    return [refusal for refusal in refusals if refusal.errno not in _GONE]


@cache
def marks_addresses() -> bool:
    """Whether the kernel remembers who added an address (5.18)."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (5, 18)


def _change(verb: Verb, holding: Holding) -> Change | None:
    match verb:
        case Verb.ADD if holding.condition is Condition.WANTED and not holding.released:
            return Change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, holding.addition)
        case Verb.RENEW if holding.condition is Condition.INSTALLED and not holding.released:
            return Change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, holding.addition)
        case Verb.REMOVE if holding.condition is Condition.INSTALLED:
            return Change(RTM_DELADDR, 0, holding.removal)
        case _:
            return None


def _settle(verb: Verb, holding: Holding, refusal: Refusal | None) -> None:
    match verb:
        case Verb.ADD:
            holding.condition = Condition.INSTALLED if refusal is None else Condition.REFUSED
            holding.error = _error("add {} to {}", holding, refusal)
        case Verb.RENEW:
            holding.error = _error("renew {} on {}", holding, refusal)
        case Verb.REMOVE:
            if refusal is None or refusal.errno in _GONE:
                holding.condition, refusal = Condition.REMOVED, None
            holding.error = _error("remove {} from {}", holding, refusal)
        case unreachable:
            assert_never(unreachable)


def _error(operation: str, holding: Holding, refusal: Refusal | None) -> KernelError | None:
    if refusal is None:
        return None
    device = holding.device.name
    text = refusal.text
    if refusal.errno == errno.EACCES and not text:  # newer kernels say it themselves
        text = f"IPv6 is disabled on {device}"
    return kernel_error(operation.format(holding.placement, device), refusal.errno, text)


def _adopt(requests: Requests, holdings: Sequence[Holding]) -> None:
    """Judge addresses that were there already: what we have left is ours again, everything else stays as it is."""
    try:
        present = _present(requests, {holding.device.index for holding in holdings})
    except KernelError as error:
        for holding in holdings:
            holding.condition, holding.error = Condition.REFUSED, error
        return
    ours: list[Holding] = []
    misplaced: list[AddressFact] = []
    for holding in holdings:
        placement = holding.placement
        twins = present.get((holding.device.index, placement.address), [])
        if isinstance(placement.address, IPv4Address):  # where the prefix length is a part of the identity
            twins = [fact for fact in twins if fact.prefix_length == placement.prefix_length]
        if all(is_ours(fact, marked=marks_addresses()) for fact in twins):
            ours.append(holding)
            misplaced += [fact for fact in twins if fact.prefix_length != placement.prefix_length]
        else:
            holding.condition = Condition.FOREIGN
    remove_leftovers(requests, misplaced)
    changes = [Change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, holding.addition) for holding in ours]
    refused = {refusal.position: refusal for refusal in requests.batch("adopt addresses", changes)}
    for position, holding in enumerate(ours):
        _settle(Verb.ADD, holding, refused.get(position))


def _present(requests: Requests, indexes: set[int]) -> dict[tuple[int, IPAddress], list[AddressFact]]:
    """The addresses of some links."""
    present: dict[tuple[int, IPAddress], list[AddressFact]] = {}
    for index in indexes:
        for payload in read_addresses(requests, index):
            fact = decode_address(payload)
            if fact is not None:
                present.setdefault((fact.index, fact.address), []).append(fact)
    return present
