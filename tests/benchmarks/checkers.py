"""What checks cost beside the least that could do them and beside keepalived's; crowds of them; how soon they tell."""

from __future__ import annotations

import shutil

from tests.benchmarks import check_cost, check_crowd, check_detection, check_keepalived, check_stall

TOOLS = ("haproxy", "openssl")


def run() -> None:
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        print(f"\nCheckers: not measured, for want of {' and '.join(lacking)}")
        return
    for part in (check_cost, check_keepalived, check_crowd, check_stall, check_detection):
        part.run()
