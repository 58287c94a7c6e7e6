"""Transcripts are performed and compared as a whole; `scenario.py` says what their lines mean.

After a change of rules, `pytest tests/transcripts --rewrite` writes them anew; read the difference before you
commit it.
"""

from pathlib import Path

import pytest

from tests.transcripts.scenario import performed

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[path.stem for path in TRANSCRIPTS])
def test_transcript_comes_out_as_written(path: Path, pytestconfig: pytest.Config) -> None:
    text = path.read_text("utf-8")
    outcome = performed(text)
    if pytestconfig.getoption("--rewrite", default=False):
        path.write_text(outcome, "utf-8")
    else:
        assert outcome == text


def test_outcome_lines_are_what_is_compared() -> None:
    """A wrong outcome does not survive, a missing one appears."""
    commands = "router a priority=200\nstart a\nrun 4\n----\n"
    outcomes = (
        "0.000 a initialize -> backup (startup)\n"
        "0.000 a takes over at 3.219\n"
        "3.219 a backup -> active (active-silent): send 200; acquire 192.0.2.1; announce 192.0.2.1\n"
        "3.219 a next advert at 4.219\n"
    )
    assert performed(commands + "1.000 a something else\n") == commands + outcomes


def test_commands_without_their_outcomes_are_refused() -> None:
    with pytest.raises(ValueError, match="no ---- behind the last commands"):
        performed("router a\nstart a\n")


@pytest.mark.parametrize("line", ["dance a", "hear", "run"])
def test_unknown_command_is_refused(line: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        performed(f"router a\n{line}\n----\n")
