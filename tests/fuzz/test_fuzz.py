"""Every example and everything that was ever found, again; and a short run of each target from there."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.coverage import explore, mutated
from tests.fuzz.target import CORPUS, Target
from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]

# atheris is not to be had for every Python and every machine; our own fuzzer is.
ENGINES: Final = ("own", "atheris") if find_spec("atheris") else ("own",)

every_target: Final = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@every_target
def test_a_target_has_examples(target: Target) -> None:
    assert target.seeds()
    assert all(len(octets) <= target.longest for octets in target.seeds())


def test_every_folder_of_the_corpus_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)


@every_target
def test_nothing_is_found_in_a_short_run(target: Target) -> None:
    report = explore(target, seconds=0.5)
    assert report.finding is None
    assert report.executions > len(target.seeds())
    assert report.arcs > 1


def test_what_is_wrong_is_found() -> None:
    def fragile(octets: bytes) -> None:
        assert not octets.startswith(b"\x80")

    report = explore(Target("agent-line", fragile), seconds=60)
    assert report.finding is not None
    assert report.finding.octets.startswith(b"\x80")


def test_what_takes_too_long_is_found() -> None:
    def slow(_octets: bytes) -> None:
        until = time.thread_time() + 1.1
        while time.thread_time() < until:
            pass

    report = explore(Target("agent-line", slow), seconds=0)
    assert report.finding is not None
    assert report.finding.why.startswith("takes ")


def test_the_same_seed_gives_the_same_inputs() -> None:
    first, second = random.Random(7), random.Random(7)  # noqa: S311 - that it is no secret is the point
    pool = [b"abc", b"defghij"]
    assert [mutated(first, pool, 64) for _ in range(50)] == [mutated(second, pool, 64) for _ in range(50)]


def test_inputs_are_never_longer_than_they_may_be() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    assert all(len(mutated(chance, [bytes(60)], 64)) <= 64 for _ in range(1000))


@pytest.mark.parametrize("engine", ENGINES)
def test_it_runs_from_the_command_line(engine: str) -> None:
    done = fuzz("--engine", engine, "--seconds", "1", "proc-stat", "file-level")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "nothing found"


def test_a_target_that_there_is_not_is_refused() -> None:
    done = fuzz("nothing")
    assert done.returncode == 2
    assert "there is no target nothing" in done.stderr


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
