"""For whoever names these tests to pytest on an ordinary kernel."""

from __future__ import annotations

import pytest

from tests.support.requirements import require
from tests.uml.boot import in_uml


@pytest.fixture(autouse=True, scope="session")
def machine() -> None:
    """Look for the kernel that these tests are for."""
    require(in_uml(), "runs within User-Mode Linux only: pytest tests/uml/test_uml.py")
