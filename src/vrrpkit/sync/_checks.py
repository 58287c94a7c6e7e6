"""What the members of a sync group must have in common."""

from __future__ import annotations

from collections.abc import Mapping

from vrrpkit.election import Election, ElectionConfig
from vrrpkit.errors import ConfigError

__all__ = ["check_configs", "check_distinct"]


def check_configs(configs: Mapping[str, ElectionConfig]) -> None:
    """Raise `ConfigError` unless these can move together."""
    priorities = {name: config.priority for name, config in configs.items()}
    if len({config.is_owner for config in configs.values()}) > 1:
        text = f"for all members of a sync group or for none, got {_told(priorities)}"
        raise ConfigError(f"priority must be 255 (the address owner) {text}")
    _check_same("priority", priorities)
    _check_same("startup_delay", {name: config.startup_delay for name, config in configs.items()})


def check_distinct(elections: Mapping[str, Election]) -> None:
    """Raise `ConfigError` when two names mean one election."""
    names: dict[int, str] = {}
    for name, election in elections.items():
        first = names.setdefault(id(election), name)
        if first != name:
            raise ConfigError(f"members of a sync group must be different elections, got one for {first} and {name}")


def _check_same(what: str, values: Mapping[str, float]) -> None:
    if len(set(values.values())) > 1:
        raise ConfigError(f"{what} must be the same for all members of a sync group, got {_told(values)}")


def _told(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
