"""keepalived's checkers beside ours. They need IPVS, so both run within User-Mode Linux."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.benchmarks.table import median, show
from tests.uml.boot import boot

TOOLS = ("linux.uml", "keepalived", "modprobe", "haproxy", "openssl")
PATIENCE = 240.0
KINDS = {"tcp": "TCP_CHECK", "http": "HTTP_GET", "https": "SSL_GET"}
VERDICTS = {"down": "killed, down", "up": "started again, up"}


@contextmanager
def before_others() -> Iterator[None]:
    """As root, go before whatever else this machine does: a kernel that stands still charges whoever runs in it."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def run() -> None:
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        print(f"\nkeepalived's checkers: not measured, for want of {', '.join(lacking)}")
        return
    with before_others():
        ended = boot([sys.executable, "-m", "tests.uml.inside.bench_checkers"], PATIENCE)
    assert ended.status == 0, f"{ended.output}\n{ended.console}"
    *_warnings, last = ended.output.splitlines()
    found = json.loads(last)
    show(
        "One check beside keepalived's: CPU of the process that checks, within User-Mode Linux",
        ("", "checks", "us", "checks, ours", "us, ours", "times keepalived's", "MiB", "MiB, ours"),
        [
            (
                KINDS[kind],
                *(one["keepalived"][name] for name in ("checks", "micros")),
                *(one["vrrpkit"][name] for name in ("checks", "micros")),
                one["vrrpkit"]["micros"] / one["keepalived"]["micros"],
                *(one[side]["memory"] / 1024 for side in ("keepalived", "vrrpkit")),
            )
            for kind, one in found["costs"].items()
        ],
        "Only the ratio counts. A system call takes fifty times its time here, which flatters who does more between",
        "them, and that is Python. CPU is counted in ticks of 10 ms, some hundred of them: a tenth more or less, and",
        "more on a machine that is busy otherwise; as root, this kernel goes before all else there.",
        "SSL_GET verifies no certificate; here, ours does not either.",
    )
    show(
        "Seconds to the verdict beside keepalived's: every second, timeout 0.5 s, two retries 0.2 s apart",
        ("", "min", "median", "max", "min, ours", "median", "max"),
        [
            (
                f"{KINDS[kind]}, {words}",
                *(choose(one[side][verdict]) for side in ("keepalived", "vrrpkit") for choose in (min, median, max)),
            )
            for kind, one in found["deaths"].items()
            for verdict, words in VERDICTS.items()
        ],
        "keepalived asks a web server that is back a second time before it believes it.",
    )
