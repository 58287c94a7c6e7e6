"""Every python block of the README and the documentation does what the page says: it is executed.

The blocks of one page run in order and share a namespace. A block after the comment line
`<!-- needs: root -->` is only compiled, because it needs root or a network.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import CodeType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
NEEDS_ROOT = "<!-- needs: root -->"
FENCE = re.compile(r"\s*(?P<ticks>`{3,})(?P<language>[^`]*)$")


class Block(NamedTuple):
    code: str
    line: int  # number of the opening fence; the code starts one below
    needs_root: bool


def pages() -> list[Path]:
    written = (path for path in sorted((ROOT / "docs").rglob("*.md")) if "changelog.d" not in path.parts)
    return [ROOT / "README.md", *(path for path in written if python_blocks(path.read_text("utf-8")))]


def python_blocks(text: str) -> list[Block]:
    """Find the blocks fenced as exactly ```python, ignoring those quoted inside a longer fence."""
    return list(_python_blocks(text.splitlines()))


def _python_blocks(lines: list[str]) -> Iterator[Block]:
    opened, ticks, language = 0, "", ""
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if not ticks:
            opened, ticks, language = number, fence["ticks"], fence["language"].strip()
        elif fence["ticks"].startswith(ticks) and not fence["language"].strip():
            if ticks == "```" and language == "python":
                code = dedent("\n".join(lines[opened : number - 1]))
                before = lines[opened - 2].strip() if opened > 1 else ""
                yield Block(code, opened, before == NEEDS_ROOT)
            ticks = ""
    assert not ticks, f"line {opened}: this fence is never closed"


def compiled(block: Block, page: str) -> CodeType:
    """Compile a block so that a traceback shows the line of the page."""
    return compile("\n" * block.line + block.code, page, "exec", dont_inherit=True)


def run(text: str, page: str) -> dict[str, object]:
    """Run a page's blocks, as a script would, and return what they left in their namespace."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in python_blocks(text):
        code = compiled(block, page)
        if not block.needs_root:
            exec(code, namespace)  # noqa: S102 - our own pages
    return namespace


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_page_runs_as_written(path: Path) -> None:
    run(path.read_text("utf-8"), str(path))


def test_blocks_of_a_page_share_one_namespace() -> None:
    page = "# Title\n\n```python\none = 1\n```\n\ntext\n\n```python\ntwo = one + 1\n```\n"
    assert run(page, "page.md")["two"] == 2


def test_block_that_fails_points_at_the_line_of_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run("# Title\n\n```python\nzero = 0\n1 / zero\n```\n", "page.md")
    culprit = raised.traceback[-1]
    assert (str(culprit.path), culprit.lineno + 1) == ("page.md", 5)


def test_block_that_needs_root_is_compiled_and_not_run() -> None:
    assert "opened" not in run(f"{NEEDS_ROOT}\n```python\nopened = True\n```\n", "page.md")
    with pytest.raises(SyntaxError):
        run(f"{NEEDS_ROOT}\n```python\nopened =\n```\n", "page.md")


def test_block_in_a_list_is_dedented() -> None:
    assert run("1. First:\n\n   ```python\n   one = 1\n   ```\n", "page.md")["one"] == 1


@pytest.mark.parametrize(
    "page",
    [
        "```\nraise SystemExit\n```\n",
        "```console\n$ python -m asyncio\n```\n",
        "```python no-run\nraise SystemExit\n```\n",
        "````markdown\n```python\nraise SystemExit\n```\n````\n",
    ],
)
def test_block_marked_otherwise_is_left_alone(page: str) -> None:
    assert python_blocks(page) == []
