"""What the standards state, what keepalived users look for, and which tests show it.

The statements stand in the TOML files beside this module, in the order of their documents. Each has one of these:

- tests that carry its number: `@pytest.mark.conforms("9568 6.4.2-3")`, and perhaps a `note`;
- `different`, a reason why it is decided otherwise, and perhaps tests that show how;
- `not-applicable`, a reason why it does not concern a library;
- `not-done`, a word about what is missing.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from attrs import frozen

__all__ = [
    "DOCUMENTS",
    "LEVELS",
    "PAGE",
    "TESTS",
    "Chapter",
    "Document",
    "Marks",
    "Statement",
    "complaints",
    "find_marks",
]

TESTS: Final = Path(__file__).parents[1]
PAGE: Final = TESTS.parent / "docs" / "explanation" / "conformance.md"

LEVELS: Final = {
    "MUST": ("MUST", "MUST NOT"),
    "SHOULD": ("SHOULD", "SHOULD NOT", "RECOMMENDED", "NOT RECOMMENDED"),
    "MAY": ("MAY", "OPTIONAL"),
    "no key word": ("plain",),
    "keyword": ("row",),
}

_KINDS: Final = {
    "different": "by design different",
    "not-applicable": "not applicable",
    "not-done": "not done",
}
_REFERENCE: Final = re.compile(r"\b\d{4} [e\d.]+-\d+")
_NEEDED: Final = {"id", "level", "says"}


@frozen(kw_only=True)
class Statement:
    """One statement: its number, its level, what it says in one line, and what there is to say about it."""

    id: str
    level: str
    says: str
    status: str = "shown"
    reason: str = ""


@frozen
class Chapter:
    """The statements of one chapter."""

    title: str
    statements: tuple[Statement, ...]


@frozen(kw_only=True)
class Document:
    """A standard, or the list of keywords."""

    title: str
    intro: str
    skipped: Mapping[str, str]
    chapters: tuple[Chapter, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Those of all chapters."""
        return tuple(statement for chapter in self.chapters for statement in chapter.statements)

    @classmethod
    def load(cls, text: str) -> Document:
        """From TOML."""
        read = tomllib.loads(text)
        chapters = [Chapter(each["title"], tuple(map(_statement, each["statement"]))) for each in read["chapter"]]
        return cls(title=read["title"], intro=read["intro"], skipped=read["skipped"], chapters=tuple(chapters))


def _statement(read: dict[str, Any]) -> Statement:
    remarks = read.keys() - _NEEDED
    if len(remarks) > 1 or not remarks <= {*_KINDS, "note"}:
        raise ValueError(f"{read['id']} must have at most one of {', '.join(_KINDS)} and note, got {sorted(remarks)}")
    fields = {name: read[name] for name in _NEEDED}
    for kind in remarks:
        fields |= {"status": _KINDS.get(kind, "shown"), "reason": read[kind]}
    return Statement(**fields)


def _read(name: str) -> Document:
    return Document.load(Path(__file__).with_name(name).read_text("utf-8"))


DOCUMENTS: Final = tuple(map(_read, ("rfc9568.toml", "rfc3768.toml", "keywords.toml")))


@frozen
class Marks:
    """Where tests say what they show."""

    shown: Mapping[str, tuple[str, ...]]
    """The tests of each statement, as `file::test`."""
    misplaced: tuple[str, ...]
    """Marks that are not on a test, or do not name statements by constants: nobody would count them."""


def find_marks(tests: Path = TESTS) -> Marks:
    """Look for marks in the text of all tests; nothing is imported."""
    shown: dict[str, list[str]] = {}
    misplaced = []
    for path in sorted(tests.rglob("*.py")):
        text = path.read_text("utf-8")
        if "mark.conforms" not in text:
            continue
        module, file = ast.parse(text), path.relative_to(tests).as_posix()
        places = {id(node): node.lineno for node in ast.walk(module) if isinstance(node, ast.expr) and _is_mark(node)}
        for function in module.body:
            for mark, ids in _marks_of(function):
                del places[id(mark)]
                for statement in ids:
                    shown.setdefault(statement, []).append(f"{file}::{getattr(function, 'name', '')}")
        misplaced += [f"{file}:{line}" for line in places.values()]
    return Marks({statement: tuple(names) for statement, names in shown.items()}, tuple(misplaced))


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "conforms"


def _marks_of(node: ast.stmt) -> Iterator[tuple[ast.expr, list[str]]]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
        return
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _is_mark(decorator.func):
            ids = [argument.value for argument in decorator.args if isinstance(argument, ast.Constant)]
            if ids and len(ids) == len(decorator.args) and not decorator.keywords:
                yield decorator.func, [str(each) for each in ids]


def complaints(documents: Iterable[Document], marks: Marks) -> list[str]:
    """What is wrong with the table."""
    known = [statement for document in documents for statement in document.statements]
    levels = {level for group in LEVELS.values() for level in group}
    numbers = [statement.id for statement in known]
    found = [f"{place}: a mark counts only on a test function, with numbers in quotes" for place in marks.misplaced]
    found += [f"{number}: stands there {count} times" for number, count in Counter(numbers).items() if count > 1]
    found += [f"{number}: is out of turn" for number in _out_of_turn(numbers)]
    for statement in known:
        tests = marks.shown.get(statement.id, ())
        if statement.level not in levels:
            found.append(f"{statement.id}: there is no level {statement.level}")
        if statement.status == "shown" and not tests:
            found.append(f"{statement.id}: has neither a test nor a reason")
        if statement.status in {"not applicable", "not done"} and tests:
            found.append(f"{statement.id}: is {statement.status}, but {tests[0]} shows it")
        lost = set(_REFERENCE.findall(statement.reason)) - set(numbers)
        found += [f"{statement.id}: refers to {number}, which does not exist" for number in sorted(lost)]
    for number in marks.shown.keys() - set(numbers):
        found.append(f"{number}: there is no such statement, but {marks.shown[number][0]} shows it")
    return found


def _out_of_turn(numbers: list[str]) -> Iterator[str]:
    """Those of a section must be 1, 2, 3 and so on."""
    in_sections = [number.rpartition("-") for number in numbers if number.rpartition("-")[2].isdigit()]
    for section, members in groupby(in_sections, key=lambda parts: parts[0]):
        for turn, parts in enumerate(members, start=1):
            if int(parts[2]) != turn:
                yield f"{section}-{parts[2]}"
