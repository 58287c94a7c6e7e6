"""Build once, install once: every test of this folder looks at the same."""

from __future__ import annotations

import pytest

from tests.release.packing import Built, Environment, build, environment


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return environment(tmp_path_factory.mktemp("installed"), str(built.wheel))
