"""What a test does on a machine that cannot run it: skip on a laptop, fail in CI."""

import os
from typing import NoReturn

import pytest


def in_ci() -> bool:
    """Tell whether every test has to run here: CI=true or VRRPKIT_REQUIRE=1."""
    return os.environ.get("CI") == "true" or os.environ.get("VRRPKIT_REQUIRE") == "1"


def lacking(reason: str) -> NoReturn:
    """Give up on this test, or on this module when called while it is imported."""
    __tracebackhide__ = True  # the report shows the line of the test
    if in_ci():
        pytest.fail(f"required in CI: {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def require(condition: object, reason: str) -> None:
    """Go on only if the machine has what the test needs: require(os.geteuid() == 0, "needs root")."""
    __tracebackhide__ = True
    if not condition:
        lacking(reason)
