"""What is in `inside` runs in User-Mode Linux, where `test_uml.py` starts it; elsewhere it is not even collected."""

from __future__ import annotations

from tests.uml.boot import in_uml

collect_ignore = [] if in_uml() else ["inside"]
