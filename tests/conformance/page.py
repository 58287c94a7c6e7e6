"""The table as a page of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tests.conformance.table import LEVELS, Document, Statement

__all__ = ["render"]

_STATUSES: Final = ("shown", "by design different", "not applicable", "not done")
_HEAD: Final = """\
# Conformance

What the standards state, statement by statement, and which tests show it.
`python -m tests.conformance` writes this page from the marks on the tests; a test of its own finds it stale,
and finds statements with neither a test nor a reason.

A number such as "9568 6.4.2-3" means the third statement of section 6.4.2 of RFC 9568.
The statements are those with a key word of RFC 2119: MUST, SHOULD, MAY and their kin.
"plain" is what has none and still matters: steps of the state machine, formulas, fields and defaults.

- *shown*: the tests named show it.
- *by design different*: it is done in another way, for the reason given; tests named there show how it is done.
- *not applicable*: it concerns the kernel, another program, or those who plan a network.
- *not done*: it is missing.

The names of tests are those in the directory `tests`.
"""


def render(documents: Iterable[Document], shown: Mapping[str, tuple[str, ...]]) -> str:
    """The whole page."""
    every = tuple(documents)
    parts = [_HEAD, *_summary(every)]
    for document in every:
        parts += ["", f"## {document.title}", "", document.intro.strip()]
        if document.skipped:
            parts += ["", "| left out | why |", "| --- | --- |"]
            parts += [f"| {_cell(where)} | {_cell(why)} |" for where, why in document.skipped.items()]
        for chapter in document.chapters:
            parts += ["", f"### {chapter.title}", ""]
            parts += ["| number | level | statement | status | tests, reason |", "| --- | --- | --- | --- | --- |"]
            parts += [_row(statement, shown.get(statement.id, ())) for statement in chapter.statements]
    return "\n".join(parts) + "\n"


def _summary(documents: Iterable[Document]) -> Iterator[str]:
    yield f"| | statements | {' | '.join(_STATUSES)} |"
    yield f"| --- |{' ---: |' * (len(_STATUSES) + 1)}"
    for document in documents:
        yield _count(f"**{document.title}**", document.statements)
        groups = {name: [each for each in document.statements if each.level in LEVELS[name]] for name in LEVELS}
        filled = {name: members for name, members in groups.items() if members}
        if len(filled) > 1:
            yield from (_count(name, members) for name, members in filled.items())


def _count(title: str, statements: Iterable[Statement]) -> str:
    counts = Counter(statement.status for statement in statements)
    return f"| {title} | {counts.total()} | {' | '.join(str(counts[status]) for status in _STATUSES)} |"


def _row(statement: Statement, tests: tuple[str, ...]) -> str:
    remarks = [f"`{test}`" for test in tests]
    if statement.reason:
        remarks.insert(0, _cell(statement.reason))
    cells = (statement.id, statement.level, _cell(statement.says), statement.status, "<br>".join(remarks))
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
