"""`python -m tests.fuzz --seconds 60 [TARGET...]`: by atheris if it is installed, by our own fuzzer otherwise."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.coverage import explore
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz the targets one after the other; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; all if none")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for the same run again (default: %(default)s)")
    parser.add_argument("--engine", choices=["atheris", "own"], default="atheris" if find_spec("atheris") else "own")
    given = parser.parse_args()
    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    engine: Callable[[Target, float, int], bool] = _by_atheris if given.engine == "atheris" else _by_ourselves
    chosen = [TARGETS[name] for name in given.targets or TARGETS]
    failed = [target.name for target in chosen if not engine(target, given.seconds, given.seed)]
    _say(f"found something: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _by_ourselves(target: Target, seconds: float, seed: int) -> bool:
    report = explore(target, seconds=seconds, seed=seed)
    _say(f"{target.name}: {report.executions} executions, {report.arcs} arcs")
    if report.finding is None:
        return True
    name = hashlib.sha256(report.finding.octets).hexdigest()[:16]
    path = target.folder / f"found-{name}"
    path.write_bytes(report.finding.octets)
    _say(f"{target.name}: {report.finding.why}: {path}")
    return False


def _by_atheris(target: Target, seconds: float, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as grown:
        log = Path(grown) / "log"
        corpus = Path(grown) / "corpus"
        corpus.mkdir()
        options = {
            "max_total_time": max(1, round(seconds)),
            "seed": seed,
            "max_len": target.longest,
            "timeout": 5,
            "rss_limit_mb": 2048,
            "artifact_prefix": f"{target.folder}/found-",
            "print_final_stats": 1,
        }
        arguments = [f"-{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "tests.fuzz.guided", target.name, *arguments, str(corpus), str(target.folder)]
        with log.open("wb") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        said = log.read_text(errors="replace")
    if done.returncode:
        _say(said[-6000:])
    (executions, *_) = [line.split()[-1] for line in said.splitlines() if "number_of_executed_units" in line] or ["?"]
    coverage = [line for line in said.splitlines() if " cov: " in line][-1:]
    _say(f"{target.name}: {executions} executions; {''.join(coverage)}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
