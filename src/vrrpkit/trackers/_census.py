"""How many processes fit."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field, frozen

__all__ = ["ArgumentMatch", "Census", "Wanted"]

_NAME_SIZE: Final = 15


class ArgumentMatch(enum.StrEnum):
    """How the arguments of a process must be like those that are wanted."""

    EXACT = "exact"
    """They are these."""
    INITIAL = "initial"
    """They begin with these."""
    PARTIAL = "partial"
    """Somewhere among them are these, in this order and next to each other."""


@frozen
class Wanted:
    """Which processes count.

    Attributes:
        command: The command's name, or what its command line begins with.
        arguments: What must follow there; None to go by the name alone.
        match: How the arguments must be like that.
    """

    command: bytes
    arguments: tuple[bytes, ...] | None = None
    match: ArgumentMatch = ArgumentMatch.EXACT

    def fits(self, name: bytes, arguments: tuple[bytes, ...] | None) -> bool:
        """Whether a process counts.

        Args:
            name: Its command name (comm), of which the kernel keeps 15 octets.
            arguments: Its command line, from the command on; None if it is not known.
        """
        if self.arguments is None:
            return name[:_NAME_SIZE] == self.command[:_NAME_SIZE]
        return arguments is not None and self._is_command(arguments[0]) and self._are_arguments(arguments[1:])

    def _is_command(self, command: bytes) -> bool:
        return self.command == (command if b"/" in self.command else command.rpartition(b"/")[2])

    def _are_arguments(self, given: tuple[bytes, ...]) -> bool:
        wanted = self.arguments or ()
        size = len(wanted)
        match self.match:
            case ArgumentMatch.EXACT:
                return given == wanted
            case ArgumentMatch.INITIAL:
                return given[:size] == wanted
            case ArgumentMatch.PARTIAL:
                return any(given[start : start + size] == wanted for start in range(len(given) - size + 1))


@define
class Census:
    """Counts the processes that fit, from what is said of single ones."""

    _members: set[int] = field(factory=set, init=False)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._members)

    def scanned(self, fitting: Iterable[int]) -> None:
        """These fit, and no others."""
        self._members = set(fitting)

    def changed(self, fitting: Mapping[int, bool]) -> None:
        """These fit now, or do not, whatever held of them before."""
        for number, fits in fitting.items():
            if fits:
                self._members.add(number)
            else:
                self._members.discard(number)
