"""Which members there are, and which there can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import ConfigError
from vrrpkit.pool._config import Member, PoolConfig
from vrrpkit.pool._member import Entry

__all__ = ["Roster", "check_known"]

_TOLD: Final = 8


@define(eq=False)
class Roster:
    """The members by name, none of them twice in a service.

    Attributes:
        entries: All members, in the order in which they were added.
    """

    entries: dict[str, Entry] = field(factory=dict, init=False)
    _places: dict[tuple[IPAddress, int | None], str] = field(factory=dict, init=False)

    def find(self, name: str) -> Entry:
        """The member of this name.

        Raises:
            ConfigError: There is none.
        """
        check_known("member", name, self.entries)
        return self.entries[name]

    def add(self, entry: Entry) -> None:
        """Take a member that `check_new()` has let pass."""
        self.entries[entry.name] = entry
        self._places[entry.member.address, entry.member.port] = entry.name

    def remove(self, entry: Entry) -> None:
        """Let a member go."""
        del self.entries[entry.name]
        del self._places[entry.member.address, entry.member.port]

    def check_new(self, member: Member, config: PoolConfig) -> None:
        """Raise `ConfigError` unless this member can be added."""
        if member.name in self.entries:
            raise ConfigError(f"name must be new to the pool, got {member.name!r} again")
        config.check_member(member)
        for rival in self._rivals(member, config.ports):
            raise ConfigError(f"address and port must be new to the pool, got those of {rival} again for {member.name}")
        _check_sorry(member, config)

    def check_config(self, config: PoolConfig) -> None:
        """Raise `ConfigError` unless all members can serve with these settings."""
        for entry in self.entries.values():
            member = entry.member
            config.check_member(member)
            rival = self._places.get((member.address, None))
            if member.port in config.ports and rival is not None:
                raise ConfigError(
                    f"services must not give {rival} the address and port of {member.name}, got port {member.port}"
                )
            _check_sorry(member, config)

    def _rivals(self, member: Member, ports: frozenset[int]) -> Iterator[str]:
        """Those that would be at the same place in some service."""
        taken = {member.port, None} if member.port is None or member.port in ports else {member.port}
        for port in taken | ports if member.port is None else taken:
            rival = self._places.get((member.address, port))
            if rival is not None:
                yield rival


def _check_sorry(member: Member, config: PoolConfig) -> None:
    sorry = config.sorry_server
    if sorry is None or sorry.address != member.address:
        return
    if any((sorry.port or port) == (member.port or port) for port in config.ports):
        raise ConfigError(f"address and port of {member.name} must not be those of the sorry server, got {sorry.name}")


def check_known(what: str, name: str, known: Mapping[str, object]) -> None:
    """Raise `ConfigError` for a name that is none of these."""
    if name not in known:
        more = f" and {len(known) - _TOLD} more" if len(known) > _TOLD else ""
        raise ConfigError(f"{what} must be one of {', '.join([*known][:_TOLD]) or '(none)'}{more}, got {name!r}")
