"""Play random scenarios of failover, and print the smallest one in which an invariant does not hold."""

from __future__ import annotations

import argparse
import sys
from time import time
from typing import Final

from attrs import define

from vrrpkit.testing._campaign import Progress, search

_EVERY: Final = 10.0
_NOTHING: Final = Progress(0, 0.0, 0.0, 0.0)


@define
class _Reporter:
    """A line now and then."""

    told_at: float = 0.0
    last: Progress = _NOTHING

    def take(self, progress: Progress) -> None:
        self.last = progress
        if progress.seconds - self.told_at >= _EVERY:
            self.told_at = progress.seconds
            _tell(str(progress))


def main() -> int:
    """Search; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m vrrpkit.testing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (default: %(default)g)")
    parser.add_argument("--count", type=int, help="how many scenarios at most")
    parser.add_argument("--seed", type=int, help="where to begin (default: another one every time)")
    options = parser.parse_args()
    seed = int(time()) if options.seed is None else options.seed
    _tell(f"seed {seed}")
    reporter = _Reporter()
    failure = search(seconds=options.seconds, count=options.count, seed=seed, progress=reporter.take)
    _tell(str(reporter.last))
    _tell("every invariant held" if failure is None else f"\n{failure}")
    return 0 if failure is None else 1


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
