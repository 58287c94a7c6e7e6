"""The tables of options in docs/reference/checkers say what the code says: every name, default and range."""

from __future__ import annotations

import inspect
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import attrs
import pytest

from vrrpkit import checks
from vrrpkit.checks import TLS, HTTPPath, Schedule, Via
from vrrpkit.tracking import FirstResult

PAGES: Final = Path(__file__).parents[2] / "docs" / "reference" / "checkers"
HEADING: Final = re.compile(r"#+ Options of `(?P<owner>[\w.]+)`")
COLUMNS: Final = ["name", "type", "default", "range", "meaning"]
REQUIRED: Final = "required"

CHECKERS: Final = {
    name: value
    for name in checks.__all__
    if attrs.has(value := getattr(checks, name)) and inspect.iscoroutinefunction(getattr(value, "check", None))
}
CLASSES: Final = CHECKERS | {"Via": Via, "TLS": TLS, "HTTPPath": HTTPPath, "Schedule": Schedule}
PROFILES: Final[dict[str, Callable[..., Schedule]]] = {
    "Schedule.keepalived": Schedule.keepalived,
    "Schedule.haproxy": Schedule.haproxy,
}


class Row(NamedTuple):
    """One line of a table, as it is written."""

    name: str
    default: str
    range: str


class Option(NamedTuple):
    """The same, as the code has it; `limits` is empty where only prose can tell the range."""

    name: str
    default: object
    convert: Callable[[Any], object]
    limits: str


def tables(text: str) -> Iterator[tuple[str, list[Row]]]:
    """The tables of a page: what each belongs to, and its rows."""
    owner, lines = "", iter(text.splitlines())
    for line in lines:
        heading = HEADING.fullmatch(line)
        if heading or line.startswith("#"):
            assert not owner, f"there is no table of {owner}"
            owner = heading["owner"] if heading else ""
        elif owner and line.startswith("|"):
            assert cells(line) == COLUMNS, f"the table of {owner} has other columns"
            next(lines)
            yield owner, list(rows(lines))
            owner = ""
    assert not owner, f"there is no table of {owner}"


def rows(lines: Iterator[str]) -> Iterator[Row]:
    for line in lines:
        if not line.startswith("|"):
            return
        name, _type, default, limits, _meaning = cells(line)
        yield Row(name.strip("`"), default, limits)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def options_of(owner: str) -> list[Option]:
    if owner in PROFILES:
        return [of_parameter(one) for one in inspect.signature(PROFILES[owner]).parameters.values()]
    return [of_field(one) for one in attrs.fields(CLASSES[owner]) if one.init]


def of_parameter(parameter: inspect.Parameter) -> Option:
    return Option(parameter.name, parameter.default, lambda value: value, "")


def of_field(field: Any) -> Option:
    convert = field.converter or (lambda value: value)
    default = field.default
    if default is attrs.NOTHING:
        return Option(field.name, REQUIRED, convert, limits_of(field.validator))
    made = default.factory() if hasattr(default, "factory") else default
    return Option(field.name, convert(made), convert, limits_of(field.validator))


def limits_of(validator: object) -> str:
    """The range of a validator, as our messages write it."""
    inner = getattr(validator, "validator", validator)  # of an optional()
    low, high = getattr(inner, "low", None), getattr(inner, "high", None)
    if low is None or high is None:
        return ""
    return f"{low:.10g} to {high:.10g}" if low < 0 else f"{low:.10g}-{high:.10g}"


def as_written(row: Row, option: Option) -> object:
    if row.default == REQUIRED:
        return REQUIRED
    known = {"socket": socket, "FirstResult": FirstResult, **vars(checks)}
    return option.convert(eval(row.default.strip("`"), known))  # noqa: S307 - our own pages


TABLES: Final = [pair for path in sorted(PAGES.glob("*.md")) for pair in tables(path.read_text("utf-8"))]


def test_every_checker_and_what_goes_with_it_has_one_table() -> None:
    assert sorted(owner for owner, _ in TABLES) == sorted({*CLASSES, *PROFILES})


@pytest.mark.parametrize(("owner", "written"), TABLES, ids=[owner for owner, _ in TABLES])
def test_a_table_has_the_options_of_its_class_in_their_order(owner: str, written: list[Row]) -> None:
    assert [row.name for row in written] == [option.name for option in options_of(owner)]


@pytest.mark.parametrize(("owner", "written"), TABLES, ids=[owner for owner, _ in TABLES])
def test_a_table_has_the_defaults_of_its_class(owner: str, written: list[Row]) -> None:
    options = options_of(owner)
    found = [as_written(*pair) for pair in zip(written, options, strict=True)]
    defaults = [option.default for option in options]
    assert found == defaults
    assert [*map(type, found)] == [*map(type, defaults)]  # 0 is not False, and 1 not 1.0


@pytest.mark.parametrize(("owner", "written"), TABLES, ids=[owner for owner, _ in TABLES])
def test_a_table_has_the_ranges_of_its_class(owner: str, written: list[Row]) -> None:
    for row, option in zip(written, options_of(owner), strict=True):
        beginning = row.range[: len(option.limits)]
        assert (row.name, beginning) == (option.name, option.limits)
        assert not re.match(r"[\d.]", row.range[len(option.limits) :]) or not option.limits


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("## Options of `A`\n\n## More\n", "there is no table of A"),
        ("## Options of `A`\n", "there is no table of A"),
        ("## Options of `A`\n\n| name | default |\n| --- | --- |\n", "the table of A has other columns"),
    ],
)
def test_a_table_that_is_missing_is_not_passed_over(page: str, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        list(tables(page))


@pytest.mark.parametrize(
    ("owner", "limits"),
    [
        ("TCPChecker", ["", "1-65535", ""]),
        ("FileChecker", ["", "0-65535", "-65535 to 65535", "", "-2147483648 to 2147483647"]),
        ("CertificateChecker", ["", "1-65535", "0-3650", "", ""]),
    ],
)
def test_ranges_are_those_of_the_validators(owner: str, limits: list[str]) -> None:
    assert [option.limits for option in options_of(owner)] == limits
