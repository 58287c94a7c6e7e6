"""`pytest tests/transcripts --rewrite` writes the outcomes down instead of comparing them."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the outcomes of transcripts down anew")
