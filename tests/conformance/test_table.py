"""Every statement is shown or has a reason, every mark names a statement, and the page says so."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conformance.page import render
from tests.conformance.table import DOCUMENTS, PAGE, Document, Marks, complaints, find_marks

SMALL = """
title = "RFC 1"
intro = "A small one."

[skipped]
"9-12" = "They state nothing."

[[chapter]]
title = "1 All"

[[chapter.statement]]
id = "1 1.1-1"
level = "MUST"
says = "A | B"

[[chapter.statement]]
id = "1 1.1-2"
level = "SHOULD NOT"
says = "C"
different = "D is better."

[[chapter.statement]]
id = "1 1.2-1"
level = "plain"
says = "E"
not-done = "It is missing."
"""
TEST = "a/test_a.py::test_it"


def judged(text: str, shown: Mapping[str, tuple[str, ...]]) -> list[str]:
    return complaints([Document.load(text)], Marks(shown, ()))


def test_every_statement_has_a_test_or_a_reason_and_every_mark_a_statement() -> None:
    assert complaints(DOCUMENTS, find_marks()) == []


def test_page_is_what_the_marks_say() -> None:
    stale = "stale: run python -m tests.conformance"
    assert PAGE.read_text("utf-8") == render(DOCUMENTS, find_marks().shown), stale


def test_statement_without_a_test_needs_a_reason() -> None:
    assert judged(SMALL, {"1 1.1-1": (TEST,)}) == []
    assert judged(SMALL, {}) == ["1 1.1-1: has neither a test nor a reason"]


def test_what_is_decided_otherwise_may_be_shown_and_what_is_not_done_may_not() -> None:
    assert judged(SMALL, {"1 1.1-1": (TEST,), "1 1.1-2": (TEST,)}) == []
    assert judged(SMALL, {"1 1.1-1": (TEST,), "1 1.2-1": (TEST,)}) == [f"1 1.2-1: is not done, but {TEST} shows it"]


def test_mark_for_no_statement_is_found() -> None:
    shown = {"1 1.1-1": (TEST,), "1 1.1-3": (TEST,)}
    assert judged(SMALL, shown) == [f"1 1.1-3: there is no such statement, but {TEST} shows it"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("1 1.1-2", "1 1.1-3", "1 1.1-3: is out of turn"),
        ("1 1.2-1", "1 1.2-2", "1 1.2-2: is out of turn"),
        ("SHOULD NOT", "SHALL", "1 1.1-2: there is no level SHALL"),
        ("D is better.", "See 9568 6.4.3-99.", "1 1.1-2: refers to 9568 6.4.3-99, which does not exist"),
    ],
)
def test_wrong_numbers_and_levels_are_found(old: str, new: str, complaint: str) -> None:
    assert judged(SMALL.replace(old, new), {"1 1.1-1": (TEST,)}) == [complaint]


def test_number_that_stands_there_twice_is_found() -> None:
    doubled = judged(SMALL.replace("1 1.1-2", "1 1.1-1"), {"1 1.1-1": (TEST,)})
    assert doubled == ["1 1.1-1: stands there 2 times", "1 1.1-1: is out of turn"]


def test_statement_with_two_reasons_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^1 1\.2-1 must have at most one of"):
        Document.load(SMALL + 'different = "So what."\n')


def test_marks_are_found_where_pytest_would_find_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    text = """
    import pytest

    pytestmark = pytest.mark.conforms("1 1.1-1")

    @pytest.mark.conforms("1 1.1-1", "1 1.1-2")
    @pytest.mark.parametrize("a", [1])
    def test_one(a: int) -> None: ...

    @pytest.mark.kernel
    @pytest.mark.conforms("1 1.1-2")
    async def test_two() -> None: ...

    @pytest.mark.conforms("1 1.1-2")
    def helper() -> None: ...

    @pytest.mark.conforms(NUMBER)
    def test_three() -> None: ...
    """
    (tmp_path / "sub" / "test_sub.py").write_text(dedent(text))
    assert find_marks(tmp_path) == Marks(
        {
            "1 1.1-1": ("sub/test_sub.py::test_one",),
            "1 1.1-2": ("sub/test_sub.py::test_one", "sub/test_sub.py::test_two"),
        },
        ("sub/test_sub.py:4", "sub/test_sub.py:14", "sub/test_sub.py:17"),
    )


def test_misplaced_mark_is_found() -> None:
    (found,) = complaints([], Marks({}, ("a.py:4",)))
    assert found.startswith("a.py:4: ")


def test_page_lists_everything_and_counts_it() -> None:
    page = render([Document.load(SMALL)], {"1 1.1-1": (TEST, TEST)})
    assert page.endswith(
        "| | statements | shown | by design different | not applicable | not done |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| **RFC 1** | 3 | 1 | 1 | 0 | 1 |\n"
        "| MUST | 1 | 1 | 0 | 0 | 0 |\n"
        "| SHOULD | 1 | 0 | 1 | 0 | 0 |\n"
        "| no key word | 1 | 0 | 0 | 0 | 1 |\n"
        "\n"
        "## RFC 1\n"
        "\n"
        "A small one.\n"
        "\n"
        "| left out | why |\n"
        "| --- | --- |\n"
        "| 9-12 | They state nothing. |\n"
        "\n"
        "### 1 All\n"
        "\n"
        "| number | level | statement | status | tests, reason |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| 1 1.1-1 | MUST | A \\| B | shown | `{TEST}`<br>`{TEST}` |\n"
        "| 1 1.1-2 | SHOULD NOT | C | by design different | D is better. |\n"
        "| 1 1.2-1 | plain | E | not done | It is missing. |\n"
    )
