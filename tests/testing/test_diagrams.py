"""The pictures of the documentation are those that its generator draws, and the page tells every reason in them."""

import re
from pathlib import Path
from runpy import run_path

import pytest

from vrrpkit.election import Reason, State

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [
    "states-election.svg",
    "states-group.svg",
    "timeline-failover.svg",
    "timeline-learned-interval.svg",
    "timeline-preemption.svg",
    "timeline-split.svg",
]
ROW = re.compile(r"\| (?P<old>\w+) \| (?P<new>\w+) \| (?P<reasons>[^|]+) \|")


@pytest.fixture(scope="module")
def generator() -> dict[str, object]:
    return run_path(str(DOCS / "diagrams.py"))


@pytest.fixture(scope="module")
def pictures(generator: dict[str, object]) -> dict[str, str]:
    draw = generator["pictures"]
    assert callable(draw)
    drawn = draw()
    assert isinstance(drawn, dict)
    return drawn


def test_every_picture_is_checked(pictures: dict[str, str]) -> None:
    assert sorted(pictures) == NAMES == sorted(path.name for path in (DOCS / "_static").glob("*.svg"))


@pytest.mark.parametrize("name", NAMES)
def test_committed_picture_is_the_one_that_the_code_draws(name: str, pictures: dict[str, str]) -> None:
    """If it is not: `python docs/diagrams.py`, and look at it."""
    assert (DOCS / "_static" / name).read_text("utf-8") == pictures[name]


def test_page_explains_each_change_of_an_election(generator: dict[str, object]) -> None:
    explore = generator["explore_election"]
    assert callable(explore)
    found = {(old, new, Reason(reason)) for (old, new), reasons in explore().items() for reason in reasons}
    page = (DOCS / "explanation" / "states.md").read_text("utf-8")
    told = {
        (State(row["old"]), State(row["new"]), Reason(reason.strip("`")))
        for row in map(ROW.match, page.splitlines())
        if row is not None and row["old"] in [*State]
        for reason in row["reasons"].split(", ")
    }
    assert told == found


def test_every_reason_is_found(generator: dict[str, object]) -> None:
    explore = generator["explore_election"]
    assert callable(explore)
    assert {reason for reasons in explore().values() for reason in reasons} == {*Reason}
